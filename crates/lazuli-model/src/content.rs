//! The content properties of a blob: what a reader is told about its bytes.

use serde::{Deserialize, Serialize};

/// What `Content-Type` is when nobody said.
pub const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Content properties, as `x-ms-blob-content-*` sets them and reads return them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHeaders {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub encoding: Option<String>,
    /// `Content-Language`.
    pub language: Option<String>,
    /// `Content-Disposition`.
    pub disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-MD5`: what the writer said or the service computed.
    pub md5: Option<[u8; 16]>,
}

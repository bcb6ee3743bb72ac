//! The nouns and rules of Azure Storage as pure, total functions: no I/O, no clock, no HTTP.

pub mod acl;
pub mod blob_type;
pub mod block;
pub mod conditions;
pub mod content;
pub mod copy;
pub mod cors;
pub mod edm;
pub mod entity;
pub mod error;
pub mod etag;
pub mod filter;
pub mod lease;
pub mod limits;
pub mod listing;
pub mod message;
pub mod metadata;
pub mod names;
pub mod range;
pub mod service_properties;
pub mod tag_expression;
pub mod tags;
pub mod tier;
pub mod version;

pub use error::{ErrorCode, Refusal};
pub use version::ApiVersion;

/// One of the four storage services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Blob service.
    Blob,
    /// Data Lake Storage Gen2.
    Dfs,
    /// Queue service.
    Queue,
    /// Table service.
    Table,
}

//! The nouns and rules of Azure Storage as pure, total functions: no I/O, no clock, no HTTP.

pub mod error;
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

//! The three kinds of blobs.

use serde::{Deserialize, Serialize};

/// A blob's kind, fixed when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlobType {
    /// Made of blocks, for content written once.
    Block,
    /// Made of 512-byte pages, for random writes.
    Page,
    /// Made of appended blocks.
    Append,
}

impl BlobType {
    /// The kind as `x-ms-blob-type` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "BlockBlob",
            Self::Page => "PageBlob",
            Self::Append => "AppendBlob",
        }
    }

    /// The kind that `name` names.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Block, Self::Page, Self::Append].into_iter().find(|kind| kind.name() == name)
    }
}

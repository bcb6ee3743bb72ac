//! What kind of blob a copy source on another server is, and what its copy is made of.

use lazuli_model::blob_type::BlobType;

use crate::rows::CopyForm;

/// Bytes of a block, unless the content would have too many blocks.
const BLOCK_BYTES: u64 = 8 * 1024 * 1024;

/// Most blocks of a copy.
pub(super) const BLOCKS_MAX: u64 = lazuli_model::limits::COMMITTED_BLOCKS_MAX as u64;

/// Most bytes of a block of an append blob, as Append Block has it.
pub(super) const APPENDED_BYTES_MAX: u64 = 100 * 1024 * 1024;

/// The kind of a blob elsewhere, which its copy is of, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A block blob, or what is no blob.
    Block,
    /// An append blob.
    Append {
        /// Blocks of it, if it tells.
        blocks: Option<u64>,
        /// Whether the copy is sealed.
        sealed: bool,
    },
    /// A page blob.
    Page {
        /// Its sequence number.
        sequence: u64,
    },
}

impl SourceKind {
    /// The type of its copy.
    pub const fn blob_type(self) -> BlobType {
        match self {
            Self::Block => BlobType::Block,
            Self::Append { .. } => BlobType::Append,
            Self::Page { .. } => BlobType::Page,
        }
    }

    /// What a copy of so many bytes is made of.
    pub(super) fn form(self, length: u64) -> CopyForm {
        match self {
            Self::Block => CopyForm::Blocks,
            Self::Page { .. } => CopyForm::Pages,
            Self::Append { blocks, .. } => {
                let own = length.div_ceil(block_bytes(length)).min(BLOCKS_MAX);
                // As many as the source has, which may be lying: none is empty, none too long.
                let is_fit = |blocks: &u64| {
                    let least = length.div_ceil(APPENDED_BYTES_MAX).max(own.min(1));
                    (least..=length.min(BLOCKS_MAX)).contains(blocks)
                };
                CopyForm::Appends(blocks.filter(is_fit).unwrap_or(own) as u32)
            }
        }
    }
}

/// Bytes of a block of content that is so long.
pub(super) fn block_bytes(length: u64) -> u64 {
    BLOCK_BYTES.max(length.div_ceil(BLOCKS_MAX))
}

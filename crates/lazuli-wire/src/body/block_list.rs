//! The body of Put Block List and the result of Get Block List.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-list>

use lazuli_model::{ErrorCode, Refusal};

use super::bounded;
use crate::xml::{XmlLimits, XmlReader, XmlWriter};

/// The longest body: 50,000 of the longest entries.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most blocks of a blob.
const BLOCKS_MAX: usize = 50_000;
/// Longer than any identifier: 64 bytes in Base64 are 88 characters.
const ID_BYTES_MAX: usize = 256;

/// Which block an entry of a list means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// A block of the blob as it is.
    Committed,
    /// A block uploaded since.
    Uncommitted,
    /// An uploaded block if there is one, else one of the blob as it is.
    Latest,
}

/// A block in the result of Get Block List.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The identifier, as it was sent.
    pub id: &'a str,
    /// The block's length, in bytes.
    pub len: u64,
}

/// Reads the body of Put Block List: kinds and identifiers, in order.
///
/// `BlockListTooLong` for more than 50,000 entries; identifiers are not looked at.
pub fn read(body: &[u8]) -> Result<Vec<(BlockKind, String)>, Refusal> {
    let limits = XmlLimits { elements_max: BLOCKS_MAX + 2, text_bytes_max: ID_BYTES_MAX };
    let mut xml = XmlReader::open(bounded(body, BODY_BYTES_MAX)?, "BlockList", limits)?;
    let mut blocks = Vec::new();
    while let Some(name) = xml.child(&["Latest", "Committed", "Uncommitted"])? {
        if blocks.len() == BLOCKS_MAX {
            return Err(ErrorCode::BlockListTooLong.into());
        }
        let kind = match name {
            "Committed" => BlockKind::Committed,
            "Uncommitted" => BlockKind::Uncommitted,
            _ => BlockKind::Latest,
        };
        blocks.push((kind, xml.text(name)?.trim().to_owned()));
    }
    xml.finish()?;
    Ok(blocks)
}

/// Writes the result of Get Block List; a section that was not asked for is `None`.
pub fn write(committed: Option<&[Block<'_>]>, uncommitted: Option<&[Block<'_>]>) -> String {
    let sections = [("CommittedBlocks", committed), ("UncommittedBlocks", uncommitted)];
    let blocks: usize = sections.iter().filter_map(|(_, section)| section.map(<[_]>::len)).sum();
    let mut xml = XmlWriter::document(128 + 160 * blocks);
    xml.open("BlockList");
    for (name, section) in sections {
        match section {
            None => {}
            Some([]) => xml.empty(name),
            Some(blocks) => {
                xml.open(name);
                for block in blocks {
                    xml.open("Block");
                    xml.element("Name", block.id);
                    xml.number("Size", block.len);
                    xml.close("Block");
                }
                xml.close(name);
            }
        }
    }
    xml.close("BlockList");
    xml.finish()
}

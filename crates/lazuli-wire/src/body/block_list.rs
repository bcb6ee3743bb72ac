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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_keep_their_order() {
        let body = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n\
                    <Latest>QQ==</Latest><Committed> Qg== </Committed>\
                    <Uncommitted>QQ==</Uncommitted></BlockList>";
        assert_eq!(
            read(body.as_bytes()).unwrap(),
            [
                (BlockKind::Latest, "QQ==".to_owned()),
                (BlockKind::Committed, "Qg==".to_owned()),
                (BlockKind::Uncommitted, "QQ==".to_owned()),
            ]
        );
        assert_eq!(read(b"<BlockList />").unwrap(), []);
    }

    #[test]
    fn what_is_no_block_list_is_refused() {
        for (body, code) in [
            ("", ErrorCode::InvalidXmlDocument),
            ("<Blocks/>", ErrorCode::InvalidXmlDocument),
            ("<BlockList><Latest>QQ==</BlockList>", ErrorCode::InvalidXmlDocument),
            ("<BlockList><Newest>QQ==</Newest></BlockList>", ErrorCode::UnsupportedXmlNode),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
        let long = vec![b' '; BODY_BYTES_MAX + 1];
        assert_eq!(read(&long).unwrap_err().code(), ErrorCode::InvalidXmlDocument);
    }

    #[test]
    fn a_list_has_fifty_thousand_entries_at_most() {
        let of =
            |count| format!("<BlockList>{}</BlockList>", "<Latest>QQ==</Latest>".repeat(count));
        assert_eq!(read(of(BLOCKS_MAX).as_bytes()).unwrap().len(), BLOCKS_MAX);
        let refusal = read(of(BLOCKS_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::BlockListTooLong);
    }

    #[test]
    fn the_longest_list_fits_the_body() {
        let entry = format!("\r\n  <Uncommitted>{}</Uncommitted>", "A".repeat(88));
        let body = format!("<BlockList>{}\r\n</BlockList>", entry.repeat(BLOCKS_MAX));
        assert_eq!(read(body.as_bytes()).unwrap().len(), BLOCKS_MAX);
    }

    #[test]
    fn the_result_has_the_sections_asked_for() {
        let block = Block { id: "QQ==", len: 5 };
        assert_eq!(
            write(Some(&[]), Some(&[block])),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><CommittedBlocks />\
             <UncommittedBlocks><Block><Name>QQ==</Name><Size>5</Size></Block></UncommittedBlocks>\
             </BlockList>"
        );
        assert!(!write(Some(&[block]), None).contains("Uncommitted"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in any::<Vec<u8>>(),
            near in "(</?(BlockList|Latest)>|[ A=&;]){0,12}",
        ) {
            let _ = (read(&bytes), read(near.as_bytes()));
        }
    }
}

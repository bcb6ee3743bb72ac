//! Upgraded receipts: from an entry to a checkpoint that witnesses have seen.
//!
//! The text is a <https://c2sp.org/tlog-proof> of the segment's leaf in the spine; its line of extra
//! data, this, leads from the entry to the root in that leaf.

use crate::cbor::{Reader, Writer};
use crate::digest::Digest;

/// The version of the layout.
const VERSION: u64 = 1;

/// The inner half of an upgraded receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The bytes of the segment's [leaf](crate::spine::Leaf) in the spine.
    pub leaf: &'a [u8],
    /// The bytes of the [`Entry`](crate::Entry).
    pub entry: &'a [u8],
    /// The entry's place in the segment, from 0.
    pub index: u64,
    /// How many entries the closed segment has.
    pub size: u64,
    /// The hashes from the entry up to the segment's root, as RFC 6962 orders them.
    pub path: Vec<Digest>,
}

impl<'a> Upgrade<'a> {
    /// The bytes, which go into the proof's line of extra data.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.leaf.len() + self.entry.len());
        Writer::new(&mut out)
            .array(6)
            .uint(VERSION)
            .bytes(self.leaf)
            .bytes(self.entry)
            .uint(self.index)
            .uint(self.size)
            .bytes(self.path.as_flattened());
        out
    }

    /// Reads the bytes; `None` if they are something else.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(6)?;
        if reader.uint()? != VERSION {
            return None;
        }
        let (leaf, entry) = (reader.bytes()?, reader.bytes()?);
        let (index, size) = (reader.uint()?, reader.uint()?);
        let (path, rest) = reader.bytes()?.as_chunks();
        reader.end()?;
        rest.is_empty().then(|| Self { leaf, entry, index, size, path: path.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_comes_back_as_it_was_and_nothing_shorter_does() {
        let path = vec![[1; 32], [2; 32]];
        let upgrade = Upgrade { leaf: b"leaf", entry: b"entry", index: 1, size: 4, path };
        let bytes = upgrade.encode();
        assert_eq!(Upgrade::decode(&bytes), Some(upgrade));
        for length in 0..bytes.len() {
            assert_eq!(Upgrade::decode(&bytes[..length]), None);
        }
    }
}

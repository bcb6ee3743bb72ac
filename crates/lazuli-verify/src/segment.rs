//! The file of a segment, read strictly: its number and all its entries in order.

use std::fmt;

use lazuli_tlog::{Frontier, Hash, leaf_hash};

use crate::cbor::{CborError, Reader};
use crate::entry::ENTRY_BYTES_MAX;

/// What a file begins with.
const MAGIC: &[u8] = b"lazuli segment 1\n";

/// The most entries of a segment.
pub const ENTRIES_MAX: u64 = 1 << 17;

/// The most bytes of a file: a full segment of entries of 500 bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why bytes are not the file of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentError {
    /// It does not begin as such a file does.
    Magic,
    /// Its numbers are not readable.
    Numbers(CborError),
    /// It claims more entries than a segment can have.
    Count(u64),
    /// It ends within the entry at this place, or the entry is too long.
    Entry(u64),
    /// It goes on after the last entry.
    Trailing,
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it does not begin as a segment does"),
            Self::Numbers(error) => error.fmt(f),
            Self::Count(count) => write!(f, "{count} entries are more than a segment can have"),
            Self::Entry(place) => write!(f, "it ends within entry {place}"),
            Self::Trailing => f.write_str("it goes on after its last entry"),
        }
    }
}

impl std::error::Error for SegmentError {}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile<'a> {
    /// Its number.
    pub n: u64,
    /// The bytes of its entries.
    pub entries: Vec<&'a [u8]>,
}

impl<'a> SegmentFile<'a> {
    /// Reads bytes that are exactly one file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        let mut reader = Reader::new(bytes.strip_prefix(MAGIC).ok_or(SegmentError::Magic)?);
        let n = reader.uint().map_err(SegmentError::Numbers)?;
        let count = reader.uint().map_err(SegmentError::Numbers)?;
        if count > ENTRIES_MAX {
            return Err(SegmentError::Count(count));
        }
        let mut rest = reader.rest();
        let mut entries = Vec::new();
        for place in 0..count {
            let error = SegmentError::Entry(place);
            let (length, after) = rest.split_first_chunk().ok_or(error)?;
            let length = u32::from_be_bytes(*length) as usize;
            if length > ENTRY_BYTES_MAX {
                return Err(error);
            }
            let (entry, after) = after.split_at_checked(length).ok_or(error)?;
            entries.push(entry);
            rest = after;
        }
        if rest.is_empty() { Ok(Self { n, entries }) } else { Err(SegmentError::Trailing) }
    }

    /// The leaf hashes of the entries.
    pub fn leaf_hashes(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| leaf_hash(entry)).collect()
    }
}

/// The root over the first `size` of some leaf hashes; `None` if there are fewer.
pub fn root_over(leaves: &[Hash], size: u64) -> Option<Hash> {
    let leaves = leaves.get(..usize::try_from(size).ok()?)?;
    let mut tree = Frontier::new();
    for leaf in leaves {
        tree.append(*leaf);
    }
    Some(tree.root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_evidence::segment;

    #[test]
    fn files_of_the_server_are_read_and_others_are_not() {
        let entries = [b"one".as_slice(), b"", b"three"];
        let bytes = segment::encode(300, &entries);
        let expected = SegmentFile { n: 300, entries: entries.to_vec() };
        assert_eq!(SegmentFile::parse(&bytes), Ok(expected));
        for length in 0..bytes.len() {
            assert!(SegmentFile::parse(&bytes[..length]).is_err());
        }
        let longer = [bytes.as_slice(), b"\0"].concat();
        assert_eq!(SegmentFile::parse(&longer), Err(SegmentError::Trailing));
        let endless = [MAGIC, b"\x00\x1b\xff\xff\xff\xff\xff\xff\xff\xff"].concat();
        assert_eq!(SegmentFile::parse(&endless), Err(SegmentError::Count(u64::MAX)));
        let long = [MAGIC, b"\x00\x01\xff\xff\xff\xff"].concat();
        assert_eq!(SegmentFile::parse(&long), Err(SegmentError::Entry(0)));
    }

    #[test]
    fn roots_are_those_of_the_first_leaves() {
        let leaves = [leaf_hash(b"a"), leaf_hash(b"b")];
        assert_eq!(root_over(&leaves, 0), Some(Hash::of_empty_tree()));
        assert_eq!(root_over(&leaves, 1), Some(leaves[0]));
        assert_eq!(root_over(&leaves, 2), Some(lazuli_tlog::node_hash(&leaves[0], &leaves[1])));
        assert_eq!(root_over(&leaves, 3), None);
    }
}

//! The entry: what the log holds of one operation, and what it says without any key.

use crate::cbor::{Reader, Writer};
use crate::digest::{Digest, leaf_hash};

/// The version of the layout.
const VERSION: u64 = 1;

/// What kind of operation an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A change of the account or of its settings.
    Control = 1,
    /// A write of data.
    Write = 2,
    /// A deletion of data.
    Delete = 3,
    /// A read of data.
    Read = 4,
    /// An access by the operator.
    Operator = 5,
    /// An access by an investigator.
    Investigator = 6,
    /// Something that happened to a key.
    Key = 7,
    /// Something that happened to the server: a start, a gap, a change of configuration.
    System = 8,
}

impl Kind {
    /// All kinds in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Control,
        Self::Write,
        Self::Delete,
        Self::Read,
        Self::Operator,
        Self::Investigator,
        Self::Key,
        Self::System,
    ];

    /// Its number, 1 to 8.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this number, if there is one.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| u64::from(kind.number()) == number)
    }

    /// Its name, as people are shown it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Operator => "operator",
            Self::Investigator => "investigator",
            Self::Key => "key",
            Self::System => "system",
        }
    }
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What kind of operation it is about.
    pub kind: Kind,
    /// The name of the operation.
    pub op: &'a str,
    /// The site that logged it.
    pub site: u64,
    /// The number of the server's start: never used twice, whatever is restored from a backup.
    pub boot: u32,
    /// When it happened, in milliseconds since 1970.
    pub t_ms: u64,
    /// The label of the account.
    pub label: Digest,
    /// Its place among the account's entries, from 1, without gaps.
    pub seq: u64,
    /// The leaf hash of the account's previous entry, or [`NO_PREVIOUS`](crate::NO_PREVIOUS).
    pub prev: Digest,
    /// The hash over the commitments to its groups.
    pub fields_root: Digest,
}

impl<'a> Entry<'a> {
    /// Adds the bytes of the entry to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        Writer::new(out)
            .array(10)
            .uint(VERSION)
            .uint(u64::from(self.kind.number()))
            .text(self.op)
            .uint(self.site)
            .uint(u64::from(self.boot))
            .uint(self.t_ms)
            .bytes(&self.label)
            .uint(self.seq)
            .bytes(&self.prev)
            .bytes(&self.fields_root);
    }

    /// The bytes of the entry.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        self.encode_into(&mut out);
        out
    }

    /// Reads an entry; `None` if the bytes are not exactly one.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(10)?;
        if reader.uint()? != VERSION {
            return None;
        }
        let entry = Self {
            kind: Kind::from_number(reader.uint()?)?,
            op: reader.text()?,
            site: reader.uint()?,
            boot: u32::try_from(reader.uint()?).ok()?,
            t_ms: reader.uint()?,
            label: reader.bytes_of()?,
            seq: reader.uint()?,
            prev: reader.bytes_of()?,
            fields_root: reader.bytes_of()?,
        };
        reader.end()?;
        Some(entry)
    }

    /// The hash of the entry as a leaf of its segment.
    pub fn leaf_hash(&self) -> Digest {
        leaf_hash(&self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_written_as_the_layout_says_and_read_back() {
        let entry = Entry {
            kind: Kind::Write,
            op: "PutBlob",
            site: 1,
            boot: 300,
            t_ms: 1_760_000_000_123,
            label: [0xaa; 32],
            seq: 24,
            prev: [0xbb; 32],
            fields_root: [0xcc; 32],
        };
        let mut bytes = b"\x8a\x01\x02\x67PutBlob\x01\x19\x01\x2c\x1b\x00\x00\x01\x99".to_vec();
        bytes.extend_from_slice(b"\xc8\x2c\xc0\x7b\x58\x20");
        bytes.extend_from_slice(&[0xaa; 32]);
        bytes.extend_from_slice(b"\x18\x18\x58\x20");
        bytes.extend_from_slice(&[0xbb; 32]);
        bytes.extend_from_slice(b"\x58\x20");
        bytes.extend_from_slice(&[0xcc; 32]);
        assert_eq!(entry.encode(), bytes);
        assert_eq!(Entry::decode(&bytes), Some(entry));
        assert_eq!(entry.leaf_hash(), leaf_hash(&bytes));
        for length in 0..bytes.len() {
            assert_eq!(Entry::decode(&bytes[..length]), None);
        }
        bytes[1] = 2;
        assert_eq!(Entry::decode(&bytes), None, "another version");
    }

    #[test]
    fn kinds_have_their_numbers() {
        for (place, kind) in (1..).zip(Kind::ALL) {
            assert_eq!(Kind::from_number(place), Some(kind));
        }
        assert_eq!((Kind::from_number(0), Kind::from_number(9)), (None, None));
    }
}

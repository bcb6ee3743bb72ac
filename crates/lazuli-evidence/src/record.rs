//! What the server stores of an entry: its place, its bytes and its sealed values.

use crate::cbor::{Reader, Writer};
use crate::group::GROUPS;

/// A stored entry, with borrowed parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The segment.
    pub seg: u64,
    /// The entry's place in the segment, from 0.
    pub index: u64,
    /// The bytes of the [`Entry`](crate::Entry).
    pub entry: &'a [u8],
    /// The sealed values in the order of the groups.
    pub sealed: [&'a [u8]; GROUPS],
}

impl<'a> Record<'a> {
    /// Adds the bytes of the record to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.array(4).uint(self.seg).uint(self.index).bytes(self.entry).array(GROUPS);
        for value in self.sealed {
            writer.bytes(value);
        }
    }

    /// The bytes of the record.
    pub fn encode(&self) -> Vec<u8> {
        let values: usize = self.sealed.iter().map(|value| 9 + value.len()).sum();
        let mut out = Vec::with_capacity(32 + self.entry.len() + values);
        self.encode_into(&mut out);
        out
    }

    /// Reads a record; `None` if the bytes are not exactly one.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(4)?;
        let (seg, index, entry) = (reader.uint()?, reader.uint()?, reader.bytes()?);
        reader.array(GROUPS)?;
        let mut sealed = [[].as_slice(); GROUPS];
        for value in &mut sealed {
            *value = reader.bytes()?;
        }
        reader.end()?;
        Some(Self { seg, index, entry, sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_and_nothing_shorter_does() {
        let mut sealed = [b"\x01".as_slice(); GROUPS];
        sealed[5] = &[9; 300];
        let record = Record { seg: 70_000, index: 3, entry: b"entry", sealed };
        let bytes = record.encode();
        assert!(bytes.starts_with(b"\x84\x1a\x00\x01\x11\x70\x03\x45entry\x8c\x41\x01"));
        assert_eq!(Record::decode(&bytes), Some(record));
        for length in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..length]), None);
        }
        assert_eq!(Record::decode(&[&bytes, b"\0".as_slice()].concat()), None);
    }
}

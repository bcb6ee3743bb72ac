//! The file of a segment, as it is exported: all its entries, in order.
//!
//! ```text
//! "lazuli segment 1\n" | n: CBOR number | count: CBOR number | count x (length: u32, entry)
//! ```

use crate::cbor::{Reader, Writer};

/// What a file begins with.
pub const MAGIC: &[u8] = b"lazuli segment 1\n";

/// The name of the file of segment `n` in the folder `seg` of an exported log.
pub fn file_name(n: u64) -> String {
    format!("{n:010}")
}

/// The bytes of the file of segment `n`.
pub fn encode<E: AsRef<[u8]>>(n: u64, entries: &[E]) -> Vec<u8> {
    let length: usize = entries.iter().map(|entry| 4 + entry.as_ref().len()).sum();
    let mut out = Vec::with_capacity(MAGIC.len() + 18 + length);
    out.extend_from_slice(MAGIC);
    Writer::new(&mut out).uint(n).uint(entries.len() as u64);
    for entry in entries {
        let entry = entry.as_ref();
        out.extend_from_slice(&(entry.len() as u32).to_be_bytes());
        out.extend_from_slice(entry);
    }
    out
}

/// Reads the file of a segment: its number and its entries; `None` if the bytes are something else.
pub fn decode(bytes: &[u8]) -> Option<(u64, Vec<&[u8]>)> {
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC)?);
    let (n, count) = (reader.uint()?, reader.uint()?);
    let mut rest = reader.rest();
    let mut entries = Vec::new();
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk()?;
        let (entry, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        entries.push(entry);
        rest = after;
    }
    rest.is_empty().then_some((n, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_comes_back_as_it_was_and_nothing_shorter_does() {
        let entries = [b"one".as_slice(), b"", b"three"];
        let bytes = encode(300, &entries);
        assert!(bytes.starts_with(b"lazuli segment 1\n\x19\x01\x2c\x03\0\0\0\x03one\0\0\0\0"));
        assert_eq!(decode(&bytes), Some((300, entries.to_vec())));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None);
        }
        assert_eq!(decode(&[&bytes, b"\0".as_slice()].concat()), None);
        assert_eq!(decode(&encode::<&[u8]>(0, &[])), Some((0, Vec::new())));
        let endless = [MAGIC, b"\x00\x1b\xff\xff\xff\xff\xff\xff\xff\xff"].concat();
        assert_eq!(decode(&endless), None);
        assert_eq!(file_name(42), "0000000042");
    }
}

//! Entries, and the commitments in them, read and made anew by a verifier.

use lazuli_tlog::{Hash, leaf_hash};

use crate::cbor::{CborError, Flaw, Reader, hex};
use crate::report::time;

/// The most bytes that an entry may have.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// How many groups of fields an entry commits to.
pub const GROUPS: usize = 12;

/// The names of the groups, in their order.
pub const GROUP_NAMES: [&str; GROUPS] = [
    "principal",
    "auth",
    "source",
    "object",
    "request",
    "result",
    "content",
    "placement",
    "declaration",
    "client",
    "correlation",
    "case",
];

/// The names of the kinds, the first of which has the number 1.
pub const KIND_NAMES: [&str; 8] =
    ["control", "write", "delete", "read", "operator", "investigator", "key", "system"];

/// The name of a kind.
pub fn kind_name(kind: u8) -> &'static str {
    let place = usize::from(kind).checked_sub(1);
    place.and_then(|place| KIND_NAMES.get(place).copied()).unwrap_or("unknown")
}

/// What an entry says without any key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What kind of operation it is about, 1 to 8.
    pub kind: u8,
    /// The name of the operation.
    pub op: &'a str,
    /// The site that logged it.
    pub site: u64,
    /// The number of the server's start.
    pub boot: u32,
    /// When it happened, in milliseconds since 1970.
    pub t_ms: u64,
    /// The label of the account.
    pub label: Hash,
    /// Its place among the account's entries, from 1.
    pub seq: u64,
    /// The leaf hash of the account's previous entry.
    pub prev: Hash,
    /// The hash over the commitments to its groups.
    pub fields_root: Hash,
}

impl<'a> Entry<'a> {
    /// Reads bytes that are exactly one entry.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(reader.error(Flaw::OutOfRange));
        }
        reader.array(10)?;
        reader.version(1)?;
        let entry = Self {
            kind: kind(&mut reader)?,
            op: reader.text()?,
            site: reader.uint()?,
            boot: reader.uint32()?,
            t_ms: reader.uint()?,
            label: reader.hash()?,
            seq: sequence(&mut reader)?,
            prev: reader.hash()?,
            fields_root: reader.hash()?,
        };
        reader.end()?;
        Ok(entry)
    }

    /// The leaf hash of the entry, made from what it says.
    pub fn leaf_hash(&self) -> Hash {
        let mut bytes = vec![0x8a, 1, self.kind];
        push_head(&mut bytes, 3, self.op.len() as u64);
        bytes.extend_from_slice(self.op.as_bytes());
        for number in [self.site, u64::from(self.boot), self.t_ms] {
            push_head(&mut bytes, 0, number);
        }
        push_hash(&mut bytes, &self.label);
        push_head(&mut bytes, 0, self.seq);
        push_hash(&mut bytes, &self.prev);
        push_hash(&mut bytes, &self.fields_root);
        leaf_hash(&bytes)
    }

    /// What it says, in one line.
    pub fn describe(&self) -> String {
        let op = self.op.escape_debug();
        let (kind, label) = (kind_name(self.kind), hex(self.label.as_bytes()));
        format!("{kind} {op} at {}, account {label}, number {}", time(self.t_ms), self.seq)
    }
}

/// A kind of operation.
pub(crate) fn kind(reader: &mut Reader<'_>) -> Result<u8, CborError> {
    let error = reader.error(Flaw::OutOfRange);
    let kind = u8::try_from(reader.uint()?).map_err(|_| error)?;
    if (1..=8).contains(&kind) { Ok(kind) } else { Err(error) }
}

/// A sequence number, which counts from 1.
pub(crate) fn sequence(reader: &mut Reader<'_>) -> Result<u64, CborError> {
    let error = reader.error(Flaw::OutOfRange);
    let seq = reader.uint()?;
    if seq == 0 { Err(error) } else { Ok(seq) }
}

fn push_hash(bytes: &mut Vec<u8>, hash: &Hash) {
    bytes.extend_from_slice(&[0x58, 0x20]);
    bytes.extend_from_slice(hash.as_bytes());
}

/// Adds the first bytes of an item in the shortest form.
fn push_head(bytes: &mut Vec<u8>, kind: u8, number: u64) {
    let be = number.to_be_bytes();
    let (low, length) = match number {
        0..=0x17 => (number as u8, 0),
        0x18..=0xff => (0x18, 1),
        0x100..=0xffff => (0x19, 2),
        0x1_0000..=0xffff_ffff => (0x1a, 4),
        _ => (0x1b, 8),
    };
    bytes.push(kind << 5 | low);
    bytes.extend_from_slice(be.get(8 - length..).unwrap_or_default());
}

/// The commitment to the value of the group `number`, 1 to 12.
pub fn commitment(number: u8, label: &Hash, seq: u64, salt: &[u8; 16], value: &[u8]) -> Hash {
    let seq = seq.to_be_bytes();
    Hash::of(&[b"lz/field/1", &[number], label.as_bytes(), &seq, salt, value])
}

/// The hash over the commitments to all groups.
pub fn fields_root(commitments: &[Hash; GROUPS]) -> Hash {
    let mut parts: Vec<&[u8]> = vec![b"lz/fields/1"];
    parts.extend(commitments.iter().map(|hash| hash.as_bytes().as_slice()));
    Hash::of(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_evidence as evidence;

    #[test]
    fn entries_of_the_server_are_read_and_hashed_alike() {
        for (n, kind) in evidence::Kind::ALL.into_iter().enumerate() {
            let written = evidence::Entry {
                kind,
                op: "PutBlob",
                site: 1 << (n * 8),
                boot: 1 << n,
                t_ms: 1_760_000_000_123 >> (n * 5),
                label: [n as u8; 32],
                seq: 24 + n as u64,
                prev: [7; 32],
                fields_root: [8; 32],
            };
            let bytes = written.encode();
            let read = Entry::parse(&bytes).unwrap();
            assert_eq!((read.kind, read.op, read.site), (kind.number(), "PutBlob", written.site));
            assert_eq!((read.boot, read.t_ms, read.seq), (written.boot, written.t_ms, written.seq));
            assert_eq!(read.leaf_hash(), leaf_hash(&bytes));
            assert_eq!(read.leaf_hash().0, written.leaf_hash());
            assert_eq!(kind_name(read.kind), kind.name());
            for length in 0..bytes.len() {
                assert!(Entry::parse(&bytes[..length]).is_err());
            }
        }
    }

    #[test]
    fn commitments_are_those_of_the_server() {
        let ours = commitment(3, &Hash([1; 32]), 9, &[2; 16], b"\xf6");
        assert_eq!(ours.0, evidence::field_commitment(3, &[1; 32], 9, &[2; 16], b"\xf6"));
        assert_eq!(fields_root(&[ours; GROUPS]).0, evidence::fields_root(&[ours.0; GROUPS]));
        let names = evidence::Group::ALL.map(evidence::Group::name);
        assert_eq!(names, GROUP_NAMES);
    }

    #[test]
    fn numbers_out_of_their_range_are_refused() {
        let written = evidence::Entry {
            kind: evidence::Kind::Write,
            op: "",
            site: 0,
            boot: 0,
            t_ms: 0,
            label: [0; 32],
            seq: 0,
            prev: [0; 32],
            fields_root: [0; 32],
        };
        let mut bytes = written.encode();
        assert_eq!(Entry::parse(&bytes).unwrap_err().flaw, Flaw::OutOfRange, "no number 0");
        bytes[2] = 9;
        assert_eq!(Entry::parse(&bytes).unwrap_err(), CborError { at: 2, flaw: Flaw::OutOfRange });
        bytes[1] = 2;
        assert_eq!(Entry::parse(&bytes).unwrap_err(), CborError { at: 1, flaw: Flaw::Version });
    }
}

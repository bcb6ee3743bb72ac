//! The leaves of the spine, the public log: one for each segment and minute, and what happened to
//! the log itself.
//!
//! They say nothing that depends on how much was done: a segment's count is a commitment.

use crate::cbor::{Reader, Writer};
use crate::digest::{Digest, leaf_hash, sha256};
use crate::keys::hmac;

/// The version of the layouts.
const VERSION: u64 = 1;

/// The types of leaves.
const SEGMENT: u64 = 1;
const HEADS: u64 = 2;
const STATEMENT: u64 = 4;
const EVENT: u64 = 5;

/// A leaf of the spine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// A segment was closed.
    Segment(Segment),
    /// The heads of all accounts, as of a segment.
    Heads(Heads),
    /// Somebody signed a statement.
    Statement(Statement<'a>),
    /// Something happened to the log itself.
    Event(Event),
}

/// A closed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The site.
    pub site: u64,
    /// The number of the segment, from 0, without gaps.
    pub n: u64,
    /// The number of the server's start.
    pub boot: u32,
    /// When it was opened, in milliseconds since 1970.
    pub t0_ms: u64,
    /// When it was closed.
    pub t1_ms: u64,
    /// The root of the tree over its entries.
    pub root: Digest,
    /// What [`count_commitment`] gives.
    pub count_commitment: Digest,
    /// The leaf hash of the previous segment's leaf, or [`NO_PREVIOUS`](crate::NO_PREVIOUS).
    pub prev: Digest,
}

/// The map of the heads of all accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The site.
    pub site: u64,
    /// The last segment that it covers.
    pub n: u64,
    /// When it was made, in milliseconds since 1970.
    pub t_ms: u64,
    /// What [`root`](crate::heads::root) gives.
    pub root: Digest,
}

/// A statement that somebody signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The site.
    pub site: u64,
    /// When it was logged, in milliseconds since 1970.
    pub t_ms: u64,
    /// What it is.
    pub kind: &'a str,
    /// The SHA-256 of the signed envelope.
    pub digest: Digest,
}

/// What happened to the log itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The log is alive.
    Heartbeat,
    /// The server started.
    Boot,
    /// Entries of reads may have been lost between two times.
    Gap,
    /// The server stopped in order.
    Shutdown,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Heartbeat, Self::Boot, Self::Gap, Self::Shutdown];

    /// The text that stands for it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Boot => "boot",
            Self::Gap => "gap",
            Self::Shutdown => "shutdown",
        }
    }
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The site.
    pub site: u64,
    /// The number of the server's start.
    pub boot: u32,
    /// When it was logged, in milliseconds since 1970.
    pub t_ms: u64,
    /// What happened.
    pub what: What,
    /// The SHA-256 of the program.
    pub binary_digest: Digest,
    /// The SHA-256 of its configuration.
    pub config_digest: Digest,
    /// The beginning of the time that the event is about.
    pub from_ms: u64,
    /// Its end; for a point in time the same.
    pub to_ms: u64,
}

impl<'a> Leaf<'a> {
    /// The bytes of the leaf.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        let mut writer = Writer::new(&mut out);
        match self {
            Self::Segment(leaf) => writer
                .array(10)
                .uint(VERSION)
                .uint(SEGMENT)
                .uint(leaf.site)
                .uint(leaf.n)
                .uint(u64::from(leaf.boot))
                .uint(leaf.t0_ms)
                .uint(leaf.t1_ms)
                .bytes(&leaf.root)
                .bytes(&leaf.count_commitment)
                .bytes(&leaf.prev),
            Self::Heads(leaf) => writer
                .array(6)
                .uint(VERSION)
                .uint(HEADS)
                .uint(leaf.site)
                .uint(leaf.n)
                .uint(leaf.t_ms)
                .bytes(&leaf.root),
            Self::Statement(leaf) => writer
                .array(6)
                .uint(VERSION)
                .uint(STATEMENT)
                .uint(leaf.site)
                .uint(leaf.t_ms)
                .text(leaf.kind)
                .bytes(&leaf.digest),
            Self::Event(leaf) => writer
                .array(10)
                .uint(VERSION)
                .uint(EVENT)
                .uint(leaf.site)
                .uint(u64::from(leaf.boot))
                .uint(leaf.t_ms)
                .text(leaf.what.text())
                .bytes(&leaf.binary_digest)
                .bytes(&leaf.config_digest)
                .uint(leaf.from_ms)
                .uint(leaf.to_ms),
        };
        out
    }

    /// Reads a leaf; `None` if the bytes are not exactly one of a known version and type.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        // Both counts of items that there are have one byte.
        let count = usize::from(bytes.first()?.checked_sub(0x80)?);
        reader.array(count)?;
        if reader.uint()? != VERSION {
            return None;
        }
        let leaf = match (reader.uint()?, count) {
            (SEGMENT, 10) => Self::Segment(Segment {
                site: reader.uint()?,
                n: reader.uint()?,
                boot: u32::try_from(reader.uint()?).ok()?,
                t0_ms: reader.uint()?,
                t1_ms: reader.uint()?,
                root: reader.bytes_of()?,
                count_commitment: reader.bytes_of()?,
                prev: reader.bytes_of()?,
            }),
            (HEADS, 6) => Self::Heads(Heads {
                site: reader.uint()?,
                n: reader.uint()?,
                t_ms: reader.uint()?,
                root: reader.bytes_of()?,
            }),
            (STATEMENT, 6) => Self::Statement(Statement {
                site: reader.uint()?,
                t_ms: reader.uint()?,
                kind: reader.text()?,
                digest: reader.bytes_of()?,
            }),
            (EVENT, 10) => Self::Event(Event {
                site: reader.uint()?,
                boot: u32::try_from(reader.uint()?).ok()?,
                t_ms: reader.uint()?,
                what: {
                    let text = reader.text()?;
                    What::ALL.into_iter().find(|what| what.text() == text)?
                },
                binary_digest: reader.bytes_of()?,
                config_digest: reader.bytes_of()?,
                from_ms: reader.uint()?,
                to_ms: reader.uint()?,
            }),
            _ => return None,
        };
        reader.end()?;
        Some(leaf)
    }

    /// The hash of the leaf in the spine, which the next segment's leaf names.
    pub fn leaf_hash(&self) -> Digest {
        leaf_hash(&self.encode())
    }
}

/// The salt of the commitment to the count of segment `n`, from a secret of the log.
pub fn count_salt(secret: &[u8; 32], n: u64) -> [u8; 16] {
    let mut salt = [0; 16];
    salt.copy_from_slice(&hmac(secret, &[b"lz/seg/1", &n.to_be_bytes()])[..16]);
    salt
}

/// The commitment to how many entries a segment has, and to the versions of the journal that they
/// came from.
pub fn count_commitment(
    salt: &[u8; 16],
    count: u64,
    first_version: u64,
    last_version: u64,
) -> Digest {
    let [count, first, last] = [count, first_version, last_version].map(u64::to_be_bytes);
    sha256(&[b"lz/count/1", salt, &count, &first, &last])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves() -> [Leaf<'static>; 4] {
        let segment = Segment {
            site: 1,
            n: 5,
            boot: 2,
            t0_ms: 1_760_000_000_000,
            t1_ms: 1_760_000_001_000,
            root: [1; 32],
            count_commitment: count_commitment(&count_salt(&[9; 32], 5), 3, 10, 12),
            prev: [2; 32],
        };
        let event = Event {
            site: 1,
            boot: 2,
            t_ms: 4,
            what: What::Gap,
            binary_digest: [3; 32],
            config_digest: [4; 32],
            from_ms: 2,
            to_ms: 3,
        };
        [
            Leaf::Segment(segment),
            Leaf::Heads(Heads { site: 1, n: 5, t_ms: 7, root: [5; 32] }),
            Leaf::Statement(Statement { site: 1, t_ms: 7, kind: "location", digest: [6; 32] }),
            Leaf::Event(event),
        ]
    }

    #[test]
    fn leaves_come_back_as_they_were_and_nothing_shorter_does() {
        for leaf in leaves() {
            let bytes = leaf.encode();
            assert_eq!(Leaf::decode(&bytes), Some(leaf));
            for length in 0..bytes.len() {
                assert_eq!(Leaf::decode(&bytes[..length]), None);
            }
            assert_eq!(Leaf::decode(&[&bytes, b"\0".as_slice()].concat()), None);
            let mut other = bytes.clone();
            other[1] = 2;
            assert_eq!(Leaf::decode(&other), None, "another version");
            other[..3].copy_from_slice(&[bytes[0], 1, 3]);
            assert_eq!(Leaf::decode(&other), None, "an unknown type");
        }
    }

    #[test]
    fn leaves_begin_as_the_layout_says() {
        let begins = leaves().map(|leaf| leaf.encode()[..3].to_vec());
        assert_eq!(begins, [[0x8a, 1, 1], [0x86, 1, 2], [0x86, 1, 4], [0x8a, 1, 5]]);
        let heads = [b"\x86\x01\x02\x01\x05\x07\x58\x20".as_slice(), &[5; 32]].concat();
        assert_eq!(leaves()[1].encode(), heads);
    }

    #[test]
    fn the_count_is_committed_to_with_the_salt_of_its_segment() {
        let salt = count_salt(&[9; 32], 5);
        assert_ne!(salt, count_salt(&[9; 32], 6));
        let commitment = count_commitment(&salt, 3, 10, 12);
        let written = [
            b"lz/count/1".as_slice(),
            &salt,
            &3_u64.to_be_bytes(),
            &10_u64.to_be_bytes(),
            &12_u64.to_be_bytes(),
        ];
        assert_eq!(commitment, sha256(&[&written.concat()]));
    }
}

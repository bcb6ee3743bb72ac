//! The map of heads: for every account the sequence number and the hash of its last entry.
//!
//! It is a sparse Merkle map whose subtrees with one account collapse into that account's leaf:
//!
//! ```text
//! no account     32 zero bytes
//! one account    SHA-256(0x00 || label || value),  value = SHA-256("lz/head/1" || label || seq || head)
//! more           SHA-256(0x01 || left || right),   split by the next bit of the labels, the highest first
//! ```
//!
//! An account's label determines the way to its leaf, and on that way there is one leaf at most, so
//! that no root can hold two heads for one account. Where the way ends at nothing or at the leaf of
//! another account, the account is proved not to be there.

mod map;

pub use map::HeadsMap;

use std::collections::BTreeMap;

use crate::cbor::{Reader, Writer};
use crate::digest::{Digest, sha256};

/// The root of a map or subtree without accounts.
pub const EMPTY: Digest = [0; 32];

/// The most hashes of a proof: one for each bit of a label.
pub const SIBLINGS_MAX: usize = 256;

/// The last entry of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its sequence number.
    pub seq: u64,
    /// Its leaf hash.
    pub hash: Digest,
}

/// The value of an account in the map.
pub fn value(label: &Digest, head: &Head) -> Digest {
    sha256(&[b"lz/head/1", label, &head.seq.to_be_bytes(), &head.hash])
}

/// The root of the map, made anew: [`HeadsMap`] follows a map that changes.
pub fn root(map: &BTreeMap<Digest, Head>) -> Digest {
    subtree(&leaves(map), 0)
}

/// A way from the root to where an account is, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The hashes beside the way, from the root down.
    pub siblings: Vec<Digest>,
    /// Label and value of the other account whose leaf stands where this account's would.
    pub other: Option<(Digest, Digest)>,
}

/// What a proof shows under a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The account is there, with this head.
    Present,
    /// The account is not there.
    Absent,
    /// The proof does not lead to the root.
    Contradiction,
}

/// Proves what the map says of an account: its head, or that it has none.
pub fn prove(map: &BTreeMap<Digest, Head>, label: &Digest) -> Proof {
    let all = leaves(map);
    let mut within = all.as_slice();
    let mut siblings = Vec::new();
    while within.len() > 1 {
        let depth = siblings.len();
        let (left, right) = split(within, depth);
        let beside;
        (within, beside) = if bit(label, depth) { (right, left) } else { (left, right) };
        siblings.push(subtree(beside, depth + 1));
    }
    Proof { siblings, other: within.first().filter(|leaf| leaf.label != *label).map(Leaf::parts) }
}

impl Proof {
    /// Holds the proof against a root: for the account's head, or, without one, for its absence.
    pub fn check(&self, root: &Digest, label: &Digest, head: Option<&Head>) -> Finding {
        let depth = self.siblings.len();
        let (end, finding) = match (head, &self.other) {
            (Some(head), None) => (leaf_hash(label, &value(label, head)), Finding::Present),
            (None, None) => (EMPTY, Finding::Absent),
            (None, Some((other, value))) if other != label && shares(other, label, depth) => {
                (leaf_hash(other, value), Finding::Absent)
            }
            _ => return Finding::Contradiction,
        };
        if depth > SIBLINGS_MAX {
            return Finding::Contradiction;
        }
        let levels = self.siblings.iter().enumerate().rev();
        let reached = levels.fold(end, |hash, (depth, sibling)| {
            if bit(label, depth) { node(sibling, &hash) } else { node(&hash, sibling) }
        });
        if reached == *root { finding } else { Finding::Contradiction }
    }

    /// Adds the proof to `out`: `[siblings bstr, null | [label bstr32, value bstr32]]`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.array(2).bytes(self.siblings.as_flattened());
        match &self.other {
            None => writer.null(),
            Some((label, value)) => writer.array(2).bytes(label).bytes(value),
        };
    }

    /// Reads a proof; `None` if something else stands there.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        reader.array(2)?;
        let (siblings, rest) = reader.bytes()?.as_chunks();
        if !rest.is_empty() || siblings.len() > SIBLINGS_MAX {
            return None;
        }
        let other = if reader.null() {
            None
        } else {
            reader.array(2)?;
            Some((reader.bytes_of()?, reader.bytes_of()?))
        };
        Some(Self { siblings: siblings.to_vec(), other })
    }
}

/// An account in the map.
struct Leaf {
    label: Digest,
    value: Digest,
}

impl Leaf {
    const fn parts(&self) -> (Digest, Digest) {
        (self.label, self.value)
    }
}

/// The accounts in the order of their labels.
fn leaves(map: &BTreeMap<Digest, Head>) -> Vec<Leaf> {
    map.iter().map(|(label, head)| Leaf { label: *label, value: value(label, head) }).collect()
}

/// The hash over accounts that share the first `depth` bits of their labels. The depth of the
/// recursion is bounded by the bits of a label.
fn subtree(leaves: &[Leaf], depth: usize) -> Digest {
    match leaves {
        [] => EMPTY,
        [leaf] => leaf_hash(&leaf.label, &leaf.value),
        _ => {
            let (left, right) = split(leaves, depth);
            node(&subtree(left, depth + 1), &subtree(right, depth + 1))
        }
    }
}

/// Divides accounts in order by the bit at `depth`.
fn split(leaves: &[Leaf], depth: usize) -> (&[Leaf], &[Leaf]) {
    leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.label, depth)))
}

/// The bit of a label at `depth`, the highest bit of the first byte first.
fn bit(label: &Digest, depth: usize) -> bool {
    label.get(depth / 8).is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
}

/// Whether two labels have the same first `depth` bits.
fn shares(one: &Digest, other: &Digest, depth: usize) -> bool {
    (0..depth).all(|depth| bit(one, depth) == bit(other, depth))
}

fn leaf_hash(label: &Digest, value: &Digest) -> Digest {
    sha256(&[&[0], label, value])
}

fn node(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], left, right])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(n: u32) -> Digest {
        sha256(&[&n.to_be_bytes()])
    }

    fn map(count: u32) -> BTreeMap<Digest, Head> {
        let head = |n: u32| Head { seq: u64::from(n) + 1, hash: label(n + 1_000_000) };
        (0..count).map(|n| (label(n), head(n))).collect()
    }

    #[test]
    fn small_maps_have_the_roots_of_the_definition() {
        assert_eq!(root(&map(0)), EMPTY);
        let one = map(1);
        let (label, head) = one.first_key_value().unwrap();
        assert_eq!(root(&one), leaf_hash(label, &value(label, head)));
        let (low, high) = ([0x00; 32], [0x40; 32]);
        let head = Head { seq: 1, hash: [7; 32] };
        let two = BTreeMap::from([(low, head), (high, head)]);
        let below =
            node(&leaf_hash(&low, &value(&low, &head)), &leaf_hash(&high, &value(&high, &head)));
        assert_eq!(root(&two), node(&below, &EMPTY), "the labels part at the second bit");
    }

    #[test]
    fn presence_and_absence_are_proved_and_not_each_other() {
        for count in [0, 1, 2, 3, 50, 300] {
            let map = map(count);
            let root = root(&map);
            for n in 0..count + 20 {
                let label = label(n);
                let proof = prove(&map, &label);
                let mut bytes = Vec::new();
                proof.encode_into(&mut bytes);
                let mut reader = Reader::new(&bytes);
                assert_eq!(Proof::decode(&mut reader).as_ref(), Some(&proof));
                assert_eq!(reader.end(), Some(()));
                let head = map.get(&label);
                let expected = if head.is_some() { Finding::Present } else { Finding::Absent };
                assert_eq!(proof.check(&root, &label, head), expected);
                let lie = if head.is_some() { None } else { Some(Head { seq: 1, hash: label }) };
                assert_eq!(proof.check(&root, &label, lie.as_ref()), Finding::Contradiction);
                if let Some(head) = head {
                    let lie = Head { seq: head.seq + 1, ..*head };
                    assert_eq!(proof.check(&root, &label, Some(&lie)), Finding::Contradiction);
                }
            }
        }
    }

    #[test]
    fn labels_that_part_late_are_kept_apart() {
        let (one, mut other) = ([5; 32], [5; 32]);
        other[31] = 4;
        let head = Head { seq: 1, hash: [7; 32] };
        let map = BTreeMap::from([(one, head), (other, head)]);
        let proof = prove(&map, &one);
        assert_eq!(proof.siblings.len(), SIBLINGS_MAX);
        assert_eq!(proof.check(&root(&map), &one, Some(&head)), Finding::Present);
        let mut longer = proof;
        longer.siblings.push(EMPTY);
        assert_eq!(longer.check(&root(&map), &one, Some(&head)), Finding::Contradiction);
    }
}

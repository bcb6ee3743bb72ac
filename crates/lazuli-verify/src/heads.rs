//! The map of heads: its root, and proofs of an account's head or of its absence.
//!
//! A sparse Merkle map: nothing is 32 zero bytes, one account is its leaf, and more accounts part
//! by the next bit of their labels, the highest bit first.

use std::collections::BTreeMap;

use lazuli_tlog::{Hash, node_hash};

use crate::cbor::{CborError, Reader};

/// The most hashes of a proof: one for each bit of a label.
const SIBLINGS_MAX: usize = 256;

/// The root of a map without accounts.
const EMPTY: Hash = Hash([0; 32]);

/// The last entry of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its sequence number.
    pub seq: u64,
    /// Its leaf hash.
    pub hash: Hash,
}

/// The root of the map.
pub fn root<'a>(heads: impl Iterator<Item = (&'a Hash, Head)>) -> Hash {
    // Labels must be in order; they come from a map that is.
    let leaves: Vec<(Hash, Hash)> =
        heads.map(|(label, head)| (*label, leaf(label, &value(label, &head)))).collect();
    subtree(&leaves, 0)
}

/// The root of a map that is kept as a map.
pub fn root_of(heads: &BTreeMap<Hash, Head>) -> Hash {
    root(heads.iter().map(|(label, head)| (label, *head)))
}

/// The hash over leaves whose labels share the first `depth` bits. The recursion ends with the bits
/// of a label, for no two labels are the same.
fn subtree(leaves: &[(Hash, Hash)], depth: usize) -> Hash {
    match leaves {
        [] => EMPTY,
        [(_, leaf)] => *leaf,
        _ if depth >= SIBLINGS_MAX => EMPTY,
        _ => {
            let (left, right) =
                leaves.split_at(leaves.partition_point(|(label, _)| !bit(label, depth)));
            node_hash(&subtree(left, depth + 1), &subtree(right, depth + 1))
        }
    }
}

/// The bit of a label at `depth`.
fn bit(label: &Hash, depth: usize) -> bool {
    label.0.get(depth / 8).is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
}

/// The value of an account.
fn value(label: &Hash, head: &Head) -> Hash {
    Hash::of(&[b"lz/head/1", label.as_bytes(), &head.seq.to_be_bytes(), head.hash.as_bytes()])
}

fn leaf(label: &Hash, value: &Hash) -> Hash {
    Hash::of(&[&[0], label.as_bytes(), value.as_bytes()])
}

/// A way from the root to where an account is, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    siblings: Vec<Hash>,
    other: Option<(Hash, Hash)>,
}

impl Proof {
    /// Reads a proof.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.array(2)?;
        let siblings = reader.hashes(SIBLINGS_MAX)?;
        if reader.null() {
            return Ok(Self { siblings, other: None });
        }
        reader.array(2)?;
        let other = Some((reader.hash()?, reader.hash()?));
        Ok(Self { siblings, other })
    }

    /// Whether under this root the account has this head, or without one is absent.
    pub fn proves(&self, root: &Hash, label: &Hash, head: Option<&Head>) -> bool {
        let depth = self.siblings.len();
        let end = match (head, &self.other) {
            (Some(head), None) => leaf(label, &value(label, head)),
            (None, None) => EMPTY,
            (None, Some((other, value))) => {
                let shared = (0..depth).all(|depth| bit(other, depth) == bit(label, depth));
                if other == label || !shared {
                    return false;
                }
                leaf(other, value)
            }
            (Some(_), Some(_)) => return false,
        };
        let levels = self.siblings.iter().enumerate().rev();
        let reached = levels.fold(end, |hash, (depth, sibling)| {
            if bit(label, depth) { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) }
        });
        depth <= SIBLINGS_MAX && reached == *root
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_evidence::heads as written;

    #[test]
    fn roots_and_proofs_of_the_server_hold_and_lies_do_not() {
        let label = |n: u32| Hash::of(&[&n.to_be_bytes()]);
        for count in [0, 1, 2, 7, 100] {
            let theirs: BTreeMap<[u8; 32], written::Head> = (0..count)
                .map(|n| (label(n).0, written::Head { seq: u64::from(n) + 1, hash: [n as u8; 32] }))
                .collect();
            let head = |head: &written::Head| Head { seq: head.seq, hash: Hash(head.hash) };
            let ours: BTreeMap<Hash, Head> =
                theirs.iter().map(|(label, theirs)| (Hash(*label), head(theirs))).collect();
            let root = root_of(&ours);
            assert_eq!(root.0, written::root(&theirs));
            for n in 0..count + 20 {
                let label = label(n);
                let mut bytes = Vec::new();
                written::prove(&theirs, &label.0).encode_into(&mut bytes);
                let mut reader = Reader::new(&bytes);
                let proof = Proof::read(&mut reader).unwrap();
                reader.end().unwrap();
                let head = ours.get(&label);
                assert!(proof.proves(&root, &label, head));
                let lie = Head { seq: 99_999, hash: EMPTY };
                assert!(!proof.proves(&root, &label, Some(&lie)));
                assert_eq!(proof.proves(&root, &label, None), head.is_none());
                assert!(!proof.proves(&Hash([1; 32]), &label, head));
            }
        }
    }
}

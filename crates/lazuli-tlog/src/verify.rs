//! Verification of inclusion and consistency proofs.
//!
//! The walks follow <https://www.rfc-editor.org/rfc/rfc9162.html#section-2.1.3.2> and
//! <https://www.rfc-editor.org/rfc/rfc9162.html#section-2.1.4.2>, which check the proofs of RFC 6962
//! in its own order. Their work is bounded by the 64 bits of a size, whatever a proof's length.

use std::fmt;

use crate::hash::{Hash, node_hash};

/// The size and the root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// How many leaves the tree has.
    pub size: u64,
    /// The hash at its top.
    pub root: Hash,
}

/// Why a proof does not prove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The index is not below the size, or the old size is above the new one.
    OutOfRange,
    /// The proof has too few or too many hashes for these sizes.
    Length,
    /// The hashes lead to another root.
    Root,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "the index or the old size lies outside of the tree",
            Self::Length => "the proof has the wrong number of hashes",
            Self::Root => "the proof leads to another root hash",
        })
    }
}

impl std::error::Error for Mismatch {}

/// Verifies that `leaf` is the hash of the leaf at `index` of the tree `head`.
pub fn verify_inclusion(
    proof: &[Hash],
    leaf: Hash,
    index: u64,
    head: &TreeHead,
) -> Result<(), Mismatch> {
    let root = inclusion_root(proof, leaf, index, head.size)?;
    if root == head.root { Ok(()) } else { Err(Mismatch::Root) }
}

/// The root that `proof` leads to from `leaf`: for a signature over the root, as a receipt has.
pub fn inclusion_root(proof: &[Hash], leaf: Hash, index: u64, size: u64) -> Result<Hash, Mismatch> {
    if index >= size {
        return Err(Mismatch::OutOfRange);
    }
    let mut walk = Walk { node: index, last: size - 1 };
    let mut hash = leaf;
    for sibling in proof {
        hash = match walk.step()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    if walk.is_at_root() { Ok(hash) } else { Err(Mismatch::Length) }
}

/// Verifies that the tree `new` continues the tree `old`.
///
/// Between trees of the same size, and from the empty tree, the proof must be empty. The empty tree
/// has one root only, and says nothing about what follows it.
pub fn verify_consistency(proof: &[Hash], old: &TreeHead, new: &TreeHead) -> Result<(), Mismatch> {
    if old.size > new.size {
        return Err(Mismatch::OutOfRange);
    }
    if old.size == 0 || old.size == new.size {
        let is_start = old.size > 0 || old.root == Hash::of_empty_tree();
        let is_same = old.size < new.size || old.root == new.root;
        return match proof {
            [] if is_start && is_same => Ok(()),
            [] => Err(Mismatch::Root),
            _ => Err(Mismatch::Length),
        };
    }
    // A full old tree is a subtree of the new one, and its root stands for the first hash.
    let (seed, rest) = if old.size.is_power_of_two() {
        (&old.root, proof)
    } else {
        proof.split_first().ok_or(Mismatch::Length)?
    };
    // The walk begins at the largest subtree that the old tree ends with.
    let shift = (old.size - 1).trailing_ones();
    let mut walk =
        Walk { node: shift_right(old.size - 1, shift), last: shift_right(new.size - 1, shift) };
    let (mut old_root, mut new_root) = (*seed, *seed);
    for sibling in rest {
        match walk.step()? {
            Side::Left => {
                old_root = node_hash(sibling, &old_root);
                new_root = node_hash(sibling, &new_root);
            }
            Side::Right => new_root = node_hash(&new_root, sibling),
        }
    }
    match () {
        () if !walk.is_at_root() => Err(Mismatch::Length),
        () if old_root != old.root || new_root != new.root => Err(Mismatch::Root),
        () => Ok(()),
    }
}

/// `number >> shift`, which is 0 when every bit is shifted out.
fn shift_right(number: u64, shift: u32) -> u64 {
    number.checked_shr(shift).unwrap_or(0)
}

/// The side on which the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// A way from a node up to the root.
struct Walk {
    /// The place of the node at this level.
    node: u64,
    /// The place of the last node at this level.
    last: u64,
}

impl Walk {
    /// Goes up past the next sibling.
    fn step(&mut self) -> Result<Side, Mismatch> {
        if self.last == 0 {
            return Err(Mismatch::Length);
        }
        let is_right_child = self.node % 2 == 1;
        let side = if is_right_child || self.node == self.last {
            // The last node without a sibling rises until it is a right child.
            if !is_right_child {
                let rise = self.node.trailing_zeros();
                self.node = shift_right(self.node, rise);
                self.last = shift_right(self.last, rise);
            }
            Side::Left
        } else {
            Side::Right
        };
        self.node >>= 1;
        self.last >>= 1;
        Ok(side)
    }

    fn is_at_root(&self) -> bool {
        self.last == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::tree::MemoryTree;

    fn tree(size: u32) -> MemoryTree {
        let mut tree = MemoryTree::new();
        tree.extend((0..size).map(|n| leaf_hash(&n.to_be_bytes())));
        tree
    }

    fn head(tree: &MemoryTree, size: u64) -> TreeHead {
        TreeHead { size, root: tree.root_at(size).unwrap() }
    }

    /// Every proof that differs from `proof` in one way.
    fn broken(proof: &[Hash]) -> Vec<(Vec<Hash>, &'static str)> {
        let mut all = vec![([proof, &[Hash([0; 32])]].concat(), "longer")];
        if let Some((_, rest)) = proof.split_first() {
            all.push((rest.to_vec(), "without the first"));
            all.push((proof[..proof.len() - 1].to_vec(), "without the last"));
        }
        for place in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[place].0[31] ^= 1;
            all.push((changed, "one bit"));
        }
        all
    }

    #[test]
    fn every_inclusion_proof_holds_and_no_broken_one_does() {
        let tree = tree(70);
        for size in 1..=70 {
            let head = head(&tree, size);
            for index in 0..size {
                let leaf = leaf_hash(&(index as u32).to_be_bytes());
                let proof = tree.inclusion_proof(index, size).unwrap();
                assert_eq!(verify_inclusion(&proof, leaf, index, &head), Ok(()));
                for (bad, how) in broken(&proof) {
                    assert!(verify_inclusion(&bad, leaf, index, &head).is_err(), "{how}");
                }
                let other = verify_inclusion(&proof, Hash([9; 32]), index, &head);
                assert_eq!(other, Err(Mismatch::Root));
            }
        }
    }

    #[test]
    fn every_consistency_proof_holds_and_no_broken_one_does() {
        let tree = tree(70);
        for new in 0..=70 {
            let new_head = head(&tree, new);
            for old in 0..=new {
                let old_head = head(&tree, old);
                let proof = tree.consistency_proof(old, new).unwrap();
                assert_eq!(verify_consistency(&proof, &old_head, &new_head), Ok(()));
                for (bad, how) in broken(&proof) {
                    let result = verify_consistency(&bad, &old_head, &new_head);
                    assert!(result.is_err(), "{old} {new} {how}");
                }
                let forged = TreeHead { root: Hash([9; 32]), ..old_head };
                assert!(verify_consistency(&proof, &forged, &new_head).is_err());
                // Nothing binds the new root when the old tree is empty.
                let forged = TreeHead { root: Hash([9; 32]), ..new_head };
                assert_eq!(
                    verify_consistency(&proof, &old_head, &forged).is_ok(),
                    old == 0 && new > 0
                );
            }
        }
    }

    #[test]
    fn huge_sizes_and_proofs_end_at_once() {
        let long = vec![Hash([3; 32]); 10_000];
        let any = Hash([1; 32]);
        for size in [1, 2, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX] {
            for other in [0, 1, 2, size / 2, size - 1, size, u64::MAX] {
                assert!(inclusion_root(&long, any, other, size).is_err());
                let _ = inclusion_root(&[any; 64], any, other, size);
                let (old, new) =
                    (TreeHead { size: other, root: any }, TreeHead { size, root: any });
                assert!(verify_consistency(&long, &old, &new).is_err());
                let _ = verify_consistency(&[any; 64], &old, &new);
            }
        }
        assert_eq!(inclusion_root(&[], any, 5, 5), Err(Mismatch::OutOfRange));
        let (old, new) = (TreeHead { size: 6, root: any }, TreeHead { size: 5, root: any });
        assert_eq!(verify_consistency(&[], &old, &new), Err(Mismatch::OutOfRange));
    }
}

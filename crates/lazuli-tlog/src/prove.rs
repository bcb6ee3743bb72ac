//! Proofs made from stored hashes.
//!
//! <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1.1> (inclusion) and
//! <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1.2> (consistency). The recursion of the
//! definitions is a walk from the root down, which notes the subtrees that are left aside.

use std::fmt;
use std::ops::Range;

use crate::TREE_SIZE_MAX;
use crate::hash::Hash;
use crate::node::{HashReader, hash_of, split};

/// The usual most of hashes in a proof: trees of more leaves are rare.
const DEPTH_USUAL: usize = 32;

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProveError<E> {
    /// No tree has this index or these sizes.
    OutOfRange,
    /// A hash could not be read.
    Read(E),
}

impl<E: fmt::Display> fmt::Display for ProveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => f.write_str("the index or the size lies outside of the tree"),
            Self::Read(error) => write!(f, "a hash of the tree could not be read: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for ProveError<E> {}

/// The root of the tree of the first `size` leaves.
pub fn root_at<R: HashReader>(reader: &mut R, size: u64) -> Result<Hash, ProveError<R::Error>> {
    if size > TREE_SIZE_MAX {
        return Err(ProveError::OutOfRange);
    }
    hash_of(reader, &(0..size)).map_err(ProveError::Read)
}

/// Proves that the leaf at `index` is in the tree of `size` leaves: the hashes from the leaf's
/// sibling up to the root's child.
pub fn inclusion_proof<R: HashReader>(
    reader: &mut R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if index >= size || size > TREE_SIZE_MAX {
        return Err(ProveError::OutOfRange);
    }
    let mut aside = Vec::with_capacity(DEPTH_USUAL);
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            aside.push(middle..end);
            end = middle;
        } else {
            aside.push(start..middle);
            start = middle;
        }
    }
    from_below(reader, &aside)
}

/// Proves that the tree of `new` leaves continues the tree of `old` leaves. From the empty tree,
/// and between trees of the same size, the proof is empty.
pub fn consistency_proof<R: HashReader>(
    reader: &mut R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    if old > new || new > TREE_SIZE_MAX {
        return Err(ProveError::OutOfRange);
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut aside = Vec::new();
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            aside.push(middle..end);
            end = middle;
        } else {
            aside.push(start..middle);
            start = middle;
        }
    }
    // The verifier knows the old root; any other subtree that the old tree ends with it must be told.
    if start != 0 {
        aside.push(start..end);
    }
    from_below(reader, &aside)
}

/// The hashes of subtrees that were noted from the root down, in the order of a proof.
fn from_below<R: HashReader>(
    reader: &mut R,
    aside: &[Range<u64>],
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    aside.iter().rev().map(|range| hash_of(reader, range).map_err(ProveError::Read)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;

    /// A store that holds every hash, each with a value of its own.
    fn any() -> impl FnMut(Node) -> Result<Hash, ()> {
        |node| {
            let mut bytes = [node.level; 32];
            bytes[..8].copy_from_slice(&node.index.to_be_bytes());
            Ok(Hash(bytes))
        }
    }

    #[test]
    fn what_no_tree_has_is_refused() {
        let mut reader = any();
        for (index, size) in [(0, 0), (5, 5), (6, 5), (0, u64::MAX)] {
            assert_eq!(inclusion_proof(&mut reader, index, size), Err(ProveError::OutOfRange));
        }
        for (old, new) in [(1, 0), (6, 5), (1, u64::MAX)] {
            assert_eq!(consistency_proof(&mut reader, old, new), Err(ProveError::OutOfRange));
        }
        assert_eq!(root_at(&mut reader, u64::MAX), Err(ProveError::OutOfRange));
    }

    #[test]
    fn the_largest_trees_have_short_proofs() {
        let mut reader = any();
        assert!(root_at(&mut reader, TREE_SIZE_MAX).is_ok());
        assert_eq!(inclusion_proof(&mut reader, 0, TREE_SIZE_MAX).map(|proof| proof.len()), Ok(63));
        let proof = consistency_proof(&mut reader, TREE_SIZE_MAX - 1, TREE_SIZE_MAX);
        assert!(proof.is_ok_and(|proof| proof.len() <= 64));
    }

    #[test]
    fn an_error_of_the_store_comes_through() {
        let mut broken = |_: Node| Err::<Hash, _>("gone");
        assert_eq!(inclusion_proof(&mut broken, 1, 2), Err(ProveError::Read("gone")));
        assert_eq!(consistency_proof(&mut broken, 1, 2), Err(ProveError::Read("gone")));
    }
}

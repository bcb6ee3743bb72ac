//! Nodes of the tree that never change, and how the rest is put together from them.
//!
//! A *node* here is the root of a full subtree of 2^level leaves. Once its last leaf is there, its
//! hash is final; these are the hashes that are worth storing. The root of a tree of any size, and
//! every hash of a proof, is made of at most 64 of them.
//!
//! <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1>

use std::ops::Range;

use crate::hash::{Hash, node_hash};

/// The root of the full subtree over the leaves `index << level .. (index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// The height above the leaves; a leaf is at level 0, and 63 is the most.
    pub level: u8,
    /// The place among the nodes of its level, from the left.
    pub index: u64,
}

/// The most full subtrees that a range is made of.
const NODES_MAX: usize = 64;

/// A store of the hashes of full subtrees.
///
/// A closure `FnMut(Node) -> Result<Hash, E>` is one too.
pub trait HashReader {
    /// Why a hash could not be read.
    type Error;

    /// The hash of `node`, which lies wholly within the tree that is being worked on.
    fn hash(&mut self, node: Node) -> Result<Hash, Self::Error>;
}

impl<F, E> HashReader for F
where
    F: FnMut(Node) -> Result<Hash, E>,
{
    type Error = E;

    fn hash(&mut self, node: Node) -> Result<Hash, E> {
        self(node)
    }
}

/// The largest power of two, as a shift, that is at most `size`; `size` is not zero.
fn shift_within(size: u64) -> u8 {
    size.checked_ilog2().unwrap_or(0) as u8
}

/// The largest power of two smaller than `size`, where RFC 6962 splits a tree of 2 or more leaves.
pub(crate) fn split(size: u64) -> u64 {
    debug_assert!(size > 1, "a tree of one leaf is not split");
    1 << shift_within(size - 1)
}

/// The full subtrees that make up the leaves of `range`, from the left: the largest one first.
///
/// `range` begins where a subtree of RFC 6962 can begin.
pub(crate) fn nodes_of(range: &Range<u64>) -> impl Iterator<Item = Node> + use<> {
    let (mut start, end) = (range.start, range.end);
    std::iter::from_fn(move || {
        let left = end.checked_sub(start).filter(|left| *left > 0)?;
        let level = shift_within(left);
        let node = Node { level, index: start >> level };
        start += 1 << level;
        Some(node)
    })
}

/// Puts the hashes of neighbouring full subtrees, largest first, together from the right.
pub(crate) fn fold(hashes: &[Hash]) -> Option<Hash> {
    let (last, others) = hashes.split_last()?;
    Some(others.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

/// The hash over the leaves of `range`, which is not empty: one subtree of RFC 6962.
pub(crate) fn hash_of<R: HashReader>(reader: &mut R, range: &Range<u64>) -> Result<Hash, R::Error> {
    let mut nodes = nodes_of(range);
    let Some(first) = nodes.next() else { return Ok(Hash::of_empty_tree()) };
    let first = reader.hash(first)?;
    let Some(second) = nodes.next() else {
        // One full subtree, as most are that a proof is made of.
        return Ok(first);
    };
    let mut hashes = Vec::with_capacity(NODES_MAX);
    hashes.extend([first, reader.hash(second)?]);
    for node in nodes {
        hashes.push(reader.hash(node)?);
    }
    Ok(fold(&hashes).unwrap_or_else(Hash::of_empty_tree))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_falls_into_full_subtrees_largest_first() {
        let nodes = |range| nodes_of(&range).map(|n| (n.level, n.index)).collect::<Vec<_>>();
        assert_eq!(nodes(0..0), []);
        assert_eq!(nodes(0..1), [(0, 0)]);
        assert_eq!(nodes(0..7), [(2, 0), (1, 2), (0, 6)]);
        assert_eq!(nodes(4..7), [(1, 2), (0, 6)]);
        assert_eq!(nodes(0..1 << 63), [(63, 0)]);
        assert_eq!(nodes(0..u64::MAX).len(), 64);
    }

    #[test]
    fn the_split_is_smaller_than_the_tree() {
        let cases = [(2, 1), (3, 2), (4, 2), (5, 4), (1 << 63, 1 << 62), (u64::MAX, 1 << 63)];
        for (size, left) in cases {
            assert_eq!(split(size), left, "{size}");
        }
    }
}

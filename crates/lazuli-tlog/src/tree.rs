//! Trees that grow: [`Frontier`] for the root alone, [`MemoryTree`] for proofs as well.
//!
//! <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1>

use crate::TREE_SIZE_MAX;
use crate::hash::{Hash, node_hash};
use crate::node::{HashReader, Node, fold, nodes_of};
use crate::prove::{consistency_proof, inclusion_proof, root_at};
use crate::verify::TreeHead;

/// What must be kept to append to a tree and to know its root: one hash for each bit that is set
/// in its size, that is at most 63.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the full subtrees, the largest first.
    hashes: Vec<Hash>,
}

impl Frontier {
    /// A tree without leaves.
    pub const fn new() -> Self {
        Self { size: 0, hashes: Vec::new() }
    }

    /// The frontier of a tree of `size` leaves whose full subtrees have these roots, the largest
    /// first: what [`size`](Self::size) and [`hashes`](Self::hashes) of an earlier one said.
    ///
    /// `None` if the number of hashes does not fit the size. Whether they are the right ones shows
    /// in the root.
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        let is_complete = hashes.len() == size.count_ones() as usize;
        (is_complete && size <= TREE_SIZE_MAX).then_some(Self { size, hashes })
    }

    /// Reads the frontier of a tree of `size` leaves from stored hashes.
    pub fn read<R: HashReader>(reader: &mut R, size: u64) -> Result<Self, R::Error> {
        let hashes =
            nodes_of(&(0..size)).map(|node| reader.hash(node)).collect::<Result<_, _>>()?;
        Ok(Self { size, hashes })
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the full subtrees, the largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds a leaf and gives its index.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        self.append_with(leaf, |_, _| {})
    }

    /// Adds a leaf, tells `completed` of each full subtree that it completes (the leaf itself
    /// first, each with the hash that is to be stored), and gives the leaf's index.
    pub fn append_with(&mut self, leaf: Hash, mut completed: impl FnMut(Node, Hash)) -> u64 {
        let index = self.size;
        completed(Node { level: 0, index }, leaf);
        let mut hash = leaf;
        // Each subtree of the same size to the left merges, as a carry does when counting.
        for level in 1..=index.trailing_ones() {
            let Some(left) = self.hashes.pop() else { break };
            hash = node_hash(&left, &hash);
            completed(Node { level: level as u8, index: index >> level }, hash);
        }
        self.hashes.push(hash);
        self.size += 1;
        index
    }

    /// The root hash.
    pub fn root(&self) -> Hash {
        fold(&self.hashes).unwrap_or_else(Hash::of_empty_tree)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root() }
    }
}

/// A tree with all its hashes in memory, 64 bytes a leaf: for proofs from a tree that is still
/// growing, and at every size that it ever had.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    /// The hashes of the full subtrees by level.
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// A tree without leaves.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds a leaf and gives its index.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        let index = self.size();
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(level) else { break };
            hashes.push(hash);
            match hashes.as_slice() {
                [.., left, right] if hashes.len() % 2 == 0 => hash = node_hash(left, right),
                _ => break,
            }
        }
        index
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        let size = self.size();
        let root = self.root_at(size).unwrap_or_else(Hash::of_empty_tree);
        TreeHead { size, root }
    }

    /// The root that the tree had when it had `size` leaves; `None` if it never had.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        (size <= self.size()).then(|| root_at(&mut &*self, size).ok()).flatten()
    }

    /// Proves that the leaf at `index` is in the tree of `size` leaves; `None` if there was no such
    /// leaf or tree.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        (size <= self.size()).then(|| inclusion_proof(&mut &*self, index, size).ok()).flatten()
    }

    /// Proves that the tree of `new` leaves continues the tree of `old` leaves; `None` if there
    /// were no such trees.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        (new <= self.size()).then(|| consistency_proof(&mut &*self, old, new).ok()).flatten()
    }

    /// The hash of a full subtree, once it is complete.
    pub fn node(&self, node: Node) -> Option<Hash> {
        let index = usize::try_from(node.index).ok()?;
        self.levels.get(usize::from(node.level))?.get(index).copied()
    }
}

/// A node that a [`MemoryTree`] does not have (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingNode(pub Node);

impl HashReader for &MemoryTree {
    type Error = MissingNode;

    fn hash(&mut self, node: Node) -> Result<Hash, MissingNode> {
        self.node(node).ok_or(MissingNode(node))
    }
}

impl Extend<Hash> for MemoryTree {
    fn extend<T: IntoIterator<Item = Hash>>(&mut self, leaves: T) {
        for leaf in leaves {
            self.append(leaf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    #[test]
    fn both_trees_agree_at_every_size_and_tell_the_same_nodes() {
        let (mut frontier, mut tree) = (Frontier::new(), MemoryTree::new());
        let mut stored = Vec::new();
        for n in 0..300_u32 {
            assert_eq!(frontier.head(), tree.head());
            let leaf = leaf_hash(&n.to_be_bytes());
            let index = frontier.append_with(leaf, |node, hash| stored.push((node, hash)));
            assert_eq!(index, tree.append(leaf));
        }
        for (node, hash) in stored {
            assert_eq!(tree.node(node), Some(hash), "{node:?}");
        }
    }

    #[test]
    fn a_frontier_goes_on_from_its_parts_and_from_stored_hashes() {
        let mut tree = MemoryTree::new();
        tree.extend((0..77_u32).map(|n| leaf_hash(&n.to_be_bytes())));
        let mut read = Frontier::read(&mut &tree, 77).unwrap();
        let mut made = Frontier::from_parts(read.size(), read.hashes().to_vec()).unwrap();
        tree.append(leaf_hash(b"next"));
        read.append(leaf_hash(b"next"));
        made.append(leaf_hash(b"next"));
        assert_eq!((read.head(), made.head()), (tree.head(), tree.head()));
        assert_eq!(Frontier::from_parts(77, vec![Hash([0; 32]); 3]), None);
        assert_eq!(Frontier::from_parts(1 << 63, vec![Hash([0; 32])]), None);
        assert_eq!(Frontier::read(&mut &tree, 79), Err(MissingNode(Node { level: 0, index: 78 })));
    }

    #[test]
    fn a_tree_answers_for_its_past_and_not_for_its_future() {
        let mut tree = MemoryTree::new();
        tree.extend((0..5_u32).map(|n| leaf_hash(&n.to_be_bytes())));
        assert_eq!(tree.root_at(0), Some(Hash::of_empty_tree()));
        assert_eq!(tree.root_at(5), Some(tree.head().root));
        assert_eq!(tree.root_at(6), None);
        assert!(tree.inclusion_proof(4, 5).is_some());
        assert_eq!(tree.inclusion_proof(5, 5), None);
        assert_eq!(tree.inclusion_proof(4, 6), None);
        assert_eq!(tree.consistency_proof(5, 6), None);
        assert_eq!(tree.consistency_proof(0, 5), Some(Vec::new()));
    }
}

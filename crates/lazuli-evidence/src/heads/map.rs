//! The map of heads with the hashes of all its subtrees, so that a change costs one way from the
//! account's leaf to the root, and not the whole map.

use std::collections::BTreeMap;

use super::{EMPTY, Head, bit, leaf_hash, node, value};
use crate::digest::Digest;

/// A map of heads that grows. Accounts are added and their heads replaced; none is taken out.
#[derive(Clone, Debug, Default)]
pub struct HeadsMap {
    root: Option<Box<Subtree>>,
    hashes: u64,
}

/// What is below a place on the way of a label.
#[derive(Clone, Debug)]
enum Subtree {
    /// One account.
    Leaf { label: Digest, hash: Digest },
    /// Several accounts, divided by the next bit of their labels.
    Branch { hash: Digest, children: [Option<Box<Subtree>>; 2] },
}

impl HeadsMap {
    /// A map without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the head of an account. It hashes the account's leaf and one node for each level above
    /// it: about as many as the number of accounts has bits, and 258 at most.
    pub fn set(&mut self, label: &Digest, head: &Head) {
        let value = value(label, head);
        let leaf = Subtree::Leaf { label: *label, hash: leaf_hash(label, &value) };
        self.hashes += 2;
        set(&mut self.root, Box::new(leaf), label, 0, &mut self.hashes);
    }

    /// The root of the map, which is that of [`root`](super::root) over the same heads.
    pub fn root(&self) -> Digest {
        hash_of(self.root.as_deref())
    }

    /// How many hashes were made so far: what the map has cost.
    pub const fn hashes(&self) -> u64 {
        self.hashes
    }
}

impl From<&BTreeMap<Digest, Head>> for HeadsMap {
    fn from(heads: &BTreeMap<Digest, Head>) -> Self {
        let mut map = Self::new();
        for (label, head) in heads {
            map.set(label, head);
        }
        map
    }
}

/// The hash of a subtree; that of none is [`EMPTY`].
fn hash_of(subtree: Option<&Subtree>) -> Digest {
    match subtree {
        None => EMPTY,
        Some(Subtree::Leaf { hash, .. } | Subtree::Branch { hash, .. }) => *hash,
    }
}

/// Puts a leaf into a subtree at a depth. The depth of the recursion is bounded by the bits of a
/// label, for two labels that are not equal differ in one of them.
fn set(
    place: &mut Option<Box<Subtree>>,
    leaf: Box<Subtree>,
    label: &Digest,
    depth: usize,
    hashes: &mut u64,
) {
    let mut children = match place.take().map(|subtree| *subtree) {
        None => {
            *place = Some(leaf);
            return;
        }
        Some(Subtree::Leaf { label: found, .. }) if found == *label => {
            *place = Some(leaf);
            return;
        }
        Some(other @ Subtree::Leaf { label: found, .. }) => {
            // The other account moves down, as far as the two share their way.
            let mut children = [None, None];
            children[usize::from(bit(&found, depth))] = Some(Box::new(other));
            children
        }
        Some(Subtree::Branch { children, .. }) => children,
    };
    set(&mut children[usize::from(bit(label, depth))], leaf, label, depth + 1, hashes);
    let [left, right] = children.each_ref().map(|child| hash_of(child.as_deref()));
    *hashes += 1;
    *place = Some(Box::new(Subtree::Branch { hash: node(&left, &right), children }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;
    use crate::heads::root;
    use proptest::prelude::*;

    fn label(n: u32) -> Digest {
        sha256(&[&n.to_be_bytes()])
    }

    fn head(n: u32, seq: u64) -> Head {
        Head { seq, hash: label(n + 1_000_000) }
    }

    #[test]
    fn a_change_costs_one_way_and_not_the_map() {
        let heads: BTreeMap<_, _> = (0..10_000).map(|n| (label(n), head(n, 1))).collect();
        let mut map = HeadsMap::from(&heads);
        assert_eq!(map.root(), root(&heads));
        let before = map.hashes();
        let mut changed = heads;
        for n in 0..10 {
            let new = head(n, 2);
            map.set(&label(n), &new);
            changed.insert(label(n), new);
        }
        // 10,000 accounts have 14 bits; labels are spread unevenly by some more.
        let cost = map.hashes() - before;
        assert!((10 * 14..10 * 30).contains(&cost), "{cost} hashes");
        assert_eq!(map.root(), root(&changed));
    }

    #[test]
    fn a_label_that_parts_at_the_last_bit_costs_the_longest_way() {
        let (one, mut other) = ([5; 32], [5; 32]);
        other[31] = 4;
        let mut map = HeadsMap::new();
        assert_eq!(map.root(), EMPTY);
        map.set(&one, &head(1, 1));
        let before = map.hashes();
        map.set(&other, &head(2, 1));
        assert_eq!(map.hashes() - before, 258);
        assert_eq!(map.root(), root(&BTreeMap::from([(one, head(1, 1)), (other, head(2, 1))])));
    }

    proptest! {
        #[test]
        fn in_whatever_order_the_root_is_that_of_the_definition(
            changes in prop::collection::vec((0_u32..40, any::<bool>(), 1_u64..9), 0..120)
        ) {
            let (mut map, mut heads) = (HeadsMap::new(), BTreeMap::new());
            for (n, is_close, seq) in changes {
                // Labels that are spread, and labels that share most of their bits.
                let label = if is_close { [(n % 3) as u8; 32] } else { label(n) };
                map.set(&label, &head(n, seq));
                heads.insert(label, head(n, seq));
                prop_assert_eq!(map.root(), root(&heads));
            }
        }
    }
}

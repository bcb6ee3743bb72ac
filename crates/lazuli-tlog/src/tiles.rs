//! Tiles and trees: tiles written as a tree grows, and hashes read from tiles.
//!
//! <https://c2sp.org/tlog-tiles#merkle-tree>

use std::collections::BTreeMap;
use std::fmt;

use crate::TREE_SIZE_MAX;
use crate::hash::{HASH_BYTES, Hash};
use crate::node::{HashReader, Node, nodes_of};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileKind};
use crate::tree::Frontier;
use crate::verify::TreeHead;

/// How many tiles a [`TileHashes`] keeps: the paths of two proofs through the largest tree.
const CACHED_TILES_MAX: usize = 32;

/// Bytes that cannot be those of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileError {
    /// The tile that was read.
    pub tile: Tile,
    /// How many bytes there were.
    pub bytes: usize,
}

impl fmt::Display for TileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tile, bytes } = self;
        let wanted = usize::from(tile.width()) * HASH_BYTES;
        write!(f, "{tile} has {bytes} bytes and not {wanted}")
    }
}

impl std::error::Error for TileError {}

/// Why a hash could not be read from the tiles of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileReadError<E> {
    /// The subtree is not (yet) complete in a tree of this size.
    OutsideTree(Node),
    /// The tile could not be had.
    Fetch(Tile, E),
    /// The tile is too short or too long.
    Tile(TileError),
}

impl<E: fmt::Display> fmt::Display for TileReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideTree(Node { level, index }) => {
                write!(f, "the tree has no node {index} at level {level}")
            }
            Self::Fetch(tile, error) => write!(f, "{tile} could not be read: {error}"),
            Self::Tile(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for TileReadError<E> {}

/// Reads the hashes of a tree from its tiles.
///
/// What it says is as true as the tiles: a proof made from it, or the root, must be held against
/// a checkpoint.
pub struct TileHashes<F> {
    size: u64,
    fetch: F,
    cache: BTreeMap<Tile, Vec<Hash>>,
}

impl<F, E> TileHashes<F>
where
    F: FnMut(Tile) -> Result<Vec<u8>, E>,
{
    /// The hashes of the tree of `size` leaves, whose tiles `fetch` gives. Where a partial tile is
    /// asked for, `fetch` may give the full one instead, for logs may delete partial tiles.
    pub fn new(size: u64, fetch: F) -> Self {
        Self { size: size.min(TREE_SIZE_MAX), fetch, cache: BTreeMap::new() }
    }

    /// The hashes of a tile.
    fn tile(&mut self, tile: Tile) -> Result<&[Hash], TileReadError<E>> {
        if !self.cache.contains_key(&tile) {
            let bytes = (self.fetch)(tile).map_err(|error| TileReadError::Fetch(tile, error))?;
            let hashes = hashes_in(tile, &bytes).map_err(TileReadError::Tile)?;
            if self.cache.len() >= CACHED_TILES_MAX {
                self.cache.clear();
            }
            self.cache.insert(tile, hashes);
        }
        Ok(self.cache.get(&tile).map_or(&[], Vec::as_slice))
    }
}

impl<F, E> HashReader for TileHashes<F>
where
    F: FnMut(Tile) -> Result<Vec<u8>, E>,
{
    type Error = TileReadError<E>;

    fn hash(&mut self, node: Node) -> Result<Hash, TileReadError<E>> {
        let outside = || TileReadError::OutsideTree(node);
        let end = (u128::from(node.index) + 1).checked_shl(u32::from(node.level));
        if node.level > 63 || end.is_none_or(|end| end > u128::from(self.size)) {
            return Err(outside());
        }
        let (level, height) = (node.level / TILE_HEIGHT, node.level % TILE_HEIGHT);
        // The node is the root of 2^height neighbouring hashes of one tile.
        let first = node.index << height;
        let index = first / u64::from(TILE_WIDTH);
        let held = (self.size >> (level * TILE_HEIGHT)) - index * u64::from(TILE_WIDTH);
        let width = held.min(u64::from(TILE_WIDTH)) as u16;
        let tile = Tile::new(TileKind::Hashes(level), index, width).ok_or_else(outside)?;
        let start = (first % u64::from(TILE_WIDTH)) as usize;
        let hashes = self.tile(tile)?.get(start..start + (1 << height)).ok_or_else(outside)?;
        Ok(full_root(hashes))
    }
}

/// The root over a power of two of hashes.
fn full_root(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for hash in hashes {
        frontier.append(*hash);
    }
    frontier.root()
}

/// The hashes in the bytes of a tile, of which a full one may stand for a partial one.
fn hashes_in(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    let wanted = usize::from(tile.width()) * HASH_BYTES;
    let is_full = bytes.len() == usize::from(TILE_WIDTH) * HASH_BYTES;
    let error = TileError { tile, bytes: bytes.len() };
    if bytes.len() != wanted && !is_full {
        return Err(error);
    }
    bytes.get(..wanted).and_then(Hash::read_all).ok_or(error)
}

/// The bytes of a tile of hashes, from stored hashes.
pub fn tile_bytes<R: HashReader>(reader: &mut R, tile: Tile) -> Result<Vec<u8>, R::Error> {
    let level = tile.level() * TILE_HEIGHT;
    let mut bytes = Vec::with_capacity(usize::from(tile.width()) * HASH_BYTES);
    for index in tile.first()..tile.first() + u64::from(tile.width()) {
        bytes.extend_from_slice(reader.hash(Node { level, index })?.as_bytes());
    }
    Ok(bytes)
}

/// Makes the tiles of a tree as it grows, and knows its root: all that the writer of a log needs
/// to keep in memory, less than 8 KiB for each level.
#[derive(Clone, Debug, Default)]
pub struct TileBuilder {
    frontier: Frontier,
    /// The hashes of each level that are in no full tile yet.
    edge: Vec<Vec<Hash>>,
}

impl TileBuilder {
    /// A tree without leaves.
    pub const fn new() -> Self {
        Self { frontier: Frontier::new(), edge: Vec::new() }
    }

    /// Goes on from a tree of `size` leaves, whose partial tiles `fetch` gives (at most eight).
    /// Whether they are the right ones shows in [`head`](Self::head).
    pub fn resume<E>(
        size: u64,
        mut fetch: impl FnMut(Tile) -> Result<Vec<u8>, E>,
    ) -> Result<Self, TileReadError<E>> {
        let size = size.min(TREE_SIZE_MAX);
        let mut edge = Vec::new();
        let mut level = 0;
        while size >> (level * TILE_HEIGHT) > 0 {
            let hashes = size >> (level * TILE_HEIGHT);
            let width = (hashes % u64::from(TILE_WIDTH)) as u16;
            let index = hashes / u64::from(TILE_WIDTH);
            edge.push(match Tile::new(TileKind::Hashes(level), index, width) {
                Some(tile) => {
                    let bytes = fetch(tile).map_err(|error| TileReadError::Fetch(tile, error))?;
                    hashes_in(tile, &bytes).map_err(TileReadError::Tile)?
                }
                None => Vec::new(),
            });
            level += 1;
            if level > 7 {
                break;
            }
        }
        let mut builder = Self { frontier: Frontier::new(), edge };
        builder.frontier = builder.frontier_of(size);
        Ok(builder)
    }

    /// The frontier of a tree whose partial tiles are in `edge`.
    fn frontier_of(&self, size: u64) -> Frontier {
        let hashes = nodes_of(&(0..size)).map(|node| {
            let height = node.level % TILE_HEIGHT;
            let start = ((node.index << height) % u64::from(TILE_WIDTH)) as usize;
            let edge = self.edge.get(usize::from(node.level / TILE_HEIGHT));
            edge.and_then(|edge| edge.get(start..start + (1 << height))).map(full_root)
        });
        let hashes = hashes.collect::<Option<Vec<_>>>();
        hashes.and_then(|hashes| Frontier::from_parts(size, hashes)).unwrap_or_default()
    }

    /// Adds a leaf, and gives the tiles that it fills with their bytes: mostly none.
    pub fn append(&mut self, leaf: Hash) -> Vec<(Tile, Vec<u8>)> {
        let (mut full, edge) = (Vec::new(), &mut self.edge);
        self.frontier.append_with(leaf, |node, hash| {
            let level = usize::from(node.level / TILE_HEIGHT);
            if !node.level.is_multiple_of(TILE_HEIGHT) {
                return;
            }
            if edge.len() == level {
                edge.push(Vec::new());
            }
            let Some(hashes) = edge.get_mut(level) else { return };
            hashes.push(hash);
            if hashes.len() == usize::from(TILE_WIDTH) {
                let index = node.index / u64::from(TILE_WIDTH);
                full.extend(tile_with(level as u8, index, hashes));
                hashes.clear();
            }
        });
        full
    }

    /// The partial tiles at the right edge of the tree as it is, with their bytes: what must be
    /// there before a checkpoint of this size is published.
    pub fn partial_tiles(&self) -> Vec<(Tile, Vec<u8>)> {
        let of_level = |(level, hashes): (usize, &Vec<Hash>)| {
            let index = self.size() >> (level * usize::from(TILE_HEIGHT)) >> TILE_HEIGHT;
            tile_with(level as u8, index, hashes)
        };
        self.edge.iter().enumerate().filter_map(of_level).collect()
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }
}

/// The tile that holds `hashes`, with its bytes; `None` if there are none.
fn tile_with(level: u8, index: u64, hashes: &[Hash]) -> Option<(Tile, Vec<u8>)> {
    let tile = Tile::new(TileKind::Hashes(level), index, hashes.len() as u16)?;
    Some((tile, hashes.iter().flat_map(|hash| hash.0).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;
    use crate::prove::root_at;
    use crate::tile::tiles_of;
    use crate::tree::MemoryTree;

    type Disk = BTreeMap<Tile, Vec<u8>>;

    fn leaf(n: u32) -> Hash {
        leaf_hash(&n.to_be_bytes())
    }

    fn get(disk: &Disk) -> impl FnMut(Tile) -> Result<Vec<u8>, &'static str> + '_ {
        |tile| disk.get(&tile).cloned().ok_or("not there")
    }

    #[test]
    fn a_growing_tree_leaves_the_tiles_that_its_hashes_make() {
        let (mut builder, mut tree, mut disk) =
            (TileBuilder::new(), MemoryTree::new(), Disk::new());
        let sizes = [1, 2, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 66_000];
        for n in 0..66_000 {
            tree.append(leaf(n));
            disk.extend(builder.append(leaf(n)));
            if !sizes.contains(&tree.size()) {
                continue;
            }
            assert_eq!(builder.head(), tree.head());
            disk.extend(builder.partial_tiles());
            for tile in tiles_of(tree.size()) {
                let expected = tile_bytes(&mut &tree, tile).unwrap();
                assert_eq!(disk.get(&tile), Some(&expected), "{tile}");
            }
            let resumed = TileBuilder::resume(tree.size(), get(&disk)).unwrap();
            assert_eq!(resumed.head(), tree.head());
            assert_eq!(resumed.partial_tiles(), builder.partial_tiles());
        }
    }

    #[test]
    fn a_resumed_builder_goes_on_as_if_it_had_not_stopped() {
        let (mut whole, mut disk) = (TileBuilder::new(), Disk::new());
        for n in 0..700 {
            disk.extend(whole.append(leaf(n)));
        }
        disk.extend(whole.partial_tiles());
        let mut resumed = TileBuilder::resume(700, get(&disk)).unwrap();
        for n in 700..1300 {
            assert_eq!(resumed.append(leaf(n)), whole.append(leaf(n)));
        }
        assert_eq!(resumed.head(), whole.head());
    }

    #[test]
    fn hashes_come_from_partial_tiles_or_the_full_ones_that_replaced_them() {
        let (mut builder, mut tree, mut disk) =
            (TileBuilder::new(), MemoryTree::new(), Disk::new());
        for n in 0..70_000 {
            tree.append(leaf(n));
            disk.extend(builder.append(leaf(n)));
        }
        disk.extend(builder.partial_tiles());
        // Only the tiles of the last size are there: older partial ones were deleted.
        let fetch = |tile: Tile| {
            let full = tile.full().and_then(|full| disk.get(&full));
            full.or_else(|| disk.get(&tile)).cloned().ok_or(())
        };
        for size in [1, 300, 511, 512, 65_535, 65_536, 70_000] {
            let root = root_at(&mut TileHashes::new(size, fetch), size);
            assert_eq!(root.ok(), tree.root_at(size), "{size}");
        }
        // The second tile of the second level is not full yet, and its older width is gone.
        assert!(root_at(&mut TileHashes::new(65_792, fetch), 65_792).is_err());
    }

    #[test]
    fn bad_tiles_and_nodes_outside_are_errors() {
        let mut short = TileHashes::new(3, |_| Ok::<_, ()>(vec![0; 95]));
        let tile = Tile::new(TileKind::Hashes(0), 0, 3).unwrap();
        let node = Node { level: 0, index: 0 };
        assert_eq!(short.hash(node), Err(TileReadError::Tile(TileError { tile, bytes: 95 })));
        let mut gone = TileHashes::new(3, |_| Err::<Vec<u8>, _>("gone"));
        assert_eq!(gone.hash(node), Err(TileReadError::Fetch(tile, "gone")));
        for (level, index) in [(0, 3), (1, 1), (2, 0), (63, 0), (64, 0), (255, 0), (0, u64::MAX)] {
            let node = Node { level, index };
            assert_eq!(gone.hash(node), Err(TileReadError::OutsideTree(node)));
        }
        assert!(TileBuilder::resume(3, |_| Ok::<_, ()>(vec![0; 95])).is_err());
        let huge = TileBuilder::resume(u64::MAX, |tile| {
            Ok::<_, ()>(vec![0; usize::from(tile.width()) * HASH_BYTES])
        });
        assert_eq!(huge.map(|builder| builder.size()), Ok(TREE_SIZE_MAX));
    }
}

//! The tree under a checkpoint, read from the server's tiles and held against the signed root.

use std::collections::BTreeMap;

use lazuli_evidence::spine::Leaf;
use lazuli_tlog::tile::TILE_WIDTH;
use lazuli_tlog::{
    HashReader as _, Node, Tile, TileHashes, TileKind, TreeHead, inclusion_proof, leaf_hash,
    verify_inclusion,
};

use super::remote::Remote;
use crate::failure::Failure;

const WIDTH: u64 = TILE_WIDTH as u64;

/// A tree whose tiles a server shows.
pub(super) struct Tree<'a> {
    remote: &'a Remote,
    /// Its size and root.
    pub(super) head: TreeHead,
    /// The tiles of hashes that were read, by their paths.
    pub(super) tiles: BTreeMap<String, Vec<u8>>,
}

impl<'a> Tree<'a> {
    /// The tree of a checkpoint.
    pub(super) fn new(remote: &'a Remote, head: TreeHead) -> Self {
        Self { remote, head, tiles: BTreeMap::new() }
    }

    /// The tile of entries that the leaf at `index` is in.
    pub(super) fn bundle_of(&self, index: u64) -> Option<Tile> {
        let first = index / WIDTH * WIDTH;
        let width = self.head.size.checked_sub(first)?.min(WIDTH);
        Tile::new(TileKind::Entries, index / WIDTH, width as u16)
    }

    /// The bytes of a tile of entries, each of which is proved to be in the tree.
    pub(super) fn bundle(&mut self, tile: Tile) -> Result<Vec<u8>, Failure> {
        let missing = || Failure::new(format!("the server does not show {tile}"));
        let wrong = || Failure::new(format!("{tile} is not what the checkpoint was signed for"));
        let bytes = self.remote.tile(tile)?.ok_or_else(missing)?;
        let entries = lazuli_tlog::entries(&bytes, tile.width()).map_err(|_| wrong())?;
        let (remote, tiles) = (self.remote, &mut self.tiles);
        let fetch = |tile: Tile| {
            if let Some(bytes) = tiles.get(&tile.path()) {
                return Ok(bytes.clone());
            }
            let bytes = remote.tile(tile)?;
            let bytes =
                bytes.ok_or_else(|| Failure::new(format!("the server does not show {tile}")))?;
            tiles.insert(tile.path(), bytes.clone());
            Ok::<_, Failure>(bytes)
        };
        let mut hashes = TileHashes::new(self.head.size, fetch);
        for (index, entry) in (tile.first()..).zip(entries) {
            let hash = hashes.hash(Node { level: 0, index }).map_err(|_| wrong())?;
            if hash != leaf_hash(entry) {
                return Err(wrong());
            }
            // Beside the first leaf of a tile stand all others.
            if index == tile.first() {
                let proof = inclusion_proof(&mut hashes, index, self.head.size);
                let proof = proof.map_err(|_| wrong())?;
                verify_inclusion(&proof, hash, index, &self.head).map_err(|_| wrong())?;
            }
        }
        Ok(bytes)
    }

    /// The bytes of a leaf.
    pub(super) fn leaf(&mut self, index: u64) -> Result<Vec<u8>, Failure> {
        let tile = self.bundle_of(index);
        let tile = tile.ok_or_else(|| Failure::new(format!("the log has no leaf {index}")))?;
        let bundle = self.bundle(tile)?;
        let entries = lazuli_tlog::entries(&bundle, tile.width()).map_err(Failure::new)?;
        let place = (index - tile.first()) as usize;
        Ok(entries.get(place).copied().unwrap_or_default().to_vec())
    }

    /// The index and the bytes of the leaf of a segment; `None` if the tree has none.
    pub(super) fn segment(&mut self, n: u64) -> Result<Option<(u64, Vec<u8>)>, Failure> {
        let (mut low, mut high) = (0, self.head.size.div_ceil(WIDTH));
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(tile) = self.bundle_of(middle * WIDTH) else { return Ok(None) };
            let bundle = self.bundle(tile)?;
            let entries = lazuli_tlog::entries(&bundle, tile.width()).map_err(Failure::new)?;
            let number = |bytes: &[u8]| match Leaf::decode(bytes) {
                Some(Leaf::Segment(segment)) => Some(segment.n),
                _ => None,
            };
            let at = (tile.first()..).zip(&entries).find(|(_, entry)| number(entry) == Some(n));
            if let Some((index, entry)) = at {
                return Ok(Some((index, entry.to_vec())));
            }
            let first = entries.iter().find_map(|entry| number(entry));
            if first.is_some_and(|first| first < n) { low = middle + 1 } else { high = middle }
        }
        Ok(None)
    }
}

//! The public log: the spine's tiles and entry bundles as C2SP `tlog-tiles` lays them out, and its
//! checkpoint.
//!
//! They follow from the leaves, which are rows of the store, so what a crash leaves half-written is
//! written anew. Full tiles are synced once and never written again.
//!
//! <https://c2sp.org/tlog-tiles>

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use lazuli_tlog::tile::TILE_WIDTH;
use lazuli_tlog::{
    Frontier, Hash, Tile, TileBuilder, TileHashes, TileKind, TreeHead, append_entry, entries,
    leaf_hash, root_at,
};

/// The name of the checkpoint among the files of the log.
pub const CHECKPOINT: &str = "checkpoint";
/// The name of the newest checkpoint that a quorum of witnesses vouches for.
pub const WITNESSED: &str = "witnessed";
/// The name of the policy.
pub const POLICY: &str = "policy";

/// The files of the log: a directory that may be handed to anybody, or memory.
#[derive(Debug)]
pub enum Files {
    /// Below a directory.
    Directory(PathBuf),
    /// In memory, for a store that is kept there, too.
    Memory(Mutex<HashMap<String, Bytes>>),
}

impl Files {
    /// The files below a directory, which is made; without one, in memory.
    pub fn open(dir: Option<&Path>) -> io::Result<Self> {
        let Some(dir) = dir else { return Ok(Self::Memory(Mutex::default())) };
        std::fs::create_dir_all(dir)?;
        Ok(Self::Directory(dir.to_path_buf()))
    }

    /// The bytes of a file; `None` if there is none. `path` is one this crate made.
    pub fn get(&self, path: &str) -> io::Result<Option<Bytes>> {
        match self {
            Self::Directory(dir) => match std::fs::read(dir.join(path)) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Self::Memory(files) => {
                Ok(files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned())
            }
        }
    }

    /// Whether there is a file.
    pub(crate) fn has(&self, path: &str) -> bool {
        match self {
            Self::Directory(dir) => dir.join(path).exists(),
            Self::Memory(files) => {
                files.lock().unwrap_or_else(PoisonError::into_inner).contains_key(path)
            }
        }
    }

    /// When a file was written, in milliseconds since 1970; `None` if that is not known.
    pub(crate) fn written_ms(&self, path: &str) -> Option<u64> {
        let Self::Directory(dir) = self else { return None };
        let written = std::fs::metadata(dir.join(path)).and_then(|found| found.modified()).ok()?;
        u64::try_from(written.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    }

    /// Writes a file, durably if it is `last`ing.
    pub(crate) fn put(&self, path: &str, bytes: &[u8], lasting: bool) -> io::Result<()> {
        match self {
            Self::Directory(dir) => {
                let path = dir.join(path);
                let parent = path.parent().unwrap_or(dir);
                std::fs::create_dir_all(parent)?;
                // In one step, for others read while this is written.
                let temporary = path.with_extension("new");
                std::fs::write(&temporary, bytes)?;
                if lasting {
                    std::fs::File::open(&temporary)?.sync_all()?;
                }
                std::fs::rename(&temporary, &path)?;
                if lasting { std::fs::File::open(parent)?.sync_all() } else { Ok(()) }
            }
            Self::Memory(files) => {
                let bytes = Bytes::copy_from_slice(bytes);
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                files.insert(path.to_owned(), bytes);
                Ok(())
            }
        }
    }

    fn remove(&self, path: &str) {
        match self {
            // One that stays is in nobody's way.
            Self::Directory(dir) => drop(std::fs::remove_file(dir.join(path))),
            Self::Memory(files) => {
                files.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
            }
        }
    }

    /// The bytes of a tile of a tree of `size` leaves. A narrower one than there is, is its
    /// beginning.
    pub fn tile(&self, tile: Tile, size: u64) -> io::Result<Option<Bytes>> {
        let now = width_at(tile, size);
        let candidates = [Some(tile), tile.full(), Tile::new(tile.kind(), tile.index(), now)];
        let fits = |wanted: &Tile| wanted.width() >= tile.width();
        for candidate in candidates.into_iter().flatten().filter(fits) {
            if let Some(bytes) = self.get(&candidate.path())? {
                return Ok(narrowed(tile, &bytes));
            }
        }
        Ok(None)
    }
}

/// The width that the tile has in a tree of `size` leaves.
fn width_at(tile: Tile, size: u64) -> u16 {
    let level = match tile.kind() {
        TileKind::Hashes(level) => level,
        TileKind::Entries => 0,
    };
    let hashes = size.checked_shr(u32::from(level) * 8).unwrap_or(0);
    let before = tile.index().saturating_mul(u64::from(TILE_WIDTH));
    hashes.saturating_sub(before).min(u64::from(TILE_WIDTH)) as u16
}

/// The beginning of a tile that is wider than the one asked for.
fn narrowed(tile: Tile, bytes: &Bytes) -> Option<Bytes> {
    let width = usize::from(tile.width());
    let end = match tile.kind() {
        TileKind::Hashes(_) => width * 32,
        TileKind::Entries => {
            let mut end = 0;
            for _ in 0..width {
                let length = bytes.get(end..end + 2)?.try_into().ok()?;
                end += 2 + usize::from(u16::from_be_bytes(length));
            }
            end
        }
    };
    (end <= bytes.len()).then(|| bytes.slice(..end))
}

/// The writer of the spine.
#[derive(Debug)]
pub(crate) struct Spine {
    files: Arc<Files>,
    builder: TileBuilder,
    /// The entries that are in no full bundle yet.
    bundle: Vec<u8>,
    /// Partial tiles that wider ones stand for, once there is a checkpoint of those.
    stale: Vec<Tile>,
    /// Tiles and bundles that are yet to be written, the bytes with whether they last.
    unwritten: VecDeque<(Tile, Vec<u8>, bool)>,
    /// Those written since the last checkpoint.
    fresh: Vec<Tile>,
}

impl Spine {
    /// Goes on from a tree of `size` leaves, as its tiles say; `last` are the leaves that are in no
    /// full bundle. `None` if tiles are missing or of the wrong length.
    pub(crate) fn resume(files: &Arc<Files>, size: u64, last: &[Bytes]) -> Option<Self> {
        let builder = TileBuilder::resume(size, |tile| fetch(files, tile)).ok()?;
        let mut bundle = Vec::new();
        last.iter().try_for_each(|leaf| append_entry(&mut bundle, leaf)).ok()?;
        // The leaves that are at hand must be the ones that the tiles have.
        let mut hashes = TileHashes::new(size, |tile| fetch(files, tile));
        root_at(&mut hashes, size).ok().filter(|root| *root == builder.head().root)?;
        Some(Self { builder, bundle, ..Self::new(files) })
    }

    /// An empty spine.
    pub(crate) fn new(files: &Arc<Files>) -> Self {
        Self {
            files: Arc::clone(files),
            builder: TileBuilder::new(),
            bundle: Vec::new(),
            stale: Vec::new(),
            unwritten: VecDeque::new(),
            fresh: Vec::new(),
        }
    }

    /// Size and root.
    pub(crate) fn head(&self) -> TreeHead {
        self.builder.head()
    }

    /// The root that the tree had at `size` leaves, from the files.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        let mut hashes = TileHashes::new(self.head().size, |tile| fetch(&self.files, tile));
        root_at(&mut hashes, size).ok()
    }

    /// Adds leaves, and writes the tiles and bundles that change. What could not be written is for
    /// [`Self::write`].
    pub(crate) fn append(&mut self, leaves: &[Bytes]) -> io::Result<()> {
        let old = self.edge();
        for leaf in leaves {
            let index = self.builder.size() / u64::from(TILE_WIDTH);
            append_entry(&mut self.bundle, leaf).map_err(io::Error::other)?;
            for (tile, bytes) in self.builder.append(leaf_hash(leaf)) {
                self.unwritten.push_back((tile, bytes, true));
            }
            if self.builder.size().is_multiple_of(u64::from(TILE_WIDTH)) {
                let bundle = std::mem::take(&mut self.bundle);
                if let Some(full) = Tile::new(TileKind::Entries, index, TILE_WIDTH) {
                    self.unwritten.push_back((full, bundle, true));
                }
            }
        }
        for (tile, bytes) in self.builder.partial_tiles() {
            self.unwritten.push_back((tile, bytes, false));
        }
        if let Some(tile) = self.edge_bundle() {
            self.unwritten.push_back((tile, self.bundle.clone(), false));
        }
        let now = self.edge();
        self.stale.extend(old.into_iter().filter(|tile| !now.contains(tile)));
        self.write()
    }

    /// Writes the tiles and bundles that are not written yet, in order.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        while let Some((tile, bytes, lasting)) = self.unwritten.front() {
            self.files.put(&tile.path(), bytes, *lasting)?;
            self.fresh.push(*tile);
            self.unwritten.pop_front();
        }
        Ok(())
    }

    /// Removes partial tiles that others have taken the place of. To be called when the checkpoint of
    /// the tree as it is was published: until then they are asked for.
    pub(crate) fn sweep(&mut self) {
        for tile in self.stale.drain(..) {
            self.files.remove(&tile.path());
        }
        self.fresh.clear();
    }

    /// Reads the tiles back that a checkpoint is about to be signed for: what is served must be
    /// what was meant. The root has the hashes at the tree's edge in it; what was written since the
    /// last checkpoint is held against the tiles that tell of it, up to those.
    pub(crate) fn reads_back(&self) -> bool {
        let head = self.head();
        let edge = self.edge();
        let is_served = |tile: &&Tile| tile.width() == TILE_WIDTH || edge.contains(*tile);
        self.root_at(head.size) == Some(head.root)
            && self.fresh.iter().filter(is_served).all(|tile| self.fits(*tile) == Some(true))
    }

    /// Whether a tile, as it is served, is what the tile above it tells; a bundle, what its hashes
    /// tell. `None` if either cannot be read.
    fn fits(&self, tile: Tile) -> Option<bool> {
        let bytes = fetch(&self.files, tile).ok()?;
        let width = usize::from(tile.width());
        match tile.kind() {
            TileKind::Entries => {
                let hashes = Tile::new(TileKind::Hashes(0), tile.index(), tile.width())?;
                let hashes = Hash::read_all(&fetch(&self.files, hashes).ok()?)?;
                let leaves = entries(&bytes, tile.width()).ok()?;
                let fit = leaves.iter().zip(&hashes).all(|(leaf, hash)| leaf_hash(leaf) == *hash);
                Some(fit && leaves.len() == width && hashes.len() == width)
            }
            TileKind::Hashes(level) if tile.width() == TILE_WIDTH => {
                let across = u64::from(TILE_WIDTH);
                let (index, place) = (tile.index() / across, tile.index() % across);
                let above = Tile::new(TileKind::Hashes(level + 1), index, 1)?;
                let above = Tile::new(above.kind(), index, width_at(above, self.head().size))?;
                let told = Hash::read_all(&fetch(&self.files, above).ok()?)?;
                let mut below = Frontier::new();
                for hash in Hash::read_all(&bytes)? {
                    below.append(hash);
                }
                let told = told.get(usize::try_from(place).ok()?)?;
                Some(below.head() == TreeHead { size: across, root: *told })
            }
            // All of these are in the root.
            TileKind::Hashes(_) => Some(true),
        }
    }

    fn edge_bundle(&self) -> Option<Tile> {
        let size = self.builder.size();
        let (index, width) = (size / u64::from(TILE_WIDTH), size % u64::from(TILE_WIDTH));
        Tile::new(TileKind::Entries, index, width as u16)
    }

    /// The partial tiles and the partial bundle.
    fn edge(&self) -> Vec<Tile> {
        let tiles = self.builder.partial_tiles().into_iter().map(|(tile, _)| tile);
        tiles.chain(self.edge_bundle()).collect()
    }
}

fn fetch(files: &Files, tile: Tile) -> io::Result<Vec<u8>> {
    let bytes = files.get(&tile.path())?;
    let bytes = match (bytes, tile.full()) {
        (None, Some(full)) => files.get(&full.path())?.and_then(|bytes| narrowed(tile, &bytes)),
        (bytes, _) => bytes,
    };
    bytes.map(|bytes| bytes.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use lazuli_tlog::{MemoryTree, entries};

    use super::*;

    fn leaf(index: u64) -> Bytes {
        Bytes::from(format!("leaf {index}"))
    }

    #[test]
    fn tiles_follow_the_leaves_and_a_restart_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::open(Some(dir.path())).unwrap());
        let mut spine = Spine::new(&files);
        let mut model = MemoryTree::new();
        let mut size = 0;
        for step in [1, 2, 250, 3, 1, 300] {
            let leaves: Vec<_> = (size..size + step).map(leaf).collect();
            spine.append(&leaves).unwrap();
            for leaf in &leaves {
                model.append(leaf_hash(leaf));
            }
            size += step;
            assert_eq!(spine.head(), model.head());
            assert!(spine.reads_back());
            let last: Vec<_> = (size / 256 * 256..size).map(leaf).collect();
            spine = Spine::resume(&files, size, &last).unwrap();
            assert_eq!(spine.head(), model.head());
        }
        for (index, width) in [(0, 256), (0, 3), (1, 256), (2, 45), (2, 7)] {
            let tile = Tile::new(TileKind::Entries, index, width).unwrap();
            let bytes = files.tile(tile, size).unwrap().unwrap();
            let found = entries(&bytes, width).unwrap();
            assert_eq!(found.len(), usize::from(width));
            assert_eq!(found.last().unwrap(), &leaf(index * 256 + u64::from(width) - 1));
        }
        let beyond = Tile::new(TileKind::Entries, 2, 46).unwrap();
        assert_eq!(files.tile(beyond, size).unwrap(), None);
    }

    #[test]
    fn a_flipped_byte_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::open(Some(dir.path())).unwrap());
        let mut spine = Spine::new(&files);
        spine.append(&(0..300).map(leaf).collect::<Vec<_>>()).unwrap();
        let path = dir.path().join("tile/0/001.p/44");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(!spine.reads_back());
    }

    #[test]
    fn a_flipped_byte_in_any_tile_that_is_new_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::open(Some(dir.path())).unwrap());
        let mut spine = Spine::new(&files);
        spine.append(&(0..300).map(leaf).collect::<Vec<_>>()).unwrap();
        assert!(spine.reads_back());
        for name in ["0/000", "0/001.p/44", "1/000.p/1", "entries/000", "entries/001.p/44"] {
            let path = dir.path().join("tile").join(name);
            let whole = std::fs::read(&path).unwrap();
            for at in (0..whole.len()).step_by(13) {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x20;
                std::fs::write(&path, bytes).unwrap();
                assert!(!spine.reads_back(), "{name}, byte {at}");
            }
            std::fs::write(&path, &whole).unwrap();
        }
        assert!(spine.reads_back());
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Files::open(Some(dir.path())).unwrap());
        let mut spine = Spine::new(&files);
        std::fs::write(dir.path().join("tile"), "in the way").unwrap();
        spine.append(&[leaf(0)]).unwrap_err();
        spine.append(&[leaf(1)]).unwrap_err();
        assert!(!spine.reads_back());
        std::fs::remove_file(dir.path().join("tile")).unwrap();
        spine.write().unwrap();
        assert!(spine.reads_back());
        let last = Spine::resume(&files, 2, &[leaf(0), leaf(1)]).unwrap();
        assert_eq!(last.head(), spine.head());
    }
}

//! The tiles of a whole log, hashed anew from its entries and held against a checkpoint.
//!
//! <https://c2sp.org/tlog-tiles>. Two trees are built side by side: one from the entries, one from
//! the hashes that are stored for them. Whichever leads to the signed root tells which file is to
//! blame where the two part.

use lazuli_tlog::hash::HASH_BYTES;
use lazuli_tlog::tile::{TILE_WIDTH, Tile, TileKind, new_bundles};
use lazuli_tlog::{Hash, TileBuilder, TreeHead, bundle, leaf_hash};

use crate::folder::{FileError, Folder};
use crate::report::Report;

/// The most bytes of a file of entries: 256 of them with their lengths.
const BUNDLE_BYTES_MAX: u64 = 256 * (2 + 65_535);

/// The most places where entries and hashes part that are kept.
const DOUBTS_MAX: usize = 100;

/// A leaf of the log: where it stands, its bytes and its hash.
pub struct LeafAt<'a> {
    /// The tile of entries that it stands in, and its index, as they are shown.
    pub place: &'a str,
    /// Its index in the log.
    pub index: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// The bytes of the file of a tile; a full tile may stand for a partial one.
pub fn read_tile(folder: &Folder, tile: Tile) -> Result<(Tile, Vec<u8>), FileError> {
    let max = match tile.kind() {
        TileKind::Entries => BUNDLE_BYTES_MAX,
        TileKind::Hashes(_) => u64::from(TILE_WIDTH) * HASH_BYTES as u64,
    };
    match (folder.read(&tile.path(), max), tile.full()) {
        (Err(FileError::Missing), Some(full)) if !tile.is_full() => {
            folder.read(&full.path(), max).map(|bytes| (full, bytes))
        }
        (read, _) => read.map(|bytes| (tile, bytes)),
    }
}

/// Reads the file of a tile of hashes and gives as many as the tile has.
fn read_hashes(folder: &Folder, tile: Tile, report: &mut Report) -> Option<Vec<Hash>> {
    let (found, bytes) = match read_tile(folder, tile) {
        Ok(read) => read,
        Err(error) => {
            file_error(folder, tile, &error, report);
            return None;
        }
    };
    let is_whole = bytes.len() == usize::from(found.width()) * HASH_BYTES;
    let hashes = bytes.get(..usize::from(tile.width()) * HASH_BYTES).and_then(Hash::read_all);
    if !is_whole || hashes.is_none() {
        let what = format_args!("{} bytes, which are not {} hashes", bytes.len(), found.width());
        report.contradiction(folder.name(found), what);
        return None;
    }
    hashes
}

/// Reports that a tile cannot be read: it is missing, or not what may stand there.
pub(crate) fn file_error(folder: &Folder, tile: Tile, error: &FileError, report: &mut Report) {
    if error.is_absence() {
        report.missing(folder.name(tile), error);
    } else {
        report.contradiction(folder.name(tile), error);
    }
}

/// A walk over all leaves of a log.
pub struct Walk<'a> {
    folder: &'a Folder,
    head: TreeHead,
    from_entries: TileBuilder,
    from_hashes: TileBuilder,
    doubts: Vec<(Tile, u64)>,
}

impl<'a> Walk<'a> {
    /// A walk over the log in `folder`, whose checkpoint says `head`.
    pub fn new(folder: &'a Folder, head: TreeHead) -> Self {
        let (from_entries, from_hashes) = (TileBuilder::new(), TileBuilder::new());
        Self { folder, head, from_entries, from_hashes, doubts: Vec::new() }
    }

    /// Walks, gives each leaf to `each`, and reports what does not fit. Whether all leaves were
    /// there.
    pub fn run(
        mut self,
        report: &mut Report,
        each: &mut dyn FnMut(&LeafAt<'_>, &mut Report),
    ) -> bool {
        for tile in new_bundles(0, self.head.size) {
            // A size that is far beyond what is there ends at the first tile that is not.
            let Some(hashes) = self.bundle(tile, report, each) else { return false };
            for (from_entry, stored) in hashes {
                let full = self.from_entries.append(from_entry);
                let stored_full = self.from_hashes.append(stored);
                for ((tile, bytes), (_, stored)) in full.iter().zip(&stored_full) {
                    self.upper_tile(*tile, bytes, stored, report);
                }
            }
        }
        let partial = self.from_entries.partial_tiles();
        for ((tile, bytes), (_, stored)) in partial.iter().zip(&self.from_hashes.partial_tiles()) {
            self.upper_tile(*tile, bytes, stored, report);
        }
        self.blame(report);
        true
    }

    /// Reads one file of entries and the hashes stored for it. Gives both hashes of each leaf.
    fn bundle(
        &mut self,
        tile: Tile,
        report: &mut Report,
        each: &mut dyn FnMut(&LeafAt<'_>, &mut Report),
    ) -> Option<Vec<(Hash, Hash)>> {
        let (found, bytes) = match read_tile(self.folder, tile) {
            Ok(read) => read,
            Err(error) => {
                file_error(self.folder, tile, &error, report);
                return None;
            }
        };
        let name = self.folder.name(found);
        let kind = TileKind::Hashes(0);
        let stored = Tile::new(kind, tile.index(), tile.width())
            .and_then(|tile| read_hashes(self.folder, tile, report));
        let entries = match bundle::entries(&bytes, found.width()) {
            Ok(entries) => entries,
            Err(error) => {
                report.contradiction(&name, error);
                // The tree can still be held against the hashes.
                return Some(stored?.into_iter().map(|hash| (hash, hash)).collect());
            }
        };
        let mut hashes = Vec::with_capacity(entries.len());
        for (place, bytes) in entries.into_iter().take(usize::from(tile.width())).enumerate() {
            let index = tile.first() + place as u64;
            each(&LeafAt { place: &format!("{name} leaf {index}"), index, bytes }, report);
            let hash = leaf_hash(bytes);
            let stored = stored.as_ref().and_then(|stored| stored.get(place)).copied();
            if stored.is_some_and(|stored| stored != hash) && self.doubts.len() < DOUBTS_MAX {
                self.doubts.push((found, index));
            }
            hashes.push((hash, stored.unwrap_or(hash)));
        }
        Some(hashes)
    }

    /// Holds a tile above the lowest level against both trees.
    fn upper_tile(&self, tile: Tile, bytes: &[u8], stored: &[u8], report: &mut Report) {
        if tile.kind() == TileKind::Hashes(0) {
            return;
        }
        let Some(hashes) = read_hashes(self.folder, tile, report) else { return };
        let found = hashes.as_flattened_bytes();
        if found != bytes && found != stored {
            let what = "its hashes are not those of the tiles below it";
            report.contradiction(self.folder.name(tile), what);
        }
    }

    /// Says which files are wrong, as far as the signed root tells.
    fn blame(&self, report: &mut Report) {
        let entries_fit = self.from_entries.head().root == self.head.root;
        let hashes_fit = self.from_hashes.head().root == self.head.root;
        for (bundle, index) in &self.doubts {
            let stored = Tile::new(TileKind::Hashes(0), bundle.index(), bundle.width());
            let stored = stored.map(|tile| self.folder.name(tile)).unwrap_or_default();
            if !entries_fit {
                let what = format_args!("leaf {index} is not the one whose hash is in {stored}");
                report.contradiction(self.folder.name(bundle), what);
            }
            if !hashes_fit {
                let what = format_args!("the hash of leaf {index} is not that of its entry");
                report.contradiction(stored, what);
            }
        }
        if !entries_fit && !hashes_fit {
            let what = "the signed root is not the root of the tiles";
            report.contradiction(self.folder.name("checkpoint"), what);
        }
    }
}

/// Hashes as the bytes of a tile.
trait AsBytes {
    fn as_flattened_bytes(&self) -> Vec<u8>;
}

impl AsBytes for Vec<Hash> {
    fn as_flattened_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|hash| hash.0).collect()
    }
}

//! A part of a log: some of its tiles, each proved to be in the tree of the checkpoint.

use std::collections::BTreeMap;

use lazuli_tlog::hash::leaf_hash;
use lazuli_tlog::tile::{Tile, TileKind};
use lazuli_tlog::{
    HashReader as _, Node, TileHashes, TreeHead, bundle, inclusion_proof, verify_inclusion,
};

use crate::folder::{FileError, Folder};
use crate::report::Report;
use crate::spine::{Heads, Leaf, Rules, Segment};
use crate::tree::{file_error, read_tile};

/// The most leaves that are kept.
const LEAVES_MAX: usize = 1 << 18;

/// The leaves of a part of a log that a bundle needs.
#[derive(Debug, Default)]
pub struct Part {
    /// The segments by their numbers.
    pub segments: BTreeMap<u64, Segment>,
    /// The maps of heads by the indices of their leaves.
    pub heads: BTreeMap<u64, Heads>,
}

impl Part {
    /// Reads the tiles of entries at these paths and proves each against `head`.
    pub fn read(folder: &Folder, paths: &[&str], head: TreeHead, report: &mut Report) -> Self {
        let mut tiles: Vec<Tile> = Vec::new();
        for path in paths {
            match path.parse::<Tile>() {
                Ok(tile) if tile.kind() == TileKind::Entries => tiles.push(tile),
                Ok(_) => {}
                Err(error) => report.contradiction(folder.name(path), error),
            }
        }
        tiles.sort_unstable_by_key(|tile| (tile.index(), tile.width()));
        let fetch = |tile| read_tile(folder, tile).map(|(_, bytes)| bytes);
        let mut hashes = TileHashes::new(head.size, fetch);
        let (mut part, mut rules) = (Self::default(), Rules::default());
        let mut next = 0;
        for tile in tiles {
            if !is_proved(folder, tile, head, &mut hashes, report) {
                continue;
            }
            if tile.first() > next {
                rules.skip();
            }
            part.leaves(folder, tile, next, &mut rules, report);
            next = next.max(tile.first() + u64::from(tile.width()));
        }
        rules.summarise(report);
        part
    }

    /// Keeps the leaves of a tile that was proved, from `next` on: a partial tile may lie beside the
    /// full one.
    fn leaves(
        &mut self,
        folder: &Folder,
        tile: Tile,
        next: u64,
        rules: &mut Rules,
        report: &mut Report,
    ) {
        let name = folder.name(tile);
        let Ok((_, bytes)) = read_tile(folder, tile) else { return };
        let Ok(entries) = bundle::entries(&bytes, tile.width()) else { return };
        for (index, bytes) in (tile.first()..).zip(entries).filter(|(index, _)| *index >= next) {
            let place = format!("{name} leaf {index}");
            if self.segments.len() + self.heads.len() >= LEAVES_MAX {
                return report.missing(place, "more leaves than this program keeps");
            }
            match rules.next(&place, bytes, report) {
                Some(Leaf::Segment(segment)) => {
                    self.segments.insert(segment.n, segment);
                }
                Some(Leaf::Heads(heads)) => {
                    self.heads.insert(index, heads);
                }
                _ => {}
            }
        }
    }
}

/// Whether the entries of a tile are those of the tree: each has the hash that is stored for it,
/// and the first is proved to be in the tree with the others beside it.
fn is_proved<F>(
    folder: &Folder,
    tile: Tile,
    head: TreeHead,
    hashes: &mut TileHashes<F>,
    report: &mut Report,
) -> bool
where
    F: FnMut(Tile) -> Result<Vec<u8>, FileError>,
{
    let name = folder.name(tile);
    if tile.first() + u64::from(tile.width()) > head.size {
        report.contradiction(name, "the tree of the checkpoint has no such entries");
        return false;
    }
    let bytes = match read_tile(folder, tile) {
        Ok((_, bytes)) => bytes,
        Err(error) => {
            file_error(folder, tile, &error, report);
            return false;
        }
    };
    let entries = match bundle::entries(&bytes, tile.width()) {
        Ok(entries) => entries,
        Err(error) => {
            report.contradiction(name, error);
            return false;
        }
    };
    for (index, entry) in (tile.first()..).zip(entries) {
        match hashes.hash(Node { level: 0, index }) {
            Ok(hash) if hash == leaf_hash(entry) => {}
            Ok(_) => {
                report.contradiction(name, format_args!("leaf {index} does not have its hash"));
                return false;
            }
            Err(error) => {
                report.missing(name, error);
                return false;
            }
        }
    }
    let first = tile.first();
    let proof = inclusion_proof(hashes, first, head.size);
    let proof = match proof {
        Ok(proof) => proof,
        Err(error) => {
            report.missing(name, error);
            return false;
        }
    };
    let leaf = hashes.hash(Node { level: 0, index: first });
    let fits = leaf.is_ok_and(|leaf| verify_inclusion(&proof, leaf, first, &head).is_ok());
    if !fits {
        report.contradiction(name, "its hashes do not lead to the signed root");
    }
    fits
}

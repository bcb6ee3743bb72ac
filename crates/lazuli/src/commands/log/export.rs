//! `lazuli log export DIR`: the log as files that may be handed to anybody, as tlog-tiles lays them
//! out, with the entries of its segments where these are asked for; with `--url` a mirror of the
//! public log of any server.
//!
//! <https://c2sp.org/tlog-tiles>. Full tiles that are there already are not fetched again, so that
//! a folder can be kept up to date; the checkpoint is written last. What contradicts it is written all
//! the same: the folder is then the evidence.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use lazuli_evidence::segment::{self, file_name};
use lazuli_evidence::spine::{Leaf, Segment};
use lazuli_tlog::hash::HASH_BYTES;
use lazuli_tlog::policy::POLICY_BYTES_MAX;
use lazuli_tlog::tile::new_bundles;
use lazuli_tlog::{Frontier, Hash, Tile, TileKind, leaf_hash, tiles_of};

use super::remote::Remote;
use super::show::SEGMENT_BYTES_MAX;
use crate::cli::LogExport;
use crate::failure::{Failure, While as _};
use crate::output;

/// Writes the log into a folder.
pub(crate) fn run(arguments: &LogExport) -> Result<(), Failure> {
    let remote = match &arguments.url {
        Some(url) => Remote::new(url, arguments.ca_file.as_deref())?,
        None => Remote::of_admin(&arguments.admin.admin)?,
    };
    // Before the newest, which covers it then.
    let witnessed = remote.checkpoint("witnessed")?;
    let signed = match remote.checkpoint("checkpoint")? {
        Some(newest) => newest,
        None => remote.best_checkpoint()?,
    };
    let policy = match &arguments.url {
        // Logs of others need not have one.
        Some(_) => remote.get("policy", POLICY_BYTES_MAX)?,
        None => Some(remote.need("policy", POLICY_BYTES_MAX)?),
    };
    let head = *signed.checkpoint().head();
    let bytes_max = arguments.url.as_ref().map_or(u64::MAX, |_| arguments.bytes_max);
    // Each leaf has a hash and a length.
    if head.size > bytes_max / (HASH_BYTES as u64 + 2) {
        let what = format!("the log claims {} leaves, more than {bytes_max} bytes hold", head.size);
        return Err(Failure::new(what).hint("`--bytes-max` allows for more"));
    }
    let left = Cell::new(bytes_max);
    let export = Export { remote: &remote, dir: &arguments.dir, left };
    let mut wrong = Vec::new();
    if arguments.segments {
        // It says that the entries are there, if there are any.
        let seg = export.path("seg");
        fs::create_dir_all(&seg).or_fail(format!("make {}", seg.display()))?;
    }
    let (mut tree, mut segments) = (Frontier::new(), 0);
    let mut is_consistent = true;
    for tile in new_bundles(0, head.size) {
        let bundle = export.tile(tile)?;
        let entries = lazuli_tlog::entries(&bundle, tile.width());
        let entries = entries.or_fail(format!("read {tile}"))?;
        // Side by side, so that a lie ends it early.
        is_consistent = export.are_hashed(tile, &entries)?;
        if !is_consistent {
            break;
        }
        for leaf in entries {
            tree.append(leaf_hash(leaf));
            match Leaf::decode(leaf).filter(|_| arguments.segments) {
                Some(Leaf::Segment(closed)) if Hash(closed.root) != Hash::of_empty_tree() => {
                    segments += 1;
                    wrong.extend(export.segment(&closed)?);
                }
                _ => {}
            }
        }
    }
    let is_upper = |tile: &Tile| is_consistent && tile.kind() != TileKind::Hashes(0);
    for tile in tiles_of(head.size).filter(is_upper) {
        export.tile(tile)?;
    }
    if let Some(policy) = policy {
        export.write("policy", &policy)?;
    }
    // Before the roots are compared: a folder that contradicts its checkpoint is evidence.
    export.write("checkpoint", signed.to_string().as_bytes())?;
    if let Some(witnessed) = witnessed {
        export.write("witnessed", witnessed.to_string().as_bytes())?;
    }
    if !is_consistent || tree.head() != head {
        let what = "the leaves that the server shows do not have the root that it signed";
        return Err(Failure::new(what).hint("keep the folder: it is evidence"));
    }
    if let Some(what) = wrong.first() {
        let more = wrong.len() - 1;
        let more =
            if more > 0 { format!(", and {more} more are not right") } else { String::new() };
        let hint = "keep the folder: it is evidence, which `lazuli-verify log` tells in full";
        return Err(Failure::new(format!("{what}{more}")).hint(hint));
    }
    let dir = arguments.dir.display();
    output::line(format!("{} leaves and {segments} segments in {dir}", head.size))
}

struct Export<'a> {
    remote: &'a Remote,
    dir: &'a Path,
    /// How many bytes of tiles may still be written.
    left: Cell<u64>,
}

impl Export<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        write(&self.path(name), bytes)
    }

    /// Writes a tile and gives its bytes.
    fn tile(&self, tile: Tile) -> Result<Vec<u8>, Failure> {
        let name = tile.path();
        if let Some(bytes) = fs::read(self.path(&name)).ok().filter(|_| tile.is_full()) {
            return Ok(bytes);
        }
        let bytes = self.remote.tile(tile)?;
        let missing = || Failure::new(format!("the server does not show {tile}"));
        let bytes = bytes.ok_or_else(missing)?;
        let left = self.left.get().checked_sub(bytes.len() as u64);
        self.left.set(left.ok_or_else(|| {
            Failure::new("the log is longer than a mirror may be")
                .hint("`--bytes-max` allows for more")
        })?);
        self.write(&name, &bytes)?;
        Ok(bytes)
    }

    /// Writes the tile with the hashes of a tile of leaves; whether they are those of the leaves.
    fn are_hashed(&self, leaves: Tile, entries: &[&[u8]]) -> Result<bool, Failure> {
        let tile = Tile::new(TileKind::Hashes(0), leaves.index(), leaves.width());
        let tile = tile.ok_or_else(|| Failure::new(format!("{leaves} has no hashes")))?;
        let stored = self.tile(tile)?;
        let made = entries.iter().flat_map(|entry| leaf_hash(entry).0);
        Ok(stored.iter().copied().eq(made))
    }

    /// Writes the file of a segment that has entries, unless it is there and right; what is wrong with
    /// what the server shows, if anything is.
    fn segment(&self, closed: &Segment) -> Result<Option<String>, Failure> {
        let n = closed.n;
        let name = format!("seg/{}", file_name(n));
        if fs::read(self.path(&name)).is_ok_and(|bytes| has_root(&bytes, closed)) {
            return Ok(None);
        }
        let bytes = self.remote.get(&format!("segment/{n}"), SEGMENT_BYTES_MAX)?;
        let Some(bytes) = bytes else {
            return Ok(Some(format!("the server does not show segment {n}")));
        };
        self.write(&name, &bytes)?;
        let what = || format!("segment {n} has not the root in the log");
        Ok((!has_root(&bytes, closed)).then(what))
    }
}

/// Whether the file of a segment has the entries that its leaf commits to.
fn has_root(bytes: &[u8], closed: &Segment) -> bool {
    let Some((n, entries)) = segment::decode(bytes) else { return false };
    let mut tree = Frontier::new();
    for entry in entries {
        tree.append(leaf_hash(entry));
    }
    n == closed.n && tree.root() == Hash(closed.root)
}

/// Writes a file in one step, with the folders above it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let doing = || format!("write {}", path.display());
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).or_fail(doing())?;
    let mut temporary = path.as_os_str().to_os_string();
    temporary.push(".new");
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).or_fail(doing())
}

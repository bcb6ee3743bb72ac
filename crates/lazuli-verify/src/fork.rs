//! `lazuli-verify fork`: two checkpoints of one log that cannot both be true.

use std::path::Path;

use lazuli_tlog::policy::Policy;
use lazuli_tlog::{TileHashes, root_at};

use crate::checkpoint::{self, Trusted};
use crate::folder::{FileError, Folder, read_named};
use crate::log::CHECKPOINT_BYTES_MAX;
use crate::report::Report;
use crate::tree::read_tile;

/// A checkpoint, as a file or in the folder of its log.
struct Side {
    trusted: Trusted,
    bytes: Vec<u8>,
    folder: Option<Folder>,
}

/// Compares the checkpoints at two paths, each a file or the folder of a log.
pub fn check(a: &Path, b: &Path, policy: &Policy, report: &mut Report) {
    let sides = (read(a, policy, report), read(b, policy, report));
    report.not_proved("which of two histories is the true one");
    report.not_proved("that the log is the same for others than the two that were compared");
    let (Some(a), Some(b)) = sides else { return };
    if a.trusted.origin != b.trusted.origin {
        let (a, b) = (a.trusted.origin.escape_debug(), b.trusted.origin.escape_debug());
        return report.missing("checkpoints", format_args!("{a} and {b} are two logs"));
    }
    let (old, new) = if a.trusted.head.size <= b.trusted.head.size { (a, b) } else { (b, a) };
    let (old_head, new_head) = (old.trusted.head, new.trusted.head);
    if old_head == new_head {
        return report.fact("both checkpoints are of the same tree");
    }
    if old_head.size == new_head.size {
        return proof(&old, &new, report);
    }
    let Some(folder) = &new.folder else {
        let what = "of two sizes: compare the folder of the larger log";
        return report.missing("checkpoints", what);
    };
    let fetch = |tile| read_tile(folder, tile).map(|(_, bytes)| bytes);
    let mut hashes = TileHashes::new(new_head.size, fetch);
    match (root_at(&mut hashes, new_head.size), root_at(&mut hashes, old_head.size)) {
        (Ok(root), _) if root != new_head.root => {
            report.contradiction(folder.name("checkpoint"), "its root is not that of the tiles");
        }
        (Ok(_), Ok(root)) if root == old_head.root => {
            report.fact("the larger tree begins with the smaller one");
        }
        (Ok(_), Ok(_)) => proof(&old, &new, report),
        (Err(error), _) | (_, Err(error)) => report.missing("tiles", error),
    }
}

/// Reads one side.
fn read(path: &Path, policy: &Policy, report: &mut Report) -> Option<Side> {
    let place = path.display().to_string();
    let (bytes, folder) = if path.is_dir() {
        let folder = Folder::new(path);
        (folder.read("checkpoint", CHECKPOINT_BYTES_MAX), Some(folder))
    } else {
        (read_named(path, CHECKPOINT_BYTES_MAX), None)
    };
    match bytes {
        Ok(bytes) => {
            let trusted = checkpoint::check(&place, &bytes, policy, report)?;
            Some(Side { trusted, bytes, folder })
        }
        Err(error) => {
            unreadable(&place, &error, report);
            None
        }
    }
}

/// Reports that a file cannot be read: it is missing, or not what may stand there.
pub(crate) fn unreadable(place: &str, error: &FileError, report: &mut Report) {
    if error.is_absence() {
        report.missing(place, error);
    } else {
        report.contradiction(place, error);
    }
}

/// Prints what proves to anybody that the log was forked.
fn proof(a: &Side, b: &Side, report: &mut Report) {
    let origin = a.trusted.origin.escape_debug();
    let what = "both are signed by the log, and both cannot be true";
    report.contradiction(format_args!("fork proof: {origin}"), what);
    for side in [a, b] {
        for line in String::from_utf8_lossy(&side.bytes).lines() {
            report.fact(format!("  {line}"));
        }
    }
}

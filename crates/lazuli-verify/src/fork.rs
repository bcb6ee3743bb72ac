//! `lazuli-verify fork`: two checkpoints of one log that cannot both be true.

use std::path::Path;

use lazuli_tlog::policy::{Cosigned, Policy};
use lazuli_tlog::{TileHashes, root_at};

use crate::checkpoint::{self, Trusted};
use crate::folder::{FileError, Folder, read_named};
use crate::log::CHECKPOINT_BYTES_MAX;
use crate::report::{Report, time};
use crate::tree::read_tile;

/// How far the clocks of logs and witnesses may be apart, in seconds.
const CLOCKS_S: u64 = 300;

/// A checkpoint, as a file or in the folder of its log.
struct Side {
    trusted: Trusted,
    bytes: Vec<u8>,
    folder: Option<Folder>,
}

/// Compares the checkpoints at two paths, each a file or the folder of a log.
pub fn check(a: &Path, b: &Path, policy: &Policy, report: &mut Report) {
    let Some((old, new)) = sides(a, b, policy, report) else { return };
    if went_back(&old, &new, policy, report) {
        return;
    }
    compare(&old, &new, report);
}

/// Holds a checkpoint that the caller kept against the log that came into its hands later, whose last
/// segment was closed at `newest_ms`.
pub fn check_seen(
    seen: &Path,
    folder: &Path,
    newest_ms: Option<u64>,
    policy: &Policy,
    report: &mut Report,
) {
    let Some((old, new)) = sides(seen, folder, policy, report) else { return };
    if went_back(&old, &new, policy, report) {
        return;
    }
    match (&old.folder, new.trusted.witnessed) {
        // The smaller one is the log's, though the larger one was kept before: the log shrank.
        (Some(folder), Some(at)) if old.trusted.head.size < new.trusted.head.size => {
            let place = folder.name("checkpoint");
            let (has, had) = (old.trusted.head.size, new.trusted.head.size);
            let vouched = format!("{had} leaves were vouched for at {}", time(seconds(at)));
            if let Some(newest_ms) =
                newest_ms.filter(|ms| *ms > seconds(at.saturating_add(CLOCKS_S)))
            {
                let until = time(newest_ms);
                let what = format_args!("{vouched}, and of {has} the last is of {until}: cut");
                report.contradiction(place, what);
            } else if new.trusted.too_few.is_none() {
                let what = format_args!("{vouched}, and the log shows {has} only: it was cut");
                report.contradiction(place, what);
                let what = "that the folder is not a copy from before the checkpoint that you kept";
                report.not_proved(format!("{what}: an older copy looks like a log that was cut"));
            } else {
                compare(&old, &new, report);
            }
        }
        _ => compare(&old, &new, report),
    }
}

/// Reads both sides and gives the one of the smaller tree first; of two trees of one size the first.
fn sides(a: &Path, b: &Path, policy: &Policy, report: &mut Report) -> Option<(Side, Side)> {
    let sides = (read(a, policy, report), read(b, policy, report));
    report.not_proved("which of two histories is the true one");
    report.not_proved("that the log is the same for others than the two that were compared");
    let (Some(a), Some(b)) = sides else { return None };
    if a.trusted.origin != b.trusted.origin {
        let (a, b) = (a.trusted.origin.escape_debug(), b.trusted.origin.escape_debug());
        report.missing("checkpoints", format_args!("{a} and {b} are two logs"));
        return None;
    }
    Some(if a.trusted.head.size <= b.trusted.head.size { (a, b) } else { (b, a) })
}

/// Whether a witness vouched for the smaller tree after it had vouched for the larger one, which none
/// does. The report tells it.
fn went_back(old: &Side, new: &Side, policy: &Policy, report: &mut Report) -> bool {
    let (has, had) = (old.trusted.head.size, new.trusted.head.size);
    for Cosigned { witness, timestamp } in &old.trusted.cosigned {
        let same = new.trusted.cosigned.iter().find(|cosigned| cosigned.witness == *witness);
        let Some(before) = same.map(|cosigned| cosigned.timestamp) else { continue };
        if has < had && *timestamp > before.saturating_add(CLOCKS_S) {
            let name = policy.witnesses().get(*witness).map(|witness| witness.name.as_slice());
            let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
            let (then, before) = (time(seconds(*timestamp)), time(seconds(before)));
            let name = name.escape_debug();
            let what = format_args!("{name} vouched for {has} leaves at {then}, {had} at {before}");
            report.contradiction("checkpoints", format_args!("the log was cut: {what}"));
            return true;
        }
    }
    false
}

/// Seconds since 1970 as milliseconds.
const fn seconds(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}

/// Compares a tree with one that is not smaller.
fn compare(old: &Side, new: &Side, report: &mut Report) {
    let (old_head, new_head) = (old.trusted.head, new.trusted.head);
    if old_head == new_head {
        return report.fact("both checkpoints are of the same tree");
    }
    if old_head.size == new_head.size {
        return proof(old, new, report);
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
        (Ok(_), Ok(_)) => proof(old, new, report),
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

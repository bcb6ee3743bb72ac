//! The largest checkpoint that a quorum of witnesses vouches for, which a log keeps beside its newest
//! one: witnesses answer a little later than the log signs, and may be away for longer.

use lazuli_tlog::policy::Policy;
use lazuli_tlog::{TileHashes, root_at};

use crate::checkpoint::{self, Trusted};
use crate::folder::Folder;
use crate::log::CHECKPOINT_BYTES_MAX;
use crate::report::Report;
use crate::tree::read_tile;

/// The name of its file.
const WITNESSED: &str = "witnessed";

/// Reads it, where the folder has one with a quorum, and holds it against the tree of the newest
/// checkpoint, for which too few witnesses vouch. Gives it if that tree continues it.
pub(crate) fn check(
    folder: &Folder,
    newest: &Trusted,
    policy: &Policy,
    report: &mut Report,
) -> Option<Trusted> {
    let place = folder.name(WITNESSED);
    let bytes = match folder.read(WITNESSED, CHECKPOINT_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absence() => return None,
        Err(error) => {
            report.contradiction(place, error);
            return None;
        }
    };
    let vouched = checkpoint::check_signature(&place, &bytes, policy, report)?;
    if vouched.origin != newest.origin {
        report.contradiction(place, "it is of another log than the checkpoint");
        return None;
    }
    if vouched.too_few.is_some() {
        report.note(format!("{place}: it has no quorum of witnesses either"));
        return None;
    }
    let (size, of) = (vouched.head.size, newest.head.size);
    if size > of {
        let what = format_args!("{size} leaves were witnessed, and the checkpoint has {of}");
        report.contradiction(place, what);
        return None;
    }
    let fetch = |tile| read_tile(folder, tile).map(|(_, bytes)| bytes);
    match root_at(&mut TileHashes::new(of, fetch), size) {
        Ok(root) if root == vouched.head.root => {}
        Ok(_) => {
            report.contradiction(place, "the tree of the checkpoint does not begin with its tree");
            return None;
        }
        // The walk over all tiles says which is missing.
        Err(_) => return None,
    }
    report.fact(format!("{place}: enough witnesses vouch for the first {size} leaves of {of}"));
    if size < of {
        let what = "for the newest checkpoint too few witnesses vouch yet";
        report.not_proved(format!("that others were shown the leaves from {size} on: {what}"));
    }
    Some(vouched)
}

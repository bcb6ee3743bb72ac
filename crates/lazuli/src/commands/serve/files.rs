//! The number of files the process may have open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than the server's connections and the store's files together.
const FILES_WANTED: u64 = 65_536;

/// Raises the soft limit as far as the hard one allows.
pub(super) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` means without limit.
    let Some(current) = current else { return };
    let wanted = maximum.unwrap_or(FILES_WANTED).min(FILES_WANTED);
    if current >= wanted {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        tracing::warn!(%error, current, wanted, "cannot raise the limit of open files");
    }
}

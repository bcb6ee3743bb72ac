//! The verifier of Lazuli's evidence: receipts, logs, bundles and forks, offline.
//!
//! It shares no code with the server but the public rules of transparency logs in `lazuli-tlog`: it
//! has its own strict reader of CBOR and makes every hash anew. It never writes, never asks a
//! network, and takes nothing that it reads for granted: lengths are bounded before they are used,
//! links are not followed, and no bytes can make it panic. The formats are those of
//! `docs/internals/journal.md`.
//!
//! Every run ends in a [`Report`], whose last lines say what the evidence does not
//! prove, and in one of the codes of [`Exit`](report::Exit).

#![forbid(unsafe_code)]

pub mod accounts;
pub mod arguments;
pub mod bag;
pub mod bundle;
pub mod cbor;
pub mod chains;
pub mod checkpoint;
pub mod claims;
pub mod entry;
pub mod folder;
pub mod fork;
pub mod heads;
pub mod items;
pub mod log;
pub mod part;
pub mod promise;
pub mod receipt;
pub mod report;
pub mod segment;
pub mod spine;
pub mod tree;
mod vouched;

use std::path::Path;

use lazuli_tlog::policy::{POLICY_BYTES_MAX, Policy};

use arguments::{Arguments, Command};
use folder::{Folder, read_named};
use report::Report;

/// Does what the arguments say and gives the report.
///
/// # Errors
/// The program was called wrongly: a policy or a file that cannot be read.
pub fn run(arguments: &Arguments) -> Result<Report, String> {
    let policy = policy(&arguments.policy)?;
    let mut report = Report::new();
    for key in policy.skipped() {
        let what = "ML-DSA-44 takes a build with `--features ml-dsa`";
        report.note(format!("the policy: the key {key} is skipped: {what}"));
    }
    match &arguments.command {
        Command::Receipt { file, log } => {
            let bytes = read_named(file, promise::FILE_BYTES_MAX)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            let log = log.as_ref().map(Folder::new);
            match std::str::from_utf8(&bytes) {
                Ok(text) => promise::check(text, &policy, log.as_ref(), &mut report),
                Err(_) => report.contradiction(file.display(), "not UTF-8"),
            }
        }
        Command::Log { folder, seen } => {
            let known = log::check(&existing(folder)?, &policy, None, &mut report);
            if let Some(seen) = seen {
                let newest_ms = known.and_then(|known| known.last).map(|(_, t1_ms)| t1_ms);
                fork::check_seen(seen, folder, newest_ms, &policy, &mut report);
            }
        }
        Command::Bundle { folder } => bundle::check(&existing(folder)?, &policy, &mut report),
        Command::Fork { a, b } => fork::check(a, b, &policy, &mut report),
        Command::Help | Command::Version => {}
    }
    Ok(report)
}

/// The policy in a file.
fn policy(path: &Path) -> Result<Policy, String> {
    let bytes = read_named(path, POLICY_BYTES_MAX as u64)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Policy::parse_supported(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// A folder that is there.
fn existing(path: &Path) -> Result<Folder, String> {
    if path.is_dir() {
        Ok(Folder::new(path))
    } else {
        Err(format!("{}: there is no such folder", path.display()))
    }
}

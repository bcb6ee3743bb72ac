//! A log at an address: another program brings it here as files, because this one has no network code
//! that evidence could reach.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;
use std::{env, process};

/// The program that mirrors logs, beside this one or on the path.
const PROGRAM: &str = "lazuli";

/// What the names of folders for logs begin with; the id of the process and a time follow.
const PREFIX: &str = "lazuli-verify-";

/// A folder with a log in it; removed at the end. What a process left that was killed before its end
/// is removed by the next one.
pub(crate) struct Mirror(PathBuf);

/// Whether a place is an address rather than a path.
pub(crate) fn is_address(place: &Path) -> bool {
    place.to_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
}

impl Mirror {
    /// Brings the log at an address into a new folder that only this user can read.
    ///
    /// # Errors
    /// The folder cannot be made, the program is not there, or it could not mirror the log: it has
    /// said why.
    pub(crate) fn bring(address: &Path) -> Result<Self, String> {
        let mirror =
            new_folder().map(Self).map_err(|error| format!("no folder for it: {error}"))?;
        remove_left(&mirror.0);
        let mut command = Command::new(program());
        command.args(["log", "export", "--url"]).arg(address).arg(&mirror.0);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(mirror),
            // A log that contradicts its checkpoint is brought nevertheless, to be told where.
            Ok(_) if mirror.0.join("checkpoint").is_file() => Ok(mirror),
            Ok(status) => Err(format!("`{PROGRAM} log export` ended with {status}")),
            Err(error) => Err(format!(
                "`{PROGRAM} log export` brings logs from the network, and does not start: {error}"
            )),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // What stays behind is a copy of what is public.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn new_folder() -> io::Result<PathBuf> {
    let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = format!("{PREFIX}{}-{}", process::id(), moment.as_nanos());
    let folder = env::temp_dir().join(name);
    // Not one that somebody else made under this name.
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

/// Removes the folders beside `own` that processes of this user left, which do not run any more.
fn remove_left(own: &Path) {
    // Where processes cannot be looked up, none is known to be gone.
    let processes = Path::new("/proc");
    if !processes.join(process::id().to_string()).exists() {
        return;
    }
    let user = own.symlink_metadata().map(|metadata| metadata.uid()).ok();
    let beside = own.parent().and_then(|parent| fs::read_dir(parent).ok());
    for entry in beside.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let process = rest.and_then(|rest| rest.split_once('-')).map(|(process, _)| process);
        let process = process.and_then(|process| process.parse::<u32>().ok());
        let is_gone = process.is_some_and(|id| !processes.join(id.to_string()).exists());
        let found = entry.path().symlink_metadata();
        if is_gone && found.is_ok_and(|found| found.is_dir() && Some(found.uid()) == user) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn program() -> OsString {
    let beside = env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    beside.filter(|beside| beside.is_file()).map_or_else(|| PROGRAM.into(), Into::into)
}

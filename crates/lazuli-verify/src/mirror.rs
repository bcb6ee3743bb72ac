//! A log at an address: another program brings it here as files, because this one has no network code
//! that evidence could reach.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;
use std::{env, process};

/// The program that mirrors logs, beside this one or on the path.
const PROGRAM: &str = "lazuli";

/// A folder with a log in it; removed at the end.
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
    let name = format!("lazuli-verify-{}-{}", process::id(), moment.as_nanos());
    let folder = env::temp_dir().join(name);
    // Not one that somebody else made under this name.
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

fn program() -> OsString {
    let beside = env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    beside.filter(|beside| beside.is_file()).map_or_else(|| PROGRAM.into(), Into::into)
}

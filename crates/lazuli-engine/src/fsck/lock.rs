//! The lock of a directory that is checked, which may be on a file system that is read-only.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::engine::{self, OpenError, io_error};
use crate::state::LOCK_FILE;

/// A lock, or why there is none.
pub(super) type Lock = Result<File, String>;

/// Whether the error says that nothing is written here, by this caller at least.
pub(super) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Locks a data directory as a server does; where nothing can be written, by way of a file that is
/// open for reading only. Where that cannot be locked either, a check may do without: a server needs
/// to write.
pub(super) fn lock(data: &Path) -> Result<Lock, OpenError> {
    match engine::lock(data) {
        Err(OpenError::Io(_, error)) if is_read_only(&error) => {}
        locked => return locked.map(Ok),
    }
    let path = data.join(LOCK_FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Err(format!("{} is missing and cannot be made", path.display())));
        }
        opened => opened.map_err(io_error(&path))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Ok(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(data.to_path_buf())),
        Err(TryLockError::Error(error)) => Ok(Err(format!("{}: {error}", path.display()))),
    }
}

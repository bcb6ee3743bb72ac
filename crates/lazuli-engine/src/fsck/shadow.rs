//! A shadow of the trees' directories, which opening them changes: tables, which are immutable, are
//! hard links; everything else is copied. The log is read where it is.

use std::io;
use std::path::{Path, PathBuf};

use super::lock;
use crate::embedded::store::WAL_DIR;

pub(super) const NAME: &str = ".fsck";

#[derive(Debug)]
pub(super) struct Shadow(PathBuf);

impl Shadow {
    /// Makes the shadow of `meta_dir` inside the data directory, where tables can be links, or where
    /// temporary files go if that disk is full or not to be written to.
    pub(super) fn of(data: &Path, meta_dir: &Path) -> io::Result<Self> {
        let inside = Self(data.join(NAME));
        match mirror(meta_dir, inside.path()) {
            Ok(()) => Ok(inside),
            Err(error)
                if error.kind() == io::ErrorKind::StorageFull || lock::is_read_only(&error) =>
            {
                drop(inside);
                let name = format!("lazuli-fsck-{}", std::process::id());
                let outside = Self(std::env::temp_dir().join(name));
                mirror(meta_dir, outside.path())?;
                Ok(outside)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "shadow not removed");
        }
    }
}

/// Removes what a check that was cut off left.
pub(crate) fn discard(data: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(data.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    let tables = from.file_name().is_some_and(|name| name == "tables");
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() == WAL_DIR {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            mirror(&entry.path(), &target)?;
        } else if !tables || std::fs::hard_link(entry.path(), &target).is_err() {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

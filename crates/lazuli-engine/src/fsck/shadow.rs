//! A shadow of the metadata directory that fjall may change: tables, which are immutable, are hard
//! links; everything else is copied.

use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = ".fsck";

#[derive(Debug)]
pub(super) struct Shadow(PathBuf);

impl Shadow {
    /// Makes the shadow of `meta_dir` inside the data directory.
    pub(super) fn of(data: &Path, meta_dir: &Path) -> io::Result<Self> {
        let shadow = Self(data.join(NAME));
        mirror(meta_dir, &shadow.0)?;
        Ok(shadow)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
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
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            mirror(&entry.path(), &target)?;
        } else if !tables || std::fs::hard_link(entry.path(), &target).is_err() {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

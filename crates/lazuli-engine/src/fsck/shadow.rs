//! A shadow of the metadata directory that fjall may change: tables, which are immutable, are hard
//! links; everything else is copied.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

const NAME: &str = ".fsck";

/// Copied at once.
const COPY_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Shadow(PathBuf);

impl Shadow {
    /// Makes the shadow of `meta_dir` inside the data directory, where tables can be links, or where
    /// temporary files go if that disk is full.
    pub(super) fn of(data: &Path, meta_dir: &Path) -> io::Result<Self> {
        let inside = Self(data.join(NAME));
        match mirror(meta_dir, inside.path()) {
            Ok(()) => Ok(inside),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
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
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Copies a file without its zeros: fjall reserves tens of megabytes for a journal that is nearly
/// empty, and the disk may be full.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    let mut block = vec![0; COPY_BYTES];
    let mut len: u64 = 0;
    loop {
        let read = source.read(&mut block)?;
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        if bytes.iter().any(|byte| *byte != 0) {
            target.seek(SeekFrom::Start(len))?;
            target.write_all(bytes)?;
        }
        len += read as u64;
    }
    target.set_len(len)
}

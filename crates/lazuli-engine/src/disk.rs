//! The disk as the engine sees it: the few calls extents and small files need, behind a trait so
//! that a simulated disk can lose, tear, corrupt, fill up and fail.

pub mod sim;
pub mod system;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use sim::{Fault, SimDisk};
pub use system::SystemDisk;

/// What an opened file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Writing what is synced at once and read no more: past the cache of the operating system where
    /// the file system can do that. What begins at a multiple of [`DIRECT_BYTES`], in memory and in
    /// the file, can take that way.
    Direct,
}

/// The alignment in bytes, of memory, that [`Access::Direct`] asks for.
pub const DIRECT_BYTES: usize = 4096;

/// The room of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes an unprivileged process may still write.
    pub free: u64,
    /// Bytes it holds when it is empty.
    pub total: u64,
}

/// An open file. All offsets and lengths are in bytes.
pub trait DiskFile: Send + Sync + std::fmt::Debug {
    /// Reads into `buffer` from `offset`, as much as there is; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Like [`DiskFile::read_at`], but answers `WouldBlock` instead of waiting for the device.
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable (not its name: see [`Disk::sync_dir`]).
    fn sync_data(&self) -> io::Result<()>;

    /// The file's length.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends the file, giving back space reserved beyond `len`.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space for `len` bytes without changing the file's length. A file system that cannot
    /// reserve is no error.
    fn reserve(&self, len: u64) -> io::Result<()>;
}

/// A file system.
pub trait Disk: Send + Sync + std::fmt::Debug + 'static {
    /// Creates a file that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// The names of the entries of a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Creates a directory and its missing parents, without syncing them.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Renames a file, replacing what is at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The room of the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// The length of a file in bytes.
    fn file_len(&self, path: &Path) -> io::Result<u64>;
}

/// Reads a whole file.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    let read = read_full(&*file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Fills `buffer` from `offset` as far as the file reaches; returns the bytes read.
pub(crate) fn read_full(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Replaces a small file so that after a power cut either the old or the new content is there.
pub(crate) fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = dir.join(name);
    match disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&temporary)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(&dir)
}

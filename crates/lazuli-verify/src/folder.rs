//! Reading files of a folder that somebody else made: by plain paths, within bounds, no links.

use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is none.
    Missing,
    /// Something else than a plain file or folder stands there, such as a link.
    NotAFile,
    /// The path could lead out of the folder.
    Path,
    /// It has more bytes than such a file can have.
    TooLong(u64),
    /// The system does not let it be read.
    Unreadable(ErrorKind),
}

impl FileError {
    /// Whether the file is absent, rather than wrong.
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::Missing | Self::Unreadable(_))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::NotAFile => f.write_str("not a plain file"),
            Self::Path => f.write_str("a path that is not allowed"),
            Self::TooLong(max) => write!(f, "longer than the {max} bytes it can have"),
            Self::Unreadable(kind) => write!(f, "cannot be read: {kind}"),
        }
    }
}

impl std::error::Error for FileError {}

/// A folder, and what stands before the names of its files when they are shown.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    shown: String,
}

impl Folder {
    /// The folder at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), shown: String::new() }
    }

    /// A folder in this one.
    pub fn below(&self, path: &str) -> Self {
        Self { root: self.root.join(path), shown: format!("{}{path}/", self.shown) }
    }

    /// A path as it is shown.
    pub fn name(&self, path: impl fmt::Display) -> String {
        format!("{}{path}", self.shown)
    }

    /// Where the folder is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a folder at `path`, not a link to one.
    pub fn has_folder(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
    }

    /// Opens a file for reading, and tells its length.
    pub fn open(&self, path: &str) -> Result<(File, u64), FileError> {
        let mut place = self.root.clone();
        let mut metadata = None;
        for component in Path::new(path).components() {
            let Component::Normal(name) = component else { return Err(FileError::Path) };
            place.push(name);
            let found = place.symlink_metadata().map_err(|error| io_error(&error))?;
            if found.is_symlink() {
                return Err(FileError::NotAFile);
            }
            metadata = Some(found);
        }
        let metadata = metadata.ok_or(FileError::Path)?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile);
        }
        let file = File::open(place).map_err(|error| io_error(&error))?;
        Ok((file, metadata.len()))
    }

    /// The bytes of a file of at most `max` bytes.
    pub fn read(&self, path: &str, max: u64) -> Result<Vec<u8>, FileError> {
        let (file, length) = self.open(path)?;
        read_all(file, length, max)
    }

    /// The names in the folder at `path`, in order; at most `max` of them.
    pub fn names(&self, path: &str, max: usize) -> Result<Vec<String>, FileError> {
        let entries = fs::read_dir(self.root.join(path)).map_err(|error| io_error(&error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| io_error(&error))?;
            if names.len() == max {
                return Err(FileError::TooLong(max as u64));
            }
            names.push(entry.file_name().into_string().map_err(|_| FileError::Path)?);
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// The bytes of a file that the caller named, wherever it is; links are followed.
pub fn read_named(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| io_error(&error))?;
    let metadata = file.metadata().map_err(|error| io_error(&error))?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    read_all(file, metadata.len(), max)
}

fn read_all(file: File, length: u64, max: u64) -> Result<Vec<u8>, FileError> {
    if length > max {
        return Err(FileError::TooLong(max));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // The file may grow while it is read.
    file.take(max + 1).read_to_end(&mut bytes).map_err(|error| io_error(&error))?;
    if bytes.len() as u64 > max { Err(FileError::TooLong(max)) } else { Ok(bytes) }
}

fn io_error(error: &std::io::Error) -> FileError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => FileError::Missing,
        kind => FileError::Unreadable(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_within_bounds_are_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        fs::create_dir(place.path().join("a")).unwrap();
        fs::write(place.path().join("a/b"), b"1234").unwrap();
        assert_eq!(folder.read("a/b", 4), Ok(b"1234".to_vec()));
        assert_eq!(folder.read("a/b", 3), Err(FileError::TooLong(3)));
        assert_eq!(folder.read("a", 3), Err(FileError::NotAFile));
        assert_eq!(folder.read("a/b/c", 3), Err(FileError::Missing));
        for path in ["../a/b", "/etc/passwd", "a/../a/b", ""] {
            assert_eq!(folder.read(path, 99), Err(FileError::Path), "{path}");
        }
        assert_eq!(folder.below("a").name("b"), "a/b");
        assert_eq!(folder.names("", 9), Ok(vec!["a".to_owned()]));
        assert_eq!(folder.names("", 0), Err(FileError::TooLong(0)));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        std::os::unix::fs::symlink("/etc", place.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", place.path().join("file")).unwrap();
        assert_eq!(folder.read("folder/passwd", 1 << 20), Err(FileError::NotAFile));
        assert_eq!(folder.read("file", 1 << 20), Err(FileError::NotAFile));
        assert!(!folder.has_folder("folder"));
    }
}

//! Checksums of the metadata files: taken at a clean close, compared at the next start and by fsck.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::checksum::crc64_digest;
use crate::state::FileSum;

/// The files below `dir`, in order of their paths below `data`. After `deadline` their contents are
/// no longer summed.
pub(crate) fn compute(
    data: &Path,
    dir: &Path,
    deadline: Option<Instant>,
) -> io::Result<Vec<FileSum>> {
    let mut paths = files_below(dir).map_err(|(_, error)| error)?;
    // Tables carry checksums of their own: if time runs out it runs out on them.
    paths.sort_by_key(|path| (is_table(path), path.clone()));
    let mut sums = Vec::with_capacity(paths.len());
    for path in paths {
        let len = path.metadata()?.len();
        let in_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
        let crc64 = in_time.then(|| crc64_of(&path)).transpose()?;
        sums.push(FileSum { path: name(data, &path), len, crc64 });
    }
    Ok(sums)
}

/// Compares lengths, and the contents of all files but tables (whose blocks are verified when they
/// are read). The error names the file.
pub(crate) fn verify_quickly(data: &Path, files: &[FileSum]) -> Result<(), String> {
    files.iter().try_for_each(|file| {
        let contents = !is_table(Path::new(&file.path));
        verify(data, file, contents)
    })
}

/// Compares a file with its sum. The error names the file.
pub(crate) fn verify(data: &Path, file: &FileSum, contents: bool) -> Result<(), String> {
    let path = data.join(&file.path);
    let len = path.metadata().map_err(|error| format!("{}: {error}", path.display()))?.len();
    if len != file.len {
        return Err(format!("{} has {len} bytes instead of {}", path.display(), file.len));
    }
    let Some(expected) = file.crc64.filter(|_| contents) else { return Ok(()) };
    match crc64_of(&path) {
        Ok(found) if found == expected => Ok(()),
        Ok(_) => Err(format!("{} does not match its checksum", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// All files below a directory. The error is with the path that could not be read.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let at = |error| (dir.to_path_buf(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(at)? {
        let entry = entry.map_err(at)?;
        if entry.file_type().map_err(at)?.is_dir() {
            files.append(&mut files_below(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// A path below the data directory, with `/`.
pub(crate) fn name(data: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(data).unwrap_or(path);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn is_table(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|dir| dir == "tables")
}

fn crc64_of(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut digest = crc64_digest();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(digest.finalize()),
            read => digest.update(chunk.get(..read).unwrap_or_default()),
        }
    }
}

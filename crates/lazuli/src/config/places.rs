//! Where things lie beside the data directory, and whether one lies in another.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// A path beside a directory, named after it; for one without a name of its own, such as `.`, after
/// the directory that it is.
pub(crate) fn beside(directory: &Path, extension: &str) -> PathBuf {
    let named = directory.file_name().is_none().then(|| resolved(directory));
    let directory = named.as_deref().unwrap_or(directory);
    let mut name = directory.file_name().unwrap_or("lazuli".as_ref()).to_os_string();
    name.push(extension);
    directory.with_file_name(name)
}

/// Whether a path is a directory or lies below it, by whatever names and links. Neither needs to
/// exist.
pub(crate) fn lies_in(path: &Path, directory: &Path) -> bool {
    resolved(path).starts_with(resolved(directory))
}

/// The path without links and detours, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (mut at, mut missing) = (whole.as_path(), Vec::<&OsStr>::new());
    loop {
        if let Ok(mut found) = at.canonicalize() {
            for name in missing.iter().rev() {
                if *name == Component::ParentDir.as_os_str() {
                    found.pop();
                } else {
                    found.push(name);
                }
            }
            return found;
        }
        let (Some(above), Some(last)) = (at.parent(), at.components().next_back()) else {
            return whole;
        };
        missing.push(last.as_os_str());
        at = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_a_directory_by_any_name_of_either() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::create_dir_all(folder.join("data/deep")).unwrap();
        std::fs::create_dir(folder.join("other")).unwrap();
        std::os::unix::fs::symlink(folder.join("data"), folder.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.join("data/deep"), folder.join("other/in")).unwrap();
        let lies =
            |path: &str, directory: &str| lies_in(&folder.join(path), &folder.join(directory));
        for path in [
            "data",
            "data/heads",
            "data/new/heads",
            "link/heads",
            "other/../data/heads",
            "other/in/heads",
            "data/new/../heads",
        ] {
            assert!(lies(path, "data") && lies(path, "link"), "{path}");
        }
        for path in ["data.heads", "datas/heads", "data/../heads", "new/heads", "link/../heads"] {
            assert!(!lies(path, "data") && !lies(path, "link"), "{path}");
        }
        assert!(lies("new/heads", "new") && !lies("new/../heads", "new"), "there is none yet");
    }

    #[test]
    fn what_is_beside_has_the_name_of_the_directory() {
        assert_eq!(beside("/srv/blobs/".as_ref(), ".heads"), Path::new("/srv/blobs.heads"));
        assert_eq!(beside("blobs".as_ref(), ".heads"), Path::new("blobs.heads"));
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        for path in [".", "src/.."] {
            assert_eq!(beside(path.as_ref(), ".heads"), here.with_extension("heads"), "{path}");
        }
    }
}

//! The folder of a bundle, as <https://www.rfc-editor.org/rfc/rfc8493.html> lays it out.
//!
//! Stricter than that: nothing is fetched from elsewhere, there are no links, and every file of the
//! payload is in the manifest with its SHA-256. Names are plain, so that none leads out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};

use lazuli_tlog::Hash;
use sha2::{Digest as _, Sha256};

use crate::cbor::hex;
use crate::folder::{FileError, Folder};
use crate::report::Report;

/// What `bagit.txt` says.
const DECLARATION: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The most files of a bundle.
const FILES_MAX: usize = 200_000;

/// How deep folders may stand in one another.
const DEPTH_MAX: usize = 16;

/// The most bytes of a manifest: a line for each file.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The manifest of the payload, and that of the other files.
const MANIFEST: &str = "manifest-sha256.txt";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";

/// Checks the folder: gives the paths of the payload's files, or nothing if it is no bundle.
pub fn check(folder: &Folder, report: &mut Report) -> Option<Vec<String>> {
    let mut files = Vec::new();
    walk(folder, "", 0, &mut files, report);
    if files.iter().any(|path| path == "fetch.txt") {
        report.contradiction("fetch.txt", "a bundle holds everything itself");
    }
    match folder.read("bagit.txt", 4096) {
        Ok(bytes) if bytes == DECLARATION => {}
        Ok(_) => report.contradiction("bagit.txt", "not the declaration of BagIt 1.0"),
        Err(error) => crate::fork::unreadable("bagit.txt", &error, report),
    }
    let listed = manifest(folder, MANIFEST, report)?;
    let payload: Vec<String> =
        files.iter().filter(|path| path.starts_with("data/")).cloned().collect();
    for path in &payload {
        if !listed.contains_key(path) {
            report.contradiction(path, format_args!("{MANIFEST} does not list it"));
        }
    }
    for (path, digest) in &listed {
        if path.starts_with("data/") {
            hash(folder, path, digest, report);
        } else {
            report.contradiction(MANIFEST, format_args!("{} is no payload", path.escape_debug()));
        }
    }
    if files.iter().any(|path| path == TAG_MANIFEST) {
        for (path, digest) in manifest(folder, TAG_MANIFEST, report)? {
            hash(folder, &path, &digest, report);
        }
    }
    report.fact(format!("bag: {} files have the hashes of {MANIFEST}", listed.len()));
    Some(payload)
}

/// Collects the paths of all files. The recursion ends at [`DEPTH_MAX`].
fn walk(folder: &Folder, path: &str, depth: usize, files: &mut Vec<String>, report: &mut Report) {
    let place = if path.is_empty() { "bundle" } else { path };
    if depth > DEPTH_MAX || files.len() > FILES_MAX {
        return report.contradiction(place, "more files or folders than a bundle can have");
    }
    let names = match folder.names(path, FILES_MAX) {
        Ok(names) => names,
        Err(error) => return crate::fork::unreadable(place, &error, report),
    };
    for name in names {
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        if !is_plain(&path) {
            report.contradiction(path.escape_debug(), FileError::Path);
            continue;
        }
        match folder.root().join(&path).symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => walk(folder, &path, depth + 1, files, report),
            Ok(metadata) if metadata.is_file() => files.push(path),
            Ok(_) => report.contradiction(path, FileError::NotAFile),
            Err(error) => report.missing(path, error.kind()),
        }
    }
}

/// Whether a path leads to a file within the folder, in one way of writing it.
fn is_plain(path: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    let is_letter = |letter: char| !letter.is_control() && !matches!(letter, '\\' | '%' | ':');
    path.split('/').all(is_name) && path.chars().all(is_letter)
}

/// Reads a manifest: the hash of each path.
fn manifest(folder: &Folder, name: &str, report: &mut Report) -> Option<BTreeMap<String, Hash>> {
    let bytes = match folder.read(name, MANIFEST_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            crate::fork::unreadable(name, &error, report);
            return None;
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        report.contradiction(name, "not UTF-8");
        return None;
    };
    let mut listed = BTreeMap::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let Some((path, digest)) = manifest_line(line) else {
            report.contradiction(format_args!("{name} line {number}"), "not a hash and a path");
            continue;
        };
        if listed.insert(path.to_owned(), digest).is_some() {
            report.contradiction(format_args!("{name} line {number}"), "a path for a second time");
        }
    }
    Some(listed)
}

/// Reads a line of a manifest: 64 digits, two spaces, a plain path.
fn manifest_line(line: &str) -> Option<(&str, Hash)> {
    let (digits, path) = line.strip_suffix('\n')?.split_once("  ")?;
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() || !is_plain(path) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        // Capital letters would be a second way to write a hash.
        let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let pair = std::str::from_utf8(pair).ok().filter(|_| pair.iter().all(is_digit))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some((path, Hash(hash)))
}

/// Hashes a file and holds it against the manifest.
fn hash(folder: &Folder, path: &str, digest: &Hash, report: &mut Report) {
    let found = folder
        .open(path)
        .and_then(|(file, _)| hash_of(file).map_err(|error| FileError::Unreadable(error.kind())));
    match found {
        Ok(found) if found == *digest => {}
        Ok(found) => {
            let found = hex(found.as_bytes());
            report.contradiction(path, format_args!("its SHA-256 is {found}, not the listed one"));
        }
        Err(error) => crate::fork::unreadable(path, &error, report),
    }
}

/// The SHA-256 of a file of any length.
fn hash_of(mut file: File) -> io::Result<Hash> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some([]) | None => return Ok(Hash(hasher.finalize().into())),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_and_small_digits_are_read() {
        let digits = "0123456789abcdef".repeat(4);
        let line =
            |digits: &str, path: &str| manifest_line(&format!("{digits}  {path}\n")).is_some();
        assert!(line(&digits, "data/log/tile/0/x001/000.p/5"));
        for path in
            ["../a", "data/../../a", "/etc/passwd", "data//a", "data/./a", "data\\a", "a%0Ab"]
        {
            assert!(!line(&digits, path), "{path}");
        }
        assert!(!line(&digits.to_uppercase(), "data/a"));
        assert!(!line(&digits[1..], "data/a"));
        assert!(!line(&digits.replace("01", "+1"), "data/a"));
        assert!(manifest_line(&format!("{digits}  data/a")).is_none(), "no line feed");
    }
}

//! A bundle of evidence as a folder: <https://www.rfc-editor.org/rfc/rfc8493.html>, with SHA-256.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use lazuli_tlog::Hash;

use super::describe::hex;
use super::export::write;
use crate::failure::Failure;

/// What `bagit.txt` says.
const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// Writes a bag with this payload, by the paths below `data/`.
pub(super) fn create(dir: &Path, payload: &BTreeMap<String, Vec<u8>>) -> Result<(), Failure> {
    if dir.join("data").exists() {
        let what = format!("{} holds a bundle already", dir.display());
        return Err(Failure::new(what).hint("choose a new directory with `--out`"));
    }
    let mut manifest = String::new();
    for (path, bytes) in payload {
        write(&dir.join("data").join(path), bytes)?;
        let digest = hex(Hash::of(&[bytes]).as_bytes());
        // Writing to a string cannot fail.
        let _ = writeln!(manifest, "{digest}  data/{path}");
    }
    write(&dir.join("manifest-sha256.txt"), manifest.as_bytes())?;
    write(&dir.join("bagit.txt"), DECLARATION.as_bytes())
}

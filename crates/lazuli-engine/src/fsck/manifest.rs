//! Verifies the files of the trees by the checksums they keep: `current` holds that of the
//! manifest, the manifest those of all tables (XXH3-128 of the whole file).
//!
//! Files no manifest names are left-overs of a crash; they are removed at the next start.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::embedded::trees::{CURRENT, SPACES};
use crate::frame::Fields;

type Findings = Vec<(PathBuf, String)>;

/// What is wrong with the trees below a metadata directory, or cannot be read.
pub(super) fn check(meta_dir: &Path) -> Findings {
    let mut found = Findings::new();
    for (name, _) in SPACES {
        let tree = meta_dir.join(name);
        if tree.join(CURRENT).exists() {
            check_tree(&tree, &mut found);
        }
    }
    found
}

fn check_tree(tree: &Path, found: &mut Findings) {
    let current = tree.join(CURRENT);
    let parsed = match std::fs::read(&current) {
        Ok(bytes) => parse_current(&bytes),
        Err(error) => return found.push((current, error.to_string())),
    };
    let Some((id, sum)) = parsed else {
        return found.push((current, "is malformed".into()));
    };
    let manifest = tree.join(format!("v{id}"));
    match xxh3_128_of(&manifest) {
        Ok(read) if read == sum => {}
        Ok(_) => return found.push((manifest, "does not match the checksum in current".into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return found.push((current, format!("names manifest {id}, which is missing")));
        }
        Err(error) => return found.push((manifest, error.to_string())),
    }
    let Some(tables) = tables_of(&manifest) else {
        return found.push((manifest, "is malformed".into()));
    };
    for (id, sum) in tables {
        let table = tree.join("tables").join(id.to_string());
        match xxh3_128_of(&table) {
            Ok(read) if read == sum => {}
            Ok(_) => found.push((table, "does not match the checksum in the manifest".into())),
            Err(error) => found.push((table, error.to_string())),
        }
    }
}

fn parse_current(bytes: &[u8]) -> Option<(u64, u128)> {
    let mut fields = Fields(bytes);
    let id = fields.u64()?;
    let sum = u128::from_le_bytes(fields.array()?);
    (fields.u8()? == 0 && fields.0.is_empty()).then_some((id, sum))
}

/// The tables a manifest names, with their checksums.
fn tables_of(manifest: &Path) -> Option<Vec<(u64, u128)>> {
    let reader = sfa::Reader::new(manifest).ok()?;
    let mut section = Vec::new();
    let entry = reader.toc().section(b"tables")?;
    entry.buf_reader(manifest).ok()?.read_to_end(&mut section).ok()?;
    let mut fields = Fields(&section);
    let mut tables = Vec::new();
    for _level in 0..fields.u8()? {
        for _run in 0..fields.u8()? {
            for _table in 0..fields.u32()? {
                let id = fields.u64()?;
                fields.u8()?;
                tables.push((id, u128::from_le_bytes(fields.array()?)));
                fields.u64()?;
            }
        }
    }
    Some(tables)
}

fn xxh3_128_of(path: &Path) -> io::Result<u128> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Xxh3::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.digest128()),
            read => hasher.update(chunk.get(..read).unwrap_or_default()),
        }
    }
}

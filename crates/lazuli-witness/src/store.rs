//! The newest cosigned checkpoint of every log, in one file.
//!
//! The file is replaced as a whole: written beside, synced, renamed, and the folder synced. At any
//! moment, whatever is killed, it is one that was complete. It is text:
//!
//! ```text
//! lazuli-witness/state/v1
//! checkpoint <bytes of the note>
//! <the note, with the log's signatures and ours>
//! sha256 <base64 of the hash of everything before this line>
//! ```

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use lazuli_tlog::{Hash, SignedCheckpoint};

/// The first line.
const HEADER: &str = "lazuli-witness/state/v1\n";

/// The most bytes of a file that is read: more than a thousand logs need.
const STATE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why there is no state to work on.
#[derive(Debug)]
pub enum StoreError {
    /// The file or its folder could not be read or written.
    Io(io::Error),
    /// The file is damaged. It is never taken for an empty one, for then the witness would cosign
    /// a second history.
    Damaged,
    /// Another witness uses the file.
    Locked,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged => f.write_str("the state is damaged"),
            Self::Locked => f.write_str("another witness uses the state"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The checkpoints and the file they are in.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    checkpoints: BTreeMap<String, SignedCheckpoint>,
    /// Held for as long as the store is used.
    _lock: File,
}

impl Store {
    /// Opens the state at `path`, for this process alone. Without a file it is empty.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(with_suffix(path, ".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked),
            Err(TryLockError::Error(error)) => return Err(StoreError::Io(error)),
        }
        let checkpoints = match File::open(path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(STATE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
                parse(&bytes).ok_or(StoreError::Damaged)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { path: path.to_owned(), checkpoints, _lock: lock })
    }

    /// The newest cosigned checkpoint of a log.
    pub fn newest(&self, origin: &str) -> Option<&SignedCheckpoint> {
        self.checkpoints.get(origin)
    }

    /// How many logs have a checkpoint.
    pub fn len(&self) -> usize {
        self.checkpoints.len()
    }

    /// Whether no log has one.
    pub fn is_empty(&self) -> bool {
        self.checkpoints.is_empty()
    }

    /// The newest checkpoint of the log whose origin has this hash.
    pub(crate) fn by_origin_hash(&self, hash: &Hash) -> Option<&SignedCheckpoint> {
        self.checkpoints
            .values()
            .find(|signed| Hash::of(&[signed.checkpoint().origin().as_bytes()]) == *hash)
    }

    /// Makes a checkpoint the newest of its log. When this returns without an error it is durable;
    /// with an error it may or may not be on the disk, and is not the newest.
    pub fn replace(&mut self, signed: SignedCheckpoint) -> io::Result<()> {
        let origin = signed.checkpoint().origin().to_owned();
        let former = self.checkpoints.insert(origin.clone(), signed);
        let written = self.write();
        if written.is_err() {
            match former {
                Some(former) => self.checkpoints.insert(origin, former),
                None => self.checkpoints.remove(&origin),
            };
        }
        written
    }

    /// Writes the file anew.
    fn write(&self) -> io::Result<()> {
        let beside = with_suffix(&self.path, ".new");
        let mut file = File::create(&beside)?;
        file.write_all(text(&self.checkpoints).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        // The new name is durable when the folder is.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// The path with something behind its name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The text of a state.
fn text(checkpoints: &BTreeMap<String, SignedCheckpoint>) -> String {
    let mut text = HEADER.to_owned();
    for note in checkpoints.values().map(ToString::to_string) {
        // Writing to a string cannot fail.
        let _ = write!(text, "checkpoint {}\n{note}", note.len());
    }
    let hash = Hash::of(&[text.as_bytes()]);
    let _ = writeln!(text, "sha256 {hash}");
    text
}

/// Reads the text of a state; `None` if it is not exactly what was written.
fn parse(bytes: &[u8]) -> Option<BTreeMap<String, SignedCheckpoint>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, hash) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let hash: Hash = hash.strip_prefix("sha256 ")?.parse().ok()?;
    if Hash::of(&[head.as_bytes(), b"\n"]) != hash {
        return None;
    }
    let mut rest = text.get(..=head.len())?.strip_prefix(HEADER)?;
    let mut checkpoints = BTreeMap::new();
    while !rest.is_empty() {
        let (length, after) = rest.strip_prefix("checkpoint ")?.split_once('\n')?;
        let (note, after) = after.split_at_checked(length.parse().ok()?)?;
        let signed = SignedCheckpoint::parse(note.as_bytes()).ok()?;
        checkpoints.insert(signed.checkpoint().origin().to_owned(), signed);
        rest = after;
    }
    Some(checkpoints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_tlog::{Checkpoint, NoteSigner, TreeHead};

    fn signed(origin: &str, size: u64) -> SignedCheckpoint {
        let signer = NoteSigner::from_seed("log".parse().unwrap(), &[1; 32]).unwrap();
        let head = TreeHead { size, root: Hash([size as u8; 32]) };
        Checkpoint::new(origin, head).unwrap().sign(&[&signer]).unwrap()
    }

    #[test]
    fn the_newest_checkpoints_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut store = Store::open(&path).unwrap();
        assert!(store.is_empty());
        for (origin, size) in [("a", 1), ("b", 7), ("a", 5)] {
            store.replace(signed(origin, size)).unwrap();
        }
        assert!(matches!(Store::open(&path), Err(StoreError::Locked)));
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.len(), 2);
        assert_eq!(store.newest("a"), Some(&signed("a", 5)));
        assert_eq!(store.newest("b"), Some(&signed("b", 7)));
        assert_eq!(store.by_origin_hash(&Hash::of(&[b"b"])), Some(&signed("b", 7)));
        assert_eq!(store.newest("c"), None);
    }

    #[test]
    fn damage_is_never_an_empty_or_an_older_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut store = Store::open(&path).unwrap();
        store.replace(signed("a", 5)).unwrap();
        store.replace(signed("b", 6)).unwrap();
        drop(store);
        let good = std::fs::read(&path).unwrap();
        for length in 0..good.len() {
            assert!(parse(&good[..length]).is_none(), "cut at {length}");
        }
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            assert!(parse(&bad).is_none(), "bit of byte {place}");
        }
        std::fs::write(&path, &good[..10]).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Damaged)));
    }

    #[test]
    fn what_a_killed_writer_left_beside_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut store = Store::open(&path).unwrap();
        store.replace(signed("a", 5)).unwrap();
        drop(store);
        std::fs::write(folder.path().join("state.new"), "half").unwrap();
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.newest("a"), Some(&signed("a", 5)));
        store.replace(signed("a", 6)).unwrap();
    }

    #[test]
    fn a_write_that_failed_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("state");
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        let mut store = Store::open(&path).unwrap();
        store.replace(signed("a", 5)).unwrap();
        std::fs::remove_dir_all(folder.path().join("deep")).unwrap();
        assert!(store.replace(signed("a", 6)).is_err());
        assert!(store.replace(signed("b", 6)).is_err());
        assert_eq!((store.newest("a"), store.newest("b")), (Some(&signed("a", 5)), None));
    }
}

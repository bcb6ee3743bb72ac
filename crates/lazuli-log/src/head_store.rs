//! The last head that a log signed, in a file of its own: compared and swapped, never set back.
//!
//! The file lies outside the data directory, so that a restored backup of the data does not bring
//! an old head with it: the log then finds that it signed more than it has, and does not sign.
//!
//! ```text
//! lazuli heads 1
//! ORIGIN BOOT SIZE ROOT DATA      one line a log
//! ```
//! The root is in base64. A log that was found damaged is remembered beside it, in a file whose name
//! ends in `.damaged`, until whoever runs the server deletes that:
//!
//! ```text
//! lazuli damaged 1
//! ORIGIN DATA WHY                 one line a log; DATA is - where the line above lacks it
//! ```
//! DATA is the identity of the data directory that the log is in; lines that
//! were written before directories had one lack it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_engine::DataId;
use lazuli_tlog::{Hash, TreeHead};

use crate::files;

const FIRST_LINE: &str = "lazuli heads 1";

const FIRST_LINE_OF_DAMAGE: &str = "lazuli damaged 1";

/// What the name of the file that remembers damage ends with.
pub const DAMAGED_SUFFIX: &str = ".damaged";

/// What was last signed, and how often the server was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The number of the server's start.
    pub boot: u32,
    /// The size and root of the last checkpoint.
    pub head: TreeHead,
}

impl SignedHead {
    /// A log that never signed.
    pub fn new() -> Self {
        Self { boot: 0, head: TreeHead { size: 0, root: Hash::of_empty_tree() } }
    }
}

impl Default for SignedHead {
    fn default() -> Self {
        Self::new()
    }
}

/// What a file of heads says of one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) last: SignedHead,
    /// The data directory that the log is in.
    pub(crate) data: Option<DataId>,
}

/// The logs in a file of heads, by their names.
pub(crate) type Lines = BTreeMap<String, Line>;

/// Why a head was not stored.
#[derive(Debug)]
pub enum HeadError {
    /// The file holds something else than was expected: another server signs with the same key.
    Moved(PathBuf),
    /// The file is not one of heads.
    Damaged(PathBuf),
    /// The file cannot be read or written.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for HeadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Moved(path) => {
                write!(f, "{}: the head was moved by another server", path.display())
            }
            Self::Damaged(path) => write!(f, "{}: not a file of heads", path.display()),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for HeadError {}

/// Where the head of one log is kept.
#[derive(Debug)]
pub struct HeadStore {
    origin: String,
    /// `None` keeps it in memory, for a store that is kept there, too.
    path: Option<PathBuf>,
    data: Option<DataId>,
    known: Mutex<Known>,
}

/// What the file is known to hold.
#[derive(Debug)]
struct Known {
    last: SignedHead,
    /// What was to follow and may be there, although writing it failed.
    tried: Option<SignedHead>,
}

impl HeadStore {
    /// The head of the log `origin` in the file at `path`; a new one if the file has none.
    pub fn open(path: Option<&Path>, origin: &str) -> Result<Self, HeadError> {
        let known = path.map(read_all).transpose()?.unwrap_or_default();
        let Line { last, data } = known.get(origin).copied().unwrap_or_default();
        let path = path.map(Path::to_path_buf);
        let known = Mutex::new(Known { last, tried: None });
        Ok(Self { origin: origin.to_owned(), path, data, known })
    }

    /// Has the file tell from the next head on that the log is in this data directory.
    #[must_use]
    pub(crate) fn of_data(mut self, data: DataId) -> Self {
        self.data = Some(data);
        self
    }

    /// Remembers durably that the log was found damaged. Blocking.
    pub(crate) fn remember_damage(&self, why: &str) -> io::Result<()> {
        let Some(path) = self.damage_path() else { return Ok(()) };
        let mut text = files::read(&path)?.unwrap_or_else(|| format!("{FIRST_LINE_OF_DAMAGE}\n"));
        let why = why.replace(['\n', '\r'], " ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{why}", self.damage_prefix());
        files::replace(&path, text.as_bytes())
    }

    /// Why the log was found damaged, and the file that says so; `None` if it was not, or whoever
    /// runs the server has deleted the file since.
    pub(crate) fn damage(&self) -> Result<Option<(String, PathBuf)>, HeadError> {
        let Some(path) = self.damage_path() else { return Ok(None) };
        let text = files::read(&path).map_err(|error| HeadError::Io(path.clone(), error))?;
        let Some(text) = text else { return Ok(None) };
        let prefix = self.damage_prefix();
        let why = text.lines().skip(1).find_map(|line| line.strip_prefix(&prefix));
        match why {
            Some(why) => Ok(Some((why.to_owned(), path))),
            // Of other logs, or cut off: then it may have been of this one.
            None if text.starts_with(FIRST_LINE_OF_DAMAGE) && text.ends_with('\n') => Ok(None),
            None => Err(HeadError::Damaged(path)),
        }
    }

    fn damage_path(&self) -> Option<PathBuf> {
        let path = self.path.as_ref()?;
        let mut name = path.file_name()?.to_os_string();
        name.push(DAMAGED_SUFFIX);
        Some(path.with_file_name(name))
    }

    /// What a line about this log begins with.
    fn damage_prefix(&self) -> String {
        let data = self.data.map_or_else(|| "-".to_owned(), |data| data.to_string());
        format!("{} {data} ", self.origin)
    }

    /// What was last stored.
    pub fn last(&self) -> SignedHead {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// Stores `next` if the file still holds what this store last read or wrote, or what it failed
    /// to write since. Blocking; durable when it returns.
    pub fn advance(&self, next: SignedHead) -> Result<(), HeadError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.path {
            let mut all = read_all(path)?;
            let found = all.get(&self.origin).copied().unwrap_or_default().last;
            if Some(found) == known.tried {
                known.last = found;
            }
            if found != known.last {
                return Err(HeadError::Moved(path.clone()));
            }
            all.insert(self.origin.clone(), Line { last: next, data: self.data });
            known.tried = Some(next);
            replace_all(path, &all)?;
        }
        *known = Known { last: next, tried: None };
        Ok(())
    }
}

/// The logs in the file at `path`; none if there is no file.
pub(crate) fn read_all(path: &Path) -> Result<Lines, HeadError> {
    let text = files::read(path).map_err(|error| HeadError::Io(path.to_path_buf(), error))?;
    let Some(text) = text else { return Ok(Lines::new()) };
    parse(&text).ok_or_else(|| HeadError::Damaged(path.to_path_buf()))
}

/// Makes `lines` the content of the file at `path`, durably.
pub(crate) fn replace_all(path: &Path, lines: &Lines) -> Result<(), HeadError> {
    files::replace(path, write_all(lines).as_bytes())
        .map_err(|error| HeadError::Io(path.to_path_buf(), error))
}

fn parse(text: &str) -> Option<Lines> {
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) || !text.ends_with('\n') {
        return None;
    }
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let origin = words.next()?.to_owned();
            let (boot, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let root = STANDARD.decode(words.next()?).ok()?.try_into().ok()?;
            let head = TreeHead { size, root: Hash(root) };
            let data = words.next().map(str::parse).transpose().ok()?;
            let line = Line { last: SignedHead { boot, head }, data };
            words.next().is_none().then_some((origin, line))
        })
        .collect()
}

fn write_all(lines: &Lines) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for (origin, Line { last: SignedHead { boot, head }, data }) in lines {
        let root = STANDARD.encode(head.root.as_bytes());
        // Writing to a string cannot fail.
        let _ = write!(text, "{origin} {boot} {} {root}", head.size);
        if let Some(data) = data {
            let _ = write!(text, " {data}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn head(boot: u32, size: u64) -> SignedHead {
        SignedHead { boot, head: TreeHead { size, root: Hash([size as u8; 32]) } }
    }

    #[test]
    fn a_head_outlives_the_process_and_logs_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads");
        let one = HeadStore::open(Some(&path), "one").unwrap();
        assert_eq!(one.last(), SignedHead::new());
        one.advance(head(1, 5)).unwrap();
        let two = HeadStore::open(Some(&path), "two").unwrap();
        two.advance(head(1, 9)).unwrap();
        one.advance(head(1, 6)).unwrap();
        assert_eq!(HeadStore::open(Some(&path), "one").unwrap().last(), head(1, 6));
        assert_eq!(HeadStore::open(Some(&path), "two").unwrap().last(), head(1, 9));
    }

    #[test]
    fn only_one_of_two_servers_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads");
        let [first, second] = [(); 2].map(|()| HeadStore::open(Some(&path), "log").unwrap());
        first.advance(head(1, 1)).unwrap();
        assert!(matches!(second.advance(head(1, 2)), Err(HeadError::Moved(_))));
        first.advance(head(1, 3)).unwrap();
    }

    #[test]
    fn what_was_written_although_writing_it_failed_is_no_other_servers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads");
        let store = HeadStore::open(Some(&path), "log").unwrap();
        store.advance(head(1, 1)).unwrap();
        let temporary = dir.path().join("heads.new");
        std::fs::create_dir(&temporary).unwrap();
        assert!(matches!(store.advance(head(1, 2)), Err(HeadError::Io(..))));
        assert_eq!(store.last(), head(1, 1));
        // As after a rename that was not synced.
        let line = Line { last: head(1, 2), data: None };
        std::fs::write(&path, write_all(&Lines::from([("log".to_owned(), line)]))).unwrap();
        assert!(matches!(store.advance(head(1, 3)), Err(HeadError::Io(..))));
        assert_eq!(store.last(), head(1, 2));
        std::fs::remove_dir(&temporary).unwrap();
        store.advance(head(1, 3)).unwrap();
        let line = Line { last: head(1, 2), data: None };
        std::fs::write(&path, write_all(&Lines::from([("log".to_owned(), line)]))).unwrap();
        assert!(matches!(store.advance(head(1, 4)), Err(HeadError::Moved(_))));
    }

    #[test]
    fn damage_is_remembered_for_its_log_until_the_file_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads");
        let open = |origin: &str| HeadStore::open(Some(&path), origin).unwrap();
        assert_eq!(open("one").damage().unwrap(), None);
        open("one").remember_damage("segment 3:\nflipped").unwrap();
        open("two").remember_damage("a tile").unwrap();
        let file = dir.path().join("heads.damaged");
        let told = Some(("segment 3: flipped".to_owned(), file.clone()));
        assert_eq!(open("one").damage().unwrap(), told);
        assert_eq!(open("three").damage().unwrap(), None);
        let of_other_data = open("one").of_data("07".repeat(16).parse().unwrap());
        assert_eq!(of_other_data.damage().unwrap(), None);
        std::fs::write(&file, "lazuli dama").unwrap();
        assert!(matches!(open("one").damage(), Err(HeadError::Damaged(_))));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(open("one").damage().unwrap(), None);
    }

    #[test]
    fn what_is_no_file_of_heads_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads");
        for text in ["", "x\n", "lazuli heads 1\nlog 1 2\n", "lazuli heads 1\nlog 1 x AAAA\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(HeadStore::open(Some(&path), "log"), Err(HeadError::Damaged(_))));
        }
    }
}

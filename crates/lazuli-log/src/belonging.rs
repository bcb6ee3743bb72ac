//! Whether the head store and the keys are those of the data directory they lie beside, and what a
//! start does where they are not.
//!
//! A data directory has an identity, which its copies share; head store and keys tell the identity of
//! the directory that their log is in. What was deleted and made anew is another directory, and gets
//! a log of its own. What was restored from a copy is the same one: it goes on with the same log, and
//! [`Log::open`](crate::Log::open) finds whether more was signed than it has. The table of all cases
//! is in `docs/internals/journal.md`.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use lazuli_base::Entropy;
use lazuli_engine::{DataId, Identity, Meta, MetaError, Version};
use lazuli_tlog::SignedCheckpoint;

use crate::files;
use crate::head_store::{self, HeadError, HeadStore, Line, SignedHead};
use crate::keys::{Keys, KeysError};
use crate::rows;
use crate::spine::CHECKPOINT;

/// What a log keeps outside its data directory.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The file of keys.
    pub keys: &'a Path,
    /// The file of heads.
    pub head_store: &'a Path,
    /// The directory of the public files.
    pub files: &'a Path,
}

/// A data directory whose log is to be gone on with, or begun.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The directory, for messages.
    pub directory: &'a Path,
    /// Which one it is.
    pub identity: Identity,
    /// The store in it.
    pub meta: &'a dyn Meta,
    /// What lies beside it.
    pub beside: Beside<'a>,
}

/// Why keys and head store cannot be had.
#[derive(Debug)]
pub enum BelongingError {
    /// The directory has a log, or a head of it was stored, and its keys are missing.
    KeysMissing(PathBuf),
    /// The keys are the directory's, and the head store is missing or does not know their log.
    HeadsMissing(PathBuf),
    /// A file, here the first path, is about the log of another data directory.
    Foreign(PathBuf, Option<DataId>, PathBuf, DataId),
    /// The name is that of the log which the directory has already, whose keys are missing.
    NameTaken(String),
    /// The store cannot be read.
    Meta(MetaError),
    /// The file of heads.
    Heads(HeadError),
    /// The file of keys.
    Keys(KeysError),
    /// A file cannot be put aside.
    Aside(PathBuf, io::Error),
}

impl BelongingError {
    /// What the one who runs the server can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::KeysMissing(_) => Some(
                "put the keys back; if they are lost, move the head store away and name another \
                 log with `--log-origin NAME`, or serve with `--transparency-log off`",
            ),
            Self::HeadsMissing(_) => Some(
                "put the head store back; if it is lost, move the keys away, too, and name another \
                 log with `--log-origin NAME`",
            ),
            Self::Foreign(..) => Some(
                "give the files of this directory with `--head-store` and `--log-keys`, or move \
                 those of the other one away",
            ),
            Self::NameTaken(_) => Some("give a name with `--log-origin` that no log had"),
            _ => None,
        }
    }
}

impl fmt::Display for BelongingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeysMissing(path) => {
                write!(f, "there is a log already, and its keys are not in {}", path.display())
            }
            Self::HeadsMissing(path) => {
                write!(f, "the last signed head of the log is not in {}", path.display())
            }
            Self::Foreign(file, other, directory, id) => {
                let (file, directory) = (file.display(), directory.display());
                match other {
                    Some(other) => write!(f, "{file} belongs to the data directory {other}")?,
                    None => write!(f, "{file} belongs to an earlier data directory")?,
                }
                write!(f, ", and {directory} is the data directory {id}")
            }
            Self::NameTaken(name) => write!(f, "the log {name} was signed with other keys"),
            Self::Meta(error) => error.fmt(f),
            Self::Heads(error) => error.fmt(f),
            Self::Keys(error) => error.fmt(f),
            Self::Aside(path, error) => write!(f, "put {} aside: {error}", path.display()),
        }
    }
}

impl std::error::Error for BelongingError {}

impl From<MetaError> for BelongingError {
    fn from(error: MetaError) -> Self {
        Self::Meta(error)
    }
}

impl From<HeadError> for BelongingError {
    fn from(error: HeadError) -> Self {
        Self::Heads(error)
    }
}

impl From<KeysError> for BelongingError {
    fn from(error: KeysError) -> Self {
        Self::Keys(error)
    }
}

/// What the data directory has behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    /// This very start made it.
    New,
    /// An earlier start made it, and nothing was ever committed.
    Empty,
    /// It has commits and no row of a log.
    Unlogged,
    /// It has a log.
    Logged,
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// There is no file, or the file of heads does not know the log.
    Nobody,
    /// This directory's. `false`: no head was stored yet, so that a crash may have come before the
    /// keys were written.
    This(bool),
    /// Another one's, which it names if it is not from before directories had identities.
    Other(Option<DataId>),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    GoOn,
    Begin,
    KeysMissing,
    HeadsMissing,
    ForeignKeys(Option<DataId>),
    ForeignHeads(Option<DataId>),
}

/// The table.
fn decide(past: Past, heads: Owner, keys: Owner) -> Step {
    let is_fresh = matches!(past, Past::New | Past::Empty);
    match (heads, keys) {
        (Owner::This(_), Owner::This(_)) => Step::GoOn,
        (Owner::This(true), Owner::Nobody) => Step::KeysMissing,
        // The head is written first, so there was one when the keys were.
        (Owner::Nobody, Owner::This(_)) => Step::HeadsMissing,
        (Owner::This(false) | Owner::Nobody, Owner::Nobody) => Step::Begin,
        (Owner::Nobody | Owner::Other(_), Owner::Nobody | Owner::Other(_)) if is_fresh => {
            Step::Begin
        }
        (Owner::Other(other), _) => Step::ForeignHeads(other),
        (_, Owner::Other(other)) => Step::ForeignKeys(other),
    }
}

/// Whose a file is that tells `data`. One from before directories had identities is taken for this
/// directory's, unless that is newer than the file.
fn owner(data: Option<DataId>, identity: Identity, is_begun: bool) -> Owner {
    match data {
        Some(data) if data == identity.id => Owner::This(is_begun),
        None if !identity.is_new => Owner::This(is_begun),
        data => Owner::Other(data),
    }
}

/// The keys and the head store of the log in a data directory. A log that is begun has its keys and
/// its head store when this returns, and what lay there of another directory is kept beside them.
///
/// `origin` names a log that is begun; its name is drawn without one.
pub async fn open(
    place: Place<'_>,
    origin: Option<&str>,
    accounts: &[String],
    entropy: &dyn Entropy,
) -> Result<(Keys, HeadStore), BelongingError> {
    let Place { directory, identity, beside, .. } = place;
    let past = past(identity, place.meta).await?;
    let found = Keys::read(beside.keys)?;
    let lines = head_store::read_all(beside.head_store)?;
    let named = found.as_ref().map(Keys::origin).or(origin);
    let own = lines.values().find(|line| line.data == Some(identity.id));
    let line = own.or_else(|| lines.get(named?));
    let heads = line
        .map_or(Owner::Nobody, |line| owner(line.data, identity, line.last != SignedHead::new()));
    let keys = found.as_ref().map_or(Owner::Nobody, |keys| owner(keys.data, identity, true));
    let foreign = |path: &Path, other| {
        let (path, directory) = (path.to_path_buf(), directory.to_path_buf());
        BelongingError::Foreign(path, other, directory, identity.id)
    };
    match decide(past, heads, keys) {
        Step::GoOn => {}
        Step::Begin => {
            let other = match (heads, keys) {
                (Owner::Other(id), _) | (_, Owner::Other(id)) => id,
                _ => None,
            };
            let names = found.as_ref().map(Keys::origin).into_iter().chain(origin).collect();
            put_aside(&place, past, other, &names)?;
            begin(&place, origin, entropy)?;
            if past == Past::Logged {
                // A copy of the data alone: it can be served, and says that it is not the first.
                tracing::warn!(
                    data = %directory.display(),
                    "the keys and the head of the log in this data directory are not beside it: a \
                     new log begins, and the entries of the one before cannot be opened"
                );
            }
        }
        Step::KeysMissing => return Err(BelongingError::KeysMissing(beside.keys.to_path_buf())),
        Step::HeadsMissing => {
            return Err(BelongingError::HeadsMissing(beside.head_store.to_path_buf()));
        }
        Step::ForeignKeys(other) => return Err(foreign(beside.keys, other)),
        Step::ForeignHeads(other) => return Err(foreign(beside.head_store, other)),
    }
    let missing = || BelongingError::KeysMissing(beside.keys.to_path_buf());
    let mut keys = Keys::read(beside.keys)?.ok_or_else(missing)?;
    let heads = HeadStore::open(Some(beside.head_store), keys.origin())?.of_data(identity.id);
    let is_unbound = keys.data.replace(identity.id).is_none();
    if keys.complete(accounts, entropy) || is_unbound {
        keys.save(beside.keys)?;
    }
    Ok((keys, heads))
}

async fn past(identity: Identity, meta: &dyn Meta) -> Result<Past, MetaError> {
    if identity.is_new {
        return Ok(Past::New);
    }
    if meta.latest() == Version(0) {
        return Ok(Past::Empty);
    }
    let rows = meta.scan(rows::all(), 1).await?;
    Ok(if rows.is_empty() { Past::Unlogged } else { Past::Logged })
}

/// Writes the first head and the keys of a new log, in this order.
fn begin(
    place: &Place<'_>,
    origin: Option<&str>,
    entropy: &dyn Entropy,
) -> Result<(), BelongingError> {
    let Beside { keys: path, head_store, files } = place.beside;
    if let Some(name) = origin
        && signed_by(files)?.as_deref() == Some(name)
    {
        return Err(BelongingError::NameTaken(name.to_owned()));
    }
    let id = place.identity.id;
    let mut keys = Keys::draw(origin, entropy)?;
    keys.data = Some(id);
    let mut lines = head_store::read_all(head_store)?;
    // What a crash left of a beginning like this one.
    lines.retain(|_, line| line.data != Some(id));
    lines.insert(keys.origin().to_owned(), Line { last: SignedHead::new(), data: Some(id) });
    head_store::replace_all(head_store, &lines)?;
    keys.save(path)?;
    tracing::info!(log = keys.origin(), data = %id, "a transparency log begins");
    Ok(())
}

/// The name of the log whose public files these are; `None` if nothing was signed.
fn signed_by(directory: &Path) -> Result<Option<String>, BelongingError> {
    let path = directory.join(CHECKPOINT);
    let text = files::read(&path).map_err(|error| BelongingError::Aside(path.clone(), error))?;
    let signed = text.and_then(|text| SignedCheckpoint::parse(text.as_bytes()).ok());
    Ok(signed.map(|signed| signed.checkpoint().origin().to_owned()))
}

/// Keeps what lies there of the log of `other` under names that tell it: the keys, the heads of the
/// logs in `names`, and the public files. Only logs of other directories are named.
fn put_aside(
    place: &Place<'_>,
    past: Past,
    other: Option<DataId>,
    names: &BTreeSet<&str>,
) -> Result<(), BelongingError> {
    if past == Past::Logged {
        // There is neither a head nor a key, and the public files follow from the data.
        return Ok(());
    }
    let Beside { keys, head_store, files } = place.beside;
    let name = other.map_or_else(|| "earlier".to_owned(), |id| id.to_string());
    let mut kept = Vec::new();
    // Public files that are of a log: a policy alone may be of one that never began.
    if ["tile", CHECKPOINT].iter().any(|name| files.join(name).exists()) {
        kept.push(rename(files, &name)?);
    }
    let lines = head_store::read_all(head_store)?;
    let is_old =
        |name: &str, line: &Line| line.data != Some(place.identity.id) && names.contains(name);
    let (old, left): (head_store::Lines, head_store::Lines) =
        lines.into_iter().partition(|(name, line)| is_old(name, line));
    if !old.is_empty() {
        let to = unused(head_store, &name);
        head_store::replace_all(&to, &old)?;
        head_store::replace_all(head_store, &left)?;
        kept.push(to);
    }
    if keys.exists() {
        kept.push(rename(keys, &name)?);
    }
    if !kept.is_empty() {
        let kept: Vec<_> = kept.iter().map(|path| path.display().to_string()).collect();
        let (data, kept) = (place.directory.display(), kept.join(", "));
        tracing::warn!(
            %data, id = %place.identity.id, before = name, kept,
            "the data directory has no log yet: a new one begins, the one that lay there is kept"
        );
    }
    Ok(())
}

fn rename(path: &Path, name: &str) -> Result<PathBuf, BelongingError> {
    let to = unused(path, name);
    let renamed = std::fs::rename(path, &to);
    renamed.map_err(|error| BelongingError::Aside(path.to_path_buf(), error))?;
    Ok(to)
}

/// `path` with `name` behind it, and a number if there is such a file.
fn unused(path: &Path, name: &str) -> PathBuf {
    let named = |end: String| {
        let mut whole = path.file_name().unwrap_or_default().to_os_string();
        whole.push(format!(".{end}"));
        path.with_file_name(whole)
    };
    let mut to = named(name.to_owned());
    let mut number = 2_u64;
    while to.exists() {
        to = named(format!("{name}.{number}"));
        number += 1;
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_the_table_is_decided() {
        use Owner::{Nobody, Other, This};
        use Past::{Empty, Logged, New, Unlogged};
        let (own, foreign) = (This(true), Other(None));
        let fresh = [
            ((Nobody, Nobody), Step::Begin),
            ((Nobody, own), Step::HeadsMissing),
            ((Nobody, foreign), Step::Begin),
            ((own, Nobody), Step::KeysMissing),
            ((own, own), Step::GoOn),
            ((own, foreign), Step::ForeignKeys(None)),
            ((foreign, Nobody), Step::Begin),
            ((foreign, own), Step::ForeignHeads(None)),
            ((foreign, foreign), Step::Begin),
        ];
        let used = [
            ((Nobody, Nobody), Step::Begin),
            ((Nobody, own), Step::HeadsMissing),
            ((Nobody, foreign), Step::ForeignKeys(None)),
            ((own, Nobody), Step::KeysMissing),
            ((own, own), Step::GoOn),
            ((own, foreign), Step::ForeignKeys(None)),
            ((foreign, Nobody), Step::ForeignHeads(None)),
            ((foreign, own), Step::ForeignHeads(None)),
            ((foreign, foreign), Step::ForeignHeads(None)),
        ];
        for (past, table) in [(New, fresh), (Empty, fresh), (Unlogged, used), (Logged, used)] {
            for ((heads, keys), step) in table {
                let case = (past, heads, keys);
                assert_eq!(decide(past, heads, keys), step, "{case:?}");
            }
            assert_eq!(decide(past, This(false), Nobody), Step::Begin, "{past:?}");
        }
    }

    #[test]
    fn files_from_before_identities_are_those_of_a_directory_that_is_not_new() {
        let id = "00000000000000000000000000000001".parse().ok();
        let identity = |is_new| id.map(|id| Identity { id, is_new });
        let of = |data, is_new| identity(is_new).map(|identity| owner(data, identity, true));
        assert_eq!(of(None, false), Some(Owner::This(true)));
        assert_eq!(of(None, true), Some(Owner::Other(None)));
        assert_eq!(of(id, false), Some(Owner::This(true)));
        let other = "00000000000000000000000000000002".parse().ok();
        assert_eq!(of(other, false), Some(Owner::Other(other)));
    }
}

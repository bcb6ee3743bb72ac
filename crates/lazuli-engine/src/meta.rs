//! The metadata contract: an ordered key-value space changed only by conditional commits.

use std::sync::Arc;

use bytes::Bytes;

use crate::BoxFuture;
use crate::extents::{ExtentsError, Room, Settled};
use crate::scribe::Proof;
#[cfg(doc)]
use crate::scribe::Scribe;

/// The sequence number of the commit that last wrote a row.
///
/// Sequence numbers start at 1 and are dense: the n-th commit of a store has number n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A stored row: key, value, and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The row's key.
    pub key: Bytes,
    /// The row's value, verified against its checksum.
    pub value: Bytes,
    /// The commit that wrote the value.
    pub version: Version,
}

/// What a commit relies on: the row at `key` is still the one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The row's key.
    pub key: Bytes,
    /// The version that was read; `None` expects that there is no such row.
    pub version: Option<Version>,
}

/// First byte from which on keys are for rows written in ascending key order, such as those keyed
/// by a counter: an implementation may keep them apart from the others.
pub const ASCENDING: u8 = 0x80;

/// One atomic change: all of it happens, durably, or nothing does.
#[derive(Debug, Default)]
pub struct Commit {
    /// Rows that must be unchanged since they were read.
    pub expect: Vec<Expect>,
    /// Rows to write. A key appears at most once in `puts` and `deletes` together.
    pub puts: Vec<(Bytes, Bytes)>,
    /// Keys to remove; removing an absent key is no error.
    pub deletes: Vec<Bytes>,
    /// What the commit says of itself: opaque to the engine, turned by the store's [`Scribe`] into
    /// the journal entries that are stored in order with the commit's sequence number.
    pub entries: Vec<Bytes>,
    /// That nobody will ask for the proof of its entries: it need not be kept.
    pub unproved: bool,
    /// What [`Meta::latest`] said before the first row of `expect` was read. An implementation that
    /// knows which rows changed since need not read the others again. Version 0 has all read.
    pub since: Version,
    /// Payloads this commit names; the committer makes them durable before the commit.
    pub payloads: Vec<Settled>,
    /// How much of the disk it may use. What only deletes may always use the reserve; so may what
    /// only has entries, and beyond it what a store that is written by a scribe keeps for these.
    pub room: Room,
}

/// A commit that is durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The commit's place in the history.
    pub version: Version,
    /// That its entries are in the journal; `None` if nobody proves that, or it has none.
    pub proof: Option<Arc<dyn Proof>>,
}

/// A half-open range of keys in ascending byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First key that may be returned.
    pub start: Bytes,
    /// First key that may not; `None` has no upper bound.
    pub end: Option<Bytes>,
}

/// A commit's place in the history with its journal entries.
pub type JournalRow = (Version, Vec<Bytes>);

/// What is done with the rows that a read comes to; `false` ends the read.
pub type Visitor = Box<dyn FnMut(Row) -> bool + Send>;

/// Why the metadata could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetaError {
    /// The disk or its contents failed; the text names the file or key for the operator.
    Damaged(String),
    /// The engine no longer answers: it is stopping, or a failed sync poisoned it.
    Unavailable(String),
}

/// Why a commit did not happen. Nothing of it is stored, and nothing of it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitError {
    /// The expectation with this index in [`Commit::expect`] did not hold.
    Conflict(usize),
    /// No room on the disk: reads go on, and writes do again once there is room.
    Full,
    /// The queue of waiting commits is full: try again.
    Busy,
    /// A key or value is longer than the engine stores.
    TooLarge,
    /// The journal takes no entry now, and nothing happens without one.
    NoJournal,
    /// Metadata could not be read to check the expectations, or the engine stopped answering. After
    /// `Unavailable` from a failing disk the commit may still turn up.
    Meta(MetaError),
}

/// Two are the same commit if they have the same place; how that is proved may differ.
impl PartialEq for Committed {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
    }
}

impl Eq for Committed {}

impl std::fmt::Display for MetaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "damaged metadata: {what}"),
            Self::Unavailable(why) => write!(f, "metadata unavailable: {why}"),
        }
    }
}

impl std::error::Error for MetaError {}

impl std::fmt::Display for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict(index) => write!(f, "expectation {index} did not hold"),
            Self::Full => f.write_str("no space left on the data disk"),
            Self::Busy => f.write_str("too many commits are waiting"),
            Self::TooLarge => f.write_str("key or value too large"),
            Self::NoJournal => f.write_str("the journal takes no entry"),
            Self::Meta(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CommitError {}

impl From<MetaError> for CommitError {
    fn from(error: MetaError) -> Self {
        Self::Meta(error)
    }
}

impl From<ExtentsError> for CommitError {
    fn from(error: ExtentsError) -> Self {
        match error {
            ExtentsError::Full => Self::Full,
            error => Self::Meta(MetaError::Unavailable(error.to_string())),
        }
    }
}

/// An ordered, transactional key-value space.
///
/// Reads see every acknowledged commit. A handler reads rows, decides, and commits expecting the
/// versions it read; nothing is locked in between.
pub trait Meta: Send + Sync + 'static {
    /// The row at `key`, if there is one.
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>>;

    /// A commit that every later read sees, with those before it.
    fn latest(&self) -> Version;

    /// Up to `limit` rows of `range` in ascending key order, from one point in time.
    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>>;

    /// Hands `visitor` the rows of `range` in ascending key order, all from one point in time, until
    /// it answers `false`: for who knows only from the rows how many are wanted. It may run on a
    /// thread for blocking work, and to its end even if nobody waits for that any more.
    fn visit(&self, range: KeyRange, visitor: Visitor) -> BoxFuture<'_, Result<(), MetaError>>;

    /// Applies `commit` if its expectations hold; the answer comes when it is durable.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>>;

    /// Journal entries from sequence number `from` on, at most `limit` commits, oldest first:
    /// each commit's number with its entries (a commit may have none).
    fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, MetaError>>;
}

impl KeyRange {
    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        let end = Self::after_prefix(&start);
        Self { start, end }
    }

    /// The first key after all keys that begin with `prefix`; `None` if no key is.
    pub fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
        let kept = prefix.iter().rposition(|&byte| byte != 0xff)?;
        let mut end = prefix.get(..=kept)?.to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Some(end.into())
    }
}

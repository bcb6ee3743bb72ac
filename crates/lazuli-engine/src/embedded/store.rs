//! The embedded row store: the trees, the log in front of them, and the keeper behind them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::keeper::Keeper;
use super::trees::{self, Change, SPACES, Sizes, Trees};
use crate::disk::{Access, Disk};
use crate::engine::Durability;
use crate::frame::Fields;
use crate::meta::{KeyRange, MetaError, Row, Version, Visitor};
use crate::stats::Stats;
use crate::wal::segment::Record;
use crate::wal::{self, LogError, Logged, ReplayError, Supply, Wal};

/// Directory of the log inside that of the metadata.
pub(crate) const WAL_DIR: &str = "wal";
/// Length of a segment of the log, in bytes.
const SEGMENT_BYTES: u64 = 8 << 20;
/// A disk has room for this many segments at least.
const SEGMENTS_MIN: u64 = 64;
/// Segments are not made shorter than this, however small the disk.
const SEGMENT_BYTES_MIN: u64 = 256 << 10;
/// Segments with rows that are not in tables yet: beyond this many the oldest one's are written.
const SEGMENTS_MAX: u64 = 8;
/// Memory for a record's body beyond this is given back.
const BODY_BYTES_KEPT: usize = 1 << 20;
/// Marks a row of a record as removed.
const REMOVED: u32 = u32::MAX;

pub(crate) struct Store {
    trees: Arc<Trees>,
    wal: Arc<Wal>,
    keeper: Keeper,
    memtable_bytes: u64,
    wal_bytes_max: u64,
    closed: AtomicBool,
    /// Memory for the body of a record, kept between groups: made anew for each, memory of its size
    /// comes from the operating system and is cleared every time.
    body: Mutex<Vec<u8>>,
}

/// How to open a store.
pub(crate) struct Parts {
    /// The disk of the log.
    pub(crate) disk: Arc<dyn Disk>,
    /// The directory of the metadata.
    pub(crate) dir: PathBuf,
    pub(crate) sizes: Sizes,
    /// Whether records may have been on their way when the store was last written.
    pub(crate) unsynced: bool,
    /// How durable groups are when they are written.
    pub(crate) durability: Durability,
    pub(crate) stats: Arc<Stats>,
}

/// Why a store cannot be opened.
#[derive(Debug)]
pub(crate) enum StoreError {
    Io(PathBuf, io::Error),
    Damaged(String),
}

/// A group that could not be written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The disk is full; nothing was written.
    Full,
    /// Nothing was written.
    Refused(String),
    /// Whether it was written is not known before the store is opened anew.
    Unknown(String),
}

impl From<ReplayError> for StoreError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Io(path, error) => Self::Io(path, error),
            damaged @ ReplayError::Damaged(..) => Self::Damaged(damaged.to_string()),
        }
    }
}

/// Opens the trees below `dir` with what the log in `wal_dir` has besides, changing nothing but the
/// trees' files.
pub(crate) fn recover(
    disk: &dyn Disk,
    dir: &Path,
    wal_dir: &Path,
    sizes: Sizes,
    unsynced: bool,
) -> Result<(Trees, Logged), StoreError> {
    let trees = Trees::open(dir, sizes).map_err(StoreError::Damaged)?;
    let persisted = trees.persisted();
    let logged = wal::replay(disk, wal_dir, unsynced, &mut |record| {
        let changes = decode(&record.body).ok_or("a record that cannot be read")?;
        trees.replay(changes, record.seqno, persisted);
        Ok(())
    })?;
    Ok((trees, logged))
}

impl Store {
    /// Opens a store. Blocking.
    pub(crate) fn open(parts: Parts) -> Result<Self, StoreError> {
        let Parts { disk, dir, sizes, unsynced, durability, stats } = parts;
        let wal_dir = dir.join(WAL_DIR);
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |error| StoreError::Io(path, error)
        };
        disk.create_dir(&wal_dir).map_err(at(&wal_dir))?;
        disk.sync_dir(&dir).map_err(at(&dir))?;
        let (trees, logged) = recover(&*disk, &dir, &wal_dir, sizes, unsynced)?;
        if let Some((path, offset)) = &logged.torn {
            tracing::info!(path = %path.display(), offset, "the log ends in a torn record");
        }
        let trees = Arc::new(trees);
        let total = disk.space(&wal_dir).map_or(u64::MAX, |space| space.total);
        let segment_bytes = SEGMENT_BYTES.min((total / SEGMENTS_MIN).max(SEGMENT_BYTES_MIN));
        let access = match durability {
            Durability::Sync => Access::Direct,
            Durability::Relaxed => Access::ReadWrite,
        };
        let wal = Wal::new(disk, &wal_dir, segment_bytes, access, logged);
        let wal = wal.map_err(at(&wal_dir))?;
        let wal = Arc::new(wal);
        let flushed = trees.persisted();
        let keeper = Keeper::start(Arc::clone(&trees), Arc::clone(&wal), stats, flushed);
        let store = Self {
            trees,
            wal,
            keeper: keeper.map_err(at(&dir))?,
            memtable_bytes: sizes.memtable_bytes,
            wal_bytes_max: segment_bytes * SEGMENTS_MAX,
            closed: AtomicBool::new(false),
            body: Mutex::default(),
        };
        Ok(store)
    }

    /// Has room kept for groups of [`Supply::Reserved`] from now on.
    pub(crate) fn keep_reserve(&self) {
        self.wal.keep_reserve();
        self.keeper.want();
    }

    /// Writes one group, durably or (relaxed) as far as the operating system, and makes it visible.
    /// Only one caller at a time.
    ///
    /// What is written of [`Supply::Reserved`] stays in memory and in the log until the next group
    /// of the other kind: the disk may have no room for tables.
    pub(crate) fn write(
        &self,
        changes: Vec<Change>,
        durability: Durability,
        supply: Supply,
    ) -> Result<(), WriteError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(WriteError::Refused("the store is closed".to_owned()));
        }
        match self.keeper.catch_up() {
            Err(failure) if failure.full && supply == Supply::Ordinary => {
                return Err(WriteError::Full);
            }
            Err(failure) if !failure.full => return Err(WriteError::Refused(failure.what)),
            _ => {}
        }
        let seqno = self.trees.next_seqno();
        let mut body = std::mem::take(&mut *self.body());
        let spaces = encode(&changes, &mut body);
        let record = Record { seqno, previous: 0, spaces, body };
        let mut body = self.wal.append(record, durability == Durability::Sync, supply)?.body;
        if body.capacity() <= BODY_BYTES_KEPT {
            body.clear();
            *self.body() = body;
        }
        self.trees.apply(changes, seqno);
        match supply {
            Supply::Ordinary => self.seal_full(seqno),
            Supply::Reserved if self.wal.lacks_reserve() => self.keeper.want_unless_failing(),
            Supply::Reserved => {}
        }
        Ok(())
    }

    fn body(&self) -> MutexGuard<'_, Vec<u8>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals memtables that are large enough, and those that keep the log from being used again.
    fn seal_full(&self, last: u64) {
        use lsm_tree::AbstractTree as _;
        let mut due = self
            .trees
            .spaces()
            .each_ref()
            .map(|tree| tree.active_memtable().size() >= self.memtable_bytes);
        if self.wal.live_bytes() > self.wal_bytes_max
            && let Some(oldest) = self.wal.oldest()
        {
            let held = oldest.into_iter().zip(self.keeper.sealed());
            for (due, (reach, sealed)) in due.iter_mut().zip(held) {
                *due |= reach > sealed;
            }
        }
        for (index, _) in due.into_iter().enumerate().filter(|(_, due)| *due) {
            self.keeper.seal(index, last);
        }
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.wal.sync()
    }

    /// Writes to tables what is in memory, waiting at most `patience`: without it the next opening
    /// has a log to read, nothing worse. Reads must have ended; nothing is written after it.
    pub(crate) fn close(&self, patience: Duration) -> io::Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.wal.sync()?;
        let last = self.trees.next_seqno();
        for index in 0..SPACES.len() {
            self.keeper.seal(index, last);
        }
        let flushed = self.keeper.drain(Instant::now() + patience);
        self.keeper.stop();
        self.trees.forget_past().map_err(io::Error::other)?;
        if flushed { self.wal.discard() } else { Ok(()) }
    }

    /// The row at a user key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Row>, MetaError> {
        self.trees.get(key)
    }

    /// The version of the row at a stored key.
    pub(crate) fn version(&self, key: &Bytes) -> Result<Option<Version>, MetaError> {
        self.trees.version(key)
    }

    /// Up to `limit` user rows of `range`, from one point in time.
    pub(crate) fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<Row>, MetaError> {
        self.trees.scan(range, limit)
    }

    /// Hands `visitor` the user rows of `range`, from one point in time, until it answers `false`.
    pub(crate) fn visit(&self, range: &KeyRange, visitor: Visitor) -> Result<(), MetaError> {
        self.trees.visit(range, visitor)
    }

    /// Up to `limit` journal rows from a sequence number on.
    pub(crate) fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> Result<Vec<(Version, Vec<Bytes>)>, MetaError> {
        self.trees.journal(from, limit)
    }

    /// The sequence number of the last commit.
    pub(crate) fn last_version(&self) -> Result<Version, MetaError> {
        self.trees.last_version()
    }
}

impl From<LogError> for WriteError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Refused(error) if error.kind() == io::ErrorKind::StorageFull => Self::Full,
            LogError::Refused(error) => Self::Refused(error.to_string()),
            LogError::Unknown(error) => Self::Unknown(error.to_string()),
        }
    }
}

/// Appends the changes of a group as the log keeps them to `body`; gives the trees they are for.
///
/// ```text
/// count(4), then per change: key length(4) ‖ value length(4), all ones if removed ‖ key ‖ value
/// ```
fn encode(changes: &[Change], body: &mut Vec<u8>) -> u32 {
    let value_len = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
    let len = changes.iter().map(|(key, value)| 8 + key.len() + value_len(value)).sum::<usize>();
    body.reserve(4 + len);
    let mut spaces = 0;
    body.extend((changes.len() as u32).to_le_bytes());
    for (key, value) in changes {
        spaces |= 1 << trees::space(key);
        body.extend((key.len() as u32).to_le_bytes());
        body.extend(value.as_ref().map_or(REMOVED, |value| value.len() as u32).to_le_bytes());
        body.extend_from_slice(key);
        body.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    spaces
}

fn decode(body: &[u8]) -> Option<Vec<Change>> {
    let mut fields = Fields(body);
    let mut changes = Vec::new();
    for _ in 0..fields.u32()? {
        let (key_len, value_len) = (fields.u32()?, fields.u32()?);
        let key = Bytes::copy_from_slice(fields.take(key_len as usize)?);
        let value = match value_len {
            REMOVED => None,
            len => Some(Bytes::copy_from_slice(fields.take(len as usize)?)),
        };
        changes.push((key, value));
    }
    fields.0.is_empty().then_some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_round_trip() {
        let changes: Vec<Change> = vec![
            (Bytes::from_static(b"\x00j"), Some("entry".into())),
            (Bytes::from_static(b"\x01k"), None),
            (Bytes::from_static(b"\x01\xff"), Some(Bytes::new())),
        ];
        let mut body = Vec::new();
        let spaces = encode(&changes, &mut body);
        assert_eq!(decode(&body), Some(changes));
        assert_eq!(spaces & 0b11, 0b11);
        assert_eq!(decode(&body[..body.len() - 1]), None);
    }
}

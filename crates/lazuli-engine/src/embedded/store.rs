//! fjall, wrapped: opening, reading, writing one batch, and reopening after a failure.
//!
//! fjall poisons itself when a background write fails (disk full, for example). Everything that was
//! acknowledged is synced in its journal by then, so opening the database again is a recovery.

use std::path::{Path, PathBuf};
use std::sync::{RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::config::{BlockSizePolicy, FilterPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use super::row;
use crate::engine::Durability;
use crate::journal_file;
use crate::meta::{ASCENDING, KeyRange, MetaError, Row, Version};

/// Sizes of the metadata store, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) cache_bytes: u64,
    pub(crate) memtable_bytes: u64,
}

pub(crate) struct Store {
    path: PathBuf,
    sizes: Sizes,
    open: RwLock<Option<Open>>,
}

struct Open {
    spaces: [Keyspace; SPACES.len()],
    database: Database,
}

/// The trees rows are kept in, with the first stored key of each.
///
/// The journal and the rows whose user key begins with [`ASCENDING`] or more are written in
/// ascending key order: kept apart, their tables never overlap and are merged by moving, where in
/// one tree with the others every flush would rewrite them.
const SPACES: [(&str, &[u8]); 3] =
    [("journal", &[row::JOURNAL]), ("rows", &[row::USER]), ("ascending", &[row::USER, ASCENDING])];

/// Size of a block of the trees whose rows are written in order, in bytes.
const IN_ORDER_BLOCK_BYTES: u32 = 16 * 1024;

impl Open {
    /// The place in [`SPACES`] of the tree a stored key belongs to.
    fn space(key: &[u8]) -> usize {
        SPACES.iter().rposition(|(_, first)| key >= *first).unwrap_or(0)
    }

    fn of(&self, key: &[u8]) -> &Keyspace {
        let [journal, rows, ascending] = &self.spaces;
        match Self::space(key) {
            0 => journal,
            1 => rows,
            _ => ascending,
        }
    }
}

/// A put, or a delete without a value.
pub(crate) type Change = (Bytes, Option<Bytes>);

impl Store {
    pub(crate) fn open(path: &Path, sizes: Sizes) -> Result<Self, fjall::Error> {
        let open = open(path, sizes)?;
        Ok(Self { path: path.to_path_buf(), sizes, open: RwLock::new(Some(open)) })
    }

    /// Drops the database and opens it again; reads wait meanwhile.
    pub(crate) fn reopen(&self) -> Result<(), MetaError> {
        let mut slot = self.open.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(slot.take());
        // What a failed write left behind is at most the beginning of one batch.
        let repaired = journal_file::repair(&self.path, false);
        repaired.map_err(|error| unavailable(&error.into()))?.map_err(MetaError::Damaged)?;
        let reopened = open(&self.path, self.sizes).map_err(|error| unavailable(&error))?;
        // What is read from here on must be durable: closing may have written the rest of a batch.
        let synced = reopened.database.persist(PersistMode::SyncData);
        synced.map_err(|error| unavailable(&error))?;
        *slot = Some(reopened);
        Ok(())
    }

    /// Flushes to tables what is in memory and drops the database, waiting at most `patience` for
    /// the flush: without it the next opening has a longer journal to read, nothing worse.
    pub(crate) fn close(&self, patience: Duration) -> Result<(), fjall::Error> {
        let mut slot = self.open.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(open) = slot.take() else { return Ok(()) };
        let deadline = Instant::now() + patience;
        open.database.persist(PersistMode::SyncAll)?;
        for space in &open.spaces {
            space.rotate_memtable()?;
        }
        let sealed = |space: &Keyspace| space.sealed_memtable_count() > 0;
        while open.spaces.iter().any(sealed) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        open.database.persist(PersistMode::SyncAll)
    }

    fn read<T>(&self, read: impl FnOnce(&Open) -> Result<T, MetaError>) -> Result<T, MetaError> {
        match &*self.guard() {
            Some(open) => read(open),
            None => Err(MetaError::Unavailable("the metadata store is closed".into())),
        }
    }

    fn guard(&self) -> RwLockReadGuard<'_, Option<Open>> {
        self.open.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The row at a user key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Row>, MetaError> {
        let key = row::user_key(key);
        self.read(|open| {
            let value = open.of(&key).get(&key).map_err(damaged)?;
            value.map(|value| row::user_row(&key, &value.into())).transpose()
        })
    }

    /// The version of the row at a stored key.
    pub(crate) fn version(&self, key: &Bytes) -> Result<Option<Version>, MetaError> {
        self.read(|open| {
            let value = open.of(key).get(key).map_err(damaged)?;
            value.map(|value| Ok(row::decode(key, &value.into())?.0)).transpose()
        })
    }

    /// Up to `limit` user rows of `range`, from one point in time.
    pub(crate) fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<Row>, MetaError> {
        let start = row::user_key(&range.start);
        let end = range.end.as_deref().map_or(Bytes::from_static(&[row::USER + 1]), row::user_key);
        self.stored(&start, &end, limit, row::user_row)
    }

    /// Up to `limit` journal rows from a sequence number on.
    pub(crate) fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> Result<Vec<(Version, Vec<Bytes>)>, MetaError> {
        let end = Bytes::from_static(&[row::JOURNAL + 1]);
        self.stored(&row::journal_key(from), &end, limit, row::journal_row)
    }

    fn stored<T>(
        &self,
        start: &Bytes,
        end: &Bytes,
        limit: usize,
        decode: impl Fn(&Bytes, &Bytes) -> Result<T, MetaError>,
    ) -> Result<Vec<T>, MetaError> {
        if start >= end {
            return Ok(Vec::new());
        }
        self.read(|open| {
            let mut rows = Vec::with_capacity(limit.min(1024));
            // One snapshot for all trees: the rows are from one point in time.
            let snapshot = open.database.snapshot();
            for space in open.spaces.get(Open::space(start)..).unwrap_or_default() {
                let range = snapshot.range(space, start.clone()..end.clone());
                for guard in range.take(limit - rows.len()) {
                    let (key, value) = guard.into_inner().map_err(damaged)?;
                    rows.push(decode(&key.into(), &value.into())?);
                }
                if rows.len() == limit {
                    break;
                }
            }
            Ok(rows)
        })
    }

    /// The sequence number of the last commit.
    pub(crate) fn last_version(&self) -> Result<Version, MetaError> {
        let range = Bytes::from_static(&[row::JOURNAL])..Bytes::from_static(&[row::JOURNAL + 1]);
        self.read(|open| match open.of(&[row::JOURNAL]).range(range).next_back() {
            None => Ok(Version(0)),
            Some(guard) => {
                let (key, value) = guard.into_inner().map_err(damaged)?;
                Ok(row::journal_row(&key.into(), &value.into())?.0)
            }
        })
    }

    /// Writes one batch, durably or (relaxed) as far as the operating system.
    pub(crate) fn write(
        &self,
        changes: impl Iterator<Item = Change>,
        durability: Durability,
    ) -> Result<(), fjall::Error> {
        let guard = self.guard();
        let Some(open) = &*guard else { return Err(fjall::Error::Poisoned) };
        let mode = match durability {
            Durability::Sync => PersistMode::SyncData,
            Durability::Relaxed => PersistMode::Buffer,
        };
        let mut batch = open.database.batch().durability(Some(mode));
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(open.of(&key), key, value),
                None => batch.remove(open.of(&key), key),
            }
        }
        batch.commit()
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&self) -> Result<(), fjall::Error> {
        match &*self.guard() {
            Some(open) => open.database.persist(PersistMode::SyncData),
            None => Err(fjall::Error::Poisoned),
        }
    }
}

fn open(path: &Path, sizes: Sizes) -> Result<Open, fjall::Error> {
    let database = Database::builder(path)
        .cache_size(sizes.cache_bytes)
        .max_journaling_size(64 << 20)
        .journal_compression(fjall::CompressionType::None)
        .manual_journal_persist(true)
        .max_cached_files(Some(200))
        // One worker: with more, fjall 3.1 keeps the first one spinning while another compacts.
        .worker_threads(1)
        .open()?;
    let rows = || {
        KeyspaceCreateOptions::default()
            .manual_journal_persist(true)
            .max_memtable_size(sizes.memtable_bytes)
    };
    // Keys of these are in one table at most, so a filter would never spare a read.
    let in_order = || {
        rows()
            .filter_policy(FilterPolicy::disabled())
            .data_block_size_policy(BlockSizePolicy::all(IN_ORDER_BLOCK_BYTES))
    };
    let [journal, rows, ascending] = [
        database.keyspace(SPACES[0].0, in_order),
        database.keyspace(SPACES[1].0, rows),
        database.keyspace(SPACES[2].0, in_order),
    ];
    Ok(Open { spaces: [journal?, rows?, ascending?], database })
}

/// A failed read: the disk or its contents.
fn damaged(error: fjall::Error) -> MetaError {
    match error {
        fjall::Error::Poisoned => unavailable(&fjall::Error::Poisoned),
        error => MetaError::Damaged(error.to_string()),
    }
}

fn unavailable(error: &fjall::Error) -> MetaError {
    MetaError::Unavailable(format!("the metadata store failed: {error}"))
}

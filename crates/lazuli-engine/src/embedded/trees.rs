//! The rows on disk and in memory: three log-structured merge trees (the crate `lsm-tree`) that are
//! read as one map. What is in memory only is in the write-ahead log too.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lsm_tree::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
    PartitioningPolicy, PinningPolicy, RestartIntervalPolicy,
};
use lsm_tree::{
    AbstractTree as _, AnyTree, Cache, Config, DescriptorTable, Guard as _, SeqNo,
    SequenceNumberCounter,
};

use super::row;
use crate::meta::{ASCENDING, KeyRange, MetaError, Row, Version, Visitor};
use crate::wal::Reach;

/// Sizes of the metadata store, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) cache_bytes: u64,
    pub(crate) memtable_bytes: u64,
}

/// The trees rows are kept in, with the directory and the first stored key of each.
///
/// The journal and the rows whose user key begins with [`ASCENDING`] or more are written in
/// ascending key order: kept apart, their tables never overlap and are merged by moving, where in
/// one tree with the others every flush would rewrite them.
pub(crate) const SPACES: [(&str, &[u8]); 3] =
    [("journal", &[row::JOURNAL]), ("rows", &[row::USER]), ("ascending", &[row::USER, ASCENDING])];

/// The file of a tree that names its manifest.
pub(crate) const CURRENT: &str = "current";

/// Size of a block of the trees whose rows are written in order, in bytes.
const IN_ORDER_BLOCK_BYTES: u32 = 4 * 1024;
/// Size of a block of the others.
const BLOCK_BYTES: u32 = 4 * 1024;
/// Tables kept open.
const OPEN_TABLES: usize = 200;

/// A put, or a delete without a value.
pub(crate) type Change = (Bytes, Option<Bytes>);

pub(crate) struct Trees {
    spaces: [AnyTree; SPACES.len()],
    /// The next number in the order of all changes; a tree takes numbers for itself when it writes
    /// or merges tables.
    seqno: SequenceNumberCounter,
    /// Changes with lower numbers are applied as a whole.
    published: AtomicU64,
    snapshots: Mutex<BTreeMap<SeqNo, usize>>,
}

/// A point in time that scans read from: what they can see is kept.
struct Snapshot<'t> {
    trees: &'t Trees,
    seqno: SeqNo,
}

/// The place in [`SPACES`] of the tree a stored key belongs to.
pub(crate) fn space(key: &[u8]) -> usize {
    SPACES.iter().rposition(|(_, first)| key >= *first).unwrap_or(0)
}

impl Trees {
    /// Opens the trees below `dir`, making those that are missing.
    pub(crate) fn open(dir: &Path, sizes: Sizes) -> Result<Self, String> {
        for (name, _) in SPACES {
            // The tree would be made anew, over what it had.
            let tree = dir.join(name);
            if has_tables(&tree) && !tree.join(CURRENT).exists() {
                return Err(format!("{} is missing", tree.join(CURRENT).display()));
            }
        }
        Self::try_open(dir, sizes).map_err(|error| format!("{}: {error}", dir.display()))
    }

    fn try_open(dir: &Path, sizes: Sizes) -> Result<Self, lsm_tree::Error> {
        let seqno = SequenceNumberCounter::default();
        // The trees raise this one beyond changes that are being applied: snapshots do not use it.
        let visible = SequenceNumberCounter::default();
        let cache = Arc::new(Cache::with_capacity_bytes(sizes.cache_bytes));
        let files = Arc::new(DescriptorTable::new(OPEN_TABLES));
        let open = |(name, _): (&str, &[u8])| {
            let config = Config::new(dir.join(name), seqno.clone(), visible.clone())
                .use_cache(Arc::clone(&cache))
                .use_descriptor_table(Some(Arc::clone(&files)));
            layout(config, name != "rows").open()
        };
        let [journal, rows, ascending] = SPACES.map(open);
        let trees = Self {
            spaces: [journal?, rows?, ascending?],
            seqno,
            published: AtomicU64::new(0),
            snapshots: Mutex::default(),
        };
        let highest =
            trees.spaces.iter().filter_map(lsm_tree::AbstractTree::get_highest_seqno).max();
        trees.continue_after(highest.unwrap_or(0));
        Ok(trees)
    }

    /// Numbers changes from beyond `seqno` on.
    fn continue_after(&self, seqno: SeqNo) {
        self.seqno.fetch_max(seqno + 1);
        self.published.fetch_max(seqno + 1, Ordering::AcqRel);
    }

    /// The number of the next change.
    pub(crate) fn next_seqno(&self) -> SeqNo {
        self.seqno.next()
    }

    /// The last change of each tree that is in tables.
    pub(crate) fn persisted(&self) -> Reach {
        self.spaces.each_ref().map(|space| space.get_highest_persisted_seqno().unwrap_or(0))
    }

    /// Makes a group of changes visible, all at once to scans. Only one caller at a time.
    ///
    /// Reads of single rows see each change as it is made. So what other rows name, the payloads in
    /// the ascending space, comes before them and goes after them: who finds a payload gone finds
    /// the row that names another one.
    pub(crate) fn apply(&self, mut changes: Vec<Change>, seqno: SeqNo) {
        changes.sort_by_key(|(key, value)| match value {
            Some(_) if space(key) == SPACES.len() - 1 => 0,
            Some(_) => 1,
            None => 2,
        });
        for (key, value) in changes {
            self.put(key, value, seqno);
        }
        self.published.store(seqno + 1, Ordering::Release);
    }

    /// Applies again what the log has and the tables have not.
    pub(crate) fn replay(&self, changes: Vec<Change>, seqno: SeqNo, persisted: Reach) {
        for (key, value) in changes {
            if persisted.get(space(&key)).is_some_and(|persisted| *persisted < seqno) {
                self.put(key, value, seqno);
            }
        }
        self.continue_after(seqno);
    }

    fn put(&self, key: Bytes, value: Option<Bytes>, seqno: SeqNo) {
        let tree = self.of(&key);
        match value {
            Some(value) => tree.insert(key, value, seqno),
            None => tree.remove(key, seqno),
        };
    }

    fn of(&self, key: &[u8]) -> &AnyTree {
        let [journal, rows, ascending] = &self.spaces;
        match space(key) {
            0 => journal,
            1 => rows,
            _ => ascending,
        }
    }

    /// The trees, in the order of [`SPACES`].
    pub(crate) fn spaces(&self) -> &[AnyTree; SPACES.len()] {
        &self.spaces
    }

    /// The row at a user key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Row>, MetaError> {
        let key = row::user_key(key);
        // One row is visible as soon as it is applied, and it is applied when it is durable.
        let value = self.of(&key).get(&key, SeqNo::MAX).map_err(damaged)?;
        value.map(|value| row::user_row(&key, &value.into())).transpose()
    }

    /// The version of the row at a stored key.
    pub(crate) fn version(&self, key: &Bytes) -> Result<Option<Version>, MetaError> {
        let value = self.of(key).get(key, SeqNo::MAX).map_err(damaged)?;
        value.map(|value| Ok(row::decode(key, &value.into())?.0)).transpose()
    }

    /// Up to `limit` user rows of `range`, from one point in time.
    pub(crate) fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<Row>, MetaError> {
        let (start, end) = user_range(range);
        self.stored(&start, &end, limit, row::user_row)
    }

    /// Hands `visitor` the user rows of `range`, from one point in time, until it answers `false`.
    pub(crate) fn visit(&self, range: &KeyRange, mut visitor: Visitor) -> Result<(), MetaError> {
        let (start, end) = user_range(range);
        self.each(&start, &end, |key, value| Ok(visitor(row::user_row(key, value)?)))
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
        let mut rows = Vec::with_capacity(limit.min(1024));
        if limit > 0 {
            self.each(start, end, |key, value| {
                rows.push(decode(key, value)?);
                Ok(rows.len() < limit)
            })?;
        }
        Ok(rows)
    }

    /// Calls `each` with keys and values, from one point in time, until it answers `false`.
    fn each(
        &self,
        start: &Bytes,
        end: &Bytes,
        mut each: impl FnMut(&Bytes, &Bytes) -> Result<bool, MetaError>,
    ) -> Result<(), MetaError> {
        if start >= end {
            return Ok(());
        }
        // One snapshot for all trees: the rows are from one point in time.
        let snapshot = self.snapshot();
        for tree in self.spaces.get(space(start)..).unwrap_or_default() {
            let bounds = (Bound::Included(start), Bound::Excluded(end));
            for guard in tree.range::<&Bytes, _>(bounds, snapshot.seqno, None) {
                let (key, value) = guard.into_inner().map_err(damaged)?;
                if !each(&key.into(), &value.into())? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The sequence number of the last commit.
    pub(crate) fn last_version(&self) -> Result<Version, MetaError> {
        let snapshot = self.snapshot();
        let [journal, ..] = &self.spaces;
        let all = [row::JOURNAL]..[row::JOURNAL + 1];
        match journal.range(all, snapshot.seqno, None).next_back() {
            None => Ok(Version(0)),
            Some(guard) => {
                let (key, value) = guard.into_inner().map_err(damaged)?;
                Ok(row::journal_row(&key.into(), &value.into())?.0)
            }
        }
    }

    /// Removes the files of tables that were merged into others and that no read needs any more.
    pub(crate) fn forget_past(&self) -> Result<(), lsm_tree::Error> {
        for space in &self.spaces {
            let dir = &space.tree_config().path;
            space.get_version_history_lock().maintenance(dir, SeqNo::MAX)?;
        }
        Ok(())
    }

    fn snapshots(&self) -> MutexGuard<'_, BTreeMap<SeqNo, usize>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Snapshot<'_> {
        let mut snapshots = self.snapshots();
        // Under the lock: what the watermark lets go was not visible to a later snapshot.
        let seqno = self.published.load(Ordering::Acquire);
        *snapshots.entry(seqno).or_default() += 1;
        Snapshot { trees: self, seqno }
    }

    /// Of changes to one row with lower numbers, only the last need be kept.
    pub(crate) fn watermark(&self) -> SeqNo {
        let snapshots = self.snapshots();
        let oldest = snapshots.first_key_value().map(|(seqno, _)| *seqno);
        oldest.unwrap_or_else(|| self.published.load(Ordering::Acquire))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let mut snapshots = self.trees.snapshots();
        if let Some(count) = snapshots.get_mut(&self.seqno) {
            *count -= 1;
            if *count == 0 {
                snapshots.remove(&self.seqno);
            }
        }
    }
}

/// The stored keys of a range of user rows.
fn user_range(range: &KeyRange) -> (Bytes, Bytes) {
    let end = range.end.as_deref().map_or(Bytes::from_static(&[row::USER + 1]), row::user_key);
    (row::user_key(&range.start), end)
}

fn has_tables(tree: &Path) -> bool {
    std::fs::read_dir(tree.join("tables")).is_ok_and(|mut tables| tables.next().is_some())
}

/// How a tree lays its rows out in tables.
fn layout(config: Config, in_order: bool) -> Config {
    let config = config
        .data_block_restart_interval_policy(RestartIntervalPolicy::new([10, 16]))
        .data_block_compression_policy(CompressionPolicy::disabled())
        .index_block_compression_policy(CompressionPolicy::disabled())
        .index_block_pinning_policy(PinningPolicy::new([true, true, false]))
        .filter_block_pinning_policy(PinningPolicy::new([true, false]))
        .index_block_partitioning_policy(PartitioningPolicy::new([false, false, false, true]))
        .filter_block_partitioning_policy(PartitioningPolicy::new([false, false, false, true]));
    if in_order {
        // Keys of these are in one table at most, so a filter would never spare a read.
        return config
            .filter_policy(FilterPolicy::disabled())
            .data_block_size_policy(BlockSizePolicy::all(IN_ORDER_BLOCK_BYTES));
    }
    config.data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES)).filter_policy(
        FilterPolicy::new([
            FilterPolicyEntry::Bloom(BloomConstructionPolicy::FalsePositiveRate(0.0001)),
            FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0)),
        ]),
    )
}

/// A failed read: the disk or its contents.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn damaged(error: lsm_tree::Error) -> MetaError {
    MetaError::Damaged(error.to_string())
}

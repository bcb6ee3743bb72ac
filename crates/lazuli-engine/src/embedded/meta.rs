//! [`Meta`] on the embedded store: reads go straight to it, commits through the committer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;

use super::committer::Committer;
use super::queue::{Bounds, Queue};
use super::recent::Recent;
use super::row;
use super::row_cache::RowCache;
use super::store::Store;
use crate::BoxFuture;
use crate::engine::Durability;
use crate::headroom::Headroom;
use crate::meta::{
    Commit, CommitError, Committed, JournalRow, KeyRange, Meta, MetaError, Row, Version, Visitor,
};
use crate::scribe::Desk;
use crate::stats::Stats;

/// Scans of more rows leave the caller's thread.
const INLINE_ROWS_MAX: usize = 300;

pub(crate) struct EmbeddedMeta {
    store: Arc<Store>,
    cache: RowCache,
    queue: Arc<Queue>,
    stats: Arc<Stats>,
    latest: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<Version>>>,
}

/// What a metadata store is made of.
pub(crate) struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) headroom: Arc<Headroom>,
    pub(crate) durability: Durability,
    pub(crate) bounds: Bounds,
    pub(crate) last: Version,
    pub(crate) desk: Desk,
    /// Memory for rows that are read often, in bytes.
    pub(crate) row_cache_bytes: u64,
}

impl EmbeddedMeta {
    /// Starts the committer's thread.
    pub(crate) fn start(parts: Parts) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(parts.bounds));
        let latest = Arc::new(AtomicU64::new(parts.last.0));
        let recent = Arc::new(Recent::new(parts.last));
        let cache = RowCache::new(parts.row_cache_bytes, Arc::clone(&recent));
        let (store, stats) = (Arc::clone(&parts.store), Arc::clone(&parts.stats));
        let committer = Committer {
            store: parts.store,
            queue: Arc::clone(&queue),
            stats: parts.stats,
            headroom: parts.headroom,
            durability: parts.durability,
            last: parts.last,
            latest: Arc::clone(&latest),
            recent,
            desk: parts.desk,
            poisoned: None,
        };
        let name = std::thread::Builder::new().name("committer".into());
        let thread = Mutex::new(Some(name.spawn(move || committer.run())?));
        Ok(Self { store, cache, queue, stats, latest, thread })
    }

    /// Answers what waits, refuses what comes, and stops the thread: the last sequence number, or
    /// `None` if it was stopped before.
    pub(crate) fn stop(&self) -> Option<Version> {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        thread.join().ok()
    }

    async fn long<T: Send + 'static>(
        &self,
        rows: usize,
        read: impl FnOnce(&Store) -> Result<T, MetaError> + Send + 'static,
    ) -> Result<T, MetaError> {
        let runtime = tokio::runtime::Handle::try_current();
        let result = match runtime {
            Ok(runtime) if rows > INLINE_ROWS_MAX => {
                let store = Arc::clone(&self.store);
                let joined = runtime.spawn_blocking(move || read(&store)).await;
                joined.unwrap_or_else(|error| Err(MetaError::Unavailable(error.to_string())))
            }
            _ => read(&self.store),
        };
        self.counted(result)
    }

    fn counted<T>(&self, result: Result<T, MetaError>) -> Result<T, MetaError> {
        if let Err(MetaError::Damaged(what)) = &result {
            tracing::error!(%what, "damaged metadata");
            Stats::add(&self.stats.damage, 1);
        }
        result
    }
}

impl Drop for EmbeddedMeta {
    fn drop(&mut self) {
        self.stop();
    }
}

fn too_large(commit: &Commit) -> bool {
    let keys = commit.puts.iter().map(|(key, _)| key).chain(&commit.deletes);
    let values = commit.puts.iter().map(|(_, value)| value.len());
    let entries = commit.entries.iter().map(Bytes::len).sum::<usize>();
    keys.into_iter().any(|key| key.len() > row::KEY_BYTES_MAX)
        || values.chain([entries]).any(|len| len > row::VALUE_BYTES_MAX)
}

impl Meta for EmbeddedMeta {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>> {
        if key.len() > row::KEY_BYTES_MAX {
            return Box::pin(std::future::ready(Ok(None)));
        }
        if let Some(row) = self.cache.get(key) {
            return Box::pin(std::future::ready(Ok(Some(row))));
        }
        // Before the row is read: a commit after this one makes the cached row void.
        let known = self.latest();
        let found = self.store.get(key);
        if let Ok(Some(row)) = &found {
            self.cache.insert(row, known);
        }
        Box::pin(std::future::ready(self.counted(found)))
    }

    fn latest(&self) -> Version {
        Version(self.latest.load(Ordering::Acquire))
    }

    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>> {
        Box::pin(self.long(limit, move |store| store.scan(&range, limit)))
    }

    fn visit(&self, range: KeyRange, visitor: Visitor) -> BoxFuture<'_, Result<(), MetaError>> {
        Box::pin(self.long(usize::MAX, move |store| store.visit(&range, visitor)))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        Box::pin(async move {
            if too_large(&commit) {
                return Err(CommitError::TooLarge);
            }
            let answer = self.queue.push(commit).inspect_err(|error| {
                if *error == CommitError::Busy {
                    Stats::add(&self.stats.busy, 1);
                }
            })?;
            let stopped = || MetaError::Unavailable("the committer stopped".into()).into();
            answer.await.unwrap_or_else(|| Err(stopped()))
        })
    }

    fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, MetaError>> {
        Box::pin(self.long(limit, move |store| store.journal(from, limit)))
    }
}

//! Rows that are read often, found without a walk through the trees. Containers above all: every
//! operation on a blob reads its container's row.
//!
//! A cached row is not removed when it changes. It is used only while nothing may have written it
//! since it was read, which the committer's table of recent changes tells: a commit is in the table
//! before anybody can see it.

use std::hash::RandomState;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::recent::Recent;
use crate::meta::{ASCENDING, Row, Version};

/// Larger rows are not kept.
const VALUE_BYTES_MAX: usize = 1024;
/// What an entry takes besides its key and value, in bytes.
const ENTRY_BYTES: u64 = 160;
/// The usual size of an entry, in bytes: to size the table.
const USUAL_BYTES: u64 = 512;

pub(crate) struct RowCache {
    recent: Arc<Recent>,
    rows: Rows,
}

type Rows = Cache<Bytes, Cached, Weigh, RandomState>;

#[derive(Clone)]
struct Cached {
    row: Row,
    /// The last commit known before the row was read.
    known: Version,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Bytes, Cached> for Weigh {
    fn weight(&self, key: &Bytes, cached: &Cached) -> u64 {
        key.len() as u64 + cached.row.value.len() as u64 + ENTRY_BYTES
    }
}

impl RowCache {
    /// A cache of so many bytes, none at all if 0.
    pub(crate) fn new(bytes: u64, recent: Arc<Recent>) -> Self {
        let usual = usize::try_from(bytes / USUAL_BYTES).unwrap_or(usize::MAX);
        // Names are the clients' choice: they must not be able to choose where they collide.
        let hasher = RandomState::new();
        let rows = Cache::with(usual, bytes, Weigh, hasher, DefaultLifecycle::default());
        Self { recent, rows }
    }

    /// The row at a key, if it is known to be as it was.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Row> {
        let cached = self.rows.get(key)?;
        (!self.recent.may_have_changed(key, cached.known)).then_some(cached.row)
    }

    /// Keeps a row that was read after the commit `known` was seen.
    pub(crate) fn insert(&self, row: &Row, known: Version) {
        let in_order = row.key.first().is_some_and(|first| *first >= ASCENDING);
        if in_order || row.value.len() > VALUE_BYTES_MAX {
            return;
        }
        // A copy: the row that was read keeps the whole block of a table in memory.
        let mut copy = BytesMut::with_capacity(row.key.len() + row.value.len());
        copy.put_slice(&row.key);
        copy.put_slice(&row.value);
        let mut value = copy.freeze();
        let key = value.split_to(row.key.len());
        let row = Row { key: key.clone(), value, version: row.version };
        self.rows.insert(key, Cached { row, known });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &'static str, value: &'static str) -> Row {
        Row { key: key.into(), value: value.into(), version: Version(3) }
    }

    #[test]
    fn a_row_is_served_until_it_may_have_changed() {
        let recent = Arc::new(Recent::new(Version(5)));
        let cache = RowCache::new(1 << 20, Arc::clone(&recent));
        cache.insert(&row("k", "old"), Version(5));
        assert_eq!(cache.get(b"k"), Some(row("k", "old")));
        recent.changed(b"k", Version(6));
        assert_eq!(cache.get(b"k"), None);
        // Read before the commit was there, kept after it.
        cache.insert(&row("k", "old"), Version(5));
        assert_eq!(cache.get(b"k"), None);
        cache.insert(&row("k", "new"), Version(6));
        assert_eq!(cache.get(b"k"), Some(row("k", "new")));
        assert_eq!(cache.get(b"l"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let cache = RowCache::new(20_000, Arc::new(Recent::new(Version(5))));
        for index in 0..1000 {
            let key = Bytes::from(format!("key {index}"));
            cache.insert(&Row { key, value: vec![1; 100].into(), version: Version(1) }, Version(5));
        }
        assert!(cache.rows.weight() <= 20_000);
        assert!(cache.rows.len() > 10);
        cache.insert(&Row { value: vec![1; 2000].into(), ..row("large", "") }, Version(5));
        assert_eq!(cache.get(b"large"), None);
    }
}

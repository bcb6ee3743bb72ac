//! What is stored of the log changes under it: nothing more is signed, and writes are refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::{
    BoxFuture, Commit, CommitError, Committed, Engine, JournalRow, KeyRange, Meta, MetaError,
    Options, Row, Version, Visitor,
};
use lazuli_evidence::{Draft, Kind, Record};
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::{Log, Parts};
use lazuli_tlog::Hash;

/// A store that shows its journal with a byte flipped, and that can be full.
struct Store {
    inner: Arc<dyn Meta>,
    /// Which byte of the last entry read; `usize::MAX` for none.
    flipped: AtomicUsize,
    full: AtomicBool,
}

impl Meta for Store {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>> {
        self.inner.get(key)
    }

    fn latest(&self) -> Version {
        self.inner.latest()
    }

    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>> {
        self.inner.scan(range, limit)
    }

    fn visit(&self, range: KeyRange, visitor: Visitor) -> BoxFuture<'_, Result<(), MetaError>> {
        self.inner.visit(range, visitor)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        if self.full.load(Ordering::Relaxed) && !commit.puts.is_empty() {
            return Box::pin(std::future::ready(Err(CommitError::Full)));
        }
        self.inner.commit(commit)
    }

    fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, MetaError>> {
        Box::pin(async move {
            let mut rows = self.inner.journal(from, limit).await?;
            let at = self.flipped.load(Ordering::Relaxed);
            if let Some(entry) = rows.last_mut().and_then(|(_, entries)| entries.last_mut()) {
                let mut bytes = entry.to_vec();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1;
                }
                *entry = bytes.into();
            }
            Ok(rows)
        })
    }
}

struct Fixture {
    store: Arc<Store>,
    log: Log,
    clock: Arc<ManualClock>,
    /// Keeps the scribe.
    engine: Engine,
}

impl Fixture {
    async fn open() -> Self {
        Self::start(Engine::in_memory(), None).await
    }

    /// A log over what a store holds, whose head is kept in a file.
    async fn start(engine: Engine, heads: Option<&Path>) -> Self {
        let store = Arc::new(Store {
            inner: Arc::clone(&engine.meta),
            flipped: AtomicUsize::new(usize::MAX),
            full: AtomicBool::new(false),
        });
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1000)));
        let accounts = ["one".to_owned()];
        let keys = Keys::open(None, Some("log.test"), &accounts, &SeededEntropy::new(7)).unwrap();
        let parts = Parts {
            meta: Arc::clone(&store) as Arc<dyn Meta>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            keys,
            files: None,
            heads: HeadStore::open(heads, "log.test").unwrap(),
            site: 1,
            config: [0; 32],
            witnesses: None,
            reads: lazuli_base::Oldest::default(),
        };
        let log = Log::open(parts).await.unwrap();
        engine.write_journal_with(Arc::clone(&log.ledger) as _);
        Self { store, log, clock, engine }
    }

    async fn write(&self) -> Result<Committed, CommitError> {
        let draft = Draft::new(Kind::Write, "PutBlob", "one", 5).encode();
        let puts = vec![(Bytes::from("row"), Bytes::from("value"))];
        self.store.commit(Commit { puts, entries: vec![draft], ..Commit::default() }).await
    }

    async fn read(&self) -> Result<Committed, CommitError> {
        let draft = Draft::new(Kind::Read, "GetBlob", "one", 5).encode();
        self.store.commit(Commit { entries: vec![draft], ..Commit::default() }).await
    }

    async fn tick(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.log.sealer.tick().await;
    }

    fn signed(&self) -> (u64, Hash) {
        let head = *self.log.public.checkpoint().unwrap().checkpoint().head();
        (head.size, head.root)
    }
}

/// Where the entry ends in its stored record, in bytes.
async fn entry_end() -> usize {
    let fixture = Fixture::open().await;
    fixture.write().await.unwrap();
    let stored = fixture.store.journal(Version(1), 10).await.unwrap().last().unwrap().1[0].clone();
    let entry = Record::decode(&stored).unwrap().entry;
    let start = stored.windows(entry.len()).position(|bytes| bytes == entry).unwrap();
    start + entry.len()
}

#[tokio::test]
async fn no_flipped_byte_of_a_stored_entry_is_signed() {
    // Behind the entry are its sealed values, which the log commits to in another form. Before it
    // are its segment, its place in that, and its length.
    for at in 0..entry_end().await {
        let mut fixture = Fixture::open().await;
        fixture.write().await.unwrap();
        fixture.tick().await;
        let signed = fixture.signed();
        fixture.write().await.unwrap();
        fixture.store.flipped.store(at, Ordering::Relaxed);
        fixture.tick().await;
        let Some(why) = fixture.log.ledger.paused() else { panic!("byte {at} is signed") };
        assert!(why.starts_with("log-damaged: segment 1: "), "{why}");
        fixture.store.flipped.store(usize::MAX, Ordering::Relaxed);
        assert_eq!(fixture.write().await, Err(CommitError::NoJournal));
        assert_eq!(fixture.read().await, Err(CommitError::NoJournal));
        fixture.tick().await;
        fixture.log.sealer.stop().await;
        assert_eq!(fixture.signed(), signed, "byte {at}");
        let stats = &fixture.log.stats;
        assert!(stats.damaged.load(Ordering::Relaxed) && stats.paused.load(Ordering::Relaxed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_remembered_over_a_restart_until_the_file_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let heads = dir.path().join("heads");
    let open = || {
        let options = Options { reserve_bytes: 0, ..Options::new(dir.path().join("data")) };
        Engine::open(options).unwrap()
    };
    let mut fixture = Fixture::start(open(), Some(&heads)).await;
    fixture.write().await.unwrap();
    fixture.tick().await;
    fixture.write().await.unwrap();
    fixture.store.flipped.store(entry_end().await - 1, Ordering::Relaxed);
    fixture.tick().await;
    let found = fixture.log.ledger.paused().unwrap();
    assert!(found.starts_with("log-damaged: "), "{found}");
    fixture.engine.close().unwrap();
    drop(fixture);
    // What the next one reads is whole, and it is told nothing by that.
    let mut fixture = Fixture::start(open(), Some(&heads)).await;
    let file = dir.path().join("heads.damaged");
    let told = format!("{found}; remembered in {}", file.display());
    assert_eq!(fixture.log.ledger.paused(), Some(told));
    assert_eq!(fixture.write().await, Err(CommitError::NoJournal));
    fixture.tick().await;
    assert!(fixture.log.stats.damaged.load(Ordering::Relaxed));
    std::fs::remove_file(&file).unwrap();
    fixture.engine.close().unwrap();
    drop(fixture);
    let mut fixture = Fixture::start(open(), Some(&heads)).await;
    assert_eq!(fixture.log.ledger.paused(), None);
    fixture.write().await.unwrap();
    fixture.tick().await;
    assert_eq!(fixture.log.ledger.paused(), None);
}

#[tokio::test]
async fn a_store_without_room_is_waited_for() {
    let mut fixture = Fixture::open().await;
    fixture.write().await.unwrap();
    fixture.tick().await;
    let (size, _) = fixture.signed();
    fixture.store.full.store(true, Ordering::Relaxed);
    assert_eq!(fixture.write().await, Err(CommitError::Full));
    // Longer than segments are kept one by one.
    for _ in 0..4000 {
        fixture.read().await.unwrap();
        fixture.tick().await;
    }
    assert_eq!(fixture.log.ledger.paused(), None);
    assert_eq!(fixture.signed().0, size);
    fixture.store.full.store(false, Ordering::Relaxed);
    fixture.tick().await;
    fixture.write().await.unwrap();
    fixture.tick().await;
    assert!(fixture.signed().0 > size + 3600);
    assert_eq!(fixture.log.stats.waiting.load(Ordering::Relaxed), 0);
    assert_eq!(fixture.log.ledger.paused(), None);
}

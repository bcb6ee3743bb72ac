//! A log whose disk or memory fails: nothing is signed that is not stored, and nothing is answered
//! that is not logged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, Oldest, SeededEntropy, Timestamp};
use lazuli_engine::disk::{Access, Disk, DiskFile, Space, SystemDisk};
use lazuli_engine::{
    BoxFuture, Commit, CommitError, Committed, Engine, JournalRow, KeyRange, Meta, MetaError,
    Options, Row, Version,
};
use lazuli_evidence::{Draft, Kind, Record};
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::{Log, Parts};

/// A log over a store, as `meta` shows that.
async fn log_on(engine: &Engine, meta: Arc<dyn Meta>, dir: &Path) -> (Log, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1000)));
    let keys = Some(dir.join("keys"));
    let keys = Keys::open(keys.as_deref(), None, &["one".to_owned()], &SeededEntropy::new(7));
    let keys = keys.unwrap();
    let heads = HeadStore::open(Some(&dir.join("heads")), keys.origin()).unwrap();
    let parts = Parts {
        meta,
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        keys,
        files: Some(dir.join("public")),
        heads,
        site: 1,
        config: [0; 32],
        witnesses: None,
        reads: Oldest::default(),
    };
    let log = Log::open(parts).await.unwrap();
    engine.write_journal_with(Arc::clone(&log.ledger) as _);
    (log, clock)
}

fn write(name: &'static str) -> Commit {
    let draft = Draft::new(Kind::Write, "PutBlob", "one", 5).encode();
    let row = (Bytes::from_static(name.as_bytes()), Bytes::from_static(b"value"));
    Commit { puts: vec![row], entries: vec![draft], ..Commit::default() }
}

/// A store that shows one entry otherwise than it was written, once it is told to.
struct Flipping {
    meta: Arc<dyn Meta>,
    flips: AtomicBool,
}

impl Meta for Flipping {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>> {
        self.meta.get(key)
    }

    fn latest(&self) -> Version {
        self.meta.latest()
    }

    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>> {
        self.meta.scan(range, limit)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.meta.commit(commit)
    }

    fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, MetaError>> {
        Box::pin(async move {
            let mut page = self.meta.journal(from, limit).await?;
            let entries = page.iter_mut().flat_map(|(_, entries)| entries);
            if let Some(stored) = entries.last().filter(|_| self.flips.load(Ordering::Relaxed)) {
                let record = Record::decode(stored).unwrap();
                let mut entry = record.entry.to_vec();
                *entry.last_mut().unwrap() ^= 1;
                *stored = Record { entry: &entry, ..record }.encode().into();
            }
            Ok(page)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_are_not_stored_as_they_were_entered_are_not_signed_for() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { reserve_bytes: 0, ..Options::new(dir.path().join("data")) };
    let engine = Engine::open(options).unwrap();
    let meta = Arc::new(Flipping { meta: Arc::clone(&engine.meta), flips: AtomicBool::new(false) });
    let (mut log, clock) = log_on(&engine, Arc::clone(&meta) as _, dir.path()).await;
    engine.meta.commit(write("before")).await.unwrap();
    clock.advance(Duration::from_secs(1));
    log.sealer.tick().await;
    assert_eq!(log.ledger.paused(), None);
    let signed = log.public.checkpoint().unwrap().to_string();
    engine.meta.commit(write("flipped")).await.unwrap();
    meta.flips.store(true, Ordering::Relaxed);
    clock.advance(Duration::from_secs(1));
    log.sealer.tick().await;
    let why = log.ledger.paused().unwrap();
    assert!(why.starts_with("log-damaged: ") && why.contains("segment 1 "), "{why}");
    assert!(log.stats.paused.load(Ordering::Relaxed), "the metric tells");
    assert_eq!(log.public.checkpoint().unwrap().to_string(), signed);
    assert_eq!(engine.meta.commit(write("after")).await.err(), Some(CommitError::NoJournal));
    // What is as it was can be read on; nothing is signed again, either.
    assert!(engine.meta.get(b"before").await.unwrap().is_some());
    meta.flips.store(false, Ordering::Relaxed);
    log.sealer.tick().await;
    assert_eq!(log.public.checkpoint().unwrap().to_string(), signed);
}

/// The system's disk, whose syncs fail once it is told to.
#[derive(Clone, Debug, Default)]
struct Failing(Arc<AtomicBool>);

#[derive(Debug)]
struct FailingFile(Arc<dyn DiskFile>, Failing);

impl Failing {
    fn sync(&self) -> io::Result<()> {
        let fails = self.0.load(Ordering::Relaxed);
        if fails { Err(io::Error::other("a broken device")) } else { Ok(()) }
    }
}

impl DiskFile for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_cached_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.sync()?;
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.0.reserve(len)
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(FailingFile(SystemDisk.create(path)?, self.clone())))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(FailingFile(SystemDisk.open(path, access)?, self.clone())))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(dir)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sync()?;
        SystemDisk.sync_dir(dir)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        SystemDisk.space(path)
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.file_len(path)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_shows_no_change_and_gives_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Failing::default();
    let options = || Options {
        reserve_bytes: 0,
        disk: Arc::new(disk.clone()),
        ..Options::new(dir.path().join("data"))
    };
    let entries;
    {
        let engine = Engine::open(options()).unwrap();
        let (log, _) = log_on(&engine, Arc::clone(&engine.meta), dir.path()).await;
        let before = engine.meta.commit(write("before")).await.unwrap();
        assert_eq!(before.proof.unwrap().receipts().len(), 1);
        entries = engine.meta.journal(Version(1), 99).await.unwrap().len();
        disk.0.store(true, Ordering::Relaxed);
        // No proof comes with an error, so there is no receipt.
        let refused = engine.meta.commit(write("during")).await.unwrap_err();
        assert!(matches!(refused, CommitError::Meta(MetaError::Unavailable(_))), "{refused:?}");
        assert_eq!(engine.meta.get(b"during").await.unwrap(), None);
        assert_eq!(engine.meta.journal(Version(1), 99).await.unwrap().len(), entries);
        disk.0.store(false, Ordering::Relaxed);
        // What the device holds is unknown now, so nothing more is taken before a restart.
        assert!(engine.meta.commit(write("after")).await.is_err());
        drop(log);
    }
    // The next start finds the whole record or nothing of it: row and entry together.
    let engine = Engine::open(options()).unwrap();
    let entered = engine.meta.journal(Version(1), 99).await.unwrap().len();
    let (log, _) = log_on(&engine, Arc::clone(&engine.meta), dir.path()).await;
    assert_eq!(log.ledger.paused(), None);
    assert!(engine.meta.get(b"before").await.unwrap().is_some());
    assert!(engine.meta.get(b"after").await.unwrap().is_none());
    let during = engine.meta.get(b"during").await.unwrap();
    assert_eq!(entered, entries + usize::from(during.is_some()));
}

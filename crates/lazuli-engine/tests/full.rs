//! A full disk refuses changes, and takes entries as long as what was kept for them lasts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lazuli_engine::disk::{Access, Disk, DiskFile, Space, SystemDisk};
use lazuli_engine::{Commit, CommitError, Engine, Entered, Entering, Options, Scribe, Version};

/// What the disk says that it holds: segments of the log are a 64th of it, 256 KiB.
const DISK_BYTES: u64 = 16 << 20;

/// Entries of this length, a segment takes 30 of.
const ENTRY_BYTES: usize = 8000;

/// The system's disk, which can be told to be full.
#[derive(Debug, Default)]
struct SmallDisk {
    full: AtomicBool,
    /// Says that there is room even if there is none.
    boasts: bool,
}

impl SmallDisk {
    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
}

impl Disk for SmallDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        SystemDisk.create(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        SystemDisk.open(path, access)
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
        SystemDisk.sync_dir(dir)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let free = if self.is_full() && !self.boasts { 0 } else { DISK_BYTES };
        Ok(Space { free, total: DISK_BYTES })
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.file_len(path)
    }
}

/// Stores drafts as they are.
#[derive(Debug)]
struct Plain;

impl Scribe for Plain {
    fn begin(&self) -> Box<dyn Entering + '_> {
        Box::new(Self)
    }
}

impl Entering for Plain {
    fn enter(&mut self, _: Version, entries: Vec<Bytes>, _: bool) -> Option<Entered> {
        Some(Entered { entries, proof: None })
    }

    fn durable(self: Box<Self>) {}
}

fn entry(number: u64) -> Commit {
    let mut entry = number.to_be_bytes().to_vec();
    entry.resize(ENTRY_BYTES, 7);
    Commit { entries: vec![entry.into()], ..Commit::default() }
}

fn change(number: u64) -> Commit {
    let row = (Bytes::from(format!("row {number}")), Bytes::from("value"));
    Commit { puts: vec![row], ..entry(number) }
}

fn spares(data: &Path) -> usize {
    let names = std::fs::read_dir(data.join("meta/wal")).unwrap();
    let is_spare = |name: &io::Result<std::fs::DirEntry>| {
        name.as_ref().unwrap().path().extension() == Some("spare".as_ref())
    };
    names.filter(is_spare).count()
}

/// Waits until a spare and what is kept in reserve are there.
fn await_reserve(data: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while spares(data) < 3 {
        assert!(Instant::now() < deadline, "the reserve is not filled");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_takes_entries_from_its_reserve_and_fills_that_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let disk = Arc::new(SmallDisk::default());
    let options = || Options { disk: Arc::clone(&disk) as _, ..Options::new(&data) };
    let engine = Engine::open(options()).unwrap();
    engine.write_journal_with(Arc::new(Plain));
    let mut number = 0;
    for _ in 0..3 {
        await_reserve(&data);
        number += 1;
        engine.meta.commit(change(number)).await.unwrap();
        disk.full.store(true, Ordering::Relaxed);
        // A measurement of the disk is trusted for a moment.
        loop {
            match engine.meta.commit(change(number + 1)).await {
                Ok(_) => number += 1,
                Err(error) => break assert_eq!(error, CommitError::Full),
            }
        }
        let before = number;
        loop {
            match engine.meta.commit(entry(number + 1)).await {
                Ok(_) => number += 1,
                Err(error) => break assert_eq!(error, CommitError::Full),
            }
        }
        // Two segments in reserve, one to sixteen spares, what is left of the one that is written, and
        // about eight before it that become spares once their rows are in tables.
        let taken = number - before;
        assert!((60..=900).contains(&taken), "{taken} entries");
        assert_eq!(engine.meta.commit(change(0)).await, Err(CommitError::Full));
        disk.full.store(false, Ordering::Relaxed);
        number += 1;
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = engine.meta.commit(change(number)).await {
            assert!(error == CommitError::Full && Instant::now() < deadline, "{error}");
        }
    }
    drop(engine);
    let engine = Engine::open(options()).unwrap();
    let journal = engine.meta.journal(Version(1), 10_000).await.unwrap();
    let found = journal.iter().map(|(_, entries)| entries[0].get(..8).unwrap().to_vec());
    let expected = (1..=number).map(|number| number.to_be_bytes().to_vec());
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(engine.meta.get(b"row 0").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_do_not_use_what_is_kept_for_entries() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let disk = Arc::new(SmallDisk { boasts: true, ..SmallDisk::default() });
    let options = Options { disk: Arc::clone(&disk) as _, ..Options::new(&data) };
    let engine = Engine::open(options).unwrap();
    engine.write_journal_with(Arc::new(Plain));
    await_reserve(&data);
    // A spare is on the disk before it is ready: once one was used, none is in the making.
    let mut first = 1;
    while spares(&data) > 2 {
        engine.meta.commit(change(first)).await.unwrap();
        first += 1;
    }
    disk.full.store(true, Ordering::Relaxed);
    // Changes and entries in one group: the disk refuses the former, and only these.
    for number in first..first + 1000 {
        let (change, read) =
            tokio::join!(engine.meta.commit(change(number)), engine.meta.commit(entry(number)));
        assert!(read.is_ok(), "{read:?}");
        if change.is_err() {
            break;
        }
    }
    assert_eq!(engine.meta.commit(change(0)).await, Err(CommitError::Full));
    let mut taken = 0;
    while engine.meta.commit(entry(0)).await.is_ok() {
        taken += 1;
    }
    assert!(taken >= 55, "{taken} entries");
}

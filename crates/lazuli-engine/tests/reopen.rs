//! A store keeps what it acknowledged, refuses a second opener, and closes in good order.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lazuli_engine::disk::{Access, Disk, DiskFile, Space, SystemDisk};
use lazuli_engine::fsck::fsck;
use lazuli_engine::{
    Commit, CommitError, Durability, Engine, Expect, KeyRange, OpenError, Options, Room, Version,
};

fn options(dir: &tempfile::TempDir) -> Options {
    Options { reserve_bytes: 0, ..Options::new(dir.path().join("data")) }
}

fn put(key: &str, value: &str) -> Commit {
    Commit {
        puts: vec![(Bytes::from(key.to_owned()), Bytes::from(value.to_owned()))],
        entries: vec![Bytes::from(format!("put {key}"))],
        ..Commit::default()
    }
}

async fn close(engine: Engine) {
    tokio::task::spawn_blocking(move || engine.close()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commits_are_there_after_close_and_after_drop() {
    let dir = tempfile::tempdir().unwrap();
    for (round, clean) in [(0_u64, true), (1, false), (2, false), (3, true)] {
        let engine = Engine::open(options(&dir)).unwrap();
        let rows = engine.meta.scan(KeyRange::prefix(""), 100).await.unwrap();
        assert_eq!(rows.len() as u64, round * 2);
        for index in 0..2 {
            let commit = put(&format!("{round}-{index}"), "value");
            let committed = engine.meta.commit(commit).await.unwrap();
            assert_eq!(committed.version, Version(round * 2 + index + 1));
        }
        let journal = engine.meta.journal(Version(0), 100).await.unwrap();
        let numbers: Vec<u64> = journal.iter().map(|(version, _)| version.0).collect();
        assert_eq!(numbers, (1..=round * 2 + 2).collect::<Vec<_>>());
        if clean {
            close(engine).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_hold_against_the_state_and_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(&dir)).unwrap();
    let create =
        || Commit { expect: vec![Expect { key: "k".into(), version: None }], ..put("k", "v") };
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let meta = engine.meta.clone();
            let commit = create();
            tokio::spawn(async move { meta.commit(commit).await })
        })
        .collect();
    let mut created = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => created += 1,
            Err(error) => assert_eq!(error, CommitError::Conflict(0)),
        }
    }
    assert_eq!(created, 1);
    let row = engine.meta.get(b"k").await.unwrap().unwrap();
    let delete = Commit {
        expect: vec![Expect { key: "k".into(), version: Some(row.version) }],
        deletes: vec!["k".into()],
        ..Commit::default()
    };
    engine.meta.commit(delete).await.unwrap();
    assert_eq!(engine.meta.get(b"k").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_of_all_sizes_read_back_before_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { extent_bytes: 256 << 10, ..options(&dir) };
    let payload = |len: usize| -> Bytes { (0..len).map(|n| (n * 7 % 251) as u8).collect() };
    let mut pieces = Vec::new();
    {
        let engine = Engine::open(options.clone()).unwrap();
        for len in [1, 4096, 65_516, 65_517, 300_000, 1 << 20] {
            let (piece, settled) = engine.extents.append(payload(len), Room::Free).await.unwrap();
            let commit = Commit { payloads: vec![settled], ..put(&format!("{len}"), "named") };
            engine.meta.commit(commit).await.unwrap();
            pieces.push(piece);
        }
        for expected in [None, Some(5 << 20)] {
            let mut writer = engine.extents.create(expected, Room::Free).await.unwrap();
            let whole = payload(5 << 20);
            for part in whole.chunks(100_000) {
                writer.write(whole.slice_ref(part)).await.unwrap();
            }
            pieces.push(writer.finish().await.unwrap().0);
        }
        drop(engine.extents.create(Some(100), Room::Free).await.unwrap());
        for piece in &pieces {
            let read = engine.extents.read(*piece, 0..piece.len).await.unwrap();
            assert_eq!(read, payload(piece.len as usize), "{piece:?}");
        }
    }
    let engine = Engine::open(options).unwrap();
    for piece in &pieces {
        let whole = payload(piece.len as usize);
        for range in [0..piece.len, piece.len / 3..piece.len / 2, piece.len - 1..piece.len] {
            let read = engine.extents.read(*piece, range.clone()).await.unwrap();
            assert_eq!(read, whole[range.start as usize..range.end as usize]);
        }
    }
    let sealed = engine.extents.sealed().await.unwrap();
    for (extent, _) in &sealed {
        assert_eq!(engine.scrub(*extent).await.unwrap(), None);
    }
    let highest = sealed.iter().map(|(id, _)| id.0).max().unwrap();
    for (extent, _) in sealed {
        let pin = engine.extents.pin();
        engine.extents.free(extent).await.unwrap();
        let of_extent = |piece: &&lazuli_engine::Piece| piece.extent == extent;
        if let Some(piece) = pieces.iter().find(of_extent) {
            assert!(engine.extents.read(*piece, 0..1).await.is_ok());
            drop(pin);
            assert!(engine.extents.read(*piece, 0..1).await.is_err());
        }
    }
    assert_eq!(engine.extents.sealed().await.unwrap(), []);
    let (piece, _) = engine.extents.append(payload(10), Room::Free).await.unwrap();
    assert!(piece.extent.0 > highest, "an id is never used twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_commits_are_refused_and_reads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(&dir)).unwrap();
    engine.meta.commit(put("k", "v")).await.unwrap();
    drop(engine);
    let full = Options { disk: Arc::new(FullDisk), reserve_bytes: 1, ..options(&dir) };
    let engine = Engine::open(full).unwrap();
    assert_eq!(engine.meta.commit(put("l", "w")).await, Err(CommitError::Full));
    assert!(engine.extents.append("bytes".into(), Room::Free).await.is_err());
    assert_eq!(engine.meta.get(b"k").await.unwrap().unwrap().value, "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn relaxed_commits_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let relaxed = || Options { durability: Durability::Relaxed, ..options(&dir) };
    let engine = Engine::open(relaxed()).unwrap();
    for index in 0..100 {
        engine.meta.commit(put(&format!("{index:03}"), "v")).await.unwrap();
    }
    drop(engine);
    let engine = Engine::open(relaxed()).unwrap();
    assert_eq!(engine.meta.scan(KeyRange::prefix(""), 1000).await.unwrap().len(), 100);
}

#[test]
fn a_directory_that_was_not_made_to_the_end_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(&dir)).unwrap();
    drop(engine);
    let data = dir.path().join("data");
    std::fs::remove_file(data.join("meta/rows/current")).unwrap();
    std::fs::remove_dir_all(data.join("meta/journal")).unwrap();
    assert!(Engine::open(options(&dir)).is_ok());
    std::fs::write(data.join("meta/rows/tables/0"), "a table").unwrap();
    std::fs::remove_file(data.join("meta/rows/current")).unwrap();
    assert!(matches!(Engine::open(options(&dir)), Err(OpenError::Damaged(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_data_that_lost_a_small_file_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let engine = Engine::open(options(&dir)).unwrap();
    engine.meta.commit(put("k", "v")).await.unwrap();
    close(engine).await;
    for name in ["IDENTITY", "STATE"] {
        let path = data.join(name);
        let content = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let found = fsck(&data).unwrap().damage;
        assert!(found.len() == 1 && found[0].file == name, "{found:?}");
        // As often as it is tried: the start makes no other one.
        for _ in 0..2 {
            let missing = format!("{} is missing", path.display());
            match Engine::open(options(&dir)) {
                Err(OpenError::Damaged(what)) => assert_eq!(what, missing),
                other => panic!("{:?}", other.err()),
            }
            assert!(!path.exists());
        }
        std::fs::write(&path, content).unwrap();
        assert_eq!(fsck(&data).unwrap().damage, []);
    }
    let engine = Engine::open(options(&dir)).unwrap();
    engine.extents.append("bytes".into(), Room::Free).await.unwrap();
    drop(engine);
    std::fs::remove_dir_all(data.join("meta")).unwrap();
    let found = fsck(&data).unwrap().damage;
    assert!(found.iter().any(|damage| damage.file == "meta/wal"), "{found:?}");
    // Bytes without rows are data too.
    std::fs::remove_file(data.join("STATE")).unwrap();
    assert!(matches!(Engine::open(options(&dir)), Err(OpenError::Damaged(_))));
}

#[test]
fn a_first_start_that_was_cut_off_is_taken_up_again() {
    // In the order in which they are made.
    let steps = ["LOCK", "IDENTITY", "FORMAT", "meta", "extents", "STATE"];
    for made in 0..=steps.len() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        drop(Engine::open(options(&dir)).unwrap());
        for name in &steps[made..] {
            let path = data.join(name);
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        for name in ["meta", "extents"].iter().filter(|name| data.join(name).exists()) {
            std::fs::remove_dir_all(data.join(name)).unwrap();
            std::fs::create_dir(data.join(name)).unwrap();
        }
        if made > 2 {
            assert_eq!(fsck(&data).unwrap().damage, [], "{made} made");
        }
        assert!(Engine::open(options(&dir)).is_ok(), "{made} made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_lost_its_tail_is_refused_after_a_clean_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(&dir)).unwrap();
    engine.meta.commit(put("k", "v")).await.unwrap();
    engine.close().unwrap();
    drop(engine);
    let mut tables = std::fs::read_dir(dir.path().join("data/meta/rows/tables")).unwrap();
    let table = tables.next().unwrap().unwrap().path();
    let bytes = std::fs::read(&table).unwrap();
    std::fs::write(&table, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(Engine::open(options(&dir)), Err(OpenError::Damaged(_))));
    std::fs::write(&table, &bytes).unwrap();
    assert!(Engine::open(options(&dir)).is_ok());
}

#[test]
fn a_second_opener_and_a_foreign_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(&dir)).unwrap();
    assert!(matches!(Engine::open(options(&dir)), Err(OpenError::InUse(_))));
    engine.close().unwrap();
    drop(Engine::open(options(&dir)).unwrap());
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("thesis.txt"), "chapter 1").unwrap();
    let refused = Engine::open(Options::new(foreign.path()));
    assert!(matches!(refused, Err(OpenError::NotAStore(_))));
}

/// The system's disk without room.
#[derive(Debug)]
struct FullDisk;

impl Disk for FullDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
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

    fn space(&self, path: &Path) -> io::Result<Space> {
        SystemDisk.space(path).map(|space| Space { free: 0, ..space })
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.file_len(path)
    }
}

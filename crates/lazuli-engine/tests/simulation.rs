//! Extents on a simulated disk: power cuts and faults at every call.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use lazuli_engine::disk::{Fault, SimDisk};
use lazuli_engine::memory::MemoryMeta;
use lazuli_engine::{Commit, Engine, Options, Piece, Room};

fn options(disk: &SimDisk) -> Options {
    let disk = Arc::new(disk.clone());
    Options { disk, extent_bytes: 20_000, reserve_bytes: 1000, ..Options::new("/data") }
}

fn payload(index: usize) -> Bytes {
    Bytes::from(vec![index as u8; 700 * (index % 7) + 1])
}

/// Writes payloads until one fails or all are named; the acknowledged ones.
async fn load(engine: &Engine, count: usize) -> Vec<(usize, Piece)> {
    let mut named = Vec::new();
    for index in 0..count {
        let written = if index % 5 == 4 {
            let Ok(mut writer) = engine.extents.create(Some(100_000), Room::Free).await else {
                continue;
            };
            if writer.write(payload(index)).await.is_err() {
                continue;
            }
            writer.finish().await
        } else {
            engine.extents.append(payload(index), Room::Free).await
        };
        let Ok((piece, settled)) = written else { continue };
        let commit = Commit { payloads: vec![settled], ..Commit::default() };
        if engine.meta.commit(commit).await.is_ok() {
            named.push((index, piece));
        }
    }
    named
}

async fn all_there(engine: &Engine, named: &[(usize, Piece)], why: &str) {
    for (index, piece) in named {
        let read = engine.extents.read(*piece, 0..piece.len).await;
        assert_eq!(read, Ok(payload(*index)), "{why}: {index}");
    }
}

#[tokio::test]
async fn a_power_cut_takes_nothing_that_was_named() {
    for seed in 1..150_u64 {
        let mut disk = SimDisk::new(seed * 7919);
        let mut named = Vec::new();
        let mut highest = 0;
        for _ in 0..3 {
            let meta = Arc::new(MemoryMeta::default());
            let engine = Engine::simulated(&options(&disk), meta).unwrap();
            all_there(&engine, &named, &format!("seed {seed}")).await;
            let new = load(&engine, 12).await;
            assert_eq!(new.len(), 12);
            assert!(new.iter().all(|(_, piece)| piece.extent.0 > highest), "an id came twice");
            highest = new.iter().map(|(_, piece)| piece.extent.0).max().unwrap();
            named.extend(new);
            // Written, but not settled: this may go.
            engine.extents.append(payload(3), Room::Free).await.unwrap();
            disk = disk.power_cut();
        }
        let engine = Engine::simulated(&options(&disk), Arc::default()).unwrap();
        all_there(&engine, &named, &format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn a_fault_at_any_call_takes_nothing_that_was_named() {
    let clean = SimDisk::new(1);
    let engine = Engine::simulated(&options(&clean), Arc::default()).unwrap();
    load(&engine, 12).await;
    let calls = clean.calls();
    assert!(calls > 40);
    for fault in [Fault::Io, Fault::Full] {
        for at in 1..=calls {
            let disk = SimDisk::new(at);
            disk.fail_at(at, fault);
            let Ok(engine) = Engine::simulated(&options(&disk), Arc::default()) else { continue };
            let named = load(&engine, 12).await;
            let why = format!("{fault:?} at call {at}");
            assert!(
                named.len() >= 6,
                "{why}: one fault stops few writes, not {}",
                12 - named.len()
            );
            // The fault may still be ahead, and then a read meets it: reads go to a new opener.
            let engine = Engine::simulated(&options(&disk.power_cut()), Arc::default()).unwrap();
            all_there(&engine, &named, &why).await;
            for (extent, _) in engine.extents.sealed().await.unwrap() {
                engine.extents.free(extent).await.unwrap();
            }
            assert_eq!(engine.extents.sealed().await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_serves_reads_and_heals() {
    let disk = SimDisk::new(1);
    let engine = Engine::simulated(&options(&disk), Arc::default()).unwrap();
    let named = load(&engine, 12).await;
    disk.set_free_bytes(500);
    let refused = tokio::time::Instant::now();
    while engine.extents.append(payload(1), Room::Free).await.is_ok() {
        assert!(refused.elapsed().as_secs() < 60, "measurements of free space do not age");
        tokio::task::yield_now().await;
    }
    all_there(&engine, &named, "full").await;
    disk.set_free_bytes(1 << 30);
    assert!(engine.extents.append(payload(1), Room::Free).await.is_ok());
}

#[tokio::test]
async fn a_flipped_byte_is_never_served() {
    let disk = SimDisk::new(1);
    let engine = Engine::simulated(&options(&disk), Arc::default()).unwrap();
    let (piece, _settled) = engine.extents.append(payload(5), Room::Free).await.unwrap();
    let path = std::path::PathBuf::from(format!("/data/extents/{:016x}.ext", piece.extent.0));
    for offset in 0..piece.len as usize + 20 {
        assert!(disk.flip(&path, offset, 2));
        assert!(engine.extents.read(piece, 0..piece.len).await.is_err(), "byte {offset}");
        assert!(disk.flip(&path, offset, 2));
    }
    assert_eq!(engine.extents.read(piece, 0..piece.len).await, Ok(payload(5)));
}

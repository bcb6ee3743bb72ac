//! The log on a simulated disk: power cuts and faults at every call.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use super::segment::Record;
use super::*;
use crate::disk::{Disk as _, Fault, SimDisk};

const SEGMENT_BYTES: u64 = 8 * 1024;

fn dir() -> &'static Path {
    Path::new("/wal")
}

fn open(disk: &SimDisk, unsynced: bool) -> Result<(Wal, Vec<u64>), ReplayError> {
    let mut found = Vec::new();
    let logged = replay(disk, dir(), unsynced, &mut |record| {
        assert_eq!(record.body, body(record.seqno), "what is replayed is what was logged");
        found.push(record.seqno);
        Ok(())
    })?;
    let at = |error| ReplayError::Io(dir().to_path_buf(), error);
    let wal = Wal::new(Arc::new(disk.clone()), dir(), SEGMENT_BYTES, Access::Direct, logged);
    Ok((wal.map_err(at)?, found))
}

fn body(seqno: u64) -> Vec<u8> {
    vec![seqno as u8; (seqno as usize * 397) % 2500]
}

fn record(seqno: u64) -> Record {
    Record { seqno, previous: 0, spaces: 1 << (seqno % 3), body: body(seqno) }
}

/// Logs records, with what the keeper does in between; tells what was acknowledged, what was
/// refused, and what nobody knows.
fn load(wal: &Wal, from: u64, count: u64, sync: bool) -> (Vec<u64>, Vec<u64>, Option<u64>) {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for seqno in from..from + count {
        if seqno % 4 == 0 {
            let _ = wal.prepare();
        }
        match wal.append(record(seqno), sync, Supply::Ordinary) {
            Ok(_) => acknowledged.push(seqno),
            Err(LogError::Refused(_)) => refused.push(seqno),
            Err(LogError::Unknown(_)) => return (acknowledged, refused, Some(seqno)),
        }
        if seqno % 16 == 0 {
            let _ = wal.retire([seqno - 8; 3]);
        }
    }
    (acknowledged, refused, None)
}

#[test]
fn a_power_cut_takes_nothing_that_was_logged() {
    for seed in 1..120_u64 {
        let mut disk = SimDisk::new(seed * 104_729);
        let mut acknowledged: Vec<u64> = Vec::new();
        for round in 0..4 {
            let (wal, found) = open(&disk, false).unwrap_or_else(|error| panic!("{error}"));
            let kept = acknowledged.iter().filter(|seqno| found.first() <= Some(seqno));
            let missing: Vec<_> = kept.filter(|seqno| !found.contains(seqno)).collect();
            assert!(missing.is_empty(), "seed {seed}, round {round}: {missing:?} are gone");
            let from = found.last().max(acknowledged.last()).unwrap_or(&0) + 1;
            acknowledged.extend(load(&wal, from, 25, true).0);
            // One record is on its way when the power goes.
            wal.append(record(from + 25), false, Supply::Ordinary).unwrap();
            disk = disk.power_cut();
        }
    }
}

#[test]
fn what_was_not_synced_goes_from_the_end() {
    for seed in 1..60_u64 {
        let disk = SimDisk::new(seed * 15_485_863);
        let (wal, _) = open(&disk, true).unwrap();
        load(&wal, 1, 10, false);
        wal.sync().unwrap();
        load(&wal, 11, 3, false);
        let after = disk.power_cut();
        let (wal, found) = open(&after, true).unwrap_or_else(|error| panic!("{error}"));
        assert!(found.len() >= 10, "seed {seed}: {found:?}");
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
        load(&wal, 20, 5, true);
        let (_, again) = open(&after, false).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.len(), found.len() + 5, "what was cut off does not come back");
    }
}

#[test]
fn what_a_killed_process_left_is_durable_before_more_is_logged() {
    for seed in 1..60_u64 {
        let disk = SimDisk::new(seed * 32_452_843);
        let (wal, _) = open(&disk, false).unwrap();
        load(&wal, 1, 6, true);
        // Written, but not synced when the process is killed: the next one sees it.
        load(&wal, 7, 3, false);
        let (wal, found) = open(&disk, true).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found, (1..=9).collect::<Vec<_>>());
        load(&wal, 10, 2, true);
        let after = disk.power_cut();
        let (_, found) = open(&after, false).unwrap_or_else(|error| panic!("{seed}: {error}"));
        assert_eq!(found, (1..=11).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_fault_at_any_call_is_answered_truly() {
    let clean = SimDisk::new(1);
    load(&open(&clean, false).unwrap().0, 1, 40, true);
    assert!(clean.calls() > 100);
    for fault in [Fault::Io, Fault::Full] {
        for at in 1..=clean.calls() {
            let disk = SimDisk::new(at);
            disk.fail_at(at, fault);
            let Ok((wal, _)) = open(&disk, false) else { continue };
            let (acknowledged, refused, unknown) = load(&wal, 1, 40, true);
            let why = format!("{fault:?} at call {at}");
            assert!(refused.len() + usize::from(unknown.is_some()) <= 1, "{why}: {refused:?}");
            // The fault may still be ahead: it must not meet the reader.
            let after = disk.power_cut();
            let (_, found) = open(&after, false).unwrap_or_else(|error| panic!("{why}: {error}"));
            let first = found.first().copied().unwrap_or(u64::MAX);
            let kept = acknowledged.iter().filter(|seqno| **seqno >= first);
            assert!(kept.clone().all(|seqno| found.contains(seqno)), "{why}: {found:?}");
            assert!(kept.count() > 0 || unknown.is_some(), "{why}: one fault stops few writes");
            assert!(refused.iter().all(|seqno| !found.contains(seqno)), "{why}: was refused");
        }
    }
}

#[test]
fn one_flipped_byte_in_any_segment_or_spare_place_is_found() {
    let disk = SimDisk::new(7);
    let (wal, _) = open(&disk, false).unwrap();
    load(&wal, 1, 22, true);
    let (_, whole) = open(&disk, false).unwrap();
    assert!(whole.len() > 8);
    for name in disk.list(dir()).unwrap() {
        let path = dir().join(&name);
        if generation_of(&name, "wal").is_none() {
            continue;
        }
        for at in 0..disk.file_len(&path).unwrap() as usize {
            assert!(disk.flip(&path, at, 1 << (at % 8)));
            let damage = replay(&disk, dir(), false, &mut |_| Ok(()));
            let Err(ReplayError::Damaged(file, ..)) = damage else {
                panic!("{name}, byte {at}: {damage:?}");
            };
            assert_eq!(file, path);
            disk.flip(&path, at, 1 << (at % 8));
        }
    }
    assert_eq!(open(&disk, false).unwrap().1, whole);
}

#[test]
fn a_missing_segment_is_found_and_a_large_record_gets_its_own() {
    let disk = SimDisk::new(9);
    let (wal, _) = open(&disk, false).unwrap();
    for seqno in 1..20 {
        wal.append(record(seqno), true, Supply::Ordinary).unwrap();
    }
    let large = Record { seqno: 20, spaces: 1, body: vec![5; 100_000], previous: 0 };
    wal.append(large.clone(), true, Supply::Ordinary).unwrap();
    wal.append(record(21), true, Supply::Ordinary).unwrap();
    let mut last = Vec::new();
    let logged = replay(&disk, dir(), false, &mut |record| {
        last = vec![record.previous, record.seqno];
        Ok(())
    });
    assert_eq!((logged.unwrap().last, last), (21, vec![20, 21]));
    disk.remove(&dir().join(segment_name(2))).unwrap();
    let damage = replay(&disk, dir(), false, &mut |_| Ok(()));
    assert!(matches!(damage, Err(ReplayError::Damaged(..))), "{damage:?}");
}

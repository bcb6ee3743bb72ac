//! One flipped byte anywhere in a closed data directory is found by fsck, and by name.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lazuli_engine::fsck::fsck;
use lazuli_engine::{Commit, Engine, Fsck, KeyRange, OpenError, Options, Piece, Room};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Files up to this size are flipped at every byte, larger ones at as many random places. (That
/// every byte of the small formats counts is tested where they are defined.)
const EVERY_BYTE: u64 = 60;

async fn fill(engine: &Engine) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for index in 0..30_usize {
        let payload = Bytes::from(vec![index as u8; 100 + index * 50]);
        let (piece, settled) = engine.extents.append(payload, Room::Free).await.unwrap();
        let commit = Commit {
            puts: vec![(format!("key {index}").into(), vec![7; index].into())],
            entries: vec!["entry".into()],
            payloads: vec![settled],
            ..Commit::default()
        };
        engine.meta.commit(commit).await.unwrap();
        pieces.push(piece);
    }
    let mut writer = engine.extents.create(None, Room::Free).await.unwrap();
    writer.write(Bytes::from(vec![3; 70_000])).await.unwrap();
    pieces.push(writer.finish().await.unwrap().0);
    pieces
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.append(&mut files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn store(dir: &tempfile::TempDir) -> Options {
    Options { reserve_bytes: 0, ..Options::new(dir.path()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flipped_byte_after_a_clean_shutdown_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(store(&dir)).unwrap();
    let pieces = fill(&engine).await;
    engine.close().unwrap();
    drop(engine);

    let mut check = Fsck::open(dir.path()).unwrap();
    assert_eq!(check.report().damage, []);
    assert!(check.report().clean_shutdown);
    assert_eq!((check.report().rows, check.report().commits), (30, 30));
    assert_eq!(check.rows(&KeyRange::prefix("key "), 100).unwrap().len(), 30);
    for piece in pieces {
        check.verify_piece(piece).unwrap();
    }
    drop(check);

    let mut random = StdRng::seed_from_u64(1);
    for path in files(dir.path()) {
        let whole = std::fs::read(&path).unwrap();
        let len = whole.len() as u64;
        let count = len.min(EVERY_BYTE);
        for index in 0..count {
            let at = if len <= EVERY_BYTE { index } else { random.random_range(0..len) } as usize;
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << random.random_range(0..8);
            std::fs::write(&path, &flipped).unwrap();
            let name = path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
            match fsck(dir.path()) {
                Ok(report) => {
                    let named = report.damage.iter().any(|damage| damage.file == name);
                    assert!(named, "{name}, byte {at}: {:?}", report.damage);
                }
                Err(error) => panic!("{name}, byte {at}: {error}"),
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(fsck(dir.path()).unwrap().damage, []);
    let again = Engine::open(store(&dir)).unwrap();
    assert_eq!(again.meta.scan(KeyRange::prefix(""), 100).await.unwrap().len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclean_directory_is_sound_and_flips_in_it_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let engine = Engine::open(store(&dir)).unwrap();
    let pieces = fill(&engine).await;
    // A copy of the files while the store is open is what a killed process leaves.
    for path in files(dir.path()) {
        let target = copy.path().join(path.strip_prefix(dir.path()).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&path, target).unwrap();
    }
    for tree in ["journal", "rows", "ascending"] {
        std::fs::create_dir_all(copy.path().join("meta").join(tree).join("tables")).unwrap();
    }
    let mut check = Fsck::open(copy.path()).unwrap();
    assert_eq!(check.report().damage, []);
    assert!(!check.report().clean_shutdown);
    for piece in &pieces {
        check.verify_piece(*piece).unwrap();
    }
    drop(check);
    flip_a_dead_frame(copy.path(), &pieces);
    let mut logs = files(&copy.path().join("meta/wal"));
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
    let [log] = &logs[..] else { panic!("{logs:?}") };
    let name = log.strip_prefix(copy.path()).unwrap().to_string_lossy().into_owned();
    let whole = std::fs::read(log).unwrap();
    let written = whole.iter().rposition(|byte| *byte != 0).unwrap();
    // Behind what is written, too.
    for at in (0..written).step_by(997).chain([written + 1, whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x80;
        std::fs::write(log, flipped).unwrap();
        let damage = fsck(copy.path()).unwrap().damage;
        assert!(damage.iter().any(|damage| damage.file == name), "byte {at}");
        assert!(matches!(Engine::open(store(&copy)), Err(OpenError::Damaged(_))), "byte {at}");
    }
    std::fs::write(log, &whole).unwrap();
    assert_eq!(fsck(copy.path()).unwrap().damage, []);
    let again = Engine::open(store(&copy)).unwrap();
    assert_eq!(again.meta.scan(KeyRange::prefix(""), 100).await.unwrap().len(), 30);
    for piece in pieces {
        assert!(again.extents.read(piece, 0..piece.len).await.is_ok());
    }
    again.close().unwrap();
    drop(again);
    assert_eq!(fsck(copy.path()).unwrap().damage, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(store(&dir)).unwrap();
    let pieces = fill(&engine).await;
    engine.close().unwrap();
    drop(engine);
    let extent = format!("extents/{:016x}.ext", pieces[0].extent.0);
    for running in [false, true] {
        if running {
            drop(Engine::open(store(&dir)).unwrap());
        }
        for name in [extent.as_str(), "meta/rows/current", "meta/journal/tables/0"] {
            let (path, aside) = (dir.path().join(name), dir.path().join("lost+found"));
            std::fs::rename(&path, &aside).unwrap();
            std::fs::create_dir(&path).unwrap();
            let found = fsck(dir.path()).unwrap();
            assert_eq!(found.clean_shutdown, !running);
            let is_named = |damage: &lazuli_engine::Damage| damage.file == name;
            assert!(found.damage.iter().any(is_named), "{name}: {:?}", found.damage);
            std::fs::remove_dir(&path).unwrap();
            std::fs::rename(&aside, &path).unwrap();
        }
        assert_eq!(fsck(dir.path()).unwrap().damage, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_may_only_be_read_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(store(&dir)).unwrap();
    fill(&engine).await;
    engine.close().unwrap();
    drop(engine);
    let permit = |mode| {
        let lock = dir.path().join("LOCK");
        for path in [dir.path(), &lock] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    permit(0o555);
    let found = fsck(dir.path()).unwrap();
    let in_use = Fsck::open(dir.path()).unwrap();
    let again = fsck(dir.path());
    permit(0o755);
    assert!(found.damage.is_empty() && found.rows == 30, "{found:?}");
    assert!(matches!(again, Err(OpenError::InUse(_))));
    drop(in_use);
}

/// A broken frame in what a crash left open may be all that was written of it; not so once what
/// follows it was durable.
fn flip_a_dead_frame(data: &Path, pieces: &[Piece]) {
    let (dead, others) = (pieces[20], [&pieces[..20], &pieces[21..]].concat());
    let path = data.join(format!("extents/{:016x}.ext", dead.extent.0));
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[dead.offset as usize + 100] ^= 1;
    std::fs::write(&path, flipped).unwrap();

    let mut check = Fsck::open(data).unwrap();
    for piece in others.iter().filter(|piece| piece.offset < dead.offset) {
        check.verify_piece(*piece).unwrap();
    }
    let torn = check.finish();
    assert_eq!((torn.damage, &torn.torn[..1]), (Vec::new(), &[(dead.extent, dead.offset)][..]));

    for verified in [&others[..], pieces] {
        let mut check = Fsck::open(data).unwrap();
        for piece in verified {
            if let Err(damage) = check.verify_piece(*piece) {
                check.add(damage);
            }
        }
        let found = check.finish();
        let [damage] = &found.damage[..] else { panic!("{:?}", found.damage) };
        assert!(path.ends_with(&damage.file) && damage.offset == Some(dead.offset), "{damage:?}");
        assert!(found.torn.iter().all(|(extent, _)| *extent != dead.extent));
    }
    std::fs::write(&path, whole).unwrap();
}

//! Append blobs across the chunks of their lists: what snapshots and copies share, what an append
//! after them leaves alone, and what goes when nobody needs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lazuli_base::{ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{Commit, Engine, Fsck, KeyRange, Options};
use lazuli_model::conditions::Conditions;
use lazuli_model::metadata::Metadata;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::Store;
use lazuli_store::append::{AppendTerms, Appended};
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::change::DeleteScope;
use lazuli_store::container::NewContainer;
use lazuli_store::copy::{Destination, Source};
use lazuli_store::payload::{Payload, Placement};
use lazuli_store::put::NewBlob;
use lazuli_store::rows::{BlobData, BlobRow, Stored};

static NONE: Conditions = Conditions {
    if_match: None,
    if_none_match: None,
    if_modified_since: None,
    if_unmodified_since: None,
    if_tags: None,
    if_tier_modified_since: None,
    if_tier_unmodified_since: None,
};

const TERMS: Terms<'static> = Terms { conditions: &NONE, lease: None, may_overwrite: true };

/// Blocks of 5 bytes, and each 50th of 6,000: the first in the metadata, the others in extents.
fn block(number: usize) -> Bytes {
    let len = if number % 50 == 49 { 6_000 } else { 5 };
    Bytes::from(vec![number as u8; len])
}

fn blocks(numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(block).collect()
}

fn path(blob: &str) -> BlobPath<'_> {
    BlobPath { account: "account", container: "container", blob }
}

fn open(dir: &Path) -> (Engine, Store) {
    let options = Options { extent_bytes: 1 << 20, reserve_bytes: 0, ..Options::new(dir) };
    let engine = Engine::open(options).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, clock, Arc::new(SystemEntropy));
    (engine, store)
}

/// A store with a container and an append blob `a`.
async fn fresh(dir: &Path) -> (Engine, Store) {
    let (engine, store) = open(dir);
    store.create_container("account", "container", &NewContainer::default()).await.unwrap();
    store.create_append_blob(&path("a"), &TERMS, &NewBlob::default()).await.unwrap();
    (engine, store)
}

async fn try_append(
    store: &Store,
    name: &str,
    at: AppendTerms,
    bytes: Bytes,
) -> Result<Appended, Refusal> {
    let mut ingest = store.ingest(Placement::Anywhere, Some(bytes.len() as u64));
    ingest.write(bytes).await.unwrap();
    let payload: Payload = ingest.finish().await.unwrap();
    store.append_block("AppendBlock", &path(name), &TERMS, (at, payload)).await
}

async fn append(store: &Store, name: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        try_append(store, name, AppendTerms::default(), block(number)).await.unwrap();
    }
}

async fn read(store: &Store, name: &str, snapshot: Option<Timestamp>) -> Vec<u8> {
    let blob = store.open_blob(&path(name), snapshot, &TERMS).await.unwrap();
    let mut reader = store.read_content(blob, None).await.unwrap();
    let mut got = Vec::new();
    while let Some(bytes) = reader.next().await.unwrap() {
        got.extend_from_slice(&bytes);
    }
    got
}

struct Plain;

impl Destination for Plain {
    fn build(&self, _: &BlobRow) -> Result<NewBlob, Refusal> {
        Ok(NewBlob::default())
    }

    fn told_source(&self) -> Option<&str> {
        None
    }

    fn needs_infinite_lease(&self) -> bool {
        false
    }
}

async fn copy(store: &Store, from: &str, snapshot: Option<Timestamp>, to: &str) {
    let source =
        Source { path: path(from), snapshot, conditions: &NONE, lease: None, bytes_max: u64::MAX };
    store.copy_blob("CopyBlob", (&path(to), &TERMS), &source, &Plain).await.unwrap();
}

async fn rows(engine: &Engine, table: u8) -> usize {
    let range = KeyRange::prefix(Bytes::copy_from_slice(&[table]));
    engine.meta.scan(range, 100_000).await.unwrap().len()
}

/// The tables that have rows once the store is closed, and the bytes in extents.
fn close(engine: Engine, dir: &Path) -> (Vec<u8>, u64) {
    engine.close().unwrap();
    drop(engine);
    let mut fsck = Fsck::open(dir).unwrap();
    lazuli_store::fsck::check(&mut fsck).unwrap();
    let all = KeyRange { start: Bytes::new(), end: None };
    let rows = fsck.rows(&all, 100_000).unwrap();
    let mut tables: Vec<u8> = rows.iter().filter_map(|row| row.key.first().copied()).collect();
    tables.dedup();
    let report = fsck.finish();
    assert_eq!(report.damage, []);
    (tables, report.extent_bytes)
}

const PAYLOAD: u8 = lazuli_engine::ASCENDING | b'i';

#[tokio::test]
async fn what_is_shared_stays_as_long_as_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, store) = fresh(dir.path()).await;
    append(&store, "a", 0..130).await;
    let taken = store.snapshot_blob(&path("a"), &TERMS, &Metadata::default()).await.unwrap().0;
    let before = rows(&engine, b'm').await;
    copy(&store, "a", None, "copy").await;
    assert_eq!(rows(&engine, b'm').await, before, "a copy writes no list");
    append(&store, "a", 130..300).await;
    append(&store, "copy", 200..210).await;
    copy(&store, "copy", None, "copy of copy").await;
    append(&store, "copy of copy", 210..211).await;
    let copied = [blocks(0..130), blocks(200..210)].concat();
    let second = [copied.clone(), blocks(210..211)].concat();
    assert_eq!(rows(&engine, PAYLOAD).await + rows(&engine, b'p').await, 311);

    // The blob is made anew: of its list stays what its snapshot and the copy have.
    store.create_append_blob(&path("a"), &TERMS, &NewBlob::default()).await.unwrap();
    store.collect(true).await.unwrap();
    assert!(read(&store, "a", Some(taken)).await == blocks(0..130));
    assert_eq!(rows(&engine, PAYLOAD).await + rows(&engine, b'p').await, 130 + 11);
    close(engine, dir.path());
    let (engine, store) = open(dir.path());
    assert!(read(&store, "a", Some(taken)).await == blocks(0..130));
    assert!(read(&store, "copy", None).await == copied);
    assert!(read(&store, "copy of copy", None).await == second);

    let scope = DeleteScope::WithSnapshots;
    for gone in ["a", "copy"] {
        store.delete_blob(&path(gone), None, &TERMS, scope).await.unwrap();
        store.collect(true).await.unwrap();
        assert!(read(&store, "copy of copy", None).await == second, "without {gone}");
    }
    close(engine, dir.path());
    let (engine, store) = open(dir.path());
    store.delete_blob(&path("copy of copy"), None, &TERMS, scope).await.unwrap();
    store.collect(true).await.unwrap();
    store.collect(true).await.unwrap();
    let (tables, extent_bytes) = close(engine, dir.path());
    let left: Vec<char> = tables.into_iter().map(char::from).collect();
    assert_eq!((left, extent_bytes), (vec!['R', 'c'], 0));
}

#[tokio::test]
async fn what_is_being_read_is_not_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, store) = fresh(dir.path()).await;
    append(&store, "a", 0..200).await;
    let blob = store.open_blob(&path("a"), None, &TERMS).await.unwrap();
    let mut reader = store.read_content(blob, None).await.unwrap();
    let mut got = reader.next().await.unwrap().unwrap().to_vec();
    store.delete_blob(&path("a"), None, &TERMS, DeleteScope::Alone).await.unwrap();
    store.collect(true).await.unwrap();
    while let Some(bytes) = reader.next().await.unwrap() {
        got.extend_from_slice(&bytes);
    }
    assert!(got == blocks(0..200));
    drop(reader);
    store.collectable().await;
    store.collect(true).await.unwrap();
    assert_eq!(rows(&engine, PAYLOAD).await + rows(&engine, b'p').await, 0);
}

#[tokio::test]
async fn terms_are_held_against_the_blob_as_it_is_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, store) = fresh(dir.path()).await;
    let at = |position| AppendTerms { position: Some(position), bytes_max: Some(12) };
    let code = |refused: Result<Appended, Refusal>| refused.unwrap_err().code();
    // Ten at once, each for the same place: one gets it.
    let appends: Vec<_> = (0..10)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { try_append(&store, "a", at(0), block(number)).await })
        })
        .collect();
    let mut made = 0;
    for append in appends {
        match append.await.unwrap() {
            Ok(appended) => {
                assert_eq!((appended.offset, appended.count), (0, 1));
                made += 1;
            }
            refused => assert_eq!(code(refused), ErrorCode::AppendPositionConditionNotMet),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(try_append(&store, "a", at(5), block(1)).await.unwrap().offset, 5);
    let over = try_append(&store, "a", at(10), block(2)).await;
    assert_eq!(code(over), ErrorCode::MaxBlobSizeConditionNotMet);

    // The limit of blocks, by the row as 49,999 appends would leave it.
    let range = KeyRange::prefix(Bytes::from_static(b"b"));
    let row = engine.meta.scan(range, 10).await.unwrap().pop().unwrap();
    let mut blob = BlobRow::decode(&row.value).unwrap();
    let BlobData::Appended { count, .. } = &mut blob.data else { panic!("{:?}", blob.data) };
    assert_eq!(*count, 2);
    *count = 50_000;
    let puts = vec![(row.key, blob.encode().unwrap())];
    engine.meta.commit(Commit { puts, ..Commit::default() }).await.unwrap();
    let over = try_append(&store, "a", AppendTerms::default(), block(2)).await;
    assert_eq!(code(over), ErrorCode::BlockCountExceedsLimit);
}

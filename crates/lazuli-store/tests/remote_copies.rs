//! Copies from elsewhere, of each type of blob: what is there of one under way is found after the
//! store was closed, is sound, and goes when the copy is aborted or its blob deleted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lazuli_base::{ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{Engine, Fsck, KeyRange, Options};
use lazuli_model::blob_type::BlobType;
use lazuli_model::conditions::Conditions;
use lazuli_store::Store;
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::change::DeleteScope;
use lazuli_store::container::NewContainer;
use lazuli_store::pages::PageRange;
use lazuli_store::payload::Placement;
use lazuli_store::put::NewBlob;
use lazuli_store::remote_copy::{RemoteCopy, RemoteSource, SourceKind};
use lazuli_store::rows::BlobRow;

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

const PATH: BlobPath<'static> = BlobPath { account: "account", container: "container", blob: "b" };

/// More than one block of a block blob.
const LENGTH: u64 = 9 << 20;

const KINDS: [SourceKind; 3] = [
    SourceKind::Block,
    SourceKind::Append { blocks: Some(200), sealed: true },
    SourceKind::Page { sequence: 7 },
];

fn open(dir: &Path) -> (Engine, Store) {
    let options = Options { extent_bytes: 1 << 20, reserve_bytes: 0, ..Options::new(dir) };
    let engine = Engine::open(options).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, clock, Arc::new(SystemEntropy));
    (engine, store)
}

/// Closes the store, which has to be sound; gives the tables that have rows.
fn close(engine: Engine, dir: &Path) -> Vec<u8> {
    engine.close().unwrap();
    drop(engine);
    let mut fsck = Fsck::open(dir).unwrap();
    lazuli_store::fsck::check(&mut fsck).unwrap();
    let rows = fsck.rows(&KeyRange { start: Bytes::new(), end: None }, 100_000).unwrap();
    let mut tables: Vec<u8> = rows.iter().filter_map(|row| row.key.first().copied()).collect();
    tables.dedup();
    assert_eq!(fsck.finish().damage, []);
    tables
}

async fn begin(store: &Store, kind: SourceKind) -> String {
    let source = RemoteSource {
        told: "http://host/container/a",
        url: "http://host/container/a?sig=secret",
        etag: Some("\"1\""),
        lease: None,
        length: LENGTH,
        kind,
    };
    let begun = store.begin_remote_copy((&PATH, &TERMS), &NewBlob::default(), &source).await;
    begun.unwrap().1
}

async fn under_way(store: &Store) -> RemoteCopy {
    let mut copies = store.remote_copies().await.unwrap();
    assert_eq!(copies.len(), 1);
    copies.remove(0)
}

/// Brings the next part of a copy: a few blocks, or half of the pages there are.
async fn bring(store: &Store, copy: &RemoteCopy, kind: SourceKind, upto: u64) {
    let next = store.copied_so_far(copy).await.unwrap();
    if kind.blob_type() == BlobType::Page {
        let pages: Vec<(PageRange, Bytes)> = (next..upto)
            .step_by(1 << 20)
            .map(|at| (PageRange::new(at, at + 8191).unwrap(), Bytes::from(vec![1; 8192])))
            .collect();
        assert!(store.add_copied_pages(copy, (&pages, upto)).await.unwrap());
        return;
    }
    let (mut arrived, mut index) = (Vec::new(), next);
    while copy.block_len(index) > 0 && copy.block_start(index + 1) <= upto {
        let length = copy.block_len(index);
        let mut ingest = store.ingest(Placement::Extent, Some(length));
        ingest.write(Bytes::from(vec![2; length as usize])).await.unwrap();
        arrived.push(ingest.finish().await.unwrap());
        index += 1;
    }
    assert!(store.add_copied(copy, (next, &arrived)).await.unwrap());
}

async fn blob(store: &Store) -> BlobRow {
    store.open_blob(&PATH, None, &TERMS).await.unwrap().row
}

#[tokio::test]
async fn what_is_there_of_a_copy_is_gone_on_with_or_goes() {
    for kind in KINDS {
        for completes in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let (engine, store) = open(dir.path());
            store.create_container("account", "container", &NewContainer::default()).await.unwrap();
            let id = begin(&store, kind).await;
            bring(&store, &under_way(&store).await, kind, 8 << 20).await;
            drop(store);
            close(engine, dir.path());

            let (engine, store) = open(dir.path());
            let copy = under_way(&store).await;
            let so_far = store.copied_so_far(&copy).await.unwrap();
            let (row, bytes) = match kind {
                SourceKind::Block => (blob(&store).await, so_far * (8 << 20)),
                SourceKind::Append { .. } => (blob(&store).await, copy.block_start(so_far)),
                SourceKind::Page { .. } => (blob(&store).await, so_far),
            };
            assert!(so_far > 0 && bytes <= 8 << 20);
            assert_eq!(row.length, 0);
            assert_eq!(row.copy.unwrap().copied, bytes);
            if completes {
                bring(&store, &copy, kind, LENGTH).await;
                assert!(store.finish_copy(&copy).await.unwrap());
                let row = blob(&store).await;
                assert_eq!((row.length, row.blob_type), (LENGTH, kind.blob_type()));
                let blocks = row.appended().map(|appended| (appended.blocks, appended.sealed));
                assert_eq!(blocks, (row.blob_type == BlobType::Append).then_some((200, true)));
            } else {
                store.abort_copy(&PATH, &TERMS, &id).await.unwrap();
                assert_eq!(blob(&store).await.length, 0);
                assert!(!store.add_copied(&copy, (so_far, &[])).await.unwrap());
                assert!(!store.add_copied_pages(&copy, (&[], LENGTH)).await.unwrap());
                assert!(!store.finish_copy(&copy).await.unwrap());
            }
            store.collect(true).await.unwrap();
            drop(store);
            close(engine, dir.path());

            let (engine, store) = open(dir.path());
            store.delete_blob(&PATH, None, &TERMS, DeleteScope::Alone).await.unwrap();
            for _ in 0..2 {
                store.collect(true).await.unwrap();
            }
            drop(store);
            // The run, and the container.
            assert_eq!(close(engine, dir.path()), *b"Rc", "{kind:?} {completes}");
        }
    }
}

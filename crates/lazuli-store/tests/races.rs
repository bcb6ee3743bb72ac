//! Reads and copies beside overwrites: none of them meets a payload that is gone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use lazuli_base::{SystemClock, SystemEntropy, Timestamp};
use lazuli_engine::{Engine, Options};
use lazuli_model::Refusal;
use lazuli_model::conditions::Conditions;
use lazuli_model::metadata::Metadata;
use lazuli_store::Store;
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::container::NewContainer;
use lazuli_store::payload::Placement;
use lazuli_store::put::NewBlob;

const PATH: BlobPath<'static> = BlobPath { account: "account", container: "box", blob: "b" };

/// How often it is overwritten, and read, and its snapshot taken.
const ROUNDS: usize = 300;

async fn put(store: &Store, number: usize) {
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    let mut ingest = store.ingest(Placement::Anywhere, Some(8));
    ingest.write(Bytes::from(number.to_be_bytes().to_vec())).await.unwrap();
    let payload = ingest.finish().await.unwrap();
    let new = (&NewBlob::default(), &payload);
    store.put_blob("PutBlob", &PATH, &terms, new).await.unwrap();
}

async fn read(store: &Store, snapshot: Option<Timestamp>) -> Result<Vec<u8>, Refusal> {
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    let opened = store.open_blob_to_read(&PATH, snapshot, &terms).await?;
    let mut reader = store.read_content(opened, None).await?;
    let mut whole = Vec::new();
    while let Some(bytes) = reader.next().await? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_or_snapshot_meets_a_payload_that_was_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { reserve_bytes: 0, ..Options::new(dir.path()) };
    let engine = Engine::open(options).unwrap();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, Arc::new(SystemClock), Arc::new(SystemEntropy));
    store.create_container("account", "box", &NewContainer::default()).await.unwrap();
    put(&store, 0).await;
    let (writer, reader) = (store.clone(), store.clone());
    let writes = tokio::spawn(async move {
        for number in 0..ROUNDS {
            put(&writer, number).await;
        }
    });
    let reads = tokio::spawn(async move {
        while !writes.is_finished() {
            assert_eq!(read(&reader, None).await.map(|bytes| bytes.len()), Ok(8));
        }
        writes.await.unwrap();
    });
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    while !reads.is_finished() {
        let taken = store.snapshot_blob(&PATH, &terms, &Metadata::default()).await;
        if let Ok(taken) = taken {
            assert_eq!(read(&store, Some(taken.0)).await.map(|bytes| bytes.len()), Ok(8));
        } else {
            // Too many conflicts are an answer; a payload that is missing is not.
            assert_eq!(taken.map(|_| ()).unwrap_err().status(), 503);
        }
    }
    reads.await.unwrap();
}

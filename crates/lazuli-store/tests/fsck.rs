//! What the check of references finds: a row that is gone is missed by what refers to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{Commit, Engine, Fsck, KeyRange, Options};
use lazuli_model::conditions::Conditions;
use lazuli_model::entity::{EntityKey, Properties};
use lazuli_model::metadata::Metadata;
use lazuli_model::names::{QueueName, TableName};
use lazuli_model::tags::TagSet;
use lazuli_store::Store;
use lazuli_store::append::AppendTerms;
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::container::NewContainer;
use lazuli_store::entity::{Action, Change};
use lazuli_store::pages::{PageContent, PageRange, SequenceTerms};
use lazuli_store::payload::Placement;
use lazuli_store::put::NewBlob;
use lazuli_store::queue::NewMessage;

/// A store with a blob in the metadata, tagged, one in an extent, and an append blob in both.
async fn fill(engine: &Engine) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, clock, Arc::new(SystemEntropy));
    store.create_container("account", "container", &NewContainer::default()).await.unwrap();
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    let tags = TagSet::new([("key".to_owned(), "value".to_owned())]).unwrap();
    for (blob, len) in [("small", 10), ("large", 100_000)] {
        let mut ingest = store.ingest(Placement::Anywhere, None);
        ingest.write(Bytes::from(vec![7; len])).await.unwrap();
        let payload = ingest.finish().await.unwrap();
        let path = BlobPath { account: "account", container: "container", blob };
        let new = NewBlob { tags: tags.clone(), ..NewBlob::default() };
        store.put_blob("PutBlob", &path, &terms, (&new, &payload)).await.unwrap();
    }
    let path = BlobPath { account: "account", container: "container", blob: "log" };
    store.create_append_blob(&path, &terms, &NewBlob::default()).await.unwrap();
    for len in [20, 6_000] {
        let mut ingest = store.ingest(Placement::Anywhere, None);
        ingest.write(Bytes::from(vec![7; len])).await.unwrap();
        let block = (AppendTerms::default(), ingest.finish().await.unwrap());
        store.append_block("AppendBlock", &path, &terms, block).await.unwrap();
    }
    fill_pages(&store, &terms).await;
    fill_table(&store).await;
    fill_queue(&store).await;
}

/// A queue with a message whose text is in its row, and one whose text is apart.
async fn fill_queue(store: &Store) {
    let queue = QueueName::parse("jobs").unwrap();
    store.create_queue("account", &queue, &Metadata::default()).await.unwrap();
    for length in [10, 6_000] {
        let new = NewMessage { text: "x".repeat(length), delay: Duration::ZERO, kept: None };
        store.put_message("account", &queue, new).await.unwrap();
    }
}

/// A table with an entity.
async fn fill_table(store: &Store) {
    let table = TableName::parse("Things").unwrap();
    store.create_table("account", &table).await.unwrap();
    let properties = Properties::default();
    let (key, action) = (EntityKey::new("p", "r"), Action::Insert);
    let change = Change { key, action, properties, content: Vec::new() };
    store.change_entity("account", &table, &change).await.unwrap();
}

/// A page blob in both, with a snapshot.
async fn fill_pages(store: &Store, terms: &Terms<'_>) {
    let path = BlobPath { account: "account", container: "container", blob: "pages" };
    let new = (&NewBlob::default(), 1 << 20, 0);
    store.create_page_blob(&path, terms, new).await.unwrap();
    for (first, len) in [(0, 512), (4096, 40 * 512)] {
        let range = PageRange::new(first, first + len - 1).unwrap();
        let content = PageContent::Bytes(Bytes::from(vec![7; len as usize]));
        let put = (range, SequenceTerms::default(), content);
        store.put_pages("PutPage", &path, terms, put).await.unwrap();
    }
    store.snapshot_blob(&path, terms, &Metadata::default()).await.unwrap();
}

fn damage(dir: &Path) -> Vec<String> {
    let mut fsck = Fsck::open(dir).unwrap();
    lazuli_store::fsck::check(&mut fsck).unwrap();
    fsck.finish().damage.iter().map(ToString::to_string).collect()
}

/// Removes the rows of a table behind the store's back; what the check says then.
async fn without(table: u8) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(Options::new(dir.path())).unwrap();
    fill(&engine).await;
    let range = KeyRange::prefix(Bytes::copy_from_slice(&[table]));
    let rows = engine.meta.scan(range, 100).await.unwrap();
    let deletes: Vec<Bytes> = rows.into_iter().map(|row| row.key).collect();
    assert_eq!(deletes.is_empty(), table == 0);
    engine.meta.commit(Commit { deletes, ..Commit::default() }).await.unwrap();
    engine.close().unwrap();
    drop(engine);
    damage(dir.path())
}

#[tokio::test]
async fn rows_that_are_gone_are_missed() {
    assert_eq!(without(0).await, Vec::<String>::new());
    for (table, missed) in [
        (b'c', "its container does not exist"),
        (b'T', "its table does not exist"),
        (b'Q', "its queue does not exist"),
        (b'i', "its messages' home is another"),
        (b'q', "no message has the text"),
        (b'w', "its text is missing"),
        (b'b', "no blob has this content"),
        (b'b', "the row that held these bytes does not name them"),
        (b'b', "the blob does not have this tag"),
        (b'r', "does not hold its 100000 bytes"),
        (b't', "its tag key is not in the index"),
        (lazuli_engine::ASCENDING | b'i', "does not hold its 10 bytes"),
        (lazuli_engine::ASCENDING | b'i', "does not hold its 20 bytes"),
        (b'm', "does not hold its 6020 bytes"),
        (b'm', "no blob has this content"),
        (b'm', "no list has this piece"),
        (b'p', "does not hold its 6000 bytes"),
        (b'p', "the row that held these bytes does not name them"),
        (b'b', "nobody sees this map"),
        (b'P', "does not hold its 1048576 bytes"),
        (b'P', "its map does not exist"),
        (b'x', "no list has this piece"),
        (b'p', "does not hold its 40 pages"),
        (lazuli_engine::ASCENDING | b'i', "does not hold its 1 pages"),
        (b'r', "no blob has this map"),
    ] {
        let found = without(table).await;
        assert!(found.iter().any(|damage| damage.contains(missed)), "{missed}: {found:?}");
    }
}

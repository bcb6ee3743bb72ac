//! What searches and listings cost follows what they return: rows are counted as they are read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazuli_base::{ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::{
    BoxFuture, Commit, CommitError, Committed, Engine, JournalRow, KeyRange, Meta, MetaError, Row,
    Version, Visitor,
};
use lazuli_model::conditions::Conditions;
use lazuli_model::metadata::Metadata;
use lazuli_model::tag_expression::FindExpression;
use lazuli_model::tags::TagSet;
use lazuli_store::Store;
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::container::NewContainer;
use lazuli_store::find::FindQuery;
use lazuli_store::list::BlobQuery;
use lazuli_store::payload::Payload;
use lazuli_store::put::NewBlob;

/// Rows that were read one by one or in ranges.
struct Counting {
    inner: Arc<dyn Meta>,
    rows: Arc<AtomicUsize>,
}

impl Meta for Counting {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key)
    }

    fn latest(&self) -> Version {
        self.inner.latest()
    }

    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>> {
        Box::pin(async move {
            let rows = self.inner.scan(range, limit).await?;
            // A range without rows costs something, too.
            self.rows.fetch_add(rows.len().max(1), Ordering::Relaxed);
            Ok(rows)
        })
    }

    fn visit(&self, range: KeyRange, mut visitor: Visitor) -> BoxFuture<'_, Result<(), MetaError>> {
        let rows = Arc::clone(&self.rows);
        let counting = move |row| {
            rows.fetch_add(1, Ordering::Relaxed);
            visitor(row)
        };
        self.inner.visit(range, Box::new(counting))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.inner.commit(commit)
    }

    fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, MetaError>> {
        self.inner.journal(from, limit)
    }
}

fn store() -> (Store, Arc<Counting>) {
    let engine = Engine::in_memory();
    let meta = Arc::new(Counting { inner: Arc::clone(&engine.meta), rows: Arc::default() });
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_800_000_000)));
    let entropy = Arc::new(SeededEntropy::new(1));
    let extents = Arc::clone(&engine.extents);
    (Store::new(Arc::<Counting>::clone(&meta), extents, clock, entropy), meta)
}

/// A store with blobs that are tagged by their number.
async fn filled(blobs: usize, tags: impl Fn(usize) -> String) -> (Store, Arc<Counting>) {
    let (store, meta) = store();
    store.create_container("account", "box", &NewContainer::default()).await.unwrap();
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    for number in 0..blobs {
        let tags = TagSet::from_header(&tags(number)).unwrap();
        let new = NewBlob { tags, ..NewBlob::default() };
        let name = format!("{number:05}");
        let path = BlobPath { account: "account", container: "box", blob: &name };
        store.put_blob("PutBlob", &path, &terms, (&new, &Payload::Empty)).await.unwrap();
    }
    (store, meta)
}

#[tokio::test]
async fn a_search_costs_what_its_rarest_term_does() {
    let (store, meta) = filled(6_000, |number| {
        let rare = if number % 600 == 7 { "&rare=1" } else { "" };
        format!("all=yes&number={number:05}{rare}")
    })
    .await;
    for (text, found, most) in [
        ("all='yes' AND rare='1'", 10, 300),
        ("rare='1' AND all='yes' AND number>='00000'", 10, 300),
        ("all='yes' AND number>='05990'", 10, 300),
        ("number>='00000' AND number<'00010' AND all='yes'", 10, 300),
        ("all='yes' AND none='1'", 0, 30),
        ("all='no' AND number>'0'", 0, 60),
    ] {
        let expression = FindExpression::parse(text).unwrap();
        let query = FindQuery {
            account: "account",
            container: None,
            expression: &expression,
            position: None,
            max: 5_000,
        };
        meta.rows.store(0, Ordering::Relaxed);
        let page = store.find_blobs(&query).await.unwrap();
        let rows = meta.rows.load(Ordering::Relaxed);
        assert_eq!((page.items.len(), page.next), (found, None), "{text}");
        assert!(rows <= most, "{text} read {rows} rows");
    }
}

#[tokio::test]
async fn a_listing_passes_over_snapshots() {
    let (store, meta) = filled(20, |_| String::new()).await;
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    for number in 0..20 {
        let name = format!("{number:05}");
        let path = BlobPath { account: "account", container: "box", blob: &name };
        for _ in 0..200 {
            store.snapshot_blob(&path, &terms, &Metadata::default()).await.unwrap();
        }
    }
    let container = store.find_container("account", "box").await.unwrap().unwrap();
    for (max, snapshots, returned, most) in
        [(5_000, false, 20, 20 * 35), (3, false, 3, 4 * 35), (5_000, true, 20 * 201, 20 * 201 + 1)]
    {
        let query = BlobQuery {
            prefix: "",
            delimiter: None,
            position: None,
            start_from: None,
            end_before: None,
            max,
            snapshots,
            uncommitted: false,
        };
        meta.rows.store(0, Ordering::Relaxed);
        let page = store.list_blobs(container.id, &query).await.unwrap();
        let rows = meta.rows.load(Ordering::Relaxed);
        assert_eq!(page.items.len(), returned);
        assert!(rows <= most, "{returned} items took {rows} rows");
    }
}

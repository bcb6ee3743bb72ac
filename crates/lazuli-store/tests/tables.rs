//! Random histories of tables on disk, held against a model in memory: single changes and
//! transactions, across collections and reopenings; and random filters, whose ranges give what
//! looking at every entity gives.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{
    BoxFuture, Commit, CommitError, Committed, Engine, Fsck, JournalRow, KeyRange, Meta, MetaError,
    Options, Row, Version, Visitor,
};
use lazuli_model::ErrorCode;
use lazuli_model::edm::EdmValue;
use lazuli_model::entity::{EntityKey, IfMatch, KeySpan, Properties};
use lazuli_model::filter::{Comparison, EntityRecord, Filter, Operand};
use lazuli_model::names::TableName;
use lazuli_store::Store;
use lazuli_store::entity::{Action, Change, Entity};
use lazuli_store::entity_query::EntityQuery;
use proptest::prelude::*;

const ACCOUNT: &str = "account";

/// Keys in their order: what is beyond the basic plane comes before its last characters.
const KEYS: [&str; 6] = ["", "a", "a b", "b", "\u{1f600}", "\u{ff5e}"];

type Key = (usize, usize);

/// The model: entities by the places of their keys, with a property each for every number written.
type Model = BTreeMap<Key, BTreeMap<String, i32>>;

#[derive(Clone, Debug)]
enum Step {
    One(Key, Verb, i32),
    /// Changes of one partition, which may fail.
    Together(usize, Vec<(usize, Verb, i32)>),
    DeleteTable,
    Collect,
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Insert,
    Update,
    Merge,
    Replace,
    InsertOrMerge,
    Delete,
    /// An update whose condition does not hold.
    Stale,
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        4 => Just(Verb::Insert),
        2 => Just(Verb::Update),
        2 => Just(Verb::Merge),
        3 => Just(Verb::Replace),
        3 => Just(Verb::InsertOrMerge),
        2 => Just(Verb::Delete),
        1 => Just(Verb::Stale),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = 0..KEYS.len();
    let key = (place.clone(), place.clone());
    let changes = proptest::collection::vec((place.clone(), verb(), any::<i32>()), 1..5);
    let step = prop_oneof![
        10 => (key, verb(), any::<i32>()).prop_map(|(key, verb, n)| Step::One(key, verb, n)),
        6 => (place, changes).prop_map(|(partition, changes)| Step::Together(partition, changes)),
        1 => Just(Step::DeleteTable),
        1 => Just(Step::Collect),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

fn table() -> TableName {
    TableName::parse("Things").unwrap()
}

fn key_of((partition, row): Key) -> EntityKey {
    EntityKey::new(KEYS[partition], KEYS[row])
}

/// A change: it writes the property `p` or `q`, by its number.
fn change(key: Key, verb: Verb, n: i32) -> Change {
    let action = match verb {
        Verb::Insert => Action::Insert,
        Verb::Update => Action::Update(IfMatch::Any),
        Verb::Merge => Action::Merge(IfMatch::Any),
        Verb::Replace => Action::InsertOrReplace,
        Verb::InsertOrMerge => Action::InsertOrMerge,
        Verb::Delete => Action::Delete(IfMatch::Any),
        Verb::Stale => Action::Update(IfMatch::Changed(Some(Timestamp::from_ticks(1)))),
    };
    let properties = match verb {
        Verb::Delete => Vec::new(),
        _ => vec![(name_of(n).to_owned(), EdmValue::Int32(n))],
    };
    let properties = Properties::new(properties).unwrap();
    Change { key: key_of(key), action, properties, content: b"{}".to_vec() }
}

fn name_of(n: i32) -> &'static str {
    if n % 2 == 0 { "p" } else { "q" }
}

/// What the model does; the code of what refuses it.
fn model_change(model: &mut Model, key: Key, verb: Verb, n: i32) -> Result<(), ErrorCode> {
    let there = model.contains_key(&key);
    let written = BTreeMap::from([(name_of(n).to_owned(), n)]);
    match verb {
        Verb::Insert if there => return Err(ErrorCode::EntityAlreadyExists),
        Verb::Update | Verb::Merge | Verb::Delete | Verb::Stale if !there => {
            return Err(ErrorCode::ResourceNotFound);
        }
        Verb::Stale => return Err(ErrorCode::UpdateConditionNotSatisfied),
        Verb::Insert | Verb::Update | Verb::Replace => {
            model.insert(key, written);
        }
        Verb::Merge | Verb::InsertOrMerge => model.entry(key).or_default().extend(written),
        Verb::Delete => {
            model.remove(&key);
        }
    }
    Ok(())
}

/// What the model does of several changes: all, or none and which one refuses it.
fn model_together(
    model: &Model,
    partition: usize,
    changes: &[(usize, Verb, i32)],
) -> (Model, Result<(), (usize, ErrorCode)>) {
    let mut after = model.clone();
    for (index, (row, ..)) in changes.iter().enumerate() {
        if changes.iter().take(index).any(|(other, ..)| other == row) {
            return (after, Err((index, ErrorCode::InvalidDuplicateRow)));
        }
    }
    for (index, (row, verb, n)) in changes.iter().enumerate() {
        if let Err(code) = model_change(&mut after, (partition, *row), *verb, *n) {
            return (after, Err((index, code)));
        }
    }
    (after, Ok(()))
}

struct Open {
    engine: Engine,
    store: Store,
}

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Open {
    let options = Options { reserve_bytes: 0, ..Options::new(dir) };
    let engine = Engine::open(options).unwrap();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Open { store: Store::new(meta, extents, clock, Arc::new(SystemEntropy)), engine }
}

/// Every entity of the table, from pages of this size.
async fn all(store: &Store, filter: Option<&Filter>, max: usize) -> Vec<Entity> {
    let (span, mut from, mut found) = (KeySpan::default(), None, Vec::new());
    loop {
        let query = EntityQuery { filter, span: &span, from: from.as_ref(), max };
        let page = store.query_entities(ACCOUNT, &table(), &query).await.unwrap();
        assert!(page.items.len() <= max);
        found.extend(page.items);
        match page.next {
            Some(next) => from = Some(next),
            None => return found,
        }
    }
}

async fn compare(store: &Store, model: &Model) {
    let found = all(store, None, 7).await;
    let keys: Vec<EntityKey> = found.iter().map(|entity| entity.key.clone()).collect();
    assert_eq!(keys, model.keys().map(|key| key_of(*key)).collect::<Vec<_>>());
    for (entity, properties) in found.iter().zip(model.values()) {
        let numbers: BTreeMap<String, i32> = entity
            .properties
            .iter()
            .map(|(name, value)| match value {
                EdmValue::Int32(n) => (name.to_owned(), *n),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, *properties, "{:?}", entity.key);
        let (name, one) = store.get_entity(ACCOUNT, &table(), &entity.key).await.unwrap();
        assert_eq!(name, table().as_str());
        assert_eq!(one, *entity);
    }
}

async fn apply(store: &Store, model: &mut Model, step: &Step) {
    match step {
        Step::One(key, verb, n) => {
            let made = store.change_entity(ACCOUNT, &table(), &change(*key, *verb, *n)).await;
            let code = made.map(|_| ()).map_err(|refusal| refusal.code());
            assert_eq!(code, model_change(model, *key, *verb, *n));
        }
        Step::Together(partition, changes) => {
            let list: Vec<Change> = changes
                .iter()
                .map(|(row, verb, n)| change((*partition, *row), *verb, *n))
                .collect();
            let (after, wanted) = model_together(model, *partition, changes);
            let made = store.change_entities(ACCOUNT, &table(), &list).await;
            let code = made.map(|_| ()).map_err(|failed| (failed.index, failed.refusal.code()));
            assert_eq!(code, wanted);
            if wanted.is_ok() {
                *model = after;
            }
        }
        Step::DeleteTable => {
            store.delete_table(ACCOUNT, &table()).await.unwrap();
            let change = change((0, 0), Verb::Insert, 1);
            let made = store.change_entity(ACCOUNT, &table(), &change).await;
            assert_eq!(made.unwrap_err().code(), ErrorCode::TableNotFound);
            // The name is free at once, and what was in the table does not come back.
            store.create_table(ACCOUNT, &table()).await.unwrap();
            model.clear();
        }
        Step::Collect => {
            store.collect(true).await.unwrap();
        }
        Step::Reopen => {}
    }
    compare(store, model).await;
}

/// Closes the store and checks what lies on the disk; gives the first bytes of its rows.
fn close_and_check(open: Open, dir: &Path) -> Vec<u8> {
    open.engine.close().unwrap();
    drop(open);
    let mut fsck = Fsck::open(dir).unwrap();
    lazuli_store::fsck::check(&mut fsck).unwrap();
    let rows = fsck.rows(&KeyRange { start: Bytes::new(), end: None }, 100_000).unwrap();
    assert_eq!(fsck.finish().damage, []);
    rows.iter().filter_map(|row| row.key.first().copied()).collect()
}

async fn run(steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let mut now = open(dir.path(), &clock);
    now.store.create_table(ACCOUNT, &table()).await.unwrap();
    let mut model = Model::new();
    for step in steps {
        clock.advance(Duration::from_millis(1));
        if matches!(step, Step::Reopen) {
            close_and_check(now, dir.path());
            now = open(dir.path(), &clock);
        }
        apply(&now.store, &mut model, step).await;
    }
    now.store.delete_table(ACCOUNT, &table()).await.unwrap();
    now.store.collect(true).await.unwrap();
    let left: Vec<char> = close_and_check(now, dir.path()).into_iter().map(char::from).collect();
    assert!(left.iter().all(|table| *table == 'R'), "{left:?}");
}

fn filter() -> impl Strategy<Value = Filter> {
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
    ];
    let text = prop_oneof![
        6 => proptest::sample::select(&KEYS[..]).prop_map(str::to_owned),
        1 => Just("a\0b".to_owned()),
        1 => Just("aa".to_owned()),
    ];
    let name = prop_oneof![3 => Just("PartitionKey"), 3 => Just("RowKey"), 1 => Just("Absent")];
    let on_key = (name, comparison, text, any::<bool>()).prop_map(|(name, op, text, mirrored)| {
        let (name, value) =
            (Operand::Property(name.to_owned()), Operand::Constant(EdmValue::String(text)));
        if mirrored {
            Filter::Compare(value, op.mirrored(), name)
        } else {
            Filter::Compare(name, op, value)
        }
    });
    let on_number = any::<i32>().prop_map(|n| {
        let (name, value) = (Operand::Property("p".to_owned()), EdmValue::Int32(n % 40));
        Filter::Compare(name, Comparison::Less, Operand::Constant(value))
    });
    let leaf = prop_oneof![5 => on_key, 1 => on_number];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            3 => parts.clone().prop_map(Filter::And),
            3 => parts.prop_map(Filter::Or),
            1 => inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

/// A store in memory in which every key of [`KEYS`] has an entity.
async fn full_store() -> (Engine, Store) {
    let engine = Engine::in_memory();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let store = Store::new(meta, extents, clock, Arc::new(SystemEntropy));
    store.create_table(ACCOUNT, &table()).await.unwrap();
    for (partition, row) in (0..KEYS.len()).flat_map(|p| (0..KEYS.len()).map(move |r| (p, r))) {
        let n = (partition * KEYS.len() + row) as i32 * 2;
        let change = change((partition, row), Verb::Insert, n);
        store.change_entity(ACCOUNT, &table(), &change).await.unwrap();
    }
    (engine, store)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_table_does_what_its_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&steps));
    }

    #[test]
    fn ranges_give_what_looking_at_everything_gives(
        filters in proptest::collection::vec((filter(), 1..9_usize), 100),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_engine, store) = full_store().await;
            let every = all(&store, None, 1000).await;
            for (filter, max) in &filters {
                let matches = |entity: &Entity| {
                    let Entity { key, timestamp, properties } = entity;
                    filter.matches(&EntityRecord { key, timestamp: *timestamp, properties })
                };
                let wanted: Vec<Entity> = every.iter().filter(|it| matches(it)).cloned().collect();
                assert_eq!(all(&store, Some(filter), *max).await, wanted, "{filter:?}");
            }
        });
    }

    #[test]
    fn a_page_has_all_of_a_transaction_or_nothing(
        entities in 1..101_usize, max in 1..121_usize, filtered in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(assert_whole(entities, max, filtered));
    }
}

#[test]
fn a_page_has_all_of_what_others_write_meanwhile() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
        let now = open(dir.path(), &clock);
        now.store.create_table(ACCOUNT, &table()).await.unwrap();
        let store = now.store.clone();
        let writer = tokio::spawn(async move {
            for n in 0..60 {
                let changes: Vec<Change> = (0..100)
                    .map(|row| {
                        let key = EntityKey::new("p", format!("{row:03}"));
                        Change { key, ..change((0, 0), Verb::Replace, n) }
                    })
                    .collect();
                store.change_entities(ACCOUNT, &table(), &changes).await.unwrap();
            }
        });
        let mut seen = 0;
        while seen == 0 || !writer.is_finished() {
            let page = all(&now.store, None, 1000).await;
            seen = page.len();
            assert!(seen == 0 || seen == 100, "{seen}");
            assert!(page.windows(2).all(|two| two[0].properties == two[1].properties));
        }
        writer.await.unwrap();
    });
}

#[test]
fn a_span_of_keys_is_all_that_is_seen() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_engine, store) = full_store().await;
        let every = all(&store, None, 1000).await;
        let bounds = [
            None,
            Some(("a".to_owned(), None)),
            Some(("a".to_owned(), Some("a b".to_owned()))),
            Some(("\u{1f600}".to_owned(), Some(String::new()))),
        ];
        for (first, last) in bounds.iter().flat_map(|a| bounds.iter().map(move |b| (a, b))) {
            let span = KeySpan { first: first.clone(), last: last.clone() };
            let query = EntityQuery { filter: None, span: &span, from: None, max: 1000 };
            let page = store.query_entities(ACCOUNT, &table(), &query).await.unwrap();
            let wanted: Vec<Entity> =
                every.iter().filter(|entity| span.contains(&entity.key)).cloned().collect();
            assert_eq!(page.items, wanted, "{span:?}");
        }
    });
}

/// Metadata that someone else changes after every read of a range.
struct Interrupted {
    inner: Arc<dyn Meta>,
    writer: Store,
    /// How many entities are changed, all together.
    entities: usize,
    writes: AtomicI32,
}

impl Interrupted {
    async fn write(&self) {
        let n = self.writes.fetch_add(1, Ordering::Relaxed) * 2;
        let changes: Vec<Change> = (0..self.entities)
            .map(|row| {
                let key = EntityKey::new("p", format!("{row:03}"));
                Change { key, ..change((0, 0), Verb::Replace, n) }
            })
            .collect();
        self.writer.change_entities(ACCOUNT, &table(), &changes).await.unwrap();
    }
}

impl Meta for Interrupted {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>> {
        self.inner.get(key)
    }

    fn latest(&self) -> Version {
        self.inner.latest()
    }

    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>> {
        Box::pin(async move {
            let rows = self.inner.scan(range, limit).await;
            self.write().await;
            rows
        })
    }

    fn visit(&self, range: KeyRange, visitor: Visitor) -> BoxFuture<'_, Result<(), MetaError>> {
        Box::pin(async move {
            let visited = self.inner.visit(range, visitor).await;
            self.write().await;
            visited
        })
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

/// Asks for a page of `max` of `entities` that are written all together, again and again.
async fn assert_whole(entities: usize, max: usize, filtered: bool) {
    let engine = Engine::in_memory();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let stored = |meta: Arc<dyn Meta>| {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        Store::new(meta, Arc::clone(&extents), clock, Arc::new(SystemEntropy))
    };
    let writer = stored(Arc::clone(&meta));
    writer.create_table(ACCOUNT, &table()).await.unwrap();
    let interrupted = Interrupted { inner: meta, writer, entities, writes: AtomicI32::new(0) };
    let interrupted = Arc::new(interrupted);
    interrupted.write().await;
    let store = stored(Arc::<Interrupted>::clone(&interrupted));
    let written = Operand::Property("p".to_owned());
    let zero = Operand::Constant(EdmValue::Int32(0));
    let filter = Filter::Compare(written, Comparison::GreaterOrEqual, zero);
    let (filter, span) = (filtered.then_some(&filter), KeySpan::default());
    let query = EntityQuery { filter, span: &span, from: None, max };
    let page = store.query_entities(ACCOUNT, &table(), &query).await.unwrap();
    assert!(interrupted.writes.load(Ordering::Relaxed) > 1);
    assert_eq!(page.items.len(), entities.min(max));
    assert_eq!(page.next.is_some(), entities > max);
    assert!(page.items.windows(2).all(|two| two[0].properties == two[1].properties));
}

#[test]
fn writers_of_different_entities_do_not_meet() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
        let now = open(dir.path(), &clock);
        now.store.create_table(ACCOUNT, &table()).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let store = now.store.clone();
            writers.spawn(async move {
                for n in 0..100 {
                    let key = EntityKey::new("p", format!("{writer} {n}"));
                    let change = Change { key, ..change((0, 0), Verb::Insert, n) };
                    store.change_entity(ACCOUNT, &table(), &change).await.unwrap();
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        assert_eq!(all(&now.store, None, 1000).await.len(), 800);
    });
}

#[test]
fn a_page_looks_at_fewer_entities_for_a_filter_of_many_comparisons() {
    /// A partition after all others.
    const LAST: &str = "\u{fffd}";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_engine, store) = full_store().await;
        for hundred in 0..13 {
            let changes: Vec<Change> = (0..100)
                .map(|n| {
                    let key = EntityKey::new(LAST, format!("{hundred:02} {n:02}"));
                    Change { key, ..change((0, 0), Verb::Insert, n) }
                })
                .collect();
            store.change_entities(ACCOUNT, &table(), &changes).await.unwrap();
        }
        let number = |n| Operand::Constant(EdmValue::Int32(n));
        let absent = Operand::Property("absent".to_owned());
        let one = Filter::Compare(absent, Comparison::Equal, number(1));
        let span = KeySpan::default();
        let page = async |filter: &Filter| {
            let query = EntityQuery { filter: Some(filter), span: &span, from: None, max: 1000 };
            store.query_entities(ACCOUNT, &table(), &query).await.unwrap()
        };
        let all = page(&one).await;
        assert!(all.items.is_empty() && all.next.is_none(), "{:?}", all.next);
        let many = page(&Filter::Or(vec![one; 256])).await;
        assert!(many.items.is_empty());
        // 20,000 by 1 + 256 / 16.
        let looked_at = 20_000_usize.div_ceil(17) - KEYS.len() * KEYS.len();
        let next = format!("{:02} {:02}", looked_at / 100, looked_at % 100);
        assert_eq!(many.next, Some(EntityKey::new(LAST, next)));
    });
}

//! Random histories of page blobs on disk, held against a model in memory: content, page ranges and
//! what changed since snapshots, across writes side by side, readers, collections and reopenings;
//! and when all is deleted, nothing stays.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "pages/state.rs"]
mod state;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{Engine, Fsck, KeyRange, Options};
use lazuli_model::conditions::Conditions;
use lazuli_model::metadata::Metadata;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::Store;
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::change::DeleteScope;
use lazuli_store::container::NewContainer;
use lazuli_store::copy::{Destination, Source};
use lazuli_store::pages::{PageChange, PageContent, PageRange, RangeQuery, Ranged, SequenceTerms};
use lazuli_store::put::NewBlob;
use lazuli_store::read::ContentReader;
use lazuli_store::rows::BlobRow;
use proptest::prelude::*;
use state::{State, page};

const ACCOUNT: &str = "account";
const CONTAINER: &str = "container";
const NAMES: [&str; 3] = ["a", "b", "c"];
const PAGE: u64 = 512;
const CELL: u64 = 128;

/// Lengths in pages: within a cell, a few cells, and so many that clearing them is not by cell.
const LENGTHS: [u64; 4] = [40, 3 * CELL + 5, 6 * CELL, 900 * CELL];

/// Lengths of writes in pages: in the metadata, in extents, and over cells.
const WRITES: [u64; 5] = [1, 8, 20, CELL, 2 * CELL + 7];

#[derive(Clone, Debug)]
enum Step {
    Create(usize, usize),
    /// Where it begins, as a part of the length, and how long it is.
    Put(usize, f64, usize),
    /// Pages side by side, from several tasks.
    PutMany(usize, f64, usize),
    Clear(usize, f64, f64),
    Resize(usize, usize),
    Snapshot(usize),
    /// From a blob, or its snapshot of this number if it has one.
    Copy(usize, Option<usize>, usize),
    /// A snapshot, promoted and written to, over and over.
    Chain(usize, usize),
    DeleteSnapshot(usize, usize),
    Delete(usize),
    BeginReading(usize),
    EndReading,
    Collect,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (name, length, size) = (0..NAMES.len(), 0..LENGTHS.len(), 0..WRITES.len());
    let part = || 0.0..1.0_f64;
    let step = prop_oneof![
        3 => (name.clone(), length.clone()).prop_map(|(n, l)| Step::Create(n, l)),
        14 => (name.clone(), part(), size.clone()).prop_map(|(n, at, s)| Step::Put(n, at, s)),
        5 => (name.clone(), part(), 2..12_usize).prop_map(|(n, at, c)| Step::PutMany(n, at, c)),
        5 => (name.clone(), part(), part()).prop_map(|(n, from, to)| Step::Clear(n, from, to)),
        3 => (name.clone(), length).prop_map(|(n, l)| Step::Resize(n, l)),
        5 => name.clone().prop_map(Step::Snapshot),
        4 => (name.clone(), proptest::option::of(0..4_usize), name.clone())
            .prop_map(|(from, snapshot, to)| Step::Copy(from, snapshot, to)),
        1 => (name.clone(), 4..12_usize).prop_map(|(n, times)| Step::Chain(n, times)),
        2 => (name.clone(), 0..4_usize).prop_map(|(n, s)| Step::DeleteSnapshot(n, s)),
        1 => name.clone().prop_map(Step::Delete),
        2 => name.prop_map(Step::BeginReading),
        2 => Just(Step::EndReading),
        4 => Just(Step::Collect),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..70)
}

/// A blob of the model.
#[derive(Clone, Debug, Default)]
struct Blob {
    now: State,
    /// Which blob of the name it is: what was taken of another one is not compared with it.
    made: u64,
    snapshots: Vec<(Timestamp, State, u64)>,
}

struct Open {
    engine: Engine,
    store: Arc<Store>,
}

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Open {
    let options = Options { extent_bytes: 1 << 20, reserve_bytes: 0, ..Options::new(dir) };
    let engine = Engine::open(options).unwrap();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    let store = Arc::new(Store::new(meta, extents, clock, Arc::new(SystemEntropy)));
    Open { engine, store }
}

fn path(name: &str) -> BlobPath<'_> {
    BlobPath { account: ACCOUNT, container: CONTAINER, blob: name }
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

/// A store, its model, and readers that began at some time.
struct World {
    open: Open,
    model: BTreeMap<&'static str, Blob>,
    readers: Vec<(ContentReader, Vec<u8>)>,
    writes: u64,
    clock: Arc<ManualClock>,
}

fn range(first: u64, pages: u64) -> PageRange {
    PageRange::new(first * PAGE, (first + pages) * PAGE - 1).unwrap()
}

async fn drain(mut reader: ContentReader) -> Vec<u8> {
    let mut got = Vec::new();
    while let Some(bytes) = reader.next().await.unwrap() {
        got.extend_from_slice(&bytes);
    }
    got
}

impl World {
    fn store(&self) -> &Arc<Store> {
        &self.open.store
    }

    /// A reader of the first pages of a blob, and what it is to read.
    async fn reader(
        &self,
        (name, snapshot): (&str, Option<Timestamp>),
        (state, first, pages): (&State, u64, u64),
    ) -> (ContentReader, Vec<u8>) {
        let conditions = Conditions::default();
        let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
        let blob = self.store().open_blob(&path(name), snapshot, &terms).await.unwrap();
        assert_eq!(blob.row.length, state.pages * PAGE);
        let end = state.pages.min(first + pages);
        let range =
            lazuli_model::range::ByteRange { first: first * PAGE, last: Some(end * PAGE - 1) };
        let range = range.resolve(blob.row.length).unwrap();
        let reader = self.store().read_content(blob, Some(range)).await.unwrap();
        (reader, state.bytes(first..end))
    }

    async fn compare_state(&self, name: &str, snapshot: Option<Timestamp>, state: &State) {
        let ranges = self.ranges(name, snapshot, None).await;
        assert_eq!(ranges.unwrap(), state.ranges(None), "{name} {snapshot:?}");
        let mut starts: Vec<u64> = state.writes.keys().map(|page| page / CELL * CELL).collect();
        starts.dedup();
        starts.push(0);
        for start in starts {
            // What lies around a cell that was written: the end of one run to the begin of another.
            let first = start.saturating_sub(9);
            let (reader, wanted) = self.reader((name, snapshot), (state, first, 150)).await;
            assert!(drain(reader).await == wanted, "{name} {snapshot:?} at page {first}");
        }
    }

    /// All page ranges of a blob, a few at a time.
    async fn ranges(
        &self,
        name: &str,
        snapshot: Option<Timestamp>,
        since: Option<Timestamp>,
    ) -> Result<Vec<Ranged>, ErrorCode> {
        let conditions = Conditions::default();
        let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
        let (mut all, mut position) = (Vec::new(), None);
        loop {
            let query = RangeQuery { range: None, since, position, max: 3 };
            let told = self.store().page_ranges(&path(name), snapshot, &terms, |_| Ok(query)).await;
            let told = told.map_err(|refusal| refusal.code())?;
            assert!(told.ranges.len() <= 3);
            all.extend(told.ranges);
            position = told.next;
            if position.is_none() {
                return Ok(all);
            }
        }
    }

    async fn compare(&self) {
        for (name, blob) in &self.model {
            self.compare_state(name, None, &blob.now).await;
            for (taken, state, made) in &blob.snapshots {
                self.compare_state(name, Some(*taken), state).await;
                let changed = self.ranges(name, None, Some(*taken)).await;
                if *made == blob.made {
                    let wanted = blob.now.ranges(Some(state));
                    assert_eq!(changed.unwrap(), wanted, "{name} since {taken:?}");
                } else {
                    assert_eq!(changed.unwrap_err(), ErrorCode::BlobOverwritten);
                }
            }
        }
    }

    async fn put(&mut self, name: &'static str, first: u64, pages: u64, bytes: bool) {
        let Some(blob) = self.model.get_mut(name) else {
            let put = put(&self.open.store, name, range(first, pages), PageContent::Zeros).await;
            assert_eq!(put.unwrap_err().code(), ErrorCode::BlobNotFound);
            return;
        };
        let pages = pages.min(blob.now.pages - first);
        let mut content = Vec::new();
        for number in first..first + pages {
            if bytes {
                self.writes += 1;
                content.extend_from_slice(&page(self.writes));
                blob.now.writes.insert(number, self.writes);
            } else {
                blob.now.writes.remove(&number);
            }
        }
        let content = if bytes { PageContent::Bytes(content.into()) } else { PageContent::Zeros };
        put(&self.open.store, name, range(first, pages), content).await.unwrap();
    }

    async fn put_many(&mut self, name: &'static str, first: u64, count: usize) {
        let Some(blob) = self.model.get_mut(name) else { return };
        let mut tasks = Vec::new();
        for number in (first..blob.now.pages).step_by(2).take(count) {
            self.writes += 1;
            let bytes = Bytes::copy_from_slice(&page(self.writes));
            let clears = number % 3 == 0;
            if clears {
                blob.now.writes.remove(&number);
            } else {
                blob.now.writes.insert(number, self.writes);
            }
            let store = Arc::clone(&self.open.store);
            let content = if clears { PageContent::Zeros } else { PageContent::Bytes(bytes) };
            let task = async move { put(&store, name, range(number, 1), content).await };
            tasks.push(tokio::spawn(task));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }

    async fn snapshot(&mut self, name: &'static str) {
        let conditions = Conditions::default();
        let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
        let taken = self.open.store.snapshot_blob(&path(name), &terms, &Metadata::default()).await;
        match self.model.get_mut(name) {
            Some(blob) => blob.snapshots.push((taken.unwrap().0, blob.now.clone(), blob.made)),
            None => assert!(taken.is_err()),
        }
    }

    async fn copy(&mut self, from: &'static str, snapshot: Option<usize>, to: &'static str) {
        let conditions = Conditions::default();
        let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
        let blob = self.model.get(from).cloned();
        let found = blob.as_ref().and_then(|blob| blob.snapshots.get(snapshot?).cloned());
        let source = Source {
            path: path(from),
            snapshot: found.as_ref().map(|(taken, ..)| *taken),
            conditions: &conditions,
            lease: None,
            bytes_max: u64::MAX,
        };
        let store = &self.open.store;
        let copied = store.copy_blob("CopyBlob", (&path(to), &terms), &source, &Plain).await;
        let Some(blob) = blob else {
            assert!(copied.is_err());
            return;
        };
        copied.unwrap();
        self.writes += 1;
        let copy = self.model.entry(to).or_default();
        copy.now = found.map_or(blob.now, |(_, state, _)| state);
        copy.made = self.writes;
    }

    async fn apply(&mut self, step: &Step) {
        let conditions = Conditions::default();
        let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
        let at = |world: &Self, name: &str, part: f64| {
            let pages = world.model.get(name).map_or(40, |blob| blob.now.pages);
            ((pages as f64 * part) as u64).min(pages - 1)
        };
        match *step {
            Step::Create(name, length) => {
                let (name, pages) = (NAMES[name], LENGTHS[length]);
                let new = (&NewBlob::default(), pages * PAGE, 0);
                self.store().create_page_blob(&path(name), &terms, new).await.unwrap();
                self.writes += 1;
                let blob = self.model.entry(name).or_default();
                (blob.now, blob.made) = (State { pages, ..State::default() }, self.writes);
            }
            Step::Put(name, part, size) => {
                let first = at(self, NAMES[name], part);
                self.put(NAMES[name], first, WRITES[size], true).await;
            }
            Step::PutMany(name, part, count) => {
                let first = at(self, NAMES[name], part);
                self.put_many(NAMES[name], first, count).await;
            }
            Step::Clear(name, from, to) => {
                let (from, to) = (at(self, NAMES[name], from), at(self, NAMES[name], to));
                let (from, to) = (from.min(to), from.max(to));
                self.put(NAMES[name], from, to - from + 1, false).await;
            }
            Step::Resize(name, length) => {
                let (name, pages) = (NAMES[name], LENGTHS[length]);
                let change = PageChange { length: Some(pages * PAGE), sequence: None };
                let store = &self.open.store;
                let resized = store.change_page_blob("Resize", &path(name), &terms, change).await;
                let Some(blob) = self.model.get_mut(name) else {
                    assert!(resized.is_err());
                    return;
                };
                resized.unwrap();
                blob.now.pages = pages;
                blob.now.writes.retain(|number, _| *number < pages);
            }
            Step::Snapshot(name) => self.snapshot(NAMES[name]).await,
            Step::Copy(from, snapshot, to) => self.copy(NAMES[from], snapshot, NAMES[to]).await,
            Step::Chain(name, times) => self.chain(NAMES[name], times).await,
            Step::DeleteSnapshot(name, number) => {
                let name = NAMES[name];
                let Some(blob) = self.model.get_mut(name) else { return };
                if number < blob.snapshots.len() {
                    let (taken, ..) = blob.snapshots.remove(number);
                    let scope = DeleteScope::Alone;
                    let store = &self.open.store;
                    store.delete_blob(&path(name), Some(taken), &terms, scope).await.unwrap();
                }
            }
            Step::Delete(name) => {
                let scope = DeleteScope::WithSnapshots;
                let path = path(NAMES[name]);
                let deleted = self.store().delete_blob(&path, None, &terms, scope).await;
                assert_eq!(deleted.is_ok(), self.model.remove(NAMES[name]).is_some());
            }
            Step::BeginReading(name) => {
                let Some(blob) = self.model.get(NAMES[name]).cloned() else { return };
                let whole = (&blob.now, 0, 4 * CELL);
                let reader = self.reader((NAMES[name], None), whole).await;
                self.readers.push(reader);
            }
            Step::EndReading => self.end_reading().await,
            Step::Collect => {
                self.store().collect(true).await.unwrap();
                self.compare().await;
            }
            Step::Reopen => {}
        }
    }

    /// Each turn makes the blob's content one map deeper.
    async fn chain(&mut self, name: &'static str, times: usize) {
        if !self.model.contains_key(name) {
            return;
        }
        for turn in 0..times as u64 {
            self.snapshot(name).await;
            self.clock.advance(Duration::from_secs(1));
            let last = self.model.get(name).unwrap().snapshots.len() - 1;
            self.copy(name, Some(last), name).await;
            self.put(name, turn * 3 % 40, 2, turn % 4 != 3).await;
        }
    }

    /// What is read is what there was when the reading began.
    async fn end_reading(&mut self) {
        for (reader, wanted) in std::mem::take(&mut self.readers) {
            assert!(drain(reader).await == wanted);
        }
    }
}

async fn put(
    store: &Store,
    name: &str,
    range: PageRange,
    content: PageContent,
) -> Result<(), Refusal> {
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    let put = (range, SequenceTerms::default(), content);
    store.put_pages("PutPage", &path(name), &terms, put).await.map(|_| ())
}

/// Closes the store, and checks what lies on the disk; gives its rows' first bytes and its bytes.
fn close_and_check(open: Open, dir: &Path) -> (Vec<u8>, u64) {
    open.engine.close().unwrap();
    drop(open);
    let mut fsck = Fsck::open(dir).unwrap();
    lazuli_store::fsck::check(&mut fsck).unwrap();
    let all = KeyRange { start: Bytes::new(), end: None };
    let rows = fsck.rows(&all, 100_000).unwrap();
    let tables = rows.iter().filter_map(|row| row.key.first().copied()).collect();
    let report = fsck.finish();
    assert_eq!(report.damage, []);
    (tables, report.extent_bytes)
}

/// A new store in `dir` after some steps.
async fn played(dir: &Path, clock: &Arc<ManualClock>, steps: &[Step]) -> World {
    let now = open(dir, clock);
    now.store.create_container(ACCOUNT, CONTAINER, &NewContainer::default()).await.unwrap();
    let (model, readers) = (BTreeMap::new(), Vec::new());
    let mut world = World { open: now, model, readers, writes: 0, clock: Arc::clone(clock) };
    for step in steps {
        clock.advance(Duration::from_secs(1));
        if matches!(step, Step::Reopen) {
            world = reopen(world, dir, clock).await;
            world.compare().await;
        }
        world.apply(step).await;
    }
    world.compare().await;
    world.end_reading().await;
    world
}

fn beginning() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)))
}

/// The rows of cells and of pieces that lie on the disk after some steps and a collection.
fn left_after(steps: &[Step]) -> (usize, usize) {
    let (dir, mut tables) = (tempfile::tempdir().unwrap(), Vec::new());
    block_on(async {
        let world = played(dir.path(), &beginning(), steps).await;
        world.store().collect(true).await.unwrap();
        (tables, _) = close_and_check(world.open, dir.path());
    });
    let count = |of: &[u8]| tables.iter().filter(|table| of.contains(*table)).count();
    (count(b"x"), count(&[lazuli_engine::ASCENDING | b'i', b'p']))
}

async fn run(steps: &[Step]) {
    let (dir, clock) = (tempfile::tempdir().unwrap(), beginning());
    let mut world = played(dir.path(), &clock, steps).await;
    for name in 0..NAMES.len() {
        world.apply(&Step::Delete(name)).await;
    }
    // The extent that is being filled is sealed by closing, and only then looked at.
    world = reopen(world, dir.path(), &clock).await;
    for _ in 0..2 {
        world.store().collect(true).await.unwrap();
    }
    let (tables, extent_bytes) = close_and_check(world.open, dir.path());
    let left: Vec<char> = tables.into_iter().map(char::from).collect();
    assert!(left.iter().all(|table| matches!(table, 'c' | 'R')), "{left:?}");
    assert_eq!(extent_bytes, 0);
}

async fn reopen(mut world: World, dir: &Path, clock: &Arc<ManualClock>) -> World {
    world.end_reading().await;
    let World { open: old, model, readers, writes, .. } = world;
    close_and_check(old, dir);
    World { open: open(dir, clock), model, readers, writes, clock: Arc::clone(clock) }
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn page_blobs_do_what_their_model_does(steps in steps()) {
        block_on(run(&steps));
    }
}

#[test]
fn a_chain_of_copies_is_made_flat_and_tells_the_same_changes() {
    let steps = [
        Step::Create(0, 1),
        Step::Put(0, 0.1, 4),
        Step::Snapshot(0),
        Step::Chain(0, 20),
        Step::BeginReading(0),
        Step::Collect,
        Step::EndReading,
        Step::Resize(0, 0),
        Step::Resize(0, 2),
        Step::Chain(0, 20),
        Step::Collect,
        Step::Put(0, 0.0, 1),
        Step::Snapshot(0),
        Step::Collect,
    ];
    block_on(run(&steps));
}

#[test]
fn what_nobody_sees_goes_while_the_blob_lives_on() {
    let put = |size| Step::Put(0, 0.1, size);
    let begun = [Step::Create(0, 0), put(1)];
    let after = |steps: &[Step]| left_after(&[&begun, steps].concat());
    assert_eq!(after(&[]), (1, 1));
    // Over itself, and over a part of itself.
    assert_eq!(after(&[put(1), put(1)]), (1, 1));
    assert_eq!(after(&[put(0)]), (1, 2));
    assert_eq!(after(&[Step::Clear(0, 0.0, 1.0)]), (0, 0));
    // Beside a reader, who sees no other write, and a snapshot, as long as it is there.
    let beside = [Step::BeginReading(0), put(1), put(1), Step::Collect, Step::EndReading];
    assert_eq!(after(&beside), (1, 1));
    assert_eq!(after(&[&beside[..3], &[Step::Reopen]].concat()), (1, 1));
    assert_eq!(after(&[Step::Snapshot(0), put(1), put(1)]), (2, 2));
    let snapshot = [Step::Snapshot(0), put(1), Step::Collect, Step::DeleteSnapshot(0, 0)];
    assert_eq!(after(&snapshot), (1, 1));
    // The row that the snapshot saw is the one that is written after it is gone.
    let gone = [Step::Snapshot(0), Step::DeleteSnapshot(0, 0), Step::Collect, put(1)];
    assert_eq!(after(&gone), (1, 1));
    // Behind the end of a shorter blob, and of what a copy over it needs.
    let shorter = [Step::Create(1, 2), Step::Put(1, 0.9, 1), Step::Resize(1, 0)];
    assert_eq!(after(&shorter), (1, 1));
    assert_eq!(after(&[Step::Copy(0, None, 1), Step::Delete(0)]), (1, 1));
}

#[test]
fn a_snapshot_keeps_what_is_cleared_at_once() {
    let steps = [
        Step::Create(1, 3),
        Step::Put(1, 0.0, 4),
        Step::Put(1, 0.5, 3),
        Step::Put(1, 0.99, 2),
        Step::Snapshot(1),
        Step::Clear(1, 0.001, 0.99),
        Step::Collect,
        Step::Put(1, 0.5, 1),
        Step::DeleteSnapshot(1, 0),
        Step::Collect,
        Step::Reopen,
        Step::Clear(1, 0.0, 1.0),
        Step::Collect,
    ];
    block_on(run(&steps));
}

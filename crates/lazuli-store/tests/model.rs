//! Random histories of a store on disk, held against a model in memory: contents, snapshots and
//! listings, across collections and reopenings; the rows and bytes on disk agree with each other;
//! and when all is deleted, nothing stays.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{Engine, Fsck, KeyRange, Options};
use lazuli_model::Refusal;
use lazuli_model::block::BlockId;
use lazuli_model::conditions::Conditions;
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_store::Store;
use lazuli_store::append::AppendTerms;
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::blocks::ListedIn;
use lazuli_store::change::DeleteScope;
use lazuli_store::container::NewContainer;
use lazuli_store::copy::{Destination, Source};
use lazuli_store::list::{BlobQuery, Listed};
use lazuli_store::payload::{Payload, Placement};
use lazuli_store::put::NewBlob;
use lazuli_store::rows::BlobRow;
use proptest::prelude::*;

const ACCOUNT: &str = "account";
const CONTAINER: &str = "container";
const NAMES: [&str; 5] = ["a", "a/b", "a/c", "b", "ä"];

/// Contents in the metadata, packed into a shared extent, and in extents of their own.
const SIZES: [usize; 5] = [0, 3, 5_000, 300_000, 1_500_000];

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u8, usize),
    /// Blocks of these sizes, committed or left.
    Blocks(usize, u8, Vec<usize>, bool),
    /// Blocks of these sizes, appended at once. A name without an append blob gets one.
    Append(usize, u8, Vec<usize>),
    Delete(usize),
    Snapshot(usize),
    Copy(usize, usize),
    Tag(usize, bool),
    Collect(bool),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (name, size) = (0..NAMES.len(), 0..SIZES.len());
    let sizes = proptest::collection::vec(1..SIZES.len(), 1..4);
    let appended = proptest::collection::vec(1..SIZES.len(), 1..8);
    let step = prop_oneof![
        8 => (name.clone(), any::<u8>(), size).prop_map(|(n, seed, s)| Step::Put(n, seed, s)),
        4 => (name.clone(), any::<u8>(), sizes, proptest::bool::weighted(0.8))
            .prop_map(|(n, seed, sizes, commits)| Step::Blocks(n, seed, sizes, commits)),
        8 => (name.clone(), any::<u8>(), appended)
            .prop_map(|(n, seed, sizes)| Step::Append(n, seed, sizes)),
        3 => name.clone().prop_map(Step::Delete),
        3 => name.clone().prop_map(Step::Snapshot),
        4 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => (name, any::<bool>()).prop_map(|(n, tagged)| Step::Tag(n, tagged)),
        2 => any::<bool>().prop_map(Step::Collect),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

fn content(seed: u8, len: usize) -> Bytes {
    (0..len).map(|at| seed.wrapping_add((at / 7) as u8)).collect::<Vec<u8>>().into()
}

/// A blob of the model: its content, and those of its snapshots.
#[derive(Clone, Debug, Default)]
struct Blob {
    content: Bytes,
    appends: bool,
    snapshots: Vec<(Timestamp, Bytes)>,
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

async fn payload(store: &Store, placement: Placement, bytes: &Bytes) -> Payload {
    let mut ingest = store.ingest(placement, Some(bytes.len() as u64));
    ingest.write(bytes.clone()).await.unwrap();
    ingest.finish().await.unwrap()
}

async fn read(store: &Arc<Store>, name: &str, snapshot: Option<Timestamp>) -> Bytes {
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    let blob = store.open_blob(&path(name), snapshot, &terms).await.unwrap();
    let mut reader = store.read_content(blob, None).await.unwrap();
    let mut got = Vec::new();
    while let Some(bytes) = reader.next().await.unwrap() {
        got.extend_from_slice(&bytes);
    }
    got.into()
}

/// Holds everything in the store against the model.
async fn compare(store: &Arc<Store>, model: &BTreeMap<&str, Blob>) {
    let container = store.find_container(ACCOUNT, CONTAINER).await.unwrap().unwrap();
    let query = BlobQuery {
        prefix: "",
        delimiter: None,
        position: None,
        start_from: None,
        end_before: None,
        max: 5_000,
        snapshots: true,
        uncommitted: false,
    };
    let page = store.list_blobs(container.id, &query).await.unwrap();
    let listed: Vec<_> = page
        .items
        .into_iter()
        .filter_map(|item| match item {
            Listed::Blob { name, snapshot, .. } => Some((name, snapshot)),
            Listed::Prefix { .. } => None,
        })
        .collect();
    let mut wanted = Vec::new();
    for (name, blob) in model {
        for (taken, _) in &blob.snapshots {
            wanted.push(((*name).to_owned(), Some(*taken)));
        }
        wanted.push(((*name).to_owned(), None));
    }
    assert_eq!(listed, wanted);
    for (name, blob) in model {
        assert!(read(store, name, None).await == blob.content, "{name}");
        for (taken, content) in &blob.snapshots {
            assert!(read(store, name, Some(*taken)).await == *content, "{name} at {taken:?}");
        }
    }
}

/// Whether an operation that makes a blob of a type succeeded: it does unless the name has a blob of
/// the other type.
fn fits(
    model: &BTreeMap<&str, Blob>,
    name: &str,
    appends: bool,
    outcome: Result<(), Refusal>,
) -> bool {
    let fits = model.get(name).is_none_or(|blob| blob.appends == appends);
    assert_eq!(outcome.map_err(|refusal| refusal.code()).is_ok(), fits, "{name}");
    fits
}

/// Appends blocks to a blob side by side. A name without a blob gets an append blob, and one in four
/// is made anew: its snapshots stay.
async fn append(
    store: &Arc<Store>,
    model: &mut BTreeMap<&str, Blob>,
    (name, seed, sizes): (&'static str, u8, &[usize]),
) {
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    if !model.contains_key(name) || seed.is_multiple_of(4) {
        let made = store.create_append_blob(&path(name), &terms, &NewBlob::default()).await;
        if !fits(model, name, true, made.map(|_| ())) {
            return;
        }
        let blob = model.entry(name).or_default();
        (blob.content, blob.appends) = (Bytes::new(), true);
    }
    let mut blocks = Vec::new();
    for (index, size) in sizes.iter().enumerate() {
        let bytes = content(seed.wrapping_add(index as u8), SIZES[*size]);
        let payload = payload(store, Placement::Anywhere, &bytes).await;
        let store = Arc::clone(store);
        let appended = tokio::spawn(async move {
            let conditions = Conditions::default();
            let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
            let block = (AppendTerms::default(), payload);
            store.append_block("AppendBlock", &path(name), &terms, block).await
        });
        blocks.push((bytes, appended));
    }
    let mut parts = BTreeMap::new();
    for (bytes, appended) in blocks {
        let appended = appended.await.unwrap();
        if fits(model, name, true, appended.as_ref().map(|_| ()).map_err(Clone::clone)) {
            assert!(parts.insert(appended.unwrap().offset, bytes).is_none());
        }
    }
    let Some(blob) = model.get_mut(name).filter(|blob| blob.appends) else { return };
    let mut whole = blob.content.to_vec();
    for (offset, bytes) in parts {
        assert_eq!(offset, whole.len() as u64);
        whole.extend_from_slice(&bytes);
    }
    blob.content = whole.into();
}

async fn apply(store: &Arc<Store>, model: &mut BTreeMap<&str, Blob>, step: &Step) {
    let conditions = Conditions::default();
    let terms = Terms { conditions: &conditions, lease: None, may_overwrite: true };
    match step {
        Step::Put(name, seed, size) => {
            let (name, bytes) = (NAMES[*name], content(*seed, SIZES[*size]));
            let payload = payload(store, Placement::Anywhere, &bytes).await;
            let new = (&NewBlob::default(), &payload);
            let put = store.put_blob("PutBlob", &path(name), &terms, new).await;
            if fits(model, name, false, put.map(|_| ())) {
                model.entry(name).or_default().content = bytes;
            }
        }
        Step::Append(name, seed, sizes) => append(store, model, (NAMES[*name], *seed, sizes)).await,
        Step::Blocks(name, seed, sizes, commits) => {
            let name = NAMES[*name];
            let (mut list, mut whole) = (Vec::new(), Vec::new());
            for (index, size) in sizes.iter().enumerate() {
                let bytes = content(seed.wrapping_add(index as u8), SIZES[*size]);
                let id = BlockId::from_bytes(vec![index as u8]);
                let payload = payload(store, Placement::Extent, &bytes).await;
                let put = store.put_block("PutBlock", &path(name), &terms, (&id, &payload)).await;
                if !fits(model, name, false, put) {
                    return;
                }
                whole.extend_from_slice(&bytes);
                list.push((ListedIn::Uncommitted, id));
            }
            if *commits {
                let new = (&NewBlob::default(), list.as_slice());
                store.put_block_list(&path(name), &terms, new).await.unwrap();
                model.entry(name).or_default().content = whole.into();
            }
        }
        Step::Delete(name) => {
            let name = NAMES[*name];
            let scope = DeleteScope::WithSnapshots;
            let deleted = store.delete_blob(&path(name), None, &terms, scope).await;
            // A name that has uncommitted blocks only can be deleted as well.
            if model.remove(name).is_some() {
                deleted.unwrap();
            }
        }
        Step::Snapshot(name) => {
            let name = NAMES[*name];
            let taken = store.snapshot_blob(&path(name), &terms, &Metadata::default()).await;
            match model.get_mut(name) {
                Some(blob) => blob.snapshots.push((taken.unwrap().0, blob.content.clone())),
                None => assert!(taken.is_err()),
            }
        }
        Step::Copy(from, to) => {
            let (from, to) = (NAMES[*from], NAMES[*to]);
            let source = Source {
                path: path(from),
                snapshot: None,
                conditions: &conditions,
                lease: None,
                bytes_max: u64::MAX,
            };
            let copied = store.copy_blob("CopyBlob", (&path(to), &terms), &source, &Plain).await;
            let Some(Blob { content, appends, .. }) = model.get(from).cloned() else {
                assert!(copied.is_err());
                return;
            };
            if fits(model, to, appends, copied.map(|_| ())) {
                let copy = model.entry(to).or_default();
                (copy.content, copy.appends) = (content, appends);
            }
        }
        Step::Tag(name, tagged) => {
            let tags = tagged.then(|| ("key".to_owned(), "value".to_owned()));
            let tags = TagSet::new(tags).unwrap();
            let set = store.set_blob_tags(&path(NAMES[*name]), None, &terms, &tags).await;
            assert_eq!(set.is_ok(), model.contains_key(NAMES[*name]), "{set:?}");
        }
        Step::Collect(full) => {
            store.collect(*full).await.unwrap();
            compare(store, model).await;
        }
        Step::Reopen => {}
    }
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

async fn run(steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let mut now = open(dir.path(), &clock);
    now.store.create_container(ACCOUNT, CONTAINER, &NewContainer::default()).await.unwrap();
    let mut model = BTreeMap::new();
    for step in steps {
        clock.advance(Duration::from_secs(1));
        if matches!(step, Step::Reopen) {
            close_and_check(now, dir.path());
            now = open(dir.path(), &clock);
            compare(&now.store, &model).await;
        }
        apply(&now.store, &mut model, step).await;
    }
    compare(&now.store, &model).await;
    for name in model.clone().into_keys() {
        let name = NAMES.iter().position(|known| *known == name).unwrap();
        apply(&now.store, &mut model, &Step::Delete(name)).await;
    }
    // What was staged and never committed is kept for a week.
    clock.advance(Duration::from_hours(24 * 8));
    // The extent that is being filled is sealed by closing, and only then looked at.
    close_and_check(now, dir.path());
    now = open(dir.path(), &clock);
    for _ in 0..2 {
        now.store.collect(true).await.unwrap();
    }
    let (tables, extent_bytes) = close_and_check(now, dir.path());
    let left: Vec<char> = tables.into_iter().map(char::from).collect();
    assert!(left.iter().all(|table| matches!(table, 'c' | 'R')), "{left:?}");
    assert_eq!(extent_bytes, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_its_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&steps));
    }
}

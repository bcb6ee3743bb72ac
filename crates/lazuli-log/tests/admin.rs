//! What the operator is told, and the evidence about one account.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, Oldest, SeededEntropy, Timestamp};
use lazuli_engine::{Commit, Engine, Entered, Entering, Scribe, Version};
use lazuli_evidence::cbor::{Reader, Writer};
use lazuli_evidence::heads::{self, Finding, Head};
use lazuli_evidence::spine::Leaf;
use lazuli_evidence::{
    Draft, Entry, GROUPS, Group, Kind, NO_PREVIOUS, field_commitment, leaf_hash,
};
use lazuli_log::account::{Page, items};
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::ledger::Ledger;
use lazuli_log::{Log, Parts};
use lazuli_tlog::{Hash, inclusion_root};
use serde_json::{Value, json};

/// Where the operator is.
const SOURCE: &str = "192.0.2.0/24";

/// A log in memory.
struct Fixture {
    engine: Engine,
    log: Log,
    clock: Arc<ManualClock>,
    journal: Arc<Journal>,
}

impl Fixture {
    async fn open() -> Self {
        let engine = Engine::in_memory();
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1000)));
        let accounts = ["one".to_owned(), "two".to_owned()];
        let keys = Keys::open(None, Some("log.test"), &accounts, &SeededEntropy::new(7)).unwrap();
        let parts = Parts {
            meta: Arc::clone(&engine.meta),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            keys,
            files: None,
            heads: HeadStore::open(None, "log.test").unwrap(),
            site: 1,
            config: [0; 32],
            witnesses: None,
            reads: Oldest::default(),
        };
        let log = Log::open(parts).await.unwrap();
        let journal = Arc::new(Journal { ledger: Arc::clone(&log.ledger), takes: true.into() });
        engine.write_journal_with(Arc::clone(&journal) as _);
        Self { engine, log, clock, journal }
    }

    async fn commit(&self, account: &str, name: &str) {
        let mut value = Vec::new();
        Writer::new(&mut value).text(name);
        let draft = Draft::new(Kind::Write, "PutBlob", account, 5).with(Group::Object, &value);
        let mut commit = Commit { entries: vec![draft.encode()], ..Commit::default() };
        commit.puts.push((Bytes::from(name.to_owned()), Bytes::from_static(b"value")));
        self.engine.meta.commit(commit).await.unwrap();
    }

    async fn tick(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.log.sealer.tick().await;
    }

    async fn get(&self, path: &str) -> Option<Bytes> {
        self.log.admin.get(path, SOURCE).await.unwrap().map(|answer| answer.body)
    }

    /// All pages of an answer, put together.
    async fn pages(&self, query: &str) -> (Page, usize) {
        let mut whole = Page::default();
        let (mut count, mut at) = (0, String::new());
        loop {
            let page = self.get(&format!("entries?{query}{at}")).await.unwrap();
            let page = Page::decode(&page).unwrap();
            whole.label = page.label;
            whole.principals.extend(page.principals);
            whole.segments = page.segments;
            whole.leaves.extend(page.leaves);
            whole.entries.extend(page.entries);
            whole.heads.extend(page.heads);
            count += 1;
            let Some(next) = page.next else { return (whole, count) };
            at = format!("&at={next}");
        }
    }

    /// A leaf of the spine, from its bundle.
    async fn leaf(&self, index: u64) -> Bytes {
        let signed = self.log.public.checkpoint().unwrap();
        let size = signed.checkpoint().head().size;
        let first = index / 256 * 256;
        let width = u16::try_from((size - first).min(256)).unwrap();
        let kind = lazuli_tlog::TileKind::Entries;
        let tile = lazuli_tlog::Tile::new(kind, index / 256, width).unwrap();
        let bundle = self.log.public.answer(&tile.path()).await.unwrap().body;
        let entries = lazuli_tlog::entries(&bundle, width).unwrap();
        Bytes::copy_from_slice(entries[usize::try_from(index - first).unwrap()])
    }
}

/// Reads an item of an entry and checks everything in it; gives its segment, number, hash, the hash
/// before it, and the object's name.
async fn check_entry(
    fixture: &Fixture,
    page: &Page,
    item: &[u8],
) -> (u64, u64, Hash, Hash, String) {
    let mut reader = Reader::new(item);
    reader.array(7).unwrap();
    let [seg, index, count] = [(); 3].map(|()| reader.uint().unwrap());
    let path = Hash::read_all(reader.bytes().unwrap()).unwrap();
    let bytes = reader.bytes().unwrap();
    let commitments = Hash::read_all(reader.bytes().unwrap()).unwrap();
    let entry = Entry::decode(bytes).unwrap();
    assert_eq!(entry.label, page.label);
    let mut object = String::new();
    reader.array(GROUPS).unwrap();
    for group in 1..=12_u8 {
        reader.array(3).unwrap();
        assert_eq!(reader.uint(), Some(u64::from(group)));
        let (salt, value) = (reader.bytes_of().unwrap(), reader.bytes().unwrap());
        let commitment = field_commitment(group, &entry.label, entry.seq, &salt, value);
        assert_eq!(Hash(commitment), commitments[usize::from(group) - 1]);
        if group == Group::Object.number() {
            Reader::new(value).text().unwrap_or_default().clone_into(&mut object);
        }
    }
    reader.end().unwrap();
    let hash = Hash(leaf_hash(bytes));
    let root = inclusion_root(&path, hash, index, count).unwrap();
    for leaf in &page.leaves {
        let leaf = fixture.leaf(*leaf).await;
        if let Some(Leaf::Segment(segment)) = Leaf::decode(&leaf)
            && segment.n == seg
        {
            assert_eq!(Hash(segment.root), root);
            return (seg, entry.seq, hash, Hash(entry.prev), object);
        }
    }
    panic!("the leaf of segment {seg} is not named");
}

/// Reads an item of a head and checks its proof; gives the segment it covers and the head.
async fn check_head(fixture: &Fixture, page: &Page, item: &[u8]) -> (u64, Option<Head>) {
    let mut reader = Reader::new(item);
    reader.array(5).unwrap();
    let leaf = reader.uint().unwrap();
    assert!(page.leaves.contains(&leaf));
    assert_eq!(reader.bytes_of(), Some(page.label));
    let head = if reader.null() {
        assert!(reader.null());
        None
    } else {
        Some(Head { seq: reader.uint().unwrap(), hash: reader.bytes_of().unwrap() })
    };
    let proof = heads::Proof::decode(&mut reader).unwrap();
    reader.end().unwrap();
    let bytes = fixture.leaf(leaf).await;
    let Some(Leaf::Heads(heads)) = Leaf::decode(&bytes) else { panic!("not a map") };
    let found = proof.check(&heads.root, &page.label, head.as_ref());
    assert_eq!(found, if head.is_some() { Finding::Present } else { Finding::Absent });
    (heads.n, head)
}

/// Names by number, and the heads, of an answer that is one chain.
async fn check(fixture: &Fixture, query: &str) -> (BTreeMap<u64, String>, Vec<Option<u64>>) {
    let (page, _) = fixture.pages(query).await;
    let (mut names, mut last) = (BTreeMap::new(), None);
    for item in items(&page.entries).unwrap() {
        let (_, seq, hash, prev, name) = check_entry(fixture, &page, item).await;
        match last {
            Some((before, hash)) => assert_eq!((seq, prev), (before + 1, hash)),
            None if seq == 1 => assert_eq!(prev, Hash(NO_PREVIOUS)),
            None => {}
        }
        last = Some((seq, hash));
        names.insert(seq, name);
    }
    let mut found = Vec::new();
    for item in items(&page.heads).unwrap() {
        let (_, head) = check_head(fixture, &page, item).await;
        found.push(head.map(|head| head.seq));
    }
    (names, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_evidence_of_an_account_is_complete_between_two_heads() {
    let mut fixture = Fixture::open().await;
    // Maps of heads come each minute: here in the second of the clock that ends in 60, 120, ...
    for second in 0..200_u64 {
        if second % 10 == 0 && second >= 70 {
            fixture.commit("one", &format!("blob-{second}")).await;
        }
        fixture.commit("two", &format!("other-{second}")).await;
        fixture.tick().await;
    }
    let (all, heads) = check(&fixture, "account=one").await;
    assert_eq!(all.len(), 13);
    assert_eq!((all[&1].as_str(), all[&13].as_str()), ("blob-70", "blob-190"));
    assert_eq!(heads, [Some(11)], "what came after the last map is there without a head");
    let (some, heads) = check(&fixture, "account=one&from=1090000&to=1100000").await;
    assert_eq!(heads, [None, Some(5)], "the account is proved to have had no entry before");
    assert_eq!(some.keys().copied().collect::<Vec<_>>(), (1..=5).collect::<Vec<_>>());
    let to = "1970-01-01T00:18:45Z";
    let (some, heads) = check(&fixture, &format!("account=one&from=1125000&to={to}")).await;
    assert_eq!((heads, some.len()), (vec![Some(5), Some(11)], 6));
    let (none, heads) = check(&fixture, "account=one&to=1030000").await;
    assert_eq!((none.len(), heads), (0, vec![None]));
    let (store, _) = check(&fixture, "account=-").await;
    assert_eq!(store.len(), 200, "the log enters its own work");
    for query in ["account=three", "", "account=one&from=x", "account=one&at=1", "account"] {
        assert_eq!(fixture.get(&format!("entries?{query}")).await, None, "{query}");
    }
}

/// A journal that can be told to take nothing.
#[derive(Debug)]
struct Journal {
    ledger: Arc<Ledger>,
    takes: AtomicBool,
}

impl Scribe for Journal {
    fn begin(&self) -> Box<dyn Entering + '_> {
        if self.takes.load(Ordering::Relaxed) { self.ledger.begin() } else { Box::new(Closed) }
    }
}

struct Closed;

impl Entering for Closed {
    fn enter(&mut self, _: Version, _: Vec<Bytes>, _: bool) -> Option<Entered> {
        None
    }

    fn durable(self: Box<Self>) {}
}

/// Kind and operation of each entry of an answer, by number.
fn kinds(page: &Page) -> BTreeMap<u64, (Kind, String)> {
    let entry = |item| {
        let mut reader = Reader::new(item);
        reader.array(7).unwrap();
        (0..3).for_each(|_| assert!(reader.uint().is_some()));
        reader.bytes().unwrap();
        let entry = Entry::decode(reader.bytes().unwrap()).unwrap();
        (entry.seq, (entry.kind, entry.op.to_owned()))
    };
    items(&page.entries).unwrap().into_iter().map(entry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_entries_is_entered_before_they_are_shown() {
    let mut fixture = Fixture::open().await;
    fixture.commit("one", "a").await;
    fixture.tick().await;
    let (first, _) = fixture.pages("account=one").await;
    fixture.tick().await;
    let (second, _) = fixture.pages("account=one").await;
    let write = (Kind::Write, "PutBlob".to_owned());
    let access = (Kind::Operator, "OpenEntries".to_owned());
    assert_eq!(kinds(&first), BTreeMap::from([(1, write.clone())]), "not its own access");
    assert_eq!(kinds(&second), BTreeMap::from([(1, write), (2, access)]));
    let ids: Vec<_> = second.principals.values().map(String::as_str).collect();
    assert_eq!(ids, ["operator"], "told back from its pseudonym");
    assert!(!second.entries.windows(8).any(|part| part == b"operator"));
    assert!(second.entries.windows(SOURCE.len()).any(|part| part == SOURCE.as_bytes()));
    // The pages of one view end where its first one said, whatever was closed since.
    fixture.tick().await;
    let end = second.segments.1;
    let (again, _) = fixture.pages(&format!("account=one&at=0.0&end={end}")).await;
    assert_eq!(kinds(&again), kinds(&second));
    fixture.tick().await;
    let (last, _) = fixture.pages("account=one").await;
    assert_eq!(kinds(&last).len(), 4, "every page is an access");
    let (other, _) = fixture.pages("account=two").await;
    assert_eq!(kinds(&other), BTreeMap::new(), "accesses are entered where they are made");
    assert!(fixture.log.admin.get("entries?account=none", SOURCE).await.unwrap().is_none());
    fixture.journal.takes.store(false, Ordering::Relaxed);
    assert!(fixture.log.admin.get("entries?account=one", SOURCE).await.is_err());
    assert!(fixture.get("status").await.is_some(), "what opens no entry goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_come_in_pages_that_lose_nothing() {
    let mut fixture = Fixture::open().await;
    let long = "x".repeat(10_000);
    for second in 0..3 {
        for index in 0..50 {
            fixture.commit("one", &format!("{second}-{index}-{long}")).await;
        }
        fixture.tick().await;
    }
    let (page, count) = fixture.pages("account=one").await;
    assert_eq!(items(&page.entries).unwrap().len(), 150);
    assert!(count > 1, "{count}");
    let (names, _) = check(&fixture, "account=one").await;
    assert_eq!(names.len(), 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_segments_are_files_and_the_open_one_is_not() {
    let mut fixture = Fixture::open().await;
    fixture.commit("one", "a").await;
    fixture.commit("two", "b").await;
    fixture.tick().await;
    fixture.tick().await;
    let file = fixture.get("segment/0").await.unwrap();
    let (n, entries) = lazuli_evidence::segment::decode(&file).unwrap();
    assert_eq!((n, entries.len()), (0, 3), "the log enters its own work");
    let idle = fixture.get("segment/1").await.unwrap();
    let (n, entries) = lazuli_evidence::segment::decode(&idle).unwrap();
    assert_eq!((n, entries.len()), (1, 1));
    for path in ["segment/2", "segment/x", "segment/", "nonsense"] {
        assert_eq!(fixture.get(path).await, None, "{path}");
    }
    assert!(fixture.get("checkpoint").await.is_some(), "what everybody sees is there, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_how_the_log_is() {
    let mut fixture = Fixture::open().await;
    fixture.tick().await;
    let status: Value = serde_json::from_slice(&fixture.get("status").await.unwrap()).unwrap();
    assert_eq!((&status["origin"], &status["boot"]), (&json!("log.test"), &json!(1)));
    assert_eq!((&status["paused"], &status["gap"]), (&Value::Null, &Value::Null));
    assert_eq!((&status["size"], &status["segments"]), (&json!(2), &json!(1)));
    assert_eq!(status["checkpoint"]["time"], "1970-01-01T00:16:41.000Z");
    assert_eq!(status["open_segment"]["n"], 1);
    assert_eq!(status["witnesses"], json!([]));
    assert_eq!(status["witnessed"], 2, "nobody is needed to vouch");
}

//! Segments keep their second however slow the disk is, and who asks how the log is does not wait
//! for the disk either.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, mpsc};
use std::time::Duration;

use lazuli_base::{Clock, ManualClock, Oldest, SeededEntropy, Timestamp};
use lazuli_engine::{
    BoxFuture, Commit, CommitError, Committed, Engine, JournalRow, KeyRange, Meta, MetaError, Row,
    Scribe as _, Version, Visitor,
};
use lazuli_evidence::spine::{Leaf, Segment};
use lazuli_evidence::{Draft, Kind};
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::{Log, Parts};

/// A store on a disk that takes its time for each commit.
struct Slow {
    inner: Arc<dyn Meta>,
    clock: Arc<ManualClock>,
    takes: Duration,
}

impl Meta for Slow {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>> {
        self.inner.get(key)
    }

    fn latest(&self) -> Version {
        self.inner.latest()
    }

    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>> {
        self.inner.scan(range, limit)
    }

    fn visit(&self, range: KeyRange, visitor: Visitor) -> BoxFuture<'_, Result<(), MetaError>> {
        self.inner.visit(range, visitor)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        Box::pin(async move {
            let committed = self.inner.commit(commit).await;
            self.clock.advance(self.takes);
            committed
        })
    }

    fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, MetaError>> {
        self.inner.journal(from, limit)
    }
}

struct Fixture {
    meta: Arc<dyn Meta>,
    log: Log,
    /// Keeps the scribe.
    _engine: Engine,
}

impl Fixture {
    /// A log that begins a little after a whole second, on a disk that takes so many milliseconds.
    async fn open(takes_ms: u64) -> Self {
        let engine = Engine::in_memory();
        let start = Timestamp::from_unix_seconds(1000);
        let clock = Arc::new(ManualClock::new(start));
        clock.advance(Duration::from_millis(137));
        let takes = Duration::from_millis(takes_ms);
        let inner = Arc::clone(&engine.meta);
        let meta: Arc<dyn Meta> = Arc::new(Slow { inner, clock: Arc::clone(&clock), takes });
        let accounts = ["one".to_owned()];
        let keys = Keys::open(None, Some("log.test"), &accounts, &SeededEntropy::new(7)).unwrap();
        let parts = Parts {
            meta: Arc::clone(&meta),
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
        log.sealer.keep_time();
        engine.write_journal_with(Arc::clone(&log.ledger) as _);
        Self { meta, log, _engine: engine }
    }

    async fn write(&self) {
        let draft = Draft::new(Kind::Write, "PutBlob", "one", 5).encode();
        let commit = Commit { entries: vec![draft], ..Commit::default() };
        self.meta.commit(commit).await.unwrap();
    }

    /// The leaves of the segments in the public log.
    async fn segments(&self) -> Vec<Segment> {
        let size = self.log.public.checkpoint().unwrap().checkpoint().head().size;
        let tile = self.log.public.answer(&format!("tile/entries/000.p/{size}")).await.unwrap();
        let (mut rest, mut segments) = (&tile.body[..], Vec::new());
        while let Some((length, after)) = rest.split_first_chunk() {
            let (leaf, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            rest = after;
            if let Leaf::Segment(segment) = Leaf::decode(leaf).unwrap() {
                segments.push(segment);
            }
        }
        segments
    }
}

/// How long the segments of a log are, in milliseconds, without the first: a disk that takes
/// `takes_ms` for a commit.
async fn lengths(takes_ms: u64) -> Vec<u64> {
    let mut fixture = Fixture::open(takes_ms).await;
    while fixture.log.public.checkpoint().is_none() || fixture.segments().await.len() < 12 {
        fixture.write().await;
        fixture.log.sealer.seal().await;
    }
    let segments = fixture.segments().await;
    for pair in segments.windows(2) {
        assert_eq!(pair[0].t1_ms, pair[1].t0_ms, "without a gap");
    }
    for segment in &segments {
        assert_eq!(segment.t1_ms % 1000, 0, "segment {} ends at a whole second", segment.n);
    }
    segments[1..].iter().map(|segment| segment.t1_ms - segment.t0_ms).collect()
}

#[tokio::test]
async fn segments_last_a_second_on_any_disk_that_is_faster() {
    for takes_ms in [7, 90, 430] {
        let lengths = lengths(takes_ms).await;
        assert!(lengths.iter().all(|length| *length == 1000), "{takes_ms}: {lengths:?}");
    }
}

#[tokio::test]
async fn seconds_that_a_stuck_disk_takes_are_missed_and_not_made_up_for() {
    let lengths = lengths(2_700).await;
    // Two commits between two looks: what is closed spans whole seconds, and no more than it took.
    let fits = |length: &u64| length.is_multiple_of(1000) && (1000..=6000).contains(length);
    assert!(lengths.iter().all(fits), "{lengths:?}");
    assert!(lengths.iter().any(|length| *length > 1000), "{lengths:?}");
}

#[tokio::test]
async fn who_asks_how_the_log_is_does_not_wait_for_a_group() {
    let fixture = Fixture::open(1).await;
    let (ledger, admin) = (Arc::clone(&fixture.log.ledger), Arc::clone(&fixture.log.admin));
    // A group that does not become durable.
    let group = fixture.log.ledger.begin();
    let (told, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let status = runtime.block_on(admin.get("status", "")).unwrap();
        told.send((ledger.paused(), status.is_some())).unwrap();
    });
    let answer = answer.recv_timeout(Duration::from_mins(1));
    drop(group);
    assert_eq!(answer, Ok((None, true)));
}

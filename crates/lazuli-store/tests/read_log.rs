//! The task that writes the entries of reads: how soon, and what becomes of them when the journal
//! refuses or the task ends. Time is virtual.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Halted, ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{Engine, Entered, Entering, Meta, Scribe, Version};
use lazuli_model::ErrorCode;
use lazuli_store::Store;
use lazuli_store::journal::{Draft, Entry, Kind};
use tokio::time::{Instant, sleep};

/// Stores drafts as they are, or refuses them.
#[derive(Debug, Default)]
struct Plain {
    refuses: AtomicBool,
}

impl Scribe for Plain {
    fn begin(&self) -> Box<dyn Entering + '_> {
        Box::new(Commits(self))
    }
}

struct Commits<'a>(&'a Plain);

impl Entering for Commits<'_> {
    fn enter(&mut self, _: Version, entries: Vec<Bytes>, _: bool) -> Option<Entered> {
        let refuses = self.0.refuses.load(Ordering::Relaxed);
        (!refuses).then_some(Entered { entries, proof: None })
    }

    fn durable(self: Box<Self>) {}
}

struct Fixture {
    meta: Arc<dyn Meta>,
    scribe: Arc<Plain>,
    clock: Arc<ManualClock>,
    store: Store,
    halted: Halted,
}

fn fixture() -> Fixture {
    let engine = Engine::in_memory();
    let scribe = Arc::new(Plain::default());
    engine.write_journal_with(scribe.clone());
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_800_000_000)));
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(Arc::clone(&meta), extents, clock.clone(), Arc::new(SystemEntropy));
    let halted = Halted::default();
    let store = store.with_reads_logged(halted.clone());
    Fixture { meta, scribe, clock, store, halted }
}

impl Fixture {
    /// The entries of each commit.
    async fn journal(&self) -> Vec<Vec<Bytes>> {
        let rows = self.meta.journal(Version(1), 10_000).await.unwrap();
        rows.into_iter().map(|(_, entries)| entries).collect()
    }

    /// Waits until the journal has a commit.
    async fn written(&self) -> Vec<Vec<Bytes>> {
        loop {
            let journal = self.journal().await;
            if !journal.is_empty() {
                return journal;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn read(&self) -> Result<(), lazuli_model::Refusal> {
        self.store.queue_read(&Entry::new(Kind::Read, "GetBlob", "account")).await
    }

    fn write_reads(&self) -> tokio::task::JoinHandle<()> {
        let store = self.store.clone();
        tokio::spawn(async move { store.write_reads().await })
    }
}

#[tokio::test(start_paused = true)]
async fn reads_are_written_within_100_ms_and_together() {
    let fixture = fixture();
    let writer = fixture.write_reads();
    let begun = Instant::now();
    for _ in 0..3 {
        fixture.read().await.unwrap();
    }
    let journal = fixture.written().await;
    assert!(begun.elapsed() <= Duration::from_millis(100), "{:?}", begun.elapsed());
    assert_eq!(journal.iter().map(Vec::len).collect::<Vec<_>>(), [3]);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn it_is_told_since_when_the_oldest_read_waits() {
    let fixture = fixture();
    let oldest = fixture.store.oldest_read();
    assert_eq!(oldest.get(), None);
    fixture.read().await.unwrap();
    fixture.clock.advance(Duration::from_secs(5));
    fixture.read().await.unwrap();
    assert_eq!(oldest.get(), Some(1_800_000_000_000));
    fixture.scribe.refuses.store(true, Ordering::Relaxed);
    assert!(fixture.store.flush_reads().await.is_err());
    assert_eq!(oldest.get(), Some(1_800_000_000_000), "it still waits");
    fixture.scribe.refuses.store(false, Ordering::Relaxed);
    fixture.store.flush_reads().await.unwrap();
    assert_eq!(oldest.get(), None);
    fixture.read().await.unwrap();
    assert_eq!(oldest.get(), Some(1_800_000_005_000));
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_takes_entries_again_gets_what_it_refused() {
    let fixture = fixture();
    fixture.scribe.refuses.store(true, Ordering::Relaxed);
    let writer = fixture.write_reads();
    fixture.read().await.unwrap();
    let refusal = loop {
        sleep(Duration::from_millis(50)).await;
        if let Err(refusal) = fixture.read().await {
            break refusal;
        }
    };
    assert_eq!(refusal.code(), ErrorCode::ServerBusy);
    assert!(fixture.journal().await.is_empty());
    fixture.scribe.refuses.store(false, Ordering::Relaxed);
    let entries: usize = fixture.written().await.iter().map(Vec::len).sum();
    assert!(entries > 0);
    fixture.read().await.unwrap();
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn no_read_is_served_once_it_is_told_that_the_log_is_halted() {
    let fixture = fixture();
    let oldest = fixture.store.oldest_read();
    fixture.halted.set(true);
    let refusal = fixture.read().await.unwrap_err();
    assert_eq!((refusal.code(), oldest.get()), (ErrorCode::ServerBusy, None), "nothing waits");
    // No commit has to go well first.
    fixture.halted.set(false);
    fixture.read().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_task_did_not_write_is_flushed_once() {
    let fixture = fixture();
    let writer = fixture.write_reads();
    fixture.read().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    writer.abort();
    assert!(fixture.journal().await.is_empty());
    fixture.store.flush_reads().await.unwrap();
    fixture.store.flush_reads().await.unwrap();
    assert_eq!(fixture.journal().await.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
}

#[tokio::test(start_paused = true)]
async fn the_task_closes_the_minute_of_failed_authentications() {
    let fixture = fixture();
    let writer = fixture.write_reads();
    fixture.store.count_failed_authentication(IpAddr::from([192, 0, 2, 1]));
    sleep(Duration::from_secs(5)).await;
    assert!(fixture.journal().await.is_empty(), "the minute is not over");
    fixture.clock.advance(Duration::from_mins(1));
    let journal = fixture.written().await;
    let draft = Draft::decode(&journal[0][0]).unwrap();
    assert_eq!((draft.op, draft.account, draft.kind), ("FailedAuthentications", "", Kind::System));
    writer.abort();
}

//! Entries of reads: queued before the first byte of the answer is sent, and written soon after,
//! many in one commit.
//!
//! The queue is bounded, and who finds it full waits. While the journal takes no entries, reads are
//! refused: nothing is served that is not logged. Whoever writes the journal tells of it at once;
//! that the store takes nothing shows when a commit fails.

use std::collections::VecDeque;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Halted, Oldest, Timestamp};
use lazuli_engine::{Commit, CommitError};
use lazuli_model::{ErrorCode, Refusal};
use tokio::sync::Notify;

use crate::Store;
use crate::failures::Failures;
use crate::journal::Entry;

/// The most entries that wait to be written.
pub const QUEUE_MAX: usize = 8192;

/// The most entries in one commit.
const BATCH_MAX: usize = 512;

/// How long the first entry of a commit waits for others to join it. Entries are to be written
/// within 100 ms of the answer; the rest is for the disk.
const GATHER: Duration = Duration::from_millis(40);

/// Between two attempts to write to a journal that refuses.
const RETRY: Duration = Duration::from_millis(100);

/// Between two looks whether the minute of failed authentications is over.
const LOOK: Duration = Duration::from_secs(1);

/// What is yet to be written of reads and failed authentications.
#[derive(Debug, Default)]
pub(crate) struct ReadLog {
    /// Whether the journal is known to take no entries; without it reads are not logged.
    halted: OnceLock<Halted>,
    /// Whether the last attempt to write failed.
    failed: AtomicBool,
    waiting: Mutex<Waiting>,
    /// When the first of the queue came, or a little earlier.
    oldest: Oldest,
    work: Notify,
    room: Notify,
    /// Held by who writes: entries are written in order, and each once.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// A draft, and when it came or a little earlier, in milliseconds since 1970.
type Queued = (u64, Bytes);

#[derive(Debug, Default)]
struct Waiting {
    /// Drafts stay here until they are durable.
    queue: VecDeque<Queued>,
    failures: Failures,
}

impl ReadLog {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the journal takes no entries.
    fn refuses(&self) -> bool {
        self.halted.get().is_some_and(Halted::get) || self.failed.load(Ordering::Relaxed)
    }

    /// Queues a draft if there is room.
    fn offer(&self, queued: &Queued) -> bool {
        let mut waiting = self.waiting();
        if waiting.queue.len() >= QUEUE_MAX {
            return false;
        }
        self.push(&mut waiting, queued.clone());
        true
    }

    fn push(&self, waiting: &mut Waiting, queued: Queued) {
        waiting.queue.push_back(queued);
        self.tell(waiting);
        self.work.notify_one();
    }

    /// Tells since when the first of the queue waits.
    fn tell(&self, waiting: &Waiting) {
        self.oldest.set(waiting.queue.front().map(|(since_ms, _)| *since_ms));
    }

    /// Queues what failed in a minute that is over; `early`, also what failed in this one. Waits
    /// for the journal if that refuses: the failures then count on.
    fn close_minute(&self, waiting: &mut Waiting, now: Timestamp, early: bool) {
        let over = early || waiting.failures.are_over(now);
        if over && !self.refuses() {
            let failures = waiting.failures.take(now);
            waiting.queue.extend(failures.into_iter().map(|draft| (now.unix_millis(), draft)));
            self.tell(waiting);
        }
    }

    /// Drafts to write next, at most `most`.
    fn batch(&self, most: usize) -> Vec<Bytes> {
        let waiting = self.waiting();
        let drafts = waiting.queue.iter().take(most.min(BATCH_MAX));
        drafts.map(|(_, draft)| draft.clone()).collect()
    }

    fn wrote(&self, count: usize) {
        let mut waiting = self.waiting();
        // They are freed once the lock is: requests wait for it.
        let written: Vec<_> = waiting.queue.drain(..count).collect();
        self.tell(&waiting);
        drop(waiting);
        drop(written);
        self.failed.store(false, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    fn refused(&self) {
        self.failed.store(true, Ordering::Relaxed);
        // Who waits for room is refused rather than kept.
        self.room.notify_waiters();
    }
}

impl Store {
    /// The same store with its reads and failed authentications logged from now on, and reads
    /// refused while the journal is `halted`. [`Self::write_reads`] is to run beside it.
    #[must_use]
    pub fn with_reads_logged(self, halted: Halted) -> Self {
        // Who said it first is who writes the journal.
        let _ = self.reads.halted.set(halted);
        self
    }

    /// Whether reads are logged.
    pub fn logs_reads(&self) -> bool {
        self.reads.halted.get().is_some()
    }

    /// Since when the oldest read waits whose entry is not durable: all that were queued before it
    /// are.
    pub fn oldest_read(&self) -> Oldest {
        self.reads.oldest.clone()
    }

    /// Queues the entry of the end of a long read. It is not refused, even if the queue is full: the
    /// read was admitted when it began, and there are no more of them than connections.
    pub fn queue_end(&self, entry: &Entry<'_>) {
        let now = self.clock.now();
        let queued = (now.unix_millis(), entry.encode(now, self.origin()));
        self.reads.push(&mut self.reads.waiting(), queued);
    }

    /// Queues the entry of a read, to be called before it is answered. Waits while the queue is
    /// full.
    ///
    /// `ServerBusy` while the journal takes no entries.
    pub async fn queue_read(&self, entry: &Entry<'_>) -> Result<(), Refusal> {
        let now = self.clock.now();
        let draft = (now.unix_millis(), entry.encode(now, self.origin()));
        let reads = &self.reads;
        if !reads.refuses() && reads.offer(&draft) {
            return Ok(());
        }
        loop {
            let mut room = pin!(reads.room.notified());
            // From here on no room that becomes free is missed.
            room.as_mut().enable();
            if reads.refuses() {
                return Err(unlogged("the journal takes no entries"));
            }
            if reads.offer(&draft) {
                return Ok(());
            }
            room.await;
        }
    }

    /// Writes the entry of a read at once; when this returns it is durable.
    ///
    /// `ServerBusy` if the journal does not take it.
    pub async fn commit_read(&self, entry: &Entry<'_>) -> Result<(), Refusal> {
        let draft = entry.encode(self.clock.now(), self.origin());
        let commit = Commit { unproved: false, ..self.entries_only(vec![draft]) };
        let committed = self.meta.commit(commit).await;
        if let Some(proof) = committed.map_err(unlogged)?.proof {
            self.keep(proof, 0);
        }
        Ok(())
    }

    /// Counts an authentication that failed.
    pub fn count_failed_authentication(&self, remote: IpAddr) {
        if !self.logs_reads() {
            return;
        }
        let now = self.clock.now();
        let mut waiting = self.reads.waiting();
        self.reads.close_minute(&mut waiting, now, false);
        waiting.failures.count(remote, now);
    }

    /// Writes queued entries as they come, until it is dropped; to be run beside the requests. What
    /// is being written when it is dropped still is, and what is queued then is for
    /// [`Self::flush_reads`].
    pub async fn write_reads(&self) {
        if !self.logs_reads() {
            return;
        }
        loop {
            if tokio::time::timeout(LOOK, self.reads.work.notified()).await.is_ok() {
                tokio::time::sleep(GATHER).await;
            }
            self.reads.close_minute(&mut self.reads.waiting(), self.clock.now(), false);
            while let Err(error) = self.write_queued().await {
                tracing::warn!(%error, "the journal takes no entries: reads wait or are refused");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Writes all that is queued, and what failed in this minute: for shutdown, once no request is
    /// served.
    ///
    /// `ServerBusy` if the journal does not take it: it is still queued.
    pub async fn flush_reads(&self) -> Result<(), Refusal> {
        self.reads.close_minute(&mut self.reads.waiting(), self.clock.now(), true);
        self.write_queued().await.map_err(unlogged)
    }

    /// Writes all that is queued now, and not what joins meanwhile: under steady load the entries
    /// that come while others are written would otherwise be committed a few at a time. A commit
    /// that is under way goes on if the future is dropped, so that no entry is written twice.
    fn write_queued(&self) -> impl Future<Output = Result<(), CommitError>> + Send + use<> {
        let store = self.own_work();
        let mut left = store.reads.waiting().queue.len();
        async move {
            loop {
                let writing = Arc::clone(&store.reads.writing).lock_owned().await;
                let batch = store.reads.batch(left);
                if batch.is_empty() {
                    return Ok(());
                }
                left -= batch.len();
                let writer = store.clone();
                let commit = tokio::spawn(async move {
                    let written = writer.write_batch(batch).await;
                    drop(writing);
                    written
                });
                commit.await.unwrap_or(Err(CommitError::NoJournal))?;
            }
        }
    }

    async fn write_batch(&self, batch: Vec<Bytes>) -> Result<(), CommitError> {
        let count = batch.len();
        match self.meta.commit(self.entries_only(batch)).await {
            Ok(_) => self.reads.wrote(count),
            // Too many others are writing, too: the queue may fill up, and no read is refused.
            Err(CommitError::Busy) => return Err(CommitError::Busy),
            Err(error) => {
                self.reads.refused();
                return Err(error);
            }
        }
        Ok(())
    }

    fn entries_only(&self, entries: Vec<Bytes>) -> Commit {
        Commit { entries, unproved: true, since: self.meta.latest(), ..Commit::default() }
    }
}

/// The answer to a read that cannot be logged.
fn unlogged(cause: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::ServerBusy).with_cause(cause)
}

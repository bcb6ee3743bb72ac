//! Once a second, whatever the load: the segment that was closed has its leaf put into the spine, and a
//! checkpoint is signed. Closing it waits for nothing that is done here.
//!
//! The order keeps the promises. The leaves and all that is needed to go on are one durable commit;
//! then the tiles follow, are read back, the head that is about to be signed is stored where no
//! backup reaches it, and only then it is signed. What was not done before a crash is done after it,
//! and what a full disk has no room for, once there is some.
//!
//! Before a segment becomes a leaf its entries are read back, too, and a log whose entries or tiles
//! are not what was entered stops for good: it signs nothing that it would have to contradict.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use lazuli_base::{Clock, Oldest};
use lazuli_engine::{Commit, Meta, Room};
use lazuli_evidence::heads::{self, HeadsMap};
use lazuli_evidence::spine::{
    Event, Heads, Leaf, Segment as SegmentLeaf, What, count_commitment, count_salt,
};
use lazuli_evidence::{Digest, Draft, Kind};
use lazuli_tlog::{Checkpoint, TreeHead};

use crate::head_store::{HeadError, HeadStore, SignedHead};
use crate::keys::STORE_ACCOUNT;
use crate::ledger::{Closed, Identity, Ledger, WAITING_MAX, millis};
use crate::public::Public;
use crate::recover::Progress;
use crate::reread::{self, RereadError};
use crate::rows::{self, SegmentRow};
use crate::spine::Spine;
use crate::stats::LogStats;
use crate::witness::Client;

/// How often the heads of all accounts are published, in milliseconds.
const HEADS_INTERVAL_MS: u64 = 60_000;
/// How often the log says that it is alive, in milliseconds.
const HEARTBEAT_INTERVAL_MS: u64 = 10_000;

/// What the reason begins with for which a damaged log takes no entry.
pub(crate) const DAMAGED: &str = "log-damaged";

/// Why something was not written or signed.
enum Failure {
    /// It is tried again.
    Later(String),
    /// It is tried again, and no entry is taken until then.
    Halt(String),
    /// No entry is taken from now on.
    Never(String),
}

/// Writes the spine. One for each log.
pub struct Sealer {
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) heads: HeadStore,
    pub(crate) spine: Spine,
    pub(crate) progress: Progress,
    pub(crate) public: Arc<Public>,
    pub(crate) waiting: VecDeque<Closed>,
    /// Events that are not in the spine yet.
    pub(crate) events: Vec<Event>,
    pub(crate) digests: Digests,
    /// The map of heads as of the last segment that was written, once there was one to publish.
    pub(crate) map: Option<HeadsMap>,
    pub(crate) heads_ms: u64,
    pub(crate) beat_ms: u64,
    pub(crate) stats: Arc<LogStats>,
    pub(crate) clients: Vec<Client>,
    /// Since when the oldest read waits whose entry is not in the journal.
    pub(crate) reads: Oldest,
    /// When the start was told.
    pub(crate) began: Option<u64>,
}

/// What the log says of the program that writes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Digests {
    /// The SHA-256 of the program.
    pub binary: Digest,
    /// The SHA-256 of its configuration.
    pub config: Digest,
}

impl Sealer {
    /// An event at this moment, about the time from `from_ms`.
    pub(crate) fn event(&self, what: What, from_ms: u64) -> Event {
        let now = millis(&*self.clock);
        Event {
            site: self.identity.site,
            boot: self.identity.boot,
            t_ms: now,
            what,
            binary_digest: self.digests.binary,
            config_digest: self.digests.config,
            from_ms,
            to_ms: now,
        }
    }

    /// Says which program writes the log.
    pub fn identify(&mut self, binary: Digest) {
        self.digests.binary = binary;
    }

    /// Notes durably that the log runs, before the first read is answered: if it is killed, the next
    /// start says from when on reads may be lost.
    pub(crate) async fn begin(&mut self, now_ms: u64) {
        if self.events.is_empty() {
            self.progress.reads_ms = now_ms;
        }
        self.progress.stopped = false;
        let puts = vec![(rows::progress(), self.progress.encode())];
        if let Err(error) = self.meta.commit(Commit { puts, ..Commit::default() }).await {
            tracing::warn!(%error, "the start was not noted: a gap after a crash may go untold");
        }
    }

    /// Closes the open segment, whatever the time and whatever it has, and brings the spine up to date.
    pub async fn tick(&mut self) {
        self.start().await;
        if self.waiting.len() < WAITING_MAX {
            self.ledger.cut();
        }
        self.seal().await;
    }

    /// Has segments closed by the clock from now on, each at the end of its second, for
    /// [`seal`](Self::seal) to find.
    pub fn keep_time(&self) {
        self.ledger.keep_time();
    }

    /// Brings the spine up to date with the segments that were closed. What cannot be done now is
    /// told in the text log and done the next time.
    pub async fn seal(&mut self) {
        self.start().await;
        let now = millis(&*self.clock);
        self.take_closed();
        // Who takes no entry is not well, and does not say so once for every beat that it missed.
        if now >= self.beat_ms + HEARTBEAT_INTERVAL_MS && !self.ledger.pause.is_on() {
            let beat = self.event(What::Heartbeat, now);
            self.events.push(beat);
            self.beat_ms = now;
        }
        self.catch_up(false).await;
        self.count();
    }

    fn take_closed(&mut self) {
        let room = WAITING_MAX.saturating_sub(self.waiting.len());
        self.waiting.extend(self.ledger.take_closed(room));
    }

    /// Says that the log was started, the first time.
    async fn start(&mut self) {
        let now = millis(&*self.clock);
        if self.began.is_none() {
            self.began = Some(now);
            let boot = self.event(What::Boot, now);
            self.events.push(boot);
            let entries = vec![self.entry("Start")];
            let commit = Commit { entries, ..Commit::default() };
            if let Err(error) = self.meta.commit(commit).await {
                tracing::warn!(%error, "the start was not entered");
            }
        }
    }

    /// The time before which every read is in the journal, in milliseconds since 1970.
    fn reads_logged_until(&self) -> u64 {
        // The clock first: a read that is queued after that is later.
        let now = millis(&*self.clock);
        self.reads.get().map_or(now, |since_ms| since_ms.min(now))
    }

    /// An entry of the log's own.
    fn entry(&self, op: &str) -> Bytes {
        Draft::new(Kind::System, op, STORE_ACCOUNT, millis(&*self.clock)).encode()
    }

    /// Ends the log in good order: everything entered is in the spine and signed.
    pub async fn stop(&mut self) {
        self.ledger.cut();
        self.waiting.extend(self.ledger.take_closed(usize::MAX));
        let shutdown = self.event(What::Shutdown, millis(&*self.clock));
        self.events.push(shutdown);
        self.catch_up(true).await;
        self.count();
    }

    /// Tells the numbers of the log as it is.
    pub(crate) fn count(&self) {
        let stats = &self.stats;
        stats.segments.store(self.progress.segments, Ordering::Relaxed);
        stats.waiting.store(self.waiting.len() as u64, Ordering::Relaxed);
        stats.spine_size.store(self.spine.head().size, Ordering::Relaxed);
        let paused = self.ledger.paused();
        stats.paused.store(paused.is_some(), Ordering::Relaxed);
        let is_damaged = paused.is_some_and(|why| why.starts_with(DAMAGED));
        stats.damaged.store(is_damaged, Ordering::Relaxed);
    }

    /// Writes what waits.
    async fn catch_up(&mut self, stopping: bool) {
        if self.ledger.pause.is_for_good() {
            // Segments are closed all the same, and are empty: there is nothing to keep.
            self.waiting.clear();
            return;
        }
        if self.ledger.pause.is_on() {
            // What was being written, before anything is entered that would have to follow it.
            match self.write_tiles().and_then(|()| self.sign()) {
                Ok(()) => self.ledger.pause.end(),
                Err(failure) => return self.failed(failure),
            }
        }
        if let Err(failure) = self.write_and_sign(stopping).await {
            self.failed(failure);
        }
    }

    fn failed(&self, failure: Failure) {
        match failure {
            Failure::Later(error) => tracing::warn!(error, "the transparency log lags behind"),
            Failure::Halt(why) => self.ledger.pause.for_now(why),
            Failure::Never(why) => self.give_up(why),
        }
    }

    /// Takes no entry any more. That the log is damaged is remembered: a start that reads what is
    /// stored would find nothing to hold it against, and sign it.
    fn give_up(&self, why: String) {
        if why.starts_with(DAMAGED)
            && let Err(error) = self.heads.remember_damage(&why)
        {
            tracing::error!(%error, "that the log is damaged will be forgotten at the next start");
        }
        self.ledger.pause.for_good(why);
    }

    async fn write_and_sign(&mut self, stopping: bool) -> Result<(), Failure> {
        self.write_tiles()?;
        while !self.waiting.is_empty() || !self.events.is_empty() {
            self.reread().await?;
            self.write(stopping).await?;
        }
        self.sign()
    }

    /// Writes the tiles that could not be written before.
    fn write_tiles(&mut self) -> Result<(), Failure> {
        self.spine.write().map_err(|error| unwritten("the log's tiles", &error))
    }

    /// Reads the oldest segment that waits as it is stored, which is how it will be shown.
    async fn reread(&self) -> Result<(), Failure> {
        let Some(closed) = self.waiting.front() else { return Ok(()) };
        let (leaf, row) = self.segment(closed, 0);
        let checked = reread::check(&*self.meta, leaf.n, &row, &leaf.root).await;
        checked.map_err(|error| match error {
            RereadError::Damaged(what) => Failure::Never(format!("{DAMAGED}: {what}")),
            RereadError::Unavailable(why) => Failure::Later(why),
        })
    }

    /// Writes the oldest segment that waits, with the events, in one commit; then the tiles.
    async fn write(&mut self, stopping: bool) -> Result<(), Failure> {
        let mut leaves = Vec::new();
        let mut puts = Vec::new();
        let mut next = self.progress;
        let mut add = |leaf: &Leaf<'_>, next: &mut Progress| {
            let bytes = Bytes::from(leaf.encode());
            puts.push((rows::leaf(next.size), bytes.clone()));
            leaves.push(bytes);
            next.size += 1;
        };
        let mut more = Vec::new();
        for event in &self.events {
            add(&Leaf::Event(*event), &mut next);
            if event.what == What::Gap {
                more.push((rows::gap(), rows::encode_gap(event.from_ms, event.to_ms)));
            }
        }
        let mut heads_ms = self.heads_ms;
        if let Some(closed) = self.waiting.front() {
            let (leaf, row) = self.segment(closed, next.size);
            add(&Leaf::Segment(leaf), &mut next);
            more.push((rows::segment(leaf.n), row.encode()));
            let heads = closed.heads.iter();
            more.extend(heads.map(|(label, head)| (rows::head(label), rows::encode_head(head))));
            // Doing it again after a commit that failed changes nothing.
            if let Some(map) = &mut self.map {
                for (label, head) in &closed.heads {
                    map.set(label, head);
                }
            }
            next.segments = leaf.n + 1;
            next.previous = Leaf::Segment(leaf).leaf_hash();
            next.t1_ms = closed.t1_ms;
            next.last = next.last.max(row.last);
            if closed.t1_ms >= heads_ms + HEADS_INTERVAL_MS || stopping {
                heads_ms = closed.t1_ms;
                // The first one is made of all heads, and each later one of those that changed.
                let map = self.map.get_or_insert_with(|| HeadsMap::from(&closed.all));
                let root = map.root();
                debug_assert_eq!(root, heads::root(&closed.all), "the map follows all heads");
                let site = self.identity.site;
                let leaf = Heads { site, n: leaf.n, t_ms: closed.t1_ms, root };
                more.push((rows::map(next.size), rows::encode_map(&closed.all)));
                add(&Leaf::Heads(leaf), &mut next);
            }
        }
        next.reads_ms = self.reads_logged_until();
        // A read that is still waiting is lost: the next start is to say so.
        next.stopped = stopping && self.reads.get().is_none();
        puts.extend(more);
        puts.push((rows::progress(), next.encode()));
        // It falls into the next segment, so that no segment is empty: the root of an empty one
        // would tell everybody that nothing happened.
        let entries = vec![self.entry("SealSegment")];
        let commit = Commit { puts, entries, room: Room::Reserve, ..Commit::default() };
        let committed = self.meta.commit(commit).await;
        committed.map_err(|error| Failure::Later(error.to_string()))?;
        self.progress = next;
        self.heads_ms = heads_ms;
        self.events.clear();
        self.waiting.pop_front();
        self.spine.append(&leaves).map_err(|error| unwritten("the log's tiles", &error))
    }

    fn segment(&self, closed: &Closed, leaf: u64) -> (SegmentLeaf, SegmentRow) {
        let segment = &closed.open.segment;
        let TreeHead { size: count, root } = segment.head();
        let (first, last) = closed.open.versions;
        let salt = count_salt(&self.identity.keys.segments, segment.n);
        let sealed = SegmentLeaf {
            site: self.identity.site,
            n: segment.n,
            boot: self.identity.boot,
            t0_ms: closed.open.t0_ms,
            t1_ms: closed.t1_ms,
            root: root.0,
            count_commitment: count_commitment(&salt, count, first, last),
            prev: self.progress.previous,
        };
        (sealed, SegmentRow { leaf, first, last, count })
    }

    /// Signs a checkpoint of the spine as it is, if it grew.
    fn sign(&mut self) -> Result<(), Failure> {
        let head = self.spine.head();
        let last = self.heads.last();
        let shown = self.public.checkpoint();
        // It may have been stored as the last one, and then not shown.
        if head == last.head && shown.is_some_and(|shown| *shown.checkpoint().head() == head) {
            return Ok(());
        }
        check(&self.spine, &last).map_err(Failure::Never)?;
        if !self.spine.reads_back() {
            let what = format!("{DAMAGED}: the tiles are not as they were written");
            return Err(Failure::Never(what));
        }
        let next = SignedHead { boot: self.identity.boot, head };
        self.heads.advance(next).map_err(|error| match &error {
            HeadError::Io(path, error) => unwritten(&path.display().to_string(), error),
            _ => Failure::Never(format!("log-rollback: {error}")),
        })?;
        let checkpoint = Checkpoint::new(self.identity.keys.origin(), head);
        let signed = checkpoint.and_then(|checkpoint| checkpoint.sign(&[&self.identity.keys.log]));
        let signed = signed.map_err(|error| Failure::Never(format!("no checkpoint: {error}")))?;
        self.public.publish(signed).map_err(|error| unwritten("the checkpoint", &error))?;
        self.stats.checkpoint_ms.store(millis(&*self.clock), Ordering::Relaxed);
        self.spine.sweep();
        Ok(())
    }
}

/// That a file was not written: a disk that is full may have room again and a directory may be
/// writable again. Trying again is safe: tiles are read back, and the head is stored only where the
/// last one still is, before the checkpoint is signed.
fn unwritten(what: &str, error: &io::Error) -> Failure {
    let why = format!("writing {what}: {error}");
    if error.kind() == io::ErrorKind::StorageFull {
        Failure::Later(why)
    } else {
        Failure::Halt(why)
    }
}

/// Holds the spine against the last head that was signed.
pub(crate) fn check(spine: &Spine, last: &SignedHead) -> Result<(), String> {
    let head = spine.head();
    if last.head.size > head.size {
        return Err(format!(
            "log-rollback: {} leaves were signed and there are {}: is this a restored backup?",
            last.head.size, head.size
        ));
    }
    if last.head.size > 0 && spine.root_at(last.head.size) != Some(last.head.root) {
        return Err(format!("log-rollback: the first {} leaves are others", last.head.size));
    }
    Ok(())
}

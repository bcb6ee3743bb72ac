//! Once a second, whatever the load: the open segment is closed, its leaf goes into the spine, and a
//! checkpoint is signed.
//!
//! The order keeps the promises. The leaves and all that is needed to go on are one durable commit;
//! then the tiles follow, are read back, the head that is about to be signed is stored where no
//! backup reaches it, and only then it is signed. What was not done before a crash is done after it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use lazuli_base::Clock;
use lazuli_engine::{Commit, Meta};
use lazuli_evidence::heads::{self, HeadsMap};
use lazuli_evidence::spine::{
    Event, Heads, Leaf, Segment as SegmentLeaf, What, count_commitment, count_salt,
};
use lazuli_evidence::{Digest, Draft, Kind};
use lazuli_tlog::Checkpoint;

use crate::head_store::{HeadStore, SignedHead};
use crate::keys::STORE_ACCOUNT;
use crate::ledger::{Closed, Identity, Ledger, millis};
use crate::public::Public;
use crate::recover::Progress;
use crate::rows::{self, SegmentRow};
use crate::spine::Spine;
use crate::stats::LogStats;
use crate::witness::Client;

/// How often the heads of all accounts are published, in milliseconds.
const HEADS_INTERVAL_MS: u64 = 60_000;
/// How often the log says that it is alive, in milliseconds.
const HEARTBEAT_INTERVAL_MS: u64 = 10_000;
/// Closed segments that may wait for the store before entries are refused.
const WAITING_MAX: usize = 3600;

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

    /// Closes the open segment and brings the spine up to date. What cannot be done now is told in
    /// the text log and done the next time.
    pub async fn tick(&mut self) {
        let now = millis(&*self.clock);
        if self.began.is_none() {
            self.began = Some(now);
            let boot = self.event(What::Boot, now);
            self.events.push(boot);
            let entries = vec![self.entry("Start")];
            if let Err(error) = self.meta.commit(Commit { entries, ..Commit::default() }).await {
                tracing::warn!(%error, "the start was not entered");
            }
        }
        let closed = self.ledger.cut();
        self.waiting.push_back(closed);
        if now >= self.beat_ms + HEARTBEAT_INTERVAL_MS {
            let beat = self.event(What::Heartbeat, now);
            self.events.push(beat);
            self.beat_ms = now;
        }
        self.catch_up(false).await;
        self.count();
    }

    /// An entry of the log's own.
    fn entry(&self, op: &str) -> Bytes {
        Draft::new(Kind::System, op, STORE_ACCOUNT, millis(&*self.clock)).encode()
    }

    /// Ends the log in good order: everything entered is in the spine and signed.
    pub async fn stop(&mut self) {
        let closed = self.ledger.cut();
        self.waiting.push_back(closed);
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
        stats.paused.store(self.ledger.paused().is_some(), Ordering::Relaxed);
    }

    /// Writes what waits.
    async fn catch_up(&mut self, stopping: bool) {
        if self.ledger.paused().is_some() {
            // Segments are closed all the same, and are empty: there is nothing to keep.
            self.waiting.clear();
            return;
        }
        while !self.waiting.is_empty() || !self.events.is_empty() {
            if let Err(error) = self.write(stopping).await {
                tracing::warn!(%error, "the transparency log lags behind");
                if self.waiting.len() > WAITING_MAX {
                    self.ledger.pause(format!("too many segments wait for the store: {error}"));
                }
                return;
            }
        }
        if let Err(why) = self.sign() {
            self.ledger.pause(why);
        }
    }

    /// Writes the oldest segment that waits, with the events, in one commit; then the tiles.
    async fn write(&mut self, stopping: bool) -> Result<(), String> {
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
        next.stopped = stopping;
        puts.extend(more);
        puts.push((rows::progress(), next.encode()));
        // It falls into the next segment, so that no segment is empty: the root of an empty one
        // would tell everybody that nothing happened.
        let entries = vec![self.entry("SealSegment")];
        let commit = Commit { puts, entries, ..Commit::default() };
        self.meta.commit(commit).await.map_err(|error| error.to_string())?;
        self.progress = next;
        self.heads_ms = heads_ms;
        self.events.clear();
        self.waiting.pop_front();
        self.spine.append(&leaves).map_err(|error| {
            let why = format!("writing the log's tiles: {error}");
            self.ledger.pause(why.clone());
            why
        })
    }

    fn segment(&self, closed: &Closed, leaf: u64) -> (SegmentLeaf, SegmentRow) {
        let segment = &closed.open.segment;
        let tree = segment.tree.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = tree.size();
        let (first, last) = closed.open.versions;
        let salt = count_salt(&self.identity.keys.segments, segment.n);
        let sealed = SegmentLeaf {
            site: self.identity.site,
            n: segment.n,
            boot: self.identity.boot,
            t0_ms: closed.open.t0_ms,
            t1_ms: closed.t1_ms,
            root: tree.head().root.0,
            count_commitment: count_commitment(&salt, count, first, last),
            prev: self.progress.previous,
        };
        (sealed, SegmentRow { leaf, first, last, count })
    }

    /// Signs a checkpoint of the spine as it is, if it grew; the error says why never again.
    fn sign(&mut self) -> Result<(), String> {
        let head = self.spine.head();
        let last = self.heads.last();
        if head == last.head && self.public.checkpoint().is_some() {
            return Ok(());
        }
        check(&self.spine, &last)?;
        if !self.spine.reads_back() {
            return Err("log-damaged: the tiles are not as they were written".to_owned());
        }
        let next = SignedHead { boot: self.identity.boot, head };
        self.heads.advance(next).map_err(|error| format!("log-rollback: {error}"))?;
        let checkpoint = Checkpoint::new(self.identity.keys.origin(), head);
        let signed = checkpoint.and_then(|checkpoint| checkpoint.sign(&[&self.identity.keys.log]));
        let signed = signed.map_err(|error| format!("no checkpoint: {error}"))?;
        self.public.publish(signed).map_err(|error| format!("writing the checkpoint: {error}"))?;
        self.stats.checkpoint_ms.store(millis(&*self.clock), Ordering::Relaxed);
        self.spine.sweep();
        Ok(())
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

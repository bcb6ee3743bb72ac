//! The committer: one thread that takes all waiting commits, checks them against the state and each
//! other, writes one batch, syncs once, and answers all.
//!
//! A lone commit is written at once: groups form because commits arrive while a group is synced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::queue::{Next, Queue, Waiting};
use super::recent::Recent;
use super::row;
use super::store::{Store, WriteError};
use super::trees::Change;
use crate::engine::Durability;
use crate::extents::{ExtentId, ExtentsError, Room};
use crate::headroom::Headroom;
use crate::meta::{Commit, CommitError, Committed, MetaError, Version};
use crate::scribe::{Desk, Entered, Entering, Proof, Scribe};
use crate::stats::Stats;
use crate::wakeups::Wakeups;
use crate::wal::Supply;

/// Acknowledged writes a power cut may take in relaxed mode are younger than this.
const SYNC_INTERVAL: Duration = Duration::from_millis(900);
/// A commit up to this size that deletes rows and names no payload is taken to give space back.
const FREEING_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct Committer {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) headroom: Arc<Headroom>,
    pub(crate) durability: Durability,
    pub(crate) last: Version,
    /// What is told to readers as the last commit they see.
    pub(crate) latest: Arc<AtomicU64>,
    pub(crate) recent: Arc<Recent>,
    pub(crate) desk: Desk,
    /// A sync failed: what the disk holds is unknown until the process starts anew.
    pub(crate) poisoned: Option<String>,
}

/// A commit that will be written, with its number and what proves it.
struct Accepted {
    waiting: Waiting,
    version: Version,
    proof: Option<Arc<dyn Proof>>,
}

/// The state as the commits of a group before leave it: what is not here is as stored.
#[derive(Default)]
struct Overlay(HashMap<Bytes, (Version, Option<Bytes>)>);

impl Committer {
    /// Runs until the queue is closed and empty; returns the last sequence number.
    pub(crate) fn run(mut self) -> Version {
        let mut dirty_since: Option<Instant> = None;
        loop {
            let patience = dirty_since.map(|since| SYNC_INTERVAL.saturating_sub(since.elapsed()));
            match self.queue.next_group(patience) {
                Next::Group(group) => {
                    self.commit(group);
                    if self.durability == Durability::Relaxed && dirty_since.is_none() {
                        dirty_since = Some(Instant::now());
                    }
                }
                Next::Idle => {}
                Next::Closed => break,
            }
            if dirty_since.is_some_and(|since| since.elapsed() >= SYNC_INTERVAL) {
                self.sync();
                dirty_since = None;
            }
        }
        if dirty_since.is_some() {
            self.sync();
        }
        self.last
    }

    /// Where the room for a commit comes from; `None` if there is none.
    fn supply(&self, waiting: &Waiting) -> Option<Supply> {
        if is_of_entries_alone(&waiting.commit) {
            // What is read on a full disk must be entered, too.
            let has_room = self.headroom.take(waiting.bytes as u64, Room::Reserve);
            return Some(if has_room { Supply::Ordinary } else { Supply::Reserved });
        }
        let frees = !waiting.commit.deletes.is_empty()
            && waiting.commit.payloads.is_empty()
            && waiting.bytes <= FREEING_BYTES_MAX;
        let room = if frees { Room::Reserve } else { waiting.commit.room };
        self.headroom.take(waiting.bytes as u64, room).then_some(Supply::Ordinary)
    }

    fn sync(&mut self) {
        let start = Instant::now();
        if let Err(error) = self.store.sync() {
            self.poison(&error.to_string());
        }
        self.stats.meta_sync_micros.record_micros(start.elapsed());
    }

    fn commit(&mut self, group: Vec<Waiting>) {
        if let Some(what) = &self.poisoned {
            let what = format!("{what}; writes are refused until a restart has verified the disk");
            return answer_all(group, &MetaError::Unavailable(what).into());
        }
        let (mut ordinary, mut reserved) = (Vec::with_capacity(group.len()), Vec::new());
        for waiting in group {
            match self.supply(&waiting) {
                Some(Supply::Ordinary) => ordinary.push(waiting),
                Some(Supply::Reserved) => reserved.push(waiting),
                None => answer_all([waiting], &CommitError::Full),
            }
        }
        reserved.extend(self.write(ordinary, Supply::Ordinary));
        if self.poisoned.is_none() {
            self.write(reserved, Supply::Reserved);
        } else {
            self.commit(reserved);
        }
    }

    /// Writes a group and answers it. Commits of entries alone for which ordinary room was not to be
    /// had are given back.
    fn write(&mut self, group: Vec<Waiting>, supply: Supply) -> Vec<Waiting> {
        if group.is_empty() {
            return group;
        }
        let group = self.settle(group);
        let scribe = self.desk.get().cloned();
        let mut entering = scribe.as_deref().map(Scribe::begin);
        let (accepted, changes) = self.decide(group, entering.as_deref_mut());
        if accepted.is_empty() {
            return Vec::new();
        }
        let start = Instant::now();
        let written = self.store.write(changes, self.durability, supply);
        self.stats.meta_sync_micros.record_micros(start.elapsed());
        if let Err(error) = written {
            let error = self.refusal(error);
            let of_entries = |waiting: &Waiting| {
                error == CommitError::Full
                    && supply == Supply::Ordinary
                    && is_of_entries_alone(&waiting.commit)
            };
            let group = accepted.into_iter().map(|accepted| accepted.waiting);
            let (left, refused) = group.partition(of_entries);
            answer_all::<Vec<_>>(refused, &error);
            return left;
        }
        if let Some(entering) = entering {
            entering.durable();
        }
        self.last = accepted.last().map_or(self.last, |accepted| accepted.version);
        self.latest.store(self.last.0, Ordering::Release);
        Stats::add(&self.stats.groups, 1);
        Stats::add(&self.stats.commits, accepted.len() as u64);
        self.stats.group_commits.record(accepted.len() as u64);
        let mut wakeups = Wakeups::default();
        for Accepted { waiting, version, proof } in accepted {
            self.stats.commit_micros.record_micros(waiting.since.elapsed());
            waiting.answer.send_with(Ok(Committed { version, proof }), &mut wakeups);
        }
        Vec::new()
    }

    /// Makes the payloads of the group durable, each extent once; answers the commits whose
    /// payloads could not be, and returns the others.
    fn settle(&self, group: Vec<Waiting>) -> Vec<Waiting> {
        let mut settled: BTreeMap<ExtentId, Result<(), ExtentsError>> = BTreeMap::new();
        for payload in group.iter().flat_map(|waiting| &waiting.commit.payloads) {
            settled.entry(payload.extent()).or_insert_with(|| {
                let start = Instant::now();
                let result = payload.settle();
                self.stats.extent_sync_micros.record_micros(start.elapsed());
                result
            });
        }
        let mut kept = Vec::with_capacity(group.len());
        for waiting in group {
            let failed = |id: &ExtentId| settled.get(id).and_then(|result| result.clone().err());
            let ids = waiting.commit.payloads.iter().map(|payload| payload.extent());
            match ids.into_iter().find_map(|id| failed(&id)) {
                None => kept.push(waiting),
                Some(error) => {
                    waiting.answer.send(Err(error.into()));
                }
            }
        }
        kept
    }

    /// Answers the commits whose expectations do not hold; returns the others with their sequence
    /// numbers, and what they change together.
    fn decide<'e>(
        &mut self,
        group: Vec<Waiting>,
        mut entering: Option<&mut (dyn Entering + 'e)>,
    ) -> (Vec<Accepted>, Vec<Change>) {
        let mut overlay = Overlay::default();
        let mut journal = Vec::with_capacity(group.len());
        let mut accepted = Vec::with_capacity(group.len());
        let mut version = self.last;
        for mut waiting in group {
            let next = Version(version.0 + 1);
            let entered = self.check(&overlay, &waiting.commit).and_then(|()| {
                let entries = if is_of_entries_alone(&waiting.commit) {
                    // It may be tried again.
                    waiting.commit.entries.clone()
                } else {
                    std::mem::take(&mut waiting.commit.entries)
                };
                let unproved = waiting.commit.unproved;
                match &mut entering {
                    Some(entering) => {
                        entering.enter(next, entries, unproved).ok_or(CommitError::NoJournal)
                    }
                    None => Ok(Entered { entries, proof: None }),
                }
            });
            match entered {
                Ok(Entered { entries, proof }) => {
                    version = next;
                    let key = row::journal_key(version);
                    let value = row::encode_entries(&key, version, &entries);
                    journal.push((key, Some(value)));
                    let commit = &waiting.commit;
                    let keys = commit.puts.iter().map(|(key, _)| key).chain(&commit.deletes);
                    keys.for_each(|key| self.recent.changed(key, version));
                    overlay.apply(&mut waiting.commit, version);
                    accepted.push(Accepted { waiting, version, proof });
                }
                Err(error) => {
                    if matches!(error, CommitError::Conflict(_)) {
                        Stats::add(&self.stats.conflicts, 1);
                    }
                    waiting.answer.send(Err(error));
                }
            }
        }
        journal.extend(overlay.0.into_iter().map(|(key, (_, value))| (key, value)));
        (accepted, journal)
    }

    fn check(&self, overlay: &Overlay, commit: &Commit) -> Result<(), CommitError> {
        for (index, expect) in commit.expect.iter().enumerate() {
            if !self.recent.may_have_changed(&expect.key, commit.since) {
                continue;
            }
            let key = row::user_key(&expect.key);
            let found = match overlay.0.get(&key) {
                Some((version, value)) => value.as_ref().map(|_| *version),
                None => self.store.version(&key)?,
            };
            if found != expect.version {
                return Err(CommitError::Conflict(index));
            }
        }
        Ok(())
    }

    /// The answer to the commits of a group that was not written.
    fn refusal(&mut self, error: WriteError) -> CommitError {
        match error {
            WriteError::Full => CommitError::Full,
            WriteError::Refused(what) => MetaError::Unavailable(what).into(),
            WriteError::Unknown(what) => {
                let what = self.poison(&what);
                let what = format!("{what}; the outcome of this commit is unknown");
                MetaError::Unavailable(what).into()
            }
        }
    }

    /// Notes that what the disk holds is unknown.
    fn poison(&mut self, error: &str) -> String {
        let what = format!("writing metadata failed: {error}");
        tracing::error!(error = %what, "the metadata store failed");
        self.stats.poisoned.store(true, Ordering::Relaxed);
        self.poisoned.get_or_insert(what).clone()
    }
}

impl Overlay {
    fn apply(&mut self, commit: &mut Commit, version: Version) {
        for (key, value) in std::mem::take(&mut commit.puts) {
            let key = row::user_key(&key);
            let value = row::encode(&key, version, &value);
            self.0.insert(key, (version, Some(value)));
        }
        for key in std::mem::take(&mut commit.deletes) {
            self.0.insert(row::user_key(&key), (version, None));
        }
    }
}

/// Whether a commit changes nothing, and only enters something.
fn is_of_entries_alone(commit: &Commit) -> bool {
    let Commit { expect, puts, deletes, entries, payloads, .. } = commit;
    let changes = [expect.len(), puts.len(), deletes.len(), payloads.len()];
    !entries.is_empty() && changes.iter().all(|count| *count == 0)
}

fn answer_all<G: IntoIterator<Item = Waiting>>(group: G, error: &CommitError) {
    for waiting in group {
        waiting.answer.send(Err(error.clone()));
    }
}

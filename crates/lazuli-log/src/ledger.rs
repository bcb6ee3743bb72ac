//! The scribe of the store: every entry's number, predecessor and place, in the order of the commits.
//!
//! It is asked under the committer, the one thread through which all writes go, so it does there
//! what depends on the order and nothing else: receipts are signed and their paths found by whoever
//! sends them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazuli_base::{Clock, Halted};
use lazuli_engine::{Entered, Entering, Scribe, Version};
use lazuli_evidence::heads::Head;
use lazuli_evidence::{
    DayKeys, Digest, Draft, Entry, Group as Fields, NO_PREVIOUS, Place, Record, Sealed, day_of,
};
use lazuli_tlog::Hash;

use crate::keys::{AccountKey, Keys};
use crate::pause::Pause;
use crate::principals::Principals;
use crate::receipts::{CommitProof, EntryProof, Segment};

/// Entries of one segment: beyond it, commits wait for the next one.
pub const SEGMENT_ENTRIES_MAX: u64 = 1 << 17;

/// How long a segment is open, in milliseconds. Segments end at whole seconds: how late the one who
/// closes them comes tells of the load, and is not published.
pub const SEGMENT_MS: u64 = 1000;

/// Closed segments that may wait for the spine: beyond it, the open one goes on.
pub(crate) const WAITING_MAX: usize = 3600;

/// What does not change while the log runs.
pub(crate) struct Identity {
    /// The keys, and with them the log's name.
    pub(crate) keys: Keys,
    /// The site that this log is of.
    pub(crate) site: u64,
    /// The number of this start.
    pub(crate) boot: u32,
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keys, site, boot, .. } = self;
        f.debug_struct("Identity")
            .field("keys", keys)
            .field("site", site)
            .field("boot", boot)
            .finish_non_exhaustive()
    }
}

/// An account as the next entry finds it.
#[derive(Debug)]
struct Account {
    name: Arc<str>,
    label: Digest,
    log_key: [u8; 32],
    days: DayKeys,
    principals: Principals,
    head: Head,
}

impl Account {
    fn new(name: &str, key: &AccountKey, head: Option<Head>) -> Self {
        Self {
            name: Arc::from(name),
            label: key.label(name),
            log_key: key.log_key,
            days: DayKeys::derive(&key.log_key, 0),
            principals: Principals::new(&key.log_key),
            head: head.unwrap_or(Head { seq: 0, hash: NO_PREVIOUS }),
        }
    }
}

/// The segment that entries go to.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) segment: Arc<Segment>,
    /// When it was opened, in milliseconds since 1970.
    pub(crate) t0_ms: u64,
    /// The first and last commit with an entry in it; zeros without one.
    pub(crate) versions: (u64, u64),
    /// The accounts with an entry in it.
    pub(crate) touched: BTreeSet<Arc<str>>,
}

impl Open {
    pub(crate) fn new(n: u64, t0_ms: u64) -> Self {
        let segment = Arc::new(Segment::new(n));
        Self { segment, t0_ms, versions: (0, 0), touched: BTreeSet::new() }
    }
}

/// A segment that takes no more entries.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) open: Open,
    pub(crate) t1_ms: u64,
    /// The heads of the accounts that it touched.
    pub(crate) heads: Vec<(Digest, Head)>,
    /// The heads of all accounts.
    pub(crate) all: BTreeMap<Digest, Head>,
}

#[derive(Debug)]
struct State {
    accounts: HashMap<String, Account>,
    open: Open,
    /// What the ledger tells of it.
    opened: Arc<[AtomicU64; 2]>,
    /// Segments that nobody took yet, oldest first.
    closed: VecDeque<Closed>,
    /// The time of the last entry: time does not go back in the log.
    last_ms: u64,
    sealed: Sealed,
}

impl State {
    /// Closes the open segment at time `now_ms` and opens the next one. It ends at the last whole
    /// second, unless it was opened after that or has a later entry.
    fn cut(&mut self, now_ms: u64) {
        let whole_ms = now_ms / SEGMENT_MS * SEGMENT_MS;
        let end_ms = if whole_ms > self.open.t0_ms { whole_ms } else { now_ms };
        let t1_ms = end_ms.max(self.last_ms).max(self.open.t0_ms);
        self.last_ms = t1_ms;
        let next = Open::new(self.open.segment.n + 1, t1_ms);
        let open = std::mem::replace(&mut self.open, next);
        self.tell_opened();
        let head = |name: &Arc<str>| {
            self.accounts.get(&**name).map(|account| (account.label, account.head))
        };
        let heads = open.touched.iter().filter_map(head).collect();
        let all = self.accounts.values();
        let all = all.filter(|account| account.head.seq > 0);
        let all = all.map(|account| (account.label, account.head)).collect();
        self.closed.push_back(Closed { open, t1_ms, heads, all });
    }

    fn tell_opened(&self) {
        let numbers = [self.open.segment.n, self.open.t0_ms];
        self.opened
            .iter()
            .zip(numbers)
            .for_each(|(at, number)| at.store(number, Ordering::Relaxed));
    }

    /// Closes the open segment if its second is over. One without entries stays open: its root would
    /// tell everybody that nothing happened.
    fn cut_if_due(&mut self, now_ms: u64) {
        let is_due = now_ms / SEGMENT_MS > self.open.t0_ms / SEGMENT_MS;
        if is_due && self.closed.len() < WAITING_MAX && self.open.segment.size() > 0 {
            self.cut(now_ms);
        }
    }
}

/// What the journal said when it was read.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The heads of the accounts by label.
    pub(crate) heads: BTreeMap<Digest, Head>,
    /// The segment that goes on.
    pub(crate) open: Open,
    /// Segments that are closed and not in the spine, oldest first.
    pub(crate) closed: Vec<Closed>,
    /// The time of the last entry.
    pub(crate) last_ms: u64,
}

/// The scribe.
pub struct Ledger {
    identity: Arc<Identity>,
    state: Mutex<State>,
    // What follows is not behind the lock, which is held while a group becomes durable: who looks
    // after the server is told although the disk is slow.
    /// Why no entry is taken.
    pub(crate) pause: Pause,
    /// The number of the open segment, and when it was opened, in milliseconds since 1970.
    opened: Arc<[AtomicU64; 2]>,
    /// Whether segments are closed by the clock.
    keeps_time: AtomicBool,
    /// Whether the entries of the next commit are dropped.
    #[cfg(feature = "test-hooks")]
    pub(crate) lie: crate::lie::Lie,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// The time in milliseconds since 1970.
pub(crate) fn millis(clock: &dyn Clock) -> u64 {
    clock.now().unix_millis()
}

impl Ledger {
    pub(crate) fn new(identity: Arc<Identity>, recovered: Recovered) -> Self {
        let account = |(name, key): (&str, &AccountKey)| {
            let head = recovered.heads.get(&key.label(name)).copied();
            (name.to_owned(), Account::new(name, key, head))
        };
        let opened = Arc::<[AtomicU64; 2]>::default();
        let state = State {
            opened: Arc::clone(&opened),
            accounts: identity.keys.accounts().map(account).collect(),
            open: recovered.open,
            closed: recovered.closed.into(),
            last_ms: recovered.last_ms,
            sealed: Sealed::new(),
        };
        state.tell_opened();
        Self {
            identity,
            state: Mutex::new(state),
            pause: Pause::default(),
            opened,
            keeps_time: AtomicBool::default(),
            #[cfg(feature = "test-hooks")]
            lie: crate::lie::Lie::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no entry is taken, so that every commit that has one is refused; `None` while they are
    /// taken. Waits for nothing, however slow the disk is.
    pub fn paused(&self) -> Option<String> {
        self.pause.why()
    }

    /// Tells whether no entry is taken, as soon as that is known.
    pub fn halted(&self) -> Halted {
        self.pause.halted()
    }

    /// The number of the open segment, and when it was opened, in milliseconds since 1970.
    pub(crate) fn open_segment(&self) -> (u64, u64) {
        let [n, t0_ms] = &*self.opened;
        (n.load(Ordering::Relaxed), t0_ms.load(Ordering::Relaxed))
    }

    /// The label of an account; `None` if it has no key.
    pub fn label(&self, account: &str) -> Option<Digest> {
        self.state().accounts.get(account).map(|account| account.label)
    }

    /// Closes the open segment now, whatever it has.
    pub(crate) fn cut(&self) {
        let now_ms = millis(&*self.identity.clock);
        self.state().cut(now_ms);
    }

    /// Has segments closed by the clock from now on: the first commit after a second closes the
    /// one of that second, and so does [`cut_if_due`](Self::cut_if_due).
    pub(crate) fn keep_time(&self) {
        self.keeps_time.store(true, Ordering::Relaxed);
    }

    /// Closes the open segment if its second is over and it has entries.
    pub(crate) fn cut_if_due(&self) {
        self.cut_state_if_due(&mut self.state());
    }

    fn cut_state_if_due(&self, state: &mut State) {
        if self.keeps_time.load(Ordering::Relaxed) && !self.pause.is_on() {
            // The time once the lock is there: a group may have held it for a while.
            state.cut_if_due(millis(&*self.identity.clock));
        }
    }

    /// Takes up to `most` of the segments that were closed, oldest first.
    pub(crate) fn take_closed(&self, most: usize) -> Vec<Closed> {
        let closed = &mut self.state().closed;
        let most = most.min(closed.len());
        closed.drain(..most).collect()
    }
}

impl Scribe for Ledger {
    fn begin(&self) -> Box<dyn Entering + '_> {
        let mut state = self.state();
        // Before the group, not after it: it may take the disk as long as it likes.
        self.cut_state_if_due(&mut state);
        Box::new(Writing {
            ledger: self,
            size: state.open.segment.size(),
            versions: state.open.versions,
            last_ms: state.last_ms,
            state,
            leaves: Vec::new(),
            undo: Vec::new(),
            is_durable: false,
        })
    }
}

/// A group being entered.
struct Writing<'l> {
    ledger: &'l Ledger,
    state: MutexGuard<'l, State>,
    /// The entries that the segment had before.
    size: u64,
    leaves: Vec<Hash>,
    /// The accounts as they were before each entry.
    undo: Vec<(Arc<str>, Head)>,
    versions: (u64, u64),
    last_ms: u64,
    is_durable: bool,
}

impl Entering for Writing<'_> {
    fn enter(&mut self, version: Version, drafts: Vec<Bytes>, unproved: bool) -> Option<Entered> {
        let mut entries = drafts;
        if entries.is_empty() {
            return Some(Entered::default());
        }
        let room = SEGMENT_ENTRIES_MAX.saturating_sub(self.size + self.leaves.len() as u64);
        if self.ledger.pause.is_on() || room < entries.len() as u64 {
            return None;
        }
        let mark = self.undo.len();
        let mut proofs = Vec::with_capacity(if unproved { 0 } else { entries.len() });
        // Each entry takes the place of its draft.
        for place in &mut entries {
            let Some((entry, proof)) = self.entry(std::mem::take(place), unproved) else {
                // All of a commit or nothing: what it entered is taken back.
                self.take_back(mark);
                return None;
            };
            *place = entry;
            proofs.extend(proof);
        }
        #[cfg(feature = "test-hooks")]
        if !unproved && self.ledger.lie.is_told() {
            let identity = Arc::clone(&self.ledger.identity);
            let forked = self.state.open.segment.forked(self.leaves.iter().copied());
            self.take_back(mark);
            let proof = CommitProof { identity, segment: Arc::new(forked), entries: proofs };
            return Some(Entered { entries: Vec::new(), proof: Some(Arc::new(proof)) });
        }
        let open = &mut self.state.open;
        let first = if open.versions.0 == 0 { version.0 } else { open.versions.0 };
        open.versions = (first, version.0);
        if unproved {
            return Some(Entered { entries, proof: None });
        }
        let (identity, segment) = (&self.ledger.identity, &self.state.open.segment);
        let (identity, segment) = (Arc::clone(identity), Arc::clone(segment));
        let proof = CommitProof { identity, segment, entries: proofs };
        Some(Entered { entries, proof: Some(Arc::new(proof)) })
    }

    fn durable(mut self: Box<Self>) {
        self.is_durable = true;
        let leaves = std::mem::take(&mut self.leaves);
        self.state.open.segment.append(leaves);
        for (name, _) in std::mem::take(&mut self.undo) {
            self.state.open.touched.insert(name);
        }
    }
}

impl Writing<'_> {
    /// Gives a draft its place; `None` if it is none or of an account without a key.
    fn entry(&mut self, bytes: Bytes, unproved: bool) -> Option<(Bytes, Option<EntryProof>)> {
        let mut draft = Draft::decode(&bytes)?;
        let Identity { site, boot, .. } = *self.ledger.identity;
        let index = self.size + self.leaves.len() as u64;
        let State { accounts, open, last_ms, sealed, .. } = &mut *self.state;
        let account = accounts.get_mut(draft.account)?;
        let t_ms = draft.t_ms.max(*last_ms);
        *last_ms = t_ms;
        if account.days.day() != day_of(t_ms) {
            account.days = DayKeys::derive(&account.log_key, day_of(t_ms));
        }
        let said = draft.values[Fields::Principal.place()];
        let principal = account.principals.value(&account.log_key, t_ms, said);
        if let Some(value) = &principal {
            draft.values[Fields::Principal.place()] = value;
        }
        let before = account.head;
        let seq = before.seq + 1;
        let place = Place { label: account.label, boot, seq };
        sealed.seal(&account.days, &place, &draft.values);
        let entry = Entry {
            kind: draft.kind,
            op: draft.op,
            site,
            boot,
            t_ms,
            label: account.label,
            seq,
            prev: before.hash,
            fields_root: sealed.fields_root(),
        };
        let encoded = entry.encode();
        let leaf = lazuli_evidence::leaf_hash(&encoded);
        account.head = Head { seq, hash: leaf };
        let record =
            Record { seg: open.segment.n, index, entry: &encoded, sealed: sealed.values() };
        let stored = Bytes::from(record.encode());
        let (label, prev) = (account.label, before.hash);
        let salts = (!unproved).then(|| *sealed.salts());
        self.undo.push((Arc::clone(&account.name), before));
        self.leaves.push(Hash(leaf));
        let proof = salts.map(|salts| {
            let draft = bytes;
            EntryProof { index, t_ms, label, seq, prev, salts, principal, draft }
        });
        Some((stored, proof))
    }

    /// Takes back all entries from the `mark`-th on.
    fn take_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            let Some((name, head)) = self.undo.pop() else { break };
            if let Some(account) = self.state.accounts.get_mut(&*name) {
                account.head = head;
            }
        }
        self.leaves.truncate(mark);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.is_durable {
            self.take_back(0);
            self.state.open.versions = self.versions;
            self.state.last_ms = self.last_ms;
        }
    }
}

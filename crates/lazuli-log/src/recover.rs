//! Reading the journal back: the heads of the accounts, the segments that are not in the spine yet,
//! and the one that goes on.
//!
//! Each stored entry tells its segment and its place in it, so nothing is decided anew: what comes
//! out is what was there when the receipts were signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lazuli_engine::{Meta, MetaError, Version};
use lazuli_evidence::heads::Head;
use lazuli_evidence::{Digest, Entry, NO_PREVIOUS, Record, leaf_hash};
use lazuli_tlog::Hash;

use crate::keys::Keys;
use crate::ledger::{Closed, Open, Recovered, SEGMENT_MS};
use crate::rows;

/// Commits read at a time.
const PAGE: usize = 4096;
/// Closed segments that the spine may lack.
const UNSEALED_MAX: usize = 10_000;

/// How far the spine has come, as a row of the store tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Leaves of the spine.
    pub(crate) size: u64,
    /// Segments in it.
    pub(crate) segments: u64,
    /// The leaf hash of the last one's leaf.
    pub(crate) previous: Digest,
    /// When that was closed.
    pub(crate) t1_ms: u64,
    /// The last commit whose entries are in it.
    pub(crate) last: u64,
    /// The time before which every read was in the journal, in milliseconds since 1970.
    pub(crate) reads_ms: u64,
    /// Whether the log was stopped in good order after it.
    pub(crate) stopped: bool,
}

impl Progress {
    /// An empty log.
    pub(crate) const NONE: Self = Self {
        size: 0,
        segments: 0,
        previous: NO_PREVIOUS,
        t1_ms: 0,
        last: 0,
        reads_ms: 0,
        stopped: true,
    };

    pub(crate) fn encode(&self) -> Bytes {
        let Self { size, segments, t1_ms, last, reads_ms, .. } = *self;
        let numbers = [size, segments, t1_ms, last, u64::from(self.stopped), reads_ms];
        numbers.into_iter().flat_map(u64::to_be_bytes).chain(self.previous).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, previous) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        let (numbers, []) = numbers.as_chunks::<8>() else { return None };
        let mut numbers = numbers.iter().copied().map(u64::from_be_bytes);
        let [size, segments, t1_ms, last, stopped] = std::array::from_fn(|_| numbers.next());
        // The first logs did not note since when reads waited.
        let reads_ms = numbers.next().unwrap_or_default();
        let (size, segments, t1_ms, last, stopped) = (size?, segments?, t1_ms?, last?, stopped?);
        if numbers.next().is_some() {
            return None;
        }
        let previous = previous.try_into().ok()?;
        Some(Self { size, segments, previous, t1_ms, last, reads_ms, stopped: stopped == 1 })
    }
}

/// Why the journal cannot be gone on with.
#[derive(Debug)]
pub enum RecoverError {
    /// The store cannot be read.
    Meta(MetaError),
    /// What it holds cannot be what was written; the text says where.
    Damaged(String),
}

impl std::fmt::Display for RecoverError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Meta(error) => error.fmt(f),
            Self::Damaged(what) => write!(f, "the journal is damaged: {what}"),
        }
    }
}

impl std::error::Error for RecoverError {}

impl From<MetaError> for RecoverError {
    fn from(error: MetaError) -> Self {
        Self::Meta(error)
    }
}

/// What a log starts from.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) progress: Progress,
    pub(crate) recovered: Recovered,
    /// Whether commits were made while nobody wrote entries.
    pub(crate) unlogged: bool,
}

/// Reads the journal of a store.
pub(crate) async fn recover(
    meta: &dyn Meta,
    keys: &Keys,
    now_ms: u64,
) -> Result<Start, RecoverError> {
    let damaged = |what: &str| RecoverError::Damaged(what.to_owned());
    let progress = match meta.get(&rows::progress()).await? {
        Some(row) => Progress::decode(&row.value).ok_or_else(|| damaged("the log's progress"))?,
        None => Progress::NONE,
    };
    let mut heads = BTreeMap::new();
    for row in meta.scan(rows::heads(), usize::MAX).await? {
        let head = rows::decode_head(&row.key, &row.value);
        let (label, head) = head.ok_or_else(|| damaged("an account's head"))?;
        heads.insert(label, head);
    }
    let names = keys.accounts().map(|(name, key)| (key.label(name), name.to_owned())).collect();
    let t0_ms = if progress.t1_ms == 0 { now_ms } else { progress.t1_ms };
    let mut reading = Reading {
        names,
        heads,
        open: Open::new(progress.segments, t0_ms),
        last_ms: progress.t1_ms,
        closed: Vec::new(),
        unlogged: false,
    };
    let mut from = Version(progress.last + 1);
    loop {
        let page = meta.journal(from, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        from = Version(last.0 + 1);
        for (version, entries) in &page {
            for entry in entries {
                reading.read(*version, entry)?;
            }
        }
    }
    let Reading { heads, open, last_ms, closed, unlogged, .. } = reading;
    let recovered = Recovered { heads, open, closed, last_ms };
    Ok(Start { progress, recovered, unlogged })
}

struct Reading {
    names: BTreeMap<Digest, String>,
    heads: BTreeMap<Digest, Head>,
    open: Open,
    last_ms: u64,
    closed: Vec<Closed>,
    unlogged: bool,
}

impl Reading {
    fn read(&mut self, version: Version, bytes: &[u8]) -> Result<(), RecoverError> {
        let Some(record) = Record::decode(bytes) else {
            self.unlogged = true;
            return Ok(());
        };
        let damaged = |what: &str| {
            let what = format!("commit {}: {what}", version.0);
            RecoverError::Damaged(what)
        };
        let entry = Entry::decode(record.entry).ok_or_else(|| damaged("not an entry"))?;
        while self.open.segment.n < record.seg {
            if self.closed.len() >= UNSEALED_MAX {
                return Err(damaged("too many segments are not in the spine"));
            }
            self.close(entry.t_ms);
        }
        if record.seg != self.open.segment.n || record.index != self.open.segment.size() {
            return Err(damaged("an entry is out of its place"));
        }
        let before = self.heads.get(&entry.label).copied();
        let before = before.unwrap_or(Head { seq: 0, hash: NO_PREVIOUS });
        if entry.seq != before.seq + 1 || entry.prev != before.hash {
            return Err(damaged("an account's chain is broken"));
        }
        let leaf = leaf_hash(record.entry);
        self.heads.insert(entry.label, Head { seq: entry.seq, hash: leaf });
        self.open.segment.append([Hash(leaf)]);
        let (first, _) = self.open.versions;
        self.open.versions = (if first == 0 { version.0 } else { first }, version.0);
        if let Some(name) = self.names.get(&entry.label) {
            self.open.touched.insert(Arc::from(&**name));
        }
        self.last_ms = self.last_ms.max(entry.t_ms);
        Ok(())
    }

    /// Ends the open segment as it is, at the whole second behind its last entry, but not after the
    /// entry that follows, which came at `next_ms`.
    fn close(&mut self, next_ms: u64) {
        let last_ms = self.last_ms.max(self.open.t0_ms);
        let t1_ms = ((last_ms / SEGMENT_MS + 1) * SEGMENT_MS).min(next_ms).max(last_ms);
        let next = Open::new(self.open.segment.n + 1, t1_ms);
        let open = std::mem::replace(&mut self.open, next);
        let labels = self.names.iter().filter(|(_, name)| open.touched.contains(name.as_str()));
        let heads = labels.filter_map(|(label, _)| Some((*label, *self.heads.get(label)?)));
        let heads = heads.collect();
        self.closed.push(Closed { open, t1_ms, heads, all: self.heads.clone() });
    }
}

/// The leaves from `index` on, in order.
pub(crate) async fn leaves(
    meta: &Arc<dyn Meta>,
    index: u64,
    limit: usize,
) -> Result<Vec<Bytes>, MetaError> {
    let rows = meta.scan(rows::leaves(index), limit).await?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

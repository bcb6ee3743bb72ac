//! The engine in memory: the model the tests compare with, and the store of `--in-memory`.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::{Bytes, BytesMut};

use crate::BoxFuture;
use crate::extents::{
    ExtentId, ExtentWriter, Extents, ExtentsError, Piece, ReadPin, Room, Settle, Settled,
};
use crate::meta::{
    Commit, CommitError, Committed, JournalRow, KeyRange, Meta, MetaError, Row, Version, Visitor,
};
use crate::pins::Pins;
use crate::scribe::{Desk, Entered};

/// Metadata in a sorted map.
#[derive(Debug, Default)]
pub struct MemoryMeta {
    state: Mutex<State>,
    pub(crate) desk: Desk,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Bytes, (Version, Bytes)>,
    /// The entries of commit `n` are at index `n - 1`.
    journal: Vec<Vec<Bytes>>,
}

impl MemoryMeta {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, commit: Commit) -> Result<Committed, CommitError> {
        for payload in &commit.payloads {
            payload.settle().map_err(CommitError::from)?;
        }
        let mut state = self.state();
        for (index, expect) in commit.expect.iter().enumerate() {
            if state.rows.get(&expect.key).map(|(version, _)| *version) != expect.version {
                return Err(CommitError::Conflict(index));
            }
        }
        let version = Version(state.journal.len() as u64 + 1);
        let mut entered = Entered { entries: commit.entries, proof: None };
        if let Some(scribe) = self.desk.get() {
            let mut entering = scribe.begin();
            entered = entering
                .enter(version, entered.entries, commit.unproved)
                .ok_or(CommitError::NoJournal)?;
            entering.durable();
        }
        state.journal.push(entered.entries);
        for (key, value) in commit.puts {
            state.rows.insert(key, (version, value));
        }
        for key in commit.deletes {
            state.rows.remove(&key);
        }
        Ok(Committed { version, proof: entered.proof })
    }
}

fn row((key, (version, value)): (&Bytes, &(Version, Bytes))) -> Row {
    Row { key: key.clone(), value: value.clone(), version: *version }
}

/// The bounds of a range; `None` if no key is in it.
fn bounds(range: KeyRange) -> Option<(Bound<Bytes>, Bound<Bytes>)> {
    let empty = range.end.as_ref().is_some_and(|end| *end <= range.start);
    let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
    (!empty).then_some((Bound::Included(range.start), end))
}

impl Meta for MemoryMeta {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Row>, MetaError>> {
        let found = self.state().rows.get_key_value(key).map(row);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn latest(&self) -> Version {
        Version(self.state().journal.len() as u64)
    }

    fn scan(&self, range: KeyRange, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, MetaError>> {
        let rows = match bounds(range) {
            Some(bounds) => self.state().rows.range(bounds).take(limit).map(row).collect(),
            None => Vec::new(),
        };
        Box::pin(std::future::ready(Ok(rows)))
    }

    fn visit(&self, range: KeyRange, visitor: Visitor) -> BoxFuture<'_, Result<(), MetaError>> {
        if let Some(bounds) = bounds(range) {
            // Whether it was ended early is all that is said.
            let _ = self.state().rows.range(bounds).map(row).all(visitor);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, CommitError>> {
        Box::pin(std::future::ready(self.apply(commit)))
    }

    fn journal(
        &self,
        from: Version,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalRow>, MetaError>> {
        let first = from.0.max(1);
        let skip = usize::try_from(first - 1).unwrap_or(usize::MAX);
        let entries =
            self.state().journal.iter().skip(skip).take(limit).cloned().collect::<Vec<_>>();
        let numbered = (first..).map(Version).zip(entries).collect();
        Box::pin(std::future::ready(Ok(numbered)))
    }
}

/// Extents in a map of byte strings.
pub struct MemoryExtents {
    shared: Arc<Shared>,
    pins: Arc<Pins>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Payloads>,
}

/// A payload has an extent of its own here. It counts as sealed once no commit may be about to
/// name it: when its [`Settled`] is gone.
#[derive(Debug, Default)]
struct Payloads {
    last_id: u64,
    stored: BTreeMap<ExtentId, (Bytes, Weak<AlreadySettled>)>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Payloads> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, payload: &Bytes) -> Result<(Piece, Settled), ExtentsError> {
        if payload.is_empty() {
            return Err(ExtentsError::Io("a payload has at least one byte".into()));
        }
        let mut state = self.state();
        state.last_id += 1;
        let extent = ExtentId(state.last_id);
        let settled = Arc::new(AlreadySettled(extent));
        let piece = Piece { extent, offset: 0, len: payload.len() as u64 };
        // A copy of its own, so that a small slice does not keep a large network buffer alive.
        let copy = Bytes::copy_from_slice(payload);
        state.stored.insert(extent, (copy, Arc::downgrade(&settled)));
        Ok((piece, settled))
    }
}

#[derive(Debug)]
struct AlreadySettled(ExtentId);

impl Settle for AlreadySettled {
    fn extent(&self) -> ExtentId {
        self.0
    }

    fn settle(&self) -> Result<(), ExtentsError> {
        Ok(())
    }
}

struct MemoryWriter {
    shared: Arc<Shared>,
    bytes: BytesMut,
}

impl ExtentWriter for MemoryWriter {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), ExtentsError>> {
        self.bytes.extend_from_slice(&bytes);
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(Piece, Settled), ExtentsError>> {
        Box::pin(std::future::ready(self.shared.store(&self.bytes.freeze())))
    }
}

impl Default for MemoryExtents {
    fn default() -> Self {
        let shared = Arc::new(Shared::default());
        let owner = Arc::clone(&shared);
        let pins = Pins::new(Box::new(move |extent| {
            owner.state().stored.remove(&extent);
        }));
        Self { shared, pins }
    }
}

impl Extents for MemoryExtents {
    fn append(
        &self,
        payload: Bytes,
        _: Room,
    ) -> BoxFuture<'_, Result<(Piece, Settled), ExtentsError>> {
        Box::pin(std::future::ready(self.shared.store(&payload)))
    }

    fn create(
        &self,
        expected: Option<u64>,
        _: Room,
    ) -> BoxFuture<'_, Result<Box<dyn ExtentWriter>, ExtentsError>> {
        let capacity = usize::try_from(expected.unwrap_or(0)).unwrap_or(0).min(1 << 20);
        let writer: Box<dyn ExtentWriter> = Box::new(MemoryWriter {
            shared: Arc::clone(&self.shared),
            bytes: BytesMut::with_capacity(capacity),
        });
        Box::pin(std::future::ready(Ok(writer)))
    }

    fn read(&self, piece: Piece, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ExtentsError>> {
        let found = self.shared.state().stored.get(&piece.extent).map(|(bytes, _)| bytes.clone());
        let read = match found {
            None => Err(ExtentsError::Missing(piece.extent)),
            Some(_) if range.start == range.end && range.end <= piece.len => Ok(Bytes::new()),
            Some(bytes) if range.start < range.end && range.end <= bytes.len() as u64 => {
                Ok(bytes.slice(range.start as usize..range.end as usize))
            }
            Some(_) => Err(ExtentsError::Io("range is not in the piece".into())),
        };
        Box::pin(std::future::ready(read))
    }

    fn pin(&self) -> Box<dyn ReadPin> {
        self.pins.pin()
    }

    fn sealed(&self) -> BoxFuture<'_, Result<Vec<(ExtentId, u64)>, ExtentsError>> {
        let waiting = self.pins.waiting();
        let state = self.shared.state();
        let sealed = state
            .stored
            .iter()
            .filter(|(id, (_, settled))| settled.strong_count() == 0 && !waiting.contains(id))
            .map(|(id, (bytes, _))| (*id, bytes.len() as u64))
            .collect();
        drop(state);
        Box::pin(std::future::ready(Ok(sealed)))
    }

    fn free(&self, extent: ExtentId) -> BoxFuture<'_, Result<(), ExtentsError>> {
        self.pins.free(extent);
        Box::pin(std::future::ready(Ok(())))
    }
}

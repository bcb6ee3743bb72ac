//! One request's change to the metadata: what it read, what it writes, and its journal entry.
//!
//! A transaction reads rows, decides, and commits expecting exactly the versions it read. On a
//! conflict the whole function runs again, a bounded number of times: a decision is never applied
//! to another state than the one it was made for.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_engine::{
    Commit, CommitError, Expect, KeyRange, Meta, MetaError, Proof, Room, Row, Settled, Version,
};
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::journal::Entry;
use crate::origin::Origin;
use crate::rows::Stored;

/// How often a transaction runs before the request is answered `ServerBusy`.
const ATTEMPTS_MAX: usize = 32;

/// Rows a scan of everything in a range reads at a time.
const SCAN_PAGE: usize = 4096;

/// A change being made.
pub struct Txn<'s> {
    meta: &'s dyn Meta,
    origin: Option<&'s Origin>,
    now: Timestamp,
    commit: Commit,
    /// The keys that were read. A transaction of entities reads hundreds.
    expected: BTreeSet<Bytes>,
    /// The place of the newest entry of the request that the change goes on for.
    recorded: Option<usize>,
}

impl<'s> Txn<'s> {
    fn new(meta: &'s dyn Meta, origin: Option<&'s Origin>, now: Timestamp) -> Self {
        let commit = Commit { since: meta.latest(), ..Commit::default() };
        Self { meta, origin, now, commit, expected: BTreeSet::new(), recorded: None }
    }

    /// The time of the change: one clock reading for all of it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Reads a row and relies on it: the commit conflicts if it changed meanwhile, or appeared.
    pub async fn get<R: Stored>(&mut self, key: &Bytes) -> Result<Option<R>, Refusal> {
        let row = self.get_raw(key).await?;
        row.map(|row| R::decode(&row.value).map_err(|error| damaged(&error))).transpose()
    }

    /// Reads a row's bytes and relies on them.
    pub async fn get_raw(&mut self, key: &Bytes) -> Result<Option<Row>, Refusal> {
        let row = self.meta.get(key).await.map_err(|error| unavailable(&error))?;
        if self.expected.insert(key.clone()) {
            let version = row.as_ref().map(|row| row.version);
            self.commit.expect.push(Expect { key: key.clone(), version });
        }
        Ok(row)
    }

    /// Relies on a row that was read before this change began.
    pub fn rely_on_earlier(&mut self, row: &Row) {
        self.commit.since = self.commit.since.min(row.version);
        self.rely_on(row);
    }

    /// Relies on a row that a scan of this change gave: the commit conflicts if it changed.
    pub fn rely_on(&mut self, row: &Row) {
        self.commit.expect.push(Expect { key: row.key.clone(), version: Some(row.version) });
    }

    /// Has the commit conflict: the row at `key` went since another that names it was read.
    pub(crate) fn decide_again(&mut self, key: Bytes) {
        // Version 0 has the expectation looked at whatever the engine remembers, and no row has
        // the version that it asks for.
        self.commit.since = Version(0);
        self.commit.expect.push(Expect { key, version: Some(Version(u64::MAX)) });
    }

    /// Reads rows without relying on them: for rows that cannot change while a row relied upon
    /// stays as it is.
    pub async fn scan(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>, Refusal> {
        self.meta.scan(range, limit).await.map_err(|error| unavailable(&error))
    }

    /// Writes a row.
    pub fn put<R: Stored>(&mut self, key: Bytes, row: &R) -> Result<(), Refusal> {
        let value = row.encode().map_err(|error| damaged(&error))?;
        self.put_raw(key, value);
        Ok(())
    }

    /// Writes a row's bytes.
    pub fn put_raw(&mut self, key: Bytes, value: Bytes) {
        self.commit.puts.push((key, value));
    }

    /// Removes a row.
    pub fn delete(&mut self, key: Bytes) {
        self.commit.deletes.push(key);
    }

    /// Names a payload: the commit waits until its bytes are durable.
    pub fn name_payload(&mut self, payload: &Settled) {
        self.commit.payloads.push(payload.clone());
    }

    /// Lets the commit use the reserve of the disk: what it changes can be removed because of it.
    pub(crate) fn use_reserve(&mut self) {
        self.commit.room = Room::Reserve;
    }

    /// Adds the journal entry of what this change is, after that of what it copies from.
    pub fn record(&mut self, entry: &Entry<'_>) {
        self.commit.entries.extend(self.origin.and_then(Origin::source).cloned());
        self.recorded = Some(self.commit.entries.len());
        self.commit.entries.push(entry.encode(self.now, self.origin));
    }

    /// Goes on for another request: entries recorded from now on are of that.
    pub(crate) fn go_on_for(&mut self, origin: Option<&'s Origin>) {
        self.origin = origin;
        self.recorded = None;
    }

    /// The place of the newest entry among those of the commit; `None` if none was recorded for the
    /// request that the change goes on for.
    pub(crate) fn recorded(&self) -> Option<usize> {
        self.recorded
    }

    fn finish(mut self) -> Commit {
        // A key written twice in one change: the last write is the one that was meant, and a write
        // after a removal (or the other way round) wins over it.
        let commit = &mut self.commit;
        if commit.puts.len() + commit.deletes.len() > 1 {
            let mut seen = std::collections::HashSet::new();
            commit.puts.reverse();
            commit.puts.retain(|(key, _)| seen.insert(key.clone()));
            commit.puts.reverse();
            commit.deletes.retain(|key| seen.insert(key.clone()));
        }
        self.commit
    }
}

/// What became of a commit that did not fail.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is durable; with what proves its entries, if anybody does.
    Durable(Option<Arc<dyn Proof>>),
    /// Something it read has changed: it is to be decided again.
    Conflict,
}

/// Counts the runs of a change; see [`Store::commit`].
#[derive(Debug, Default)]
pub struct Attempts(usize);

impl Store {
    /// Begins a change.
    ///
    /// ```ignore
    /// let mut attempts = Attempts::default();
    /// loop {
    ///     let mut txn = store.begin();
    ///     let outcome = decide(&mut txn).await?;
    ///     if store.commit(txn, &mut attempts).await? {
    ///         return Ok(outcome);
    ///     }
    /// }
    /// ```
    pub fn begin(&self) -> Txn<'_> {
        Txn::new(&*self.meta, self.origin(), self.clock.now())
    }

    /// Commits a change: `true` when it is durable, `false` when something it read has changed and
    /// it is to be decided again. After a bounded number of those, `ServerBusy`.
    ///
    /// A change that writes nothing commits nothing.
    pub async fn commit(&self, txn: Txn<'_>, attempts: &mut Attempts) -> Result<bool, Refusal> {
        let entry = txn.recorded();
        let outcome = self.commit_for_many(txn, attempts).await?;
        if let (Outcome::Durable(Some(proof)), Some(entry)) = (&outcome, entry) {
            self.keep(Arc::clone(proof), entry);
        }
        Ok(matches!(outcome, Outcome::Durable(_)))
    }

    /// Commits a change as [`Store::commit`] does, and leaves the proof to whoever knows which
    /// request each of its entries is of.
    pub(crate) async fn commit_for_many(
        &self,
        txn: Txn<'_>,
        attempts: &mut Attempts,
    ) -> Result<Outcome, Refusal> {
        let commit = txn.finish();
        if commit.puts.is_empty() && commit.deletes.is_empty() && commit.entries.is_empty() {
            return Ok(Outcome::Durable(None));
        }
        match self.meta.commit(commit).await {
            Ok(committed) => Ok(Outcome::Durable(committed.proof)),
            Err(CommitError::Conflict(_)) if attempts.0 < ATTEMPTS_MAX => {
                attempts.0 += 1;
                Ok(Outcome::Conflict)
            }
            Err(CommitError::Conflict(_)) => Err(Refusal::new(ErrorCode::ServerBusy)
                .with_cause("the row is written faster than this request can decide")),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Keeps what proves that a commit of the request was entered in the journal, and which of the
    /// commit's entries is the request's.
    pub(crate) fn keep(&self, proof: Arc<dyn Proof>, entry: usize) {
        if let Some(origin) = self.origin() {
            origin.proved(proof, entry);
        }
    }

    /// Reads a row.
    pub(crate) async fn row<R: Stored>(&self, key: &Bytes) -> Result<Option<R>, Refusal> {
        let row = self.meta.get(key).await.map_err(|error| unavailable(&error))?;
        row.map(|row| R::decode(&row.value).map_err(|error| damaged(&error))).transpose()
    }

    /// Calls `each` with every row of `range`, in key order, a page at a time.
    pub(crate) async fn each_row(
        &self,
        mut range: KeyRange,
        mut each: impl FnMut(&Row) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        loop {
            let rows = self.rows(range.clone(), SCAN_PAGE).await?;
            rows.iter().try_for_each(&mut each)?;
            match rows.last() {
                Some(last) if rows.len() == SCAN_PAGE => {
                    range.start = crate::blocks::following(&last.key);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Reads rows in key order.
    pub(crate) async fn rows(&self, range: KeyRange, limit: usize) -> Result<Vec<Row>, Refusal> {
        self.meta.scan(range, limit).await.map_err(|error| unavailable(&error))
    }
}

/// The answer to a commit that could not be made.
pub(crate) fn refused(error: &CommitError) -> Refusal {
    match error {
        CommitError::Full => Refusal::new(ErrorCode::InsufficientStorage),
        CommitError::Meta(error) => unavailable(error),
        other => Refusal::new(ErrorCode::ServerBusy).with_cause(other),
    }
}

/// The answer when metadata cannot be read.
pub(crate) fn unavailable(error: &MetaError) -> Refusal {
    match error {
        MetaError::Unavailable(_) => Refusal::new(ErrorCode::ServerBusy).with_cause(error),
        _ => Refusal::new(ErrorCode::InternalError).with_cause(error),
    }
}

/// The answer when a row does not decode.
pub(crate) fn damaged(error: &crate::rows::RowError) -> Refusal {
    Refusal::new(ErrorCode::InternalError).with_cause(error)
}

//! The keeper: one thread that writes sealed memtables to tables, merges tables, and makes the
//! segments of the log ready for use again.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lsm_tree::AbstractTree as _;
use lsm_tree::compaction::{CompactionStrategy, Leveled};

use super::trees::{SPACES, Trees};
use crate::stats::Stats;
use crate::wal::{Reach, Wal};

/// Time between two attempts after one that failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// After this time without work the log gives back what it kept in hand.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Sealed memtables of one tree that may wait: more, and commits wait.
const SEALED_MAX: usize = 4;
/// Runs of tables of one tree that may wait to be merged: more, and commits wait.
const RUNS_MAX: usize = 30;
/// Merges of a tree after one flush.
const MERGES_MAX: usize = 8;

pub(crate) struct Keeper {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    trees: Arc<Trees>,
    wal: Arc<Wal>,
    stats: Arc<Stats>,
    /// Of each tree, the last change before its last memtable was sealed.
    sealed: [AtomicU64; SPACES.len()],
    /// Of each tree, the last change that is in tables.
    flushed: [AtomicU64; SPACES.len()],
    state: Mutex<State>,
    wake: Condvar,
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    stopping: bool,
    failing: Option<Failure>,
}

/// Why rows cannot be written to tables.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Whether the disk is full.
    pub(crate) full: bool,
    /// The error's text.
    pub(crate) what: String,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let full = error.kind() == io::ErrorKind::StorageFull;
        Self { full, what: format!("the write-ahead log: {error}") }
    }
}

impl From<lsm_tree::Error> for Failure {
    fn from(error: lsm_tree::Error) -> Self {
        let what = error.to_string();
        let full = matches!(&error, lsm_tree::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull);
        Self { full, what }
    }
}

impl From<&str> for Failure {
    fn from(what: &str) -> Self {
        Self { full: false, what: what.to_owned() }
    }
}

impl Keeper {
    /// Starts the thread. `flushed` is what the trees have in tables.
    pub(crate) fn start(
        trees: Arc<Trees>,
        wal: Arc<Wal>,
        stats: Arc<Stats>,
        flushed: Reach,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            trees,
            wal,
            stats,
            sealed: flushed.map(AtomicU64::new),
            flushed: flushed.map(AtomicU64::new),
            state: Mutex::new(State { wanted: true, ..State::default() }),
            wake: Condvar::new(),
            progress: Condvar::new(),
        });
        let kept = Arc::clone(&shared);
        let named = std::thread::Builder::new().name("keeper".into());
        let thread = named.spawn(move || kept.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Seals the memtable of a tree and has it written to a table; `last` is the last change
    /// applied. To be called by who applies changes.
    pub(crate) fn seal(&self, space: usize, last: u64) {
        let Some(tree) = self.shared.trees.spaces().get(space) else { return };
        if tree.rotate_memtable().is_some() {
            if let Some(sealed) = self.shared.sealed.get(space) {
                sealed.store(last, Ordering::Release);
            }
            self.want();
        }
    }

    /// What each tree has sealed or in tables.
    pub(crate) fn sealed(&self) -> Reach {
        self.shared.sealed.each_ref().map(|sealed| sealed.load(Ordering::Acquire))
    }

    /// Has the thread look for work.
    pub(crate) fn want(&self) {
        self.shared.state().wanted = true;
        self.shared.wake.notify_one();
    }

    /// Has the thread look for work, unless what it did last failed: then it tries again by itself.
    pub(crate) fn want_unless_failing(&self) {
        let is_failing = self.shared.state().failing.is_some();
        if !is_failing {
            self.want();
        }
    }

    /// Waits while the trees have more in hand than they should; the error says why that does not
    /// change.
    pub(crate) fn catch_up(&self) -> Result<(), Failure> {
        let behind = || self.shared.trees.spaces().iter().any(is_behind);
        if !behind() {
            return Ok(());
        }
        let mut state = self.shared.state();
        while behind() {
            if let Some(failing) = &state.failing {
                return Err(failing.clone());
            }
            if state.stopping {
                return Err("the store is closing".into());
            }
            let waited = self.shared.progress.wait_timeout(state, RETRY_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Waits until all sealed memtables are in tables, at most until `deadline`; tells whether they
    /// are.
    pub(crate) fn drain(&self, deadline: Instant) -> bool {
        let waiting = || {
            let flushed = self.shared.flushed().into_iter().zip(self.sealed());
            flushed.into_iter().any(|(flushed, sealed)| flushed < sealed)
        };
        self.want();
        let mut state = self.shared.state();
        while waiting() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.stopping {
                return false;
            }
            let waited = self.shared.progress.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Ends the thread after what it is doing.
    pub(crate) fn stop(&self) {
        self.shared.state().stopping = true;
        self.shared.wake.notify_all();
        self.shared.progress.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the keeper of the metadata store panicked");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_behind(tree: &lsm_tree::AnyTree) -> bool {
    tree.sealed_memtable_count() >= SEALED_MAX || tree.l0_run_count() >= RUNS_MAX
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flushed(&self) -> Reach {
        self.flushed.each_ref().map(|flushed| flushed.load(Ordering::Acquire))
    }

    fn run(&self) {
        while self.wait() {
            // A tree that panics on what it finds on disk must not leave commits waiting for it.
            let done = catch_unwind(AssertUnwindSafe(|| self.work()))
                .unwrap_or_else(|_| Err("the keeper of the metadata store panicked".into()));
            self.note(done.err());
        }
    }

    /// Waits for work; `false` ends the thread.
    fn wait(&self) -> bool {
        let mut state = self.state();
        while !state.wanted && !state.stopping {
            let patience = if state.failing.is_some() { RETRY_INTERVAL } else { IDLE_INTERVAL };
            let waited = self.wake.wait_timeout(state, patience);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() {
                if state.failing.is_some() {
                    break;
                }
                drop(state);
                if let Err(error) = self.wal.rest() {
                    tracing::warn!(%error, "a spare segment of the log was not removed");
                }
                state = self.state();
            }
        }
        state.wanted = false;
        !state.stopping
    }

    /// Notes how the last round ended.
    fn note(&self, failed: Option<Failure>) {
        let mut state = self.state();
        if let Some(failure) = &failed {
            // It is tried again twice a second: the same is not told again.
            if state.failing.as_ref().is_none_or(|failing| failing.what != failure.what) {
                tracing::error!(error = %failure.what, "writing rows to tables failed");
            }
            self.stats.failing.store(true, Ordering::Relaxed);
        } else if state.failing.is_some() {
            tracing::info!("rows are written to tables again");
            self.stats.failing.store(false, Ordering::Relaxed);
        }
        state.failing = failed;
        drop(state);
        self.progress.notify_all();
    }

    /// One round: tables first, for they free the log.
    fn work(&self) -> Result<(), Failure> {
        for (index, tree) in self.trees.spaces().iter().enumerate() {
            let (Some(sealed), Some(flushed)) = (self.sealed.get(index), self.flushed.get(index))
            else {
                continue;
            };
            // It is raised after the memtable is sealed, so all up to here is sealed by now.
            let sealed = sealed.load(Ordering::Acquire);
            if tree.sealed_memtable_count() == 0 {
                flushed.store(sealed, Ordering::Release);
                continue;
            }
            // Rows of one group are in several trees: none may be on disk before the log has all.
            self.wal.sync()?;
            let lock = tree.get_flush_lock();
            tree.flush(&lock, self.trees.watermark())?;
            drop(lock);
            flushed.store(sealed, Ordering::Release);
            self.progress.notify_all();
            self.wal.retire(self.flushed())?;
            self.wal.prepare()?;
            self.merge(tree)?;
        }
        self.wal.retire(self.flushed())?;
        self.wal.prepare()?;
        Ok(())
    }

    /// Merges tables until there is nothing to merge.
    fn merge(&self, tree: &lsm_tree::AnyTree) -> Result<(), lsm_tree::Error> {
        let strategy: Arc<dyn CompactionStrategy> = Arc::new(Leveled::default());
        for _ in 0..MERGES_MAX {
            let before = tree.current_version().id();
            tree.compact(Arc::clone(&strategy), self.trees.watermark())?;
            self.progress.notify_all();
            if tree.current_version().id() == before {
                break;
            }
        }
        Ok(())
    }
}

//! The queue between the callers and the committer: bounded in commits and in bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::meta::{Commit, CommitError, Committed, MetaError};
use crate::wakeups::{self, Receiver, Sender};

/// A commit with the place its answer goes to.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) commit: Commit,
    pub(crate) bytes: usize,
    pub(crate) since: Instant,
    pub(crate) answer: Sender<Result<Committed, CommitError>>,
}

/// How much may wait, and how much one group takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) commits: usize,
    pub(crate) bytes: usize,
    pub(crate) group_commits: usize,
    pub(crate) group_bytes: usize,
}

/// What [`Queue::next_group`] found.
#[derive(Debug)]
pub(crate) enum Next {
    /// Commits to write together, at least one.
    Group(Vec<Waiting>),
    /// Nothing came within the time given.
    Idle,
    /// The queue is closed and empty.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// How many commits the last group had.
    last_group: usize,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default(), filled: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a commit; the receiver gets the answer.
    pub(crate) fn push(
        &self,
        commit: Commit,
    ) -> Result<Receiver<Result<Committed, CommitError>>, CommitError> {
        let bytes = size(&commit);
        let (answer, receiver) = wakeups::answer();
        let mut state = self.state();
        if state.closed {
            return Err(MetaError::Unavailable("the store is closing".into()).into());
        }
        // One commit of any size is let in when nothing waits, so that none is refused for ever.
        let full = state.waiting.len() >= self.bounds.commits
            || (state.bytes + bytes > self.bounds.bytes && !state.waiting.is_empty());
        if full {
            return Err(CommitError::Busy);
        }
        state.bytes += bytes;
        state.waiting.push_back(Waiting { commit, bytes, since: Instant::now(), answer });
        let was_empty = state.waiting.len() == 1;
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(receiver)
    }

    /// Everything that waits, up to the bounds of a group; waits for the first one.
    pub(crate) fn next_group(&self, patience: Option<Duration>) -> Next {
        let mut state = self.state();
        let deadline = patience.map(|patience| Instant::now() + patience);
        while state.waiting.is_empty() {
            if state.closed {
                return Next::Closed;
            }
            let Some(deadline) = deadline else {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Idle;
            }
            let waited = self.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.last_group > 1 {
            // Callers are many, and others of them may be about to queue: on a busy processor they
            // go first, and one sync serves more of them. On an idle one this returns at once.
            drop(state);
            std::thread::yield_now();
            state = self.state();
        }
        let mut group = Vec::with_capacity(state.waiting.len().min(self.bounds.group_commits));
        let mut bytes = 0;
        while group.len() < self.bounds.group_commits && bytes < self.bounds.group_bytes {
            let Some(next) = state.waiting.pop_front() else { break };
            bytes += next.bytes;
            group.push(next);
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        state.last_group = group.len();
        Next::Group(group)
    }

    /// Refuses new commits; those that wait are still handed out.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
    }
}

fn size(commit: &Commit) -> usize {
    let puts = commit.puts.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    let expects = commit.expect.iter().map(|expect| expect.key.len()).sum::<usize>();
    let deletes = commit.deletes.iter().map(bytes::Bytes::len).sum::<usize>();
    puts + expects + deletes + commit.entries.iter().map(bytes::Bytes::len).sum::<usize>() + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { commits: 3, bytes: 2000, group_commits: 2, group_bytes: 10_000 };

    fn put(len: usize) -> Commit {
        Commit { puts: vec![("k".into(), vec![0; len].into())], ..Commit::default() }
    }

    #[test]
    fn refuses_what_is_over_the_bounds_and_hands_out_in_order() {
        let queue = Queue::new(BOUNDS);
        let receivers = [queue.push(put(5000)), queue.push(put(1))];
        assert!(receivers[0].is_ok());
        assert!(matches!(receivers[1], Err(CommitError::Busy)));
        assert!(matches!(queue.next_group(None), Next::Group(group) if group.len() == 1));
        let kept: Vec<_> = (0..4).map(|_| queue.push(put(1))).collect();
        assert!(matches!(kept[3], Err(CommitError::Busy)));
        assert!(matches!(queue.next_group(None), Next::Group(group) if group.len() == 2));
        queue.close();
        assert!(matches!(queue.push(put(1)), Err(CommitError::Meta(_))));
        assert!(matches!(queue.next_group(None), Next::Group(group) if group.len() == 1));
        assert!(matches!(queue.next_group(None), Next::Closed));
    }

    #[test]
    fn an_idle_queue_answers_in_time() {
        let queue = Queue::new(BOUNDS);
        assert!(matches!(queue.next_group(Some(Duration::ZERO)), Next::Idle));
    }
}

//! What is known of queues' messages beside their rows: where the oldest one is, and how many there
//! are.
//!
//! Messages are handed out from the front of a queue, and rows that were removed there are passed
//! over slowly: a queue's line tells where the first row can be. It is only ever a row too early.
//! Nothing here is stored: after a start it is found anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lazuli_base::Timestamp;
use tokio::sync::RwLock;

use crate::rows::MessageRow;
use crate::schema::QueueId;

/// Lines that are kept in memory unless it is told otherwise; beyond it those that nobody uses are
/// found anew.
const LINES_MAX: usize = 50_000;

/// Messages expire in this many steps of the time they are kept, or up to twice as many.
const STEPS: u32 = 512;

/// Rows of expired messages are removed when they are this part of all, or after a pause: a minute, or
/// longer for a queue so long that looking through it would take much of that.
const EXPIRED_PART: u64 = 16;
const EXPIRE_PAUSE: Duration = Duration::from_mins(1);
const EXPIRE_PAUSE_EACH: Duration = Duration::from_micros(100);

/// Where a message's row is in its queue: when it becomes visible, and its number.
pub(super) type Place = (Timestamp, u64);

/// A place after all messages.
const NOWHERE: Place = (Timestamp::from_ticks(u64::MAX), u64::MAX);

/// The lines of the queues that are used.
#[derive(Debug)]
pub(crate) struct Lines {
    all: Mutex<HashMap<QueueId, Arc<Line>>>,
    max: AtomicUsize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { all: Mutex::default(), max: AtomicUsize::new(LINES_MAX) }
    }
}

impl Lines {
    fn all(&self) -> MutexGuard<'_, HashMap<QueueId, Arc<Line>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps at most `max` lines from now on, besides those that are in use.
    pub(super) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// A queue's line.
    pub(super) fn of(&self, queue: QueueId) -> Arc<Line> {
        let mut lines = self.all();
        if let Some(line) = lines.get(&queue) {
            return Arc::clone(line);
        }
        if lines.len() >= self.max.load(Ordering::Relaxed) {
            // Who changes a queue holds its line until the change is told.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        Arc::clone(lines.entry(queue).or_default())
    }

    /// Begins the line of a queue that never had a message.
    pub(super) fn begin_empty(&self, queue: QueueId) {
        self.of(queue).state().counted = Counted::All;
    }

    /// Forgets the line of a queue that is gone.
    pub(super) fn forget(&self, queue: QueueId) {
        self.all().remove(&queue);
    }

    /// The queues that have rows of expired messages enough to be removed at `now`.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<QueueId> {
        let lines = self.all();
        let due = lines.iter().filter(|(_, line)| line.state().is_due(now));
        due.map(|(&queue, _)| queue).collect()
    }
}

/// What is known of a queue's messages.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Held by each who changes messages, until the change is told here; and alone by who counts
    /// them, while he reads a page: a message is either in a page that was counted when it changes,
    /// or in one that is read afterwards.
    pub(super) changing: Arc<RwLock<()>>,
    state: Mutex<State>,
}

/// Somebody who looks for the first row, from a place on.
#[derive(Debug)]
pub(super) struct Look {
    line: Arc<Line>,
    pub(super) from: Place,
}

impl Look {
    pub(super) fn begin(line: &Arc<Line>) -> Self {
        let mut state = line.state();
        if state.looking == 0 {
            state.came = NOWHERE;
        }
        state.looking += 1;
        Self { line: Arc::clone(line), from: state.first }
    }

    /// No row was found before `place`.
    pub(super) fn found(&self, place: Place) {
        let mut state = self.line.state();
        // Who began later may have found that it is further on.
        state.first = state.first.max(place.min(state.came));
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.line.state().looking -= 1;
    }
}

impl Line {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many messages are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Counted {
    /// None.
    #[default]
    None,
    /// Those up to this place.
    To(Place),
    /// All.
    All,
}

#[derive(Debug)]
pub(super) struct State {
    /// No row is before this.
    first: Place,
    /// The first row that came since somebody began to look for the first one.
    came: Place,
    /// How many look for it.
    looking: usize,
    counted: Counted,
    /// Counted messages by the time at which they are gone.
    gone_by: BTreeMap<Timestamp, u64>,
    total: u64,
    /// Rows of expired messages were in the way.
    saw_expired: bool,
    expired_at: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            first: Place::default(),
            came: NOWHERE,
            looking: 0,
            counted: Counted::None,
            gone_by: BTreeMap::new(),
            total: 0,
            saw_expired: false,
            expired_at: None,
        }
    }
}

impl State {
    /// A row may be at `place` from now on, or from soon on.
    pub(super) fn may_come(&mut self, place: Place) {
        self.first = self.first.min(place);
        self.came = self.came.min(place);
    }

    /// A row came.
    pub(super) fn came(&mut self, place: Place, row: &MessageRow) {
        self.may_come(place);
        if self.has_counted(place) {
            self.count(row);
        }
    }

    /// A row went.
    pub(super) fn went(&mut self, place: Place, row: &MessageRow) {
        if !self.has_counted(place) {
            return;
        }
        let by = gone_by(row);
        if let Some(count) = self.gone_by.get_mut(&by) {
            *count -= 1;
            self.total -= 1;
            if *count == 0 {
                self.gone_by.remove(&by);
            }
        }
    }

    fn has_counted(&self, place: Place) -> bool {
        match self.counted {
            Counted::None => false,
            Counted::To(last) => place <= last,
            Counted::All => true,
        }
    }

    pub(super) fn count(&mut self, row: &MessageRow) {
        *self.gone_by.entry(gone_by(row)).or_default() += 1;
        self.total += 1;
    }

    pub(super) const fn counted(&self) -> Counted {
        self.counted
    }

    pub(super) const fn set_counted(&mut self, counted: Counted) {
        self.counted = counted;
    }

    /// Counted messages that are not gone at `now`, or not long.
    pub(super) fn number(&self, now: Timestamp) -> u64 {
        self.total - self.expired(now)
    }

    fn expired(&self, now: Timestamp) -> u64 {
        self.gone_by.range(..=now).map(|(_, count)| count).sum()
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let expired = self.expired(now);
        let many = self.counted == Counted::All && expired >= self.total / EXPIRED_PART;
        let each = EXPIRE_PAUSE_EACH.saturating_mul(u32::try_from(self.total).unwrap_or(u32::MAX));
        let waited = self.expired_at.is_none_or(|at| at.elapsed() >= EXPIRE_PAUSE.max(each));
        (expired > 0 || self.saw_expired) && (many || waited)
    }

    /// Rows of expired messages were in the way of somebody who looked for others.
    pub(super) const fn saw_expired(&mut self) {
        self.saw_expired = true;
    }

    /// Rows of expired messages are about to be removed.
    pub(super) fn expires(&mut self) {
        self.saw_expired = false;
        self.expired_at = Some(Instant::now());
    }
}

/// When a message is gone, or a little later: in steps of the time it is kept, so that there are
/// few.
fn gone_by(row: &MessageRow) -> Timestamp {
    let Some(expires) = row.expires else { return NOWHERE.0 };
    let kept = expires.ticks().saturating_sub(row.inserted.ticks());
    let step = 1 << (kept / u64::from(STEPS)).checked_ilog2().unwrap_or(0);
    Timestamp::from_ticks(expires.ticks().checked_next_multiple_of(step).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_use_is_kept_and_others_are_forgotten() {
        let lines = Lines::default();
        lines.set_max(2);
        let used = lines.of(QueueId(0));
        for queue in 1..10 {
            lines.begin_empty(QueueId(queue));
            assert!(lines.all().len() <= 2);
        }
        assert!(Arc::ptr_eq(&used, &lines.of(QueueId(0))));
        // It was forgotten: what it has is to be counted.
        assert_eq!(lines.of(QueueId(1)).state().counted(), Counted::None);
        let all: Vec<_> = (0..5).map(|queue| lines.of(QueueId(queue))).collect();
        assert_eq!(lines.all().len(), 5, "those in use are kept beyond the bound");
        drop((used, all));
        lines.of(QueueId(9));
        assert_eq!(lines.all().len(), 1);
    }
}

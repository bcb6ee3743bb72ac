//! Wall-clock time in 100-nanosecond ticks, the granularity of Azure's entity tags and snapshots.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Ticks in one second: a tick is 100 nanoseconds.
pub const TICKS_PER_SECOND: u64 = 10_000_000;

const TICKS_PER_MILLISECOND: u64 = TICKS_PER_SECOND / 1000;

/// Ticks between 0001-01-01T00:00:00Z and 1970-01-01T00:00:00Z.
const UNIX_EPOCH_TICKS: u64 = 621_355_968_000_000_000;

/// A moment, as 100-nanosecond ticks since 0001-01-01T00:00:00Z (the Gregorian calendar, UTC).
///
/// The scale is the one Azure Storage shows: an entity tag is such a number in hexadecimal and a
/// snapshot identifier is such a number printed as a date.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `ticks` 100-nanosecond ticks after 0001-01-01T00:00:00Z.
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// The number of 100-nanosecond ticks since 0001-01-01T00:00:00Z.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// The moment `seconds` after 1970-01-01T00:00:00Z; moments before year 1 become year 1.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        let ticks = seconds.saturating_mul(TICKS_PER_SECOND as i64);
        Self((UNIX_EPOCH_TICKS as i64).saturating_add(ticks).max(0) as u64)
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        let ticks = if self.0 > i64::MAX as u64 { i64::MAX } else { self.0 as i64 };
        (ticks - UNIX_EPOCH_TICKS as i64).div_euclid(TICKS_PER_SECOND as i64)
    }

    /// Whole milliseconds since 1970-01-01T00:00:00Z, as the transparency log tells times; 0 before
    /// the first second of 1970.
    pub fn unix_millis(self) -> u64 {
        let seconds = u64::try_from(self.unix_seconds()).unwrap_or(0);
        seconds * 1000 + u64::from(self.subsecond_ticks()) / TICKS_PER_MILLISECOND
    }

    /// The fraction of the second, in ticks (0 to 9,999,999).
    pub const fn subsecond_ticks(self) -> u32 {
        (self.0 % TICKS_PER_SECOND) as u32
    }

    /// The same moment without its fraction of a second.
    pub const fn truncate_to_second(self) -> Self {
        Self(self.0 - self.0 % TICKS_PER_SECOND)
    }

    /// This moment plus `duration`, at most the largest moment that can be told.
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ticks_of(duration)))
    }

    /// This moment minus `duration`, at least the first moment of year 1.
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(ticks_of(duration)))
    }

    /// How long after `earlier` this moment is; zero if it is not later.
    pub const fn since(self, earlier: Self) -> Duration {
        let ticks = self.0.saturating_sub(earlier.0);
        Duration::new(ticks / TICKS_PER_SECOND, (ticks % TICKS_PER_SECOND) as u32 * 100)
    }
}

const fn ticks_of(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(TICKS_PER_SECOND)
        .saturating_add(duration.subsec_nanos() as u64 / 100)
}

/// A source of wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// The present moment by what has passed since the program began, whatever the clock was set to
    /// meanwhile. What is thrown away for its age is thrown away when it is old by both.
    fn steady(&self) -> Timestamp {
        self.now()
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// What the clock showed when it was looked at for the first time, and that moment.
static BEGAN: OnceLock<(Timestamp, Instant)> = OnceLock::new();

fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(UNIX_EPOCH_TICKS.saturating_add(ticks_of(since)))
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = system_time();
        BEGAN.get_or_init(|| (now, Instant::now()));
        now
    }

    fn steady(&self) -> Timestamp {
        let (began, moment) = BEGAN.get_or_init(|| (system_time(), Instant::now()));
        began.saturating_add(moment.elapsed())
    }
}

/// A clock that stands still until it is moved: for tests and simulation.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    steady: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub const fn new(start: Timestamp) -> Self {
        Self { now: AtomicU64::new(start.ticks()), steady: AtomicU64::new(start.ticks()) }
    }

    /// Lets `duration` pass.
    pub fn advance(&self, duration: Duration) {
        for time in [&self.now, &self.steady] {
            time.fetch_add(ticks_of(duration), Ordering::SeqCst);
        }
    }

    /// Sets the clock, forward or back, although no time has passed.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.ticks(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Timestamp {
        Timestamp(self.steady.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_count_from_1970() {
        let at = Timestamp::from_unix_seconds(1_760_000_000);
        let later = Timestamp::from_ticks(at.ticks() + 1_239_999);
        assert_eq!((at.unix_millis(), later.unix_millis()), (1_760_000_000_000, 1_760_000_000_123));
        assert_eq!(Timestamp::from_unix_seconds(-1).unix_millis(), 0);
    }

    #[test]
    fn a_clock_that_is_set_goes_on_steadily() {
        let start = Timestamp::from_unix_seconds(10);
        let clock = ManualClock::new(start);
        clock.set(Timestamp::from_unix_seconds(1000));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::from_unix_seconds(1001));
        assert_eq!(clock.steady(), Timestamp::from_unix_seconds(11));
        let (before, steady) = (SystemClock.steady(), SystemClock.steady());
        assert!(before <= steady && steady.since(SystemClock.now()) < Duration::from_secs(1));
    }

    #[test]
    fn unix_seconds_round_trip() {
        for seconds in [-1, 0, 1, 1_700_000_000, -62_135_596_800] {
            assert_eq!(Timestamp::from_unix_seconds(seconds).unix_seconds(), seconds);
        }
    }

    #[test]
    fn differences_keep_the_fraction() {
        let start = Timestamp::from_unix_seconds(10);
        let later = start.saturating_add(Duration::from_millis(1500));
        assert_eq!(later.since(start), Duration::from_millis(1500));
        assert_eq!(start.since(later), Duration::ZERO);
        assert_eq!(later.subsecond_ticks(), 5_000_000);
        assert_eq!(later.truncate_to_second().unix_seconds(), 11);
    }
}

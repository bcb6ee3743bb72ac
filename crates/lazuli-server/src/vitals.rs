//! What a connection is doing and since when, so that one seldom-running timer can judge it.
//!
//! The request path only stores a few relaxed atomics; arming and disarming a timer for every
//! request would cost more than the requests' other bookkeeping together.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;

/// Marks in [`Vitals::stalled_since`] that the client takes what is written.
const NOT_STALLED: u64 = u64::MAX;

/// Why a connection was closed by this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// No request came for too long.
    Idle,
    /// A request's head took too long.
    SlowHead,
    /// The client did not take a response for too long, or takes it too slowly.
    SlowReader,
    /// The server stops.
    Stopping,
}

/// A connection's state, shared by its socket, its requests and its timer.
#[derive(Debug)]
pub(crate) struct Vitals {
    opened: Instant,
    phase: AtomicU8,
    /// Microseconds after `opened`.
    since: AtomicU64,
    /// Microseconds after `opened`, or [`NOT_STALLED`].
    stalled_since: AtomicU64,
    reads_too_slowly: AtomicBool,
    draining: AtomicBool,
}

impl Vitals {
    /// A connection that has just been opened: its first head is awaited.
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            phase: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(NOT_STALLED),
            reads_too_slowly: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        self.opened.elapsed().as_micros() as u64
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// Bytes arrived: between requests, they are the first of a head.
    pub(crate) fn received(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    /// A request's head is complete.
    pub(crate) fn begin_request(&self) {
        self.enter(BUSY);
    }

    /// A response's last byte was handed to the socket.
    pub(crate) fn end_request(&self) {
        self.enter(IDLE);
    }

    /// The socket takes no more bytes.
    pub(crate) fn stalled(&self) {
        if self.stalled_since.load(Ordering::Relaxed) == NOT_STALLED {
            self.stalled_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The socket took bytes; how long it had not.
    pub(crate) fn flowed(&self) -> Duration {
        let since = self.stalled_since.load(Ordering::Relaxed);
        if since == NOT_STALLED {
            return Duration::ZERO;
        }
        self.stalled_since.store(NOT_STALLED, Ordering::Relaxed);
        Duration::from_micros(self.now().saturating_sub(since))
    }

    /// The client takes responses below the least rate.
    pub(crate) fn set_reads_too_slowly(&self) {
        self.reads_too_slowly.store(true, Ordering::Relaxed);
    }

    /// The server takes no further requests.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server takes no further requests.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether the connection has overrun one of its limits.
    pub(crate) fn verdict(&self, limits: &Limits) -> Option<Cut> {
        let now = self.now();
        let over = |since: u64, limit: Duration| {
            now.saturating_sub(since) > u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)
        };
        let stalled = self.stalled_since.load(Ordering::Relaxed);
        if stalled != NOT_STALLED && over(stalled, limits.write_stall)
            || self.reads_too_slowly.load(Ordering::Relaxed)
        {
            return Some(Cut::SlowReader);
        }
        let since = self.since.load(Ordering::Relaxed);
        match self.phase.load(Ordering::Relaxed) {
            HEAD if over(since, limits.head_read) => Some(Cut::SlowHead),
            IDLE if over(since, limits.idle) => Some(Cut::Idle),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(at_once: impl FnOnce(&mut Limits)) -> Limits {
        let mut limits = Limits::default();
        at_once(&mut limits);
        limits
    }

    /// Moves the connection's past back by a second instead of waiting for one.
    fn aged(mut vitals: Vitals) -> Vitals {
        vitals.opened = vitals.opened.checked_sub(Duration::from_secs(1)).unwrap();
        vitals
    }

    #[test]
    fn each_phase_has_its_own_limit() {
        let short = Duration::from_millis(500);
        let head = limits(|limits| limits.head_read = short);
        let idle = limits(|limits| limits.idle = short);
        let vitals = aged(Vitals::new());
        assert_eq!((vitals.verdict(&head), vitals.verdict(&idle)), (Some(Cut::SlowHead), None));
        let vitals = Vitals::new();
        vitals.begin_request();
        let vitals = aged(vitals);
        assert_eq!((vitals.verdict(&head), vitals.verdict(&idle)), (None, None));
        let vitals = Vitals::new();
        vitals.end_request();
        let vitals = aged(vitals);
        assert_eq!((vitals.verdict(&head), vitals.verdict(&idle)), (None, Some(Cut::Idle)));
        vitals.received();
        assert_eq!((vitals.verdict(&head), vitals.verdict(&idle)), (None, None));
    }

    #[test]
    fn a_stall_ends_when_bytes_flow() {
        let short = limits(|limits| limits.write_stall = Duration::from_millis(500));
        let vitals = Vitals::new();
        vitals.begin_request();
        vitals.stalled();
        let vitals = aged(vitals);
        assert_eq!(vitals.verdict(&short), Some(Cut::SlowReader));
        assert!(vitals.flowed() >= Duration::from_secs(1));
        assert_eq!(vitals.verdict(&short), None);
        assert_eq!(vitals.flowed(), Duration::ZERO);
        vitals.set_reads_too_slowly();
        assert_eq!(vitals.verdict(&Limits::default()), Some(Cut::SlowReader));
    }
}

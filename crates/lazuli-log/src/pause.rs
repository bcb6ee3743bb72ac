//! Why no entry is taken, if none is: for good, or until what could not be written is written.
//!
//! Whether is known without waiting for anything, so that each read can ask; the reason is behind a
//! lock that is held for no longer than it takes to copy it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lazuli_base::Halted;

/// A pause that may be.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    halted: Halted,
    reason: Mutex<Option<Reason>>,
}

#[derive(Debug)]
struct Reason {
    why: String,
    is_for_good: bool,
}

impl Pause {
    fn reason(&self) -> MutexGuard<'_, Option<Reason>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, why: String, is_for_good: bool) {
        let mut reason = self.reason();
        // The first reason stays, unless a graver one comes.
        if reason.as_ref().is_none_or(|known| is_for_good && !known.is_for_good) {
            *reason = Some(Reason { why, is_for_good });
        }
        self.halted.set(true);
    }

    /// Takes no entry any more.
    pub(crate) fn for_good(&self, why: String) {
        tracing::error!(%why, "the transparency log stopped: writes and reads are refused");
        self.begin(why, true);
    }

    /// Takes no entry until [`Self::end`].
    pub(crate) fn for_now(&self, why: String) {
        if !self.halted.get() {
            tracing::error!(%why, "writes and reads are refused until the transparency log is written");
        }
        self.begin(why, false);
    }

    /// Takes entries again, unless it stopped for good.
    pub(crate) fn end(&self) {
        let mut reason = self.reason();
        if reason.as_ref().is_some_and(|known| !known.is_for_good) {
            *reason = None;
            self.halted.set(false);
            tracing::warn!("the transparency log is written again");
        }
    }

    /// Whether it takes no entry.
    pub(crate) fn is_on(&self) -> bool {
        self.halted.get()
    }

    /// Whether it takes no entry any more.
    pub(crate) fn is_for_good(&self) -> bool {
        self.is_on() && self.reason().as_ref().is_some_and(|known| known.is_for_good)
    }

    /// Why it takes no entry.
    pub(crate) fn why(&self) -> Option<String> {
        if !self.is_on() {
            return None;
        }
        self.reason().as_ref().map(|known| known.why.clone())
    }

    /// Tells whether it takes no entry.
    pub(crate) fn halted(&self) -> Halted {
        self.halted.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_unless_it_is_for_good() {
        let pause = Pause::default();
        let halted = pause.halted();
        assert_eq!((pause.why(), halted.get()), (None, false));
        pause.for_now("one".to_owned());
        pause.for_now("two".to_owned());
        assert_eq!((pause.why().as_deref(), pause.is_for_good()), (Some("one"), false));
        assert!(halted.get());
        pause.end();
        assert_eq!((pause.why(), halted.get()), (None, false));
        pause.for_now("three".to_owned());
        pause.for_good("four".to_owned());
        pause.for_good("five".to_owned());
        pause.for_now("six".to_owned());
        pause.end();
        assert_eq!((pause.why().as_deref(), pause.is_for_good()), (Some("four"), true));
        assert!(halted.get());
    }
}

//! Read pins: what was freed stays on disk until every read that may still see it has ended.
//!
//! Each removal gets an epoch; a pin remembers the epoch it was taken in. A removal runs once no
//! pin from before it is left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::extents::{ExtentId, ReadPin};

type Remove = Box<dyn Fn(ExtentId) + Send + Sync>;

/// The pins of one set of extents.
pub(crate) struct Pins {
    state: Mutex<State>,
    remove: Remove,
}

#[derive(Default)]
struct State {
    epoch: u64,
    active: BTreeMap<u64, usize>,
    waiting: VecDeque<(u64, ExtentId)>,
}

struct Pin {
    pins: Arc<Pins>,
    epoch: u64,
}

impl ReadPin for Pin {}

impl Pins {
    /// Pins that call `remove` for each freed extent when its time has come.
    pub(crate) fn new(remove: Remove) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), remove })
    }

    /// Holds back the removals that are asked for from now on.
    pub(crate) fn pin(self: &Arc<Self>) -> Box<dyn ReadPin> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = state.epoch;
        *state.active.entry(epoch).or_default() += 1;
        Box::new(Pin { pins: Arc::clone(self), epoch })
    }

    /// Removes `extent` when no pin taken before this call is left; now, if there is none.
    pub(crate) fn free(&self, extent: ExtentId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.epoch += 1;
        let epoch = state.epoch;
        if state.active.is_empty() {
            drop(state);
            (self.remove)(extent);
        } else if !state.waiting.iter().any(|(_, waiting)| *waiting == extent) {
            state.waiting.push_back((epoch, extent));
        }
    }

    /// Extents that are freed but still held by a pin.
    pub(crate) fn waiting(&self) -> Vec<ExtentId> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.iter().map(|(_, extent)| *extent).collect()
    }

    fn unpin(&self, epoch: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = state.active.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                state.active.remove(&epoch);
            }
        }
        let oldest = state.active.keys().next().copied().unwrap_or(u64::MAX);
        let mut due = Vec::new();
        while state.waiting.front().is_some_and(|(freed, _)| *freed <= oldest) {
            due.extend(state.waiting.pop_front().map(|(_, extent)| extent));
        }
        drop(state);
        due.into_iter().for_each(&self.remove);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pins.unpin(self.epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_waits_for_older_pins_only() {
        let removed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&removed);
        let pins = Pins::new(Box::new(move |id| log.lock().unwrap().push(id.0)));
        let older = pins.pin();
        pins.free(ExtentId(1));
        let newer = pins.pin();
        pins.free(ExtentId(2));
        assert_eq!(*removed.lock().unwrap(), [0_u64; 0]);
        drop(older);
        assert_eq!(*removed.lock().unwrap(), [1]);
        drop(newer);
        assert_eq!(*removed.lock().unwrap(), [1, 2]);
        pins.free(ExtentId(3));
        assert_eq!(*removed.lock().unwrap(), [1, 2, 3]);
    }
}

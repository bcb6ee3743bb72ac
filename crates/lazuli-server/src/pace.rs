//! Whether a peer moves bytes fast enough while it is waited for.
//!
//! Only time spent waiting for the peer counts: a client is not cut off because the disk is slow.

use std::time::Duration;

use crate::Limits;

/// The least speed of a peer, over windows of waiting time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    window: Duration,
    bytes_per_second_min: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// A fresh window by `limits`.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            window: limits.rate_window,
            bytes_per_second_min: limits.bytes_per_second_min,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Records that `bytes` moved after a wait of `waited`, and says whether that is still fast
    /// enough. A full window starts anew, so that speed of long ago excuses nothing.
    pub(crate) fn moved(&mut self, bytes: u64, waited: Duration) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited += waited;
        if self.waited < self.window {
            return true;
        }
        let wanted = self.waited.as_secs_f64() * self.bytes_per_second_min as f64;
        let enough = self.bytes as f64 >= wanted;
        self.waited = Duration::ZERO;
        self.bytes = 0;
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(&Limits {
            rate_window: Duration::from_secs(10),
            bytes_per_second_min: 100,
            ..Limits::default()
        })
    }

    #[test]
    fn a_byte_a_second_fails_at_the_end_of_the_window() {
        let mut pace = pace();
        let verdicts: Vec<bool> = (0..10).map(|_| pace.moved(1, Duration::from_secs(1))).collect();
        assert_eq!(verdicts, [[true; 9].as_slice(), &[false]].concat());
    }

    #[test]
    fn past_speed_excuses_nothing() {
        let mut pace = pace();
        assert!(pace.moved(1 << 40, Duration::from_secs(10)));
        assert!(!pace.moved(999, Duration::from_secs(10)));
    }

    #[test]
    fn bytes_that_were_not_waited_for_cost_no_time() {
        let mut pace = pace();
        assert!((0..1_000_000).all(|_| pace.moved(1, Duration::ZERO)));
        assert!(pace.moved(0, Duration::from_secs(9)));
    }
}

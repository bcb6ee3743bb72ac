//! What the log counts: plain numbers that whoever watches the server reads when asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The numbers of a running log. They are written by the sealer and the witnesses' clients, and may
/// be read at any time.
#[derive(Debug, Default)]
pub struct LogStats {
    /// Segments in the spine, from the beginning of the log.
    pub segments: AtomicU64,
    /// Closed segments that the spine lacks.
    pub waiting: AtomicU64,
    /// Leaves of the spine.
    pub spine_size: AtomicU64,
    /// The size of the last checkpoint; 0 before there is one.
    pub checkpoint_size: AtomicU64,
    /// When the last checkpoint was signed, in milliseconds since 1970; 0 before there is one.
    pub checkpoint_ms: AtomicU64,
    /// The size of the newest checkpoint with a quorum of witnesses; 0 before there is one.
    pub witnessed_size: AtomicU64,
    /// Whether no entry is taken.
    pub paused: AtomicBool,
    /// Whether that is because what is stored of the log is not what was entered.
    pub damaged: AtomicBool,
    /// The window of the last gap, in milliseconds since 1970; zeros without one.
    pub gap_ms: [AtomicU64; 2],
    /// The witnesses that are asked to cosign.
    pub witnesses: Vec<WitnessStats>,
}

/// The numbers of one witness.
#[derive(Debug)]
pub struct WitnessStats {
    /// Its name in the policy.
    pub name: String,
    /// Where it is reached.
    pub url: String,
    /// The size of the newest checkpoint that it is known to have cosigned.
    pub size: AtomicU64,
    /// When it did, in milliseconds since 1970; 0 if it did not.
    pub cosigned_ms: AtomicU64,
    /// How often it was asked.
    pub requests: AtomicU64,
    /// How often it did not cosign.
    pub failures: AtomicU64,
    error: Mutex<Option<String>>,
}

/// Leaves that may lack a quorum of witnesses before the log counts as unwitnessed: what is cosigned
/// lags by a round trip, and a leaf comes about every second.
const UNWITNESSED_LEAVES: u64 = 10;

impl LogStats {
    /// How many leaves of the last checkpoint no quorum of witnesses vouches for.
    pub fn unwitnessed(&self) -> u64 {
        let size = self.checkpoint_size.load(Ordering::Relaxed);
        size.saturating_sub(self.witnessed_size.load(Ordering::Relaxed))
    }

    /// Whether the witnesses are more than a few seconds behind: what is verified now is below the
    /// quorum.
    pub fn is_unwitnessed(&self) -> bool {
        self.unwitnessed() > UNWITNESSED_LEAVES
    }

    /// How many leaves of the last checkpoint a witness has not vouched for.
    pub fn lag(&self, witness: &WitnessStats) -> u64 {
        let size = self.checkpoint_size.load(Ordering::Relaxed);
        size.saturating_sub(witness.size.load(Ordering::Relaxed))
    }
}

impl WitnessStats {
    /// A witness that was never asked.
    pub fn new(name: String, url: String) -> Self {
        Self {
            name,
            url,
            size: AtomicU64::new(0),
            cosigned_ms: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            error: Mutex::default(),
        }
    }

    /// Why it did not cosign the last time; `None` if it did.
    pub fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that it cosigned.
    pub(crate) fn cosigned(&self, size: u64, now_ms: u64) {
        self.size.fetch_max(size, Ordering::Relaxed);
        self.cosigned_ms.store(now_ms, Ordering::Relaxed);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes that it did not; whether that is news.
    pub(crate) fn failed(&self, why: String) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = error.as_ref() != Some(&why);
        *error = Some(why);
        is_news
    }
}

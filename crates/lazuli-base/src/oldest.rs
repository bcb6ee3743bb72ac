//! Since when something has been waiting, told by who keeps it to who must know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The time since which the oldest of several things has been waiting; none while nothing waits. All
/// clones are one.
#[derive(Clone, Debug, Default)]
pub struct Oldest(Arc<AtomicU64>);

impl Oldest {
    /// Says since when the oldest waits, in milliseconds since 1970; `None` if nothing does.
    pub fn set(&self, since_ms: Option<u64>) {
        self.0.store(since_ms.map_or(0, |ms| ms.max(1)), Ordering::SeqCst);
    }

    /// Since when the oldest waits, in milliseconds since 1970; `None` if nothing does.
    pub fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|ms| *ms > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_tell_the_same() {
        let (oldest, other) = {
            let oldest = Oldest::default();
            (oldest.clone(), oldest)
        };
        assert_eq!(other.get(), None);
        oldest.set(Some(7));
        assert_eq!(other.get(), Some(7));
        oldest.set(None);
        assert_eq!(other.get(), None);
    }
}

//! Which rows may have changed since some commit: what spares the committer most reads, and tells
//! whether a cached row is still the row.
//!
//! A table of the last commit that wrote a row of each hash. Rows share places in it, so it can say
//! that a row changed that did not, never the other way round.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::meta::Version;

/// Places in the table: a few times as many as commits are under way between a read and its commit.
const PLACES: usize = 1 << 16;

pub(crate) struct Recent {
    hasher: RandomState,
    /// Nothing is known of commits up to this one.
    since: Version,
    last: Box<[AtomicU64]>,
}

impl Recent {
    /// A table that knows of commits after `last`.
    pub(crate) fn new(last: Version) -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), since: last, last: places }
    }

    fn place(&self, key: &[u8]) -> usize {
        self.hasher.hash_one(key) as usize % PLACES
    }

    /// Notes that a commit writes a row, before anybody can see that it did. The committer's alone.
    pub(crate) fn changed(&self, key: &[u8], version: Version) {
        if let Some(last) = self.last.get(self.place(key)) {
            last.store(version.0, Ordering::Release);
        }
    }

    /// Whether a row may differ from what a reader saw who knew of commit `since`; who knew of none
    /// is told that it may.
    pub(crate) fn may_have_changed(&self, key: &[u8], since: Version) -> bool {
        since.0 == 0
            || since < self.since
            || self
                .last
                .get(self.place(key))
                .is_none_or(|last| last.load(Ordering::Acquire) > since.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_written_since_may_have_changed() {
        let recent = Recent::new(Version(5));
        assert!(recent.may_have_changed(b"a", Version(4)), "nothing is known that far back");
        assert!(!recent.may_have_changed(b"a", Version(5)));
        recent.changed(b"a", Version(6));
        assert!(recent.may_have_changed(b"a", Version(5)));
        assert!(!recent.may_have_changed(b"a", Version(6)));
    }
}

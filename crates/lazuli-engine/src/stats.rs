//! Counters of the engine, for whoever exports metrics. Reading them costs nothing to the engine.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A histogram with buckets at powers of two.
///
/// Bucket `i` counts values below `2^i` and not below `2^(i-1)`; the last one takes the rest.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; Self::BUCKETS],
    sum: AtomicU64,
}

impl Histogram {
    /// The number of buckets.
    pub const BUCKETS: usize = 28;

    /// Counts one value.
    pub fn record(&self, value: u64) {
        let bucket = (u64::BITS - value.leading_zeros()) as usize;
        if let Some(bucket) = self.buckets.get(bucket.min(Self::BUCKETS - 1)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration in microseconds.
    pub fn record_micros(&self, duration: Duration) {
        self.record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Each bucket's exclusive upper bound with its count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets
            .iter()
            .enumerate()
            .map(|(index, count)| (1_u64 << index, count.load(Ordering::Relaxed)))
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// The number of values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// What the engine counts since it was opened.
#[derive(Debug, Default)]
pub struct Stats {
    /// Whether commits are refused because the disk failed under one: see [`crate::Meta`].
    pub failing: AtomicBool,
    /// Whether a sync failed, so that writes are refused until a restart.
    pub poisoned: AtomicBool,
    /// Durable commits.
    pub commits: AtomicU64,
    /// Commits refused because an expectation did not hold.
    pub conflicts: AtomicU64,
    /// Commits refused because the queue was full.
    pub busy: AtomicU64,
    /// Groups written: one sync each.
    pub groups: AtomicU64,
    /// Commits per group.
    pub group_commits: Histogram,
    /// From the queue to the answer, in microseconds.
    pub commit_micros: Histogram,
    /// Writing and syncing one group's metadata, in microseconds.
    pub meta_sync_micros: Histogram,
    /// Syncing one extent before a group, in microseconds.
    pub extent_sync_micros: Histogram,
    /// Bytes in extent files, frames included; set by [`crate::Extents::sealed`] and kept since.
    pub extent_bytes: AtomicU64,
    /// Bytes in extent files that nothing names; set by the layer that knows the names.
    pub extent_bytes_dead: AtomicU64,
    /// Payload bytes written to extents.
    pub extent_bytes_written: AtomicU64,
    /// Payload bytes read from extents.
    pub extent_bytes_read: AtomicU64,
    /// Frames or rows that did not match their checksum.
    pub damage: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, value: u64) {
        counter.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn sub(counter: &AtomicU64, value: u64) {
        let less = |current: u64| Some(current.saturating_sub(value));
        let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_their_bucket() {
        let histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, u64::MAX] {
            histogram.record(value);
        }
        let filled: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(1, 1), (2, 1), (4, 2), (8, 1), (1 << 27, 1)]);
        assert_eq!(histogram.count(), 6);
    }
}

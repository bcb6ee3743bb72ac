//! The engine's counters as metrics: read when somebody asks, so they cost the engine nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lazuli_engine::stats::{Histogram, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

const MICROS_PER_SECOND: f64 = 1e6;

/// Reads the engine's [`Stats`] at each scrape.
#[derive(Debug)]
pub(crate) struct EngineMetrics {
    stats: Arc<Stats>,
}

impl EngineMetrics {
    pub(crate) fn new(stats: Arc<Stats>) -> Self {
        Self { stats }
    }
}

impl Collector for EngineMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &*self.stats;
        let e = &mut encoder;
        counter(e, "commits", "Durable commits", &stats.commits)?;
        counter(e, "commit_conflicts", "Commits whose expectations failed", &stats.conflicts)?;
        counter(e, "commits_refused_busy", "Commits refused by a full queue", &stats.busy)?;
        counter(e, "commit_groups", "Groups of commits, one sync each", &stats.groups)?;
        histogram(e, "commit_group_size", "Commits per group", &stats.group_commits, 1.0)?;
        let commit = "From the queue to the durable answer";
        seconds(e, "commit_duration_seconds", commit, &stats.commit_micros)?;
        let meta = "Writing and syncing one group's metadata";
        seconds(e, "meta_sync_duration_seconds", meta, &stats.meta_sync_micros)?;
        let extent = "Syncing one extent before its group";
        seconds(e, "extent_sync_duration_seconds", extent, &stats.extent_sync_micros)?;
        let total = stats.extent_bytes.load(Ordering::Relaxed);
        let dead = stats.extent_bytes_dead.load(Ordering::Relaxed);
        let live = total.saturating_sub(dead);
        gauge(e, "extent_live_bytes", "Bytes in extent files that are named", live)?;
        gauge(e, "extent_dead_bytes", "Bytes in extent files that nothing names", dead)?;
        let written = "Payload bytes written to extents";
        counter(e, "extent_written_bytes", written, &stats.extent_bytes_written)?;
        let read = "Payload bytes read from extents";
        counter(e, "extent_read_bytes", read, &stats.extent_bytes_read)?;
        counter(e, "damage", "Frames or rows with a wrong checksum", &stats.damage)
    }
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &AtomicU64,
) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, _, u64>(&value.load(Ordering::Relaxed), None)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

fn seconds(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &Histogram,
) -> fmt::Result {
    histogram(encoder, name, help, values, MICROS_PER_SECOND)
}

/// Encodes `values`, each divided by `scale`.
fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &Histogram,
    scale: f64,
) -> fmt::Result {
    let mut buckets: Vec<(f64, u64)> =
        values.buckets().map(|(bound, count)| (bound as f64 / scale, count)).collect();
    // The last bucket takes the rest.
    if let Some((bound, _)) = buckets.last_mut() {
        *bound = f64::INFINITY;
    }
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder
        .encode_descriptor(name, help, None, MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(values.sum() as f64 / scale, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    #[test]
    fn the_engines_counters_are_rendered() {
        let stats = Arc::new(Stats::default());
        stats.commits.store(3, Ordering::Relaxed);
        stats.extent_bytes.store(100, Ordering::Relaxed);
        stats.extent_bytes_dead.store(30, Ordering::Relaxed);
        stats.commit_micros.record(1000);
        stats.commit_micros.record(u64::MAX / 2);
        let text = Metrics::new(Some(stats)).render().unwrap();
        for line in [
            "lazuli_commits_total 3",
            "lazuli_extent_live_bytes 70",
            "lazuli_extent_dead_bytes 30",
            r#"lazuli_commit_duration_seconds_bucket{le="0.001024"} 1"#,
            r#"lazuli_commit_duration_seconds_bucket{le="+Inf"} 2"#,
            "lazuli_commit_duration_seconds_count 2",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }
}

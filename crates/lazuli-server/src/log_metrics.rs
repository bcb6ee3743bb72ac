//! The transparency log's numbers as metrics: read when somebody asks, so they cost the log nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lazuli_base::Clock;
use lazuli_log::stats::{LogStats, WitnessStats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the log's [`LogStats`] at each scrape.
pub(crate) struct LogMetrics {
    stats: Arc<LogStats>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for LogMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMetrics").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl LogMetrics {
    pub(crate) fn new(stats: Arc<LogStats>, clock: Arc<dyn Clock>) -> Self {
        Self { stats, clock }
    }

    /// The time since a moment in milliseconds since 1970, in seconds; 0 if it has not come yet.
    fn age(&self, since_ms: u64) -> f64 {
        let now = self.clock.now();
        let now_ms = now.unix_seconds() as f64 * 1e3 + f64::from(now.subsecond_ticks()) / 1e4;
        if since_ms == 0 { 0.0 } else { ((now_ms - since_ms as f64) / 1e3).max(0.0) }
    }
}

impl Collector for LogMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &*self.stats;
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let e = &mut encoder;
        let sealed = "Segments in the spine of the transparency log";
        e.encode_descriptor("log_segments", sealed, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&load(&stats.segments), None)?;
        let waiting = "Closed segments that are not in the spine yet";
        gauge(e, "log_segments_waiting", waiting, load(&stats.waiting))?;
        gauge(e, "log_leaves", "Leaves of the spine", load(&stats.spine_size))?;
        let signed = "Leaves under the last checkpoint";
        gauge(e, "log_checkpoint_leaves", signed, load(&stats.checkpoint_size))?;
        let witnessed = "Leaves under the newest checkpoint that a quorum of witnesses vouches for";
        gauge(e, "log_witnessed_leaves", witnessed, load(&stats.witnessed_size))?;
        let lag = "1 while the witnesses are so far behind that verifiers say UNWITNESSED";
        gauge(e, "log_unwitnessed", lag, u64::from(stats.is_unwitnessed()))?;
        let age = "Time since the last checkpoint, 0 before there is one";
        e.encode_descriptor("log_checkpoint_age_seconds", age, None, MetricType::Gauge)?
            .encode_gauge(&self.age(load(&stats.checkpoint_ms)))?;
        let paused = "1 while the log takes no entry, so that writes are refused";
        gauge(e, "log_paused", paused, u64::from(stats.paused.load(Ordering::Relaxed)))?;
        let damaged = "1 if what is stored of the log is not what was entered";
        gauge(e, "log_damaged", damaged, u64::from(stats.damaged.load(Ordering::Relaxed)))?;
        let lag = "Leaves of the last checkpoint that the witness has not vouched for";
        self.each_witness(e, ("log_witness_lag_leaves", lag), |w| stats.lag(w) as f64)?;
        let age = "Time since the witness cosigned, 0 before it did";
        let name = "log_witness_age_seconds";
        self.each_witness(e, (name, age), |w| self.age(load(&w.cosigned_ms)))?;
        let failing = "1 while the witness does not cosign";
        let is_failing = |w: &WitnessStats| if w.error().is_some() { 1.0 } else { 0.0 };
        self.each_witness(e, ("log_witness_failing", failing), is_failing)
    }
}

impl LogMetrics {
    /// One gauge with a value for each witness.
    fn each_witness(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        value: impl Fn(&WitnessStats) -> f64,
    ) -> fmt::Result {
        if self.stats.witnesses.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for witness in &self.stats.witnesses {
            let labels = [("witness", witness.name.as_str())];
            ConstGauge::new(value(witness)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

#[cfg(test)]
mod tests {
    use lazuli_base::{ManualClock, Timestamp};

    use super::*;
    use crate::Metrics;

    #[test]
    fn the_logs_numbers_are_rendered() {
        let mut stats = LogStats::default();
        stats.witnesses.push(WitnessStats::new("w1".to_owned(), "http://w1".to_owned()));
        stats.segments.store(3, Ordering::Relaxed);
        stats.checkpoint_size.store(19, Ordering::Relaxed);
        stats.checkpoint_ms.store(998_500, Ordering::Relaxed);
        stats.paused.store(true, Ordering::Relaxed);
        stats.damaged.store(true, Ordering::Relaxed);
        stats.witnesses[0].size.store(7, Ordering::Relaxed);
        stats.witnesses[0].cosigned_ms.store(990_000, Ordering::Relaxed);
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1000)));
        let text = Metrics::new(None).with_log(Arc::new(stats), clock).render().unwrap();
        for line in [
            "lazuli_log_segments_total 3",
            "lazuli_log_checkpoint_leaves 19",
            "lazuli_log_unwitnessed 1",
            "lazuli_log_checkpoint_age_seconds 1.5",
            "lazuli_log_paused 1",
            "lazuli_log_damaged 1",
            r#"lazuli_log_witness_lag_leaves{witness="w1"} 12.0"#,
            r#"lazuli_log_witness_age_seconds{witness="w1"} 10.0"#,
            r#"lazuli_log_witness_failing{witness="w1"} 0.0"#,
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }
}

//! What the server counts, in the [OpenMetrics] text form.
//!
//! [OpenMetrics]: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lazuli_base::Clock;
use lazuli_engine::stats::Stats;
use lazuli_log::stats::LogStats;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::engine_metrics::EngineMetrics;
use crate::log_metrics::LogMetrics;

/// `Content-Type` of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_SECONDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 60.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
}

type LatencyFamily = Family<RequestLabels, Histogram, fn() -> Histogram>;

/// The server's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: LatencyFamily,
    aborted: Counter,
    panics: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    connections: Counter,
    open: Gauge<i64, AtomicI64>,
}

impl Metrics {
    /// Counters at zero; those of the engine are added if it is given.
    pub fn new(engine: Option<Arc<Stats>>) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("lazuli"),
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_SECONDS)),
            aborted: Counter::default(),
            panics: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            connections: Counter::default(),
            open: Gauge::default(),
        };
        metrics.register();
        if let Some(stats) = engine {
            metrics.registry.register_collector(Box::new(EngineMetrics::new(stats)));
        }
        metrics
    }

    /// The same counters, with the numbers of a transparency log.
    #[must_use]
    pub fn with_log(mut self, stats: Arc<LogStats>, clock: Arc<dyn Clock>) -> Self {
        self.registry.register_collector(Box::new(LogMetrics::new(stats, clock)));
        self
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From a request's complete head to the last byte of its answer",
            Unit::Seconds,
            self.latency.clone(),
        );
        let aborted = "Requests whose client went away before they were answered";
        registry.register("requests_aborted", aborted, self.aborted.clone());
        registry.register("panics", "Requests that ended in a panic", self.panics.clone());
        let bytes_in = "Request body bytes read";
        registry.register_with_unit("received", bytes_in, Unit::Bytes, self.bytes_in.clone());
        let bytes_out = "Response body bytes sent";
        registry.register_with_unit("sent", bytes_out, Unit::Bytes, self.bytes_out.clone());
        registry.register("connections", "Connections accepted", self.connections.clone());
        registry.register("connections_open", "Connections open now", self.open.clone());
    }

    /// The text of all counters.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(crate) fn answered(&self, request: &Answered) {
        let labels = RequestLabels { operation: request.operation, status: request.status };
        self.requests.get_or_create(&labels).inc();
        self.latency.get_or_create(&labels).observe(request.duration.as_secs_f64());
        self.bytes_in.inc_by(request.bytes_in);
        self.bytes_out.inc_by(request.bytes_out);
    }

    pub(crate) fn aborted(&self) {
        self.aborted.inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn opened(self: &Arc<Self>) -> OpenConnection {
        self.connections.inc();
        self.open.inc();
        OpenConnection(Arc::clone(self))
    }

    /// Connections open now.
    pub fn connections_open(&self) -> i64 {
        self.open.inner().load(Ordering::Relaxed)
    }
}

/// An answered request, as it is counted.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// Counts a connection as open while it lives.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<Metrics>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_and_status() {
        let metrics = Metrics::new(None);
        let answered = |status| Answered {
            operation: "PutBlob",
            status,
            duration: Duration::from_micros(300),
            bytes_in: 5,
            bytes_out: 7,
        };
        metrics.answered(&answered(201));
        metrics.answered(&answered(201));
        metrics.answered(&answered(412));
        let text = metrics.render().unwrap();
        for line in [
            r#"lazuli_requests_total{operation="PutBlob",status="201"} 2"#,
            r#"lazuli_requests_total{operation="PutBlob",status="412"} 1"#,
            r#"lazuli_request_duration_seconds_bucket{le="0.0005",operation="PutBlob",status="412"} 1"#,
            "lazuli_received_bytes_total 15",
            "lazuli_sent_bytes_total 21",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_connection_is_open_while_its_guard_lives() {
        let metrics = Arc::new(Metrics::new(None));
        let guard = metrics.opened();
        assert_eq!(metrics.connections_open(), 1);
        drop(guard);
        assert_eq!(metrics.connections_open(), 0);
    }
}

//! The end of a request: one structured event and the counters, when the last byte is handed over.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lazuli_api::Observation;
use tokio::time::Instant;
use tracing::Level;

use crate::metrics::{Answered, Metrics};

/// The target of the event of each request.
const TARGET: &str = "lazuli::request";

/// Collects what is told of a request and tells it when dropped, however the request ended.
#[derive(Debug)]
pub(crate) struct Report {
    metrics: Arc<Metrics>,
    remote: IpAddr,
    begun: Instant,
    answered: Option<Observation>,
    bytes_out: u64,
    cut_short: bool,
}

impl Report {
    /// The report of a request whose head has just been read.
    pub(crate) fn begin(metrics: Arc<Metrics>, remote: IpAddr) -> Self {
        Self {
            metrics,
            remote,
            begun: Instant::now(),
            answered: None,
            bytes_out: 0,
            cut_short: false,
        }
    }

    /// The handler answered.
    pub(crate) fn answer(&mut self, observation: Observation) {
        self.answered = Some(observation);
    }

    /// Bytes of the response body were handed to the connection.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// The response body failed half-way; `cause` is for the operator.
    pub(crate) fn fail(&mut self, cause: String) {
        self.cut_short = true;
        if let Some(observation) = &mut self.answered {
            observation.cause = Some(cause);
        }
    }

    fn event(&self, observation: &Observation, duration: Duration) {
        let micros = duration.as_micros() as u64;
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    op = observation.operation,
                    account = observation.account.as_deref().unwrap_or_default(),
                    status = observation.status,
                    error = observation.error.unwrap_or_default(),
                    cause = observation.cause.as_deref().unwrap_or_default(),
                    request_id = observation.request_id,
                    remote = %self.remote,
                    bytes_in = observation.bytes_in,
                    bytes_out = self.bytes_out,
                    micros,
                    cut_short = self.cut_short,
                )
            };
        }
        match observation.status {
            _ if self.cut_short => event!(Level::ERROR),
            500 => event!(Level::ERROR),
            // 501 names what is not built, and the client knows it.
            501 => event!(Level::DEBUG),
            502.. => event!(Level::WARN),
            _ => event!(Level::DEBUG),
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let Some(observation) = self.answered.take() else {
            self.metrics.aborted();
            tracing::debug!(target: TARGET, remote = %self.remote, "aborted");
            return;
        };
        let duration = self.begun.elapsed();
        self.metrics.answered(&Answered {
            operation: observation.operation,
            status: observation.status,
            duration,
            bytes_in: observation.bytes_in,
            bytes_out: self.bytes_out,
        });
        self.event(&observation, duration);
    }
}

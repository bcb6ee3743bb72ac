//! What is measured: the time of each operation, and the generator's own use of the processor.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What one connection or a whole run measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// The time of each operation that succeeded, in microseconds.
    pub(crate) latencies_us: Vec<u64>,
    /// Operations that failed.
    pub(crate) errors: u64,
    /// What the first failure said.
    pub(crate) first_error: Option<String>,
    /// Bytes of bodies in both directions.
    pub(crate) body_bytes: u64,
    /// From the first request to the last answer, in seconds.
    pub(crate) seconds: f64,
    /// Time of the processor that the generator used itself, in seconds.
    pub(crate) cpu_seconds: f64,
}

impl Measured {
    /// Notes an operation that succeeded.
    pub(crate) fn note(&mut self, took: Duration, body_bytes: u64) {
        self.latencies_us.push(took.as_micros() as u64);
        self.body_bytes += body_bytes;
    }

    /// Notes an operation that failed.
    pub(crate) fn note_error(&mut self, message: String) {
        self.errors += 1;
        self.first_error.get_or_insert(message);
    }

    /// Adds what another connection measured.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.errors += other.errors;
        self.body_bytes += other.body_bytes;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The result as the benchmark reads it.
    pub(crate) fn to_json(&self, mode: &str, connections: usize) -> Value {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let seconds = self.seconds.max(1e-9);
        json!({
            "mode": mode,
            "connections": connections,
            "ops": sorted.len(),
            "errors": self.errors,
            "first_error": self.first_error,
            "seconds": self.seconds,
            "ops_per_second": sorted.len() as f64 / seconds,
            "bytes": self.body_bytes,
            "bytes_per_second": self.body_bytes as f64 / seconds,
            "p50_us": percentile(&sorted, 500),
            "p90_us": percentile(&sorted, 900),
            "p99_us": percentile(&sorted, 990),
            "max_us": sorted.last().copied().unwrap_or(0),
            "cpu_share": self.cpu_seconds / seconds,
        })
    }
}

/// The value below which `per_mille` thousandths of a sorted list lie.
fn percentile(sorted: &[u64], per_mille: usize) -> u64 {
    let index = (sorted.len() * per_mille).div_ceil(1000).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(0)
}

/// A running clock: of the wall and of the processor.
pub(crate) struct Stopwatch {
    begun: Instant,
    cpu_begun: f64,
}

impl Stopwatch {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), cpu_begun: cpu_seconds() }
    }

    /// Writes the elapsed times into a result.
    pub(crate) fn finish(&self, measured: &mut Measured) {
        measured.seconds = self.begun.elapsed().as_secs_f64();
        measured.cpu_seconds = cpu_seconds() - self.cpu_begun;
    }
}

/// The time on the processor of this program's one thread, in seconds; 0 where the system does
/// not tell.
fn cpu_seconds() -> f64 {
    // The first number is the time on the processor in nanoseconds.
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

#[cfg(test)]
mod tests {
    use super::{Measured, percentile};
    use std::time::Duration;

    #[test]
    fn percentiles_are_values_of_the_list() {
        let list: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&list, 500), 50);
        assert_eq!(percentile(&list, 990), 99);
        assert_eq!(percentile(&list, 1000), 100);
        assert_eq!(percentile(&[7], 500), 7);
        assert_eq!(percentile(&[], 500), 0);
    }

    #[test]
    fn results_add_up() {
        let mut all = Measured::default();
        let mut one = Measured::default();
        one.note(Duration::from_micros(30), 10);
        one.note_error("first".to_owned());
        one.note_error("second".to_owned());
        all.add(one);
        all.seconds = 2.0;
        let json = all.to_json("put", 1);
        assert_eq!(json["ops_per_second"], 0.5);
        assert_eq!((&json["errors"], &json["first_error"]), (&2.into(), &"first".into()));
    }
}

//! What one client may cost: sizes, counts and times, each with its default.

use std::time::Duration;

/// The bounds that a listener puts on its clients. A slow, huge or hostile one harms only itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once on a listener; more wait in the kernel's queue. 10,000.
    pub connections_max: usize,
    /// Bytes of a request line with its headers; longer ones answer 431, or 400 if it is the
    /// line that is long. 64 KiB.
    pub head_bytes_max: usize,
    /// Header lines of a request; more answer 431. 256.
    pub headers_max: usize,
    /// From the first byte of a request's head to its last, and a whole TLS handshake. 15 s.
    pub head_read: Duration,
    /// How long a connection may stay open without a request. 2 min.
    pub idle: Duration,
    /// The longest wait for the next bytes of a request body. 30 s.
    pub body_stall: Duration,
    /// The longest wait until the client takes the next bytes of a response. 30 s.
    pub write_stall: Duration,
    /// The least that must move in each direction while the server waits for the client, in bytes
    /// per second, averaged over [`Limits::rate_window`]. 512.
    pub bytes_per_second_min: u64,
    /// The time spent waiting for the client over which its rate is averaged. 30 s.
    pub rate_window: Duration,
    /// How long unread request bytes are discarded after the answer, so that a client that is
    /// still sending can read why it was refused. 5 s.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            head_bytes_max: 64 * 1024,
            headers_max: 256,
            head_read: Duration::from_secs(15),
            idle: Duration::from_mins(2),
            body_stall: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            bytes_per_second_min: 512,
            rate_window: Duration::from_secs(30),
            linger: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// How often a connection's times are looked at: often enough that a limit is overrun by a
    /// quarter at most, seldom enough that ten thousand idle connections cost nothing.
    pub(crate) fn check_interval(&self) -> Duration {
        let least = self.head_read.min(self.idle).min(self.write_stall).min(self.rate_window);
        (least / 4).clamp(Duration::from_millis(1), Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_checked_four_times_as_often_as_the_shortest() {
        assert_eq!(Limits::default().check_interval(), Duration::from_millis(3750));
        let short = Limits { idle: Duration::from_millis(100), ..Limits::default() };
        assert_eq!(short.check_interval(), Duration::from_millis(25));
        let none = Limits { idle: Duration::ZERO, ..Limits::default() };
        assert_eq!(none.check_interval(), Duration::from_millis(1));
    }
}

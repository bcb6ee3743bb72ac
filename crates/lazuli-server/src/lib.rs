//! The network side of Lazuli: listeners, limits, TLS, metrics and the graceful stop.
//!
//! A [`Server`] speaks HTTP/1.1 (RFC 9112) and hands each request, its body unread, to a
//! [`lazuli_api::Handler`]. Nothing here knows an operation: what a request means is the
//! handler's, what a client may cost is decided by [`Limits`].

mod admin;
mod body;
mod connection;
mod engine_metrics;
mod exchange;
mod head;
mod inbound;
mod limits;
mod log_metrics;
mod metrics;
mod outbound;
mod pace;
mod report;
mod server;
mod sides;
mod tls;
mod vitals;
mod workers;

pub use admin::Health;
pub use limits::Limits;
pub use metrics::Metrics;
pub use server::{Listener, Parts, Server, Stopped};
pub use tls::{Tls, TlsError};

//! The listener against raw clients: friendly, slow, huge and hostile ones.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails its test")]

mod client;
mod fake;
mod hostile;
mod lengths;
mod protocol;
mod public_log;
mod stopping;
mod tls;

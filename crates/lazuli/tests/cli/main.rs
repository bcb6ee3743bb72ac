//! The program as its users meet it: output, messages, exit statuses, signals.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails its test")]

mod beside;
mod between;
mod commands;
mod copying;
mod halted;
mod hostile;
mod log;
mod program;
mod raw;
mod serving;
mod tampered;
mod witnessed;

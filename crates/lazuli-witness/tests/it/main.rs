//! Tests over real sockets: the server within the process, and the program to be killed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails its test")]

mod attacks;
mod http;
mod log;
mod process;

//! Tests of authentication and authorisation as a caller of the crate sees them.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built is a failed test")]

mod access;
mod fixture;
mod junk;
mod sas;
mod shared_key;
mod vectors;

//! Tests of authentication and authorisation as a caller of the crate sees them.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built is a failed test")]

mod access;
mod delegated;
mod fixture;
mod identity;
mod issuer;
mod junk;
mod sas;
mod shared_key;
mod vectors;

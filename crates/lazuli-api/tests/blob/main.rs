//! The blob service as its callers see it: signed requests in, status, headers and body out.
//!
//! No socket is opened and no time passes but on the test's own clock. What is expected is what the
//! service's documentation says: <https://learn.microsoft.com/rest/api/storageservices/>.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built is a failed test")]

mod anonymous;
mod batch;
mod conditions;
mod containers;
mod copies;
mod cors;
mod harness;
mod journal;
mod leases;
mod listing;
mod malformed;
mod read_log;
mod reads;
mod remote;
mod scribe;
mod secrets;
mod shared_key;
mod source;
mod tiers;
mod tokens;
mod unserved;
mod uploads;

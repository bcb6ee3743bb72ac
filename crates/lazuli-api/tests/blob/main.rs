//! The blob service as its callers see it: signed requests in, status, headers and body out.
//!
//! No socket is opened and no time passes but on the test's own clock. What is expected is what the
//! service's documentation says: <https://learn.microsoft.com/rest/api/storageservices/>.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built is a failed test")]

mod anonymous;
mod answer;
mod appends;
mod batch;
mod conditions;
mod containers;
mod copies;
mod cors;
mod harness;
mod journal;
mod lease_model;
mod leases;
mod listing;
mod malformed;
mod page_ranges;
mod pages;
mod queries;
mod read_log;
mod reads;
mod remote;
mod remote_types;
mod scribe;
mod secrets;
mod sessions;
mod shared_key;
mod source;
mod tag_search;
mod tiers;
mod tokens;
mod unserved;
mod uploads;
mod versions;

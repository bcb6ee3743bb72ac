//! The Table service as its callers see it: signed requests in, status, headers and body out.
//!
//! What is expected is what the service's documentation says:
//! <https://learn.microsoft.com/rest/api/storageservices/table-service-rest-api>.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built is a failed test")]

mod access;
#[path = "../blob/answer.rs"]
#[allow(dead_code, reason = "the other service's tests ask more of it")]
mod answer;
mod atom;
mod entities;
#[path = "../queue/fixture.rs"]
mod fixture;
mod harness;
mod journal;
mod malformed;
mod model;
mod queries;
#[path = "../blob/scribe.rs"]
#[allow(dead_code, reason = "the other service's tests ask more of it")]
mod scribe;
mod tables;
mod transactions;

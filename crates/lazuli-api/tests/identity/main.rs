//! Identities as callers of the three services see them: bearer tokens, roles, and tokens that are
//! signed with user delegation keys.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory>

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built is a failed test")]

mod actions;
#[path = "../blob/answer.rs"]
#[allow(dead_code, reason = "the services' own tests ask more of it")]
mod answer;
mod bearers;
mod delegation;
mod fixture;
#[path = "../../../lazuli-auth/tests/it/issuer.rs"]
#[allow(dead_code, reason = "the tests of authentication ask more of it")]
mod issuer;
mod journal;
#[path = "../blob/scribe.rs"]
#[allow(dead_code, reason = "the services' own tests ask more of it")]
mod scribe;

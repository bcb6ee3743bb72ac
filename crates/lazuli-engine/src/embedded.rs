//! The embedded metadata store: merge trees behind a log, and a committer
//! that groups.
//!
//! Invariants: the committer's thread is the only writer; a row is visible only when it is durable
//! (with `Durability::Sync`); what is read has matched its checksum.

pub(crate) mod committer;
mod keeper;
pub(crate) mod meta;
pub(crate) mod queue;
mod recent;
pub(crate) mod row;
mod row_cache;
pub(crate) mod store;
pub(crate) mod trees;

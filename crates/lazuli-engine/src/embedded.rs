//! The embedded metadata store: fjall behind a committer that groups.
//!
//! Invariants: the committer's thread is the only writer; a row is visible only when it is durable
//! (with `Durability::Sync`); what is read has matched its checksum.

pub(crate) mod committer;
pub(crate) mod fjall_meta;
pub(crate) mod queue;
mod recent;
pub(crate) mod row;
pub(crate) mod store;

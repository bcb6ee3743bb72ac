//! Queries of a blob's content: Azure's query acceleration, from the request's body to the frames
//! of the answer.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/query-blob-contents>. [`request::read`]
//! reads what is asked, [`Query`] computes it. The crate does no input or output and reads no
//! clock: its caller gives bytes and takes bytes, as fast as the slower side goes, and memory is
//! bounded by the longest record (1 MiB), not by the blob. Whatever a query or a blob says, it
//! costs bounded time between two returns and never the stack.

#![forbid(unsafe_code)]

mod aggregate;
mod avro;
mod delimited;
mod expr;
mod functions;
mod json;
mod moment;
mod pattern;
mod plan;
mod query;
pub mod request;
mod sink;
mod source;
mod sql;
mod value;
mod values;
mod writer;

pub use query::{Progress, Query};

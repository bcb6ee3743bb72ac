//! The HTTP vocabulary of Azure Storage as codecs: dates, headers, queries, XML bodies, batches,
//! checksums and structured messages.
//!
//! Everything here is a pure function of bytes. A reader takes bytes that anybody may have sent,
//! has a bound for everything it keeps, and answers with a [`lazuli_model::Refusal`]; a writer
//! produces exactly the form the service sends.

pub mod arrow;
pub mod batch;
pub mod body;
pub mod copy_source;
pub mod crc64;
pub mod date;
pub mod error_body;
pub mod headers;
pub mod marker;
pub mod md5;
pub mod odata;
pub mod percent;
pub mod query;
pub mod structured;
pub mod xml;

pub use query::Query;

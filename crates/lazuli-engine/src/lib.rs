//! The storage engine: an ordered key-value space ([`Meta`]) and immutable byte runs ([`Extents`]).
//!
//! Nothing here knows Azure. Everything above stores names and rules in `Meta` and bytes in
//! `Extents`, and relies on two promises: a commit is acknowledged only when it is durable, and the
//! bytes a commit names are durable before it.

pub mod extents;
pub mod meta;

pub use extents::{ExtentId, ExtentWriter, Extents, ExtentsError, Piece, ReadPin, Settled};
pub use meta::{Commit, CommitError, Committed, Expect, KeyRange, Meta, MetaError, Row, Version};

use std::future::Future;
use std::pin::Pin;

/// A boxed future, as the engine's traits return them: an implementation may be another machine.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

//! The storage engine: an ordered key-value space ([`Meta`]) and immutable byte runs ([`Extents`]).
//!
//! Nothing here knows the service above. That stores names and rules in `Meta` and bytes in
//! `Extents`, and relies on two promises: a commit is acknowledged only when it is durable, and the
//! bytes a commit names are durable before it.

mod checksum;
pub mod disk;
mod embedded;
pub mod engine;
mod extent_files;
pub mod extents;
mod frame;
pub mod fsck;
mod headroom;
mod identity;
pub mod memory;
pub mod meta;
mod pins;
pub mod scribe;
pub mod scrub;
mod state;
pub mod stats;
mod sums;
mod wakeups;
mod wal;

pub use engine::{Durability, Engine, OpenError, Options};
pub use extents::{
    ExtentId, ExtentWriter, Extents, ExtentsError, FRAME_PAYLOAD_BYTES, Piece, ReadPin, Room,
    Settled,
};
pub use fsck::Fsck;
pub use identity::{DataId, Identity, NotAnId};
pub use meta::{
    ASCENDING, Commit, CommitError, Committed, Expect, JournalRow, KeyRange, Meta, MetaError, Row,
    Version, Visitor,
};
pub use scribe::{Entered, Entering, Proof, Receipt, Scribe};
pub use scrub::Damage;
pub use stats::Stats;
pub use wakeups::deliver;

use std::future::Future;
use std::pin::Pin;

/// A boxed future, as the engine's traits return them: an implementation may be another machine.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

//! Who writes the journal: turns what commits say of themselves into the entries that are stored, in
//! the order of the history, and gives each commit the proof that it was entered.
//!
//! The engine knows neither what an entry says nor how it is proved. It promises the scribe the
//! order, that what it gives is stored in one record with the commit it is of, and that a proof is
//! handed out only once that record is durable.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::meta::Version;

/// Writes the entries of all commits of a store.
pub trait Scribe: Send + Sync + Debug {
    /// Begins a group of commits. Only one group is open at a time.
    fn begin(&self) -> Box<dyn Entering + '_>;
}

/// A group of commits that is being entered. Dropped before [`Entering::durable`] it never was.
pub trait Entering {
    /// Enters the next commit, with what it says of itself; gives the entries to store with it, and
    /// what proves them unless it is `unproved`. `None` refuses the commit: the journal takes no
    /// entry now.
    fn enter(&mut self, version: Version, drafts: Vec<Bytes>, unproved: bool) -> Option<Entered>;

    /// The group is stored.
    fn durable(self: Box<Self>);
}

/// What became of a commit's entries.
#[derive(Debug, Default)]
pub struct Entered {
    /// The entries as they are stored.
    pub entries: Vec<Bytes>,
    /// What proves that they were entered; `None` if there is nothing to prove.
    pub proof: Option<Arc<dyn Proof>>,
}

/// That a commit's entries are in the journal.
pub trait Proof: Send + Sync + Debug {
    /// A receipt for each entry, in order.
    fn receipts(&self) -> Vec<Receipt>;

    /// The receipt of the entry at `index` of the commit, made alone: a commit may have entries of
    /// many requests. `None` if there is no such entry, or it is not durable.
    fn receipt(&self, index: usize) -> Option<Receipt>;
}

/// What a client gets to hold the server to its word. Opaque to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The signed receipt, as a client gets it.
    pub receipt: String,
    /// What the entry says, for those it is about; `None` where it is too long for a header.
    pub opening: Option<String>,
}

/// Where a store's scribe is put once it has read the journal; without one, entries are stored as
/// commits give them.
pub(crate) type Desk = Arc<OnceLock<Arc<dyn Scribe>>>;

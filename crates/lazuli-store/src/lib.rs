//! Azure Storage's domain on the engine: containers, blobs, blocks, snapshots, tags and listings,
//! each change one transaction, and the collector that takes back what nothing names any more.
//!
//! No HTTP type appears here: the operations translate.

pub mod blob;
pub mod blocks;
pub mod change;
pub mod collector;
pub mod container;
pub mod copy;
pub mod find;
pub mod journal;
pub mod list;
pub mod payload;
pub mod put;
pub mod read;
pub mod rows;
pub mod schema;
pub mod service;
pub mod txn;

use std::collections::HashMap;
use std::sync::Arc;

use lazuli_base::{Clock, Entropy};
use lazuli_engine::{ExtentId, Extents, Meta};

use crate::collector::{ExtentUse, Signals};

/// The store: all state of all accounts.
pub struct Store {
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) extents: Arc<dyn Extents>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) signals: Signals,
    /// What is known of the use of sealed extents, kept between the collector's rounds.
    pub(crate) extent_use: tokio::sync::Mutex<HashMap<ExtentId, ExtentUse>>,
}

impl Store {
    /// A store on an engine.
    pub fn new(
        meta: Arc<dyn Meta>,
        extents: Arc<dyn Extents>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            meta,
            extents,
            clock,
            entropy,
            signals: Signals::default(),
            extent_use: tokio::sync::Mutex::default(),
        }
    }

    /// A new random identifier. Zero is never drawn: it stands for nothing.
    pub(crate) fn new_id(&self) -> u64 {
        loop {
            let id = self.entropy.next_u64();
            if id != 0 {
                return id;
            }
        }
    }
}

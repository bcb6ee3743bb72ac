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
pub mod fsck;
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
use std::sync::atomic::{AtomicU64, Ordering};

use lazuli_base::{Clock, Entropy};
use lazuli_engine::{ExtentId, Extents, Meta};
use lazuli_model::Refusal;

use crate::collector::{ExtentUse, Signals};

/// The store: all state of all accounts.
pub struct Store {
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) extents: Arc<dyn Extents>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The first identifier of this run, once one was drawn.
    run: tokio::sync::OnceCell<u64>,
    ids: AtomicU64,
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
            run: tokio::sync::OnceCell::new(),
            ids: AtomicU64::new(0),
            signals: Signals::default(),
            extent_use: tokio::sync::Mutex::default(),
        }
    }

    /// An identifier that was never drawn before, in any run, and is greater than those before it
    /// in this run: rows keyed by one are written in key order.
    ///
    /// It is the number of the run, counted in the store itself, and a counter within the run.
    pub(crate) async fn new_id(&self) -> Result<u64, Refusal> {
        let first = self.run.get_or_try_init(|| self.begin_run()).await?;
        Ok(first + self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts a run of the store; gives the first identifier of it.
    async fn begin_run(&self) -> Result<u64, Refusal> {
        let mut attempts = txn::Attempts::default();
        loop {
            let mut txn = self.begin();
            let before = txn.get::<rows::RunRow>(&schema::run()).await?;
            let run = before.map_or(1, |before| before.run + 1);
            txn.put(schema::run(), &rows::RunRow { run })?;
            if self.commit(txn, &mut attempts).await? {
                return Ok(u64::from(run) << RUN_SHIFT);
            }
        }
    }
}

/// Identifiers one run may draw: 2 to this power.
const RUN_SHIFT: u32 = 40;

//! Azure Storage's domain on the engine: containers, blobs, blocks, snapshots, tags, queues, messages,
//! tables, entities and listings, each change one transaction, and the collector that takes back what nothing names any more.
//!
//! No HTTP type appears here: the operations translate.

pub mod append;
pub mod blob;
pub mod blocks;
pub mod change;
pub mod collector;
mod combine;
pub mod container;
pub mod copy;
pub mod entity;
pub mod entity_query;
mod failures;
pub mod find;
pub mod fsck;
pub mod journal;
pub mod list;
pub mod origin;
pub mod pages;
pub mod payload;
pub mod pieces;
pub mod put;
pub mod queue;
pub mod read;
pub mod reads;
pub mod remote_copy;
pub mod rows;
pub mod schema;
pub mod service;
pub mod table;
pub mod tier;
pub mod txn;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lazuli_base::{Clock, Entropy};
use lazuli_engine::{ExtentId, Extents, Meta};
use lazuli_model::Refusal;

use crate::append::Append;
use crate::collector::{ExtentUse, Signals};
use crate::combine::Combiner;
use crate::journal::Entry;
use crate::origin::Origin;
use crate::pages::{PageReads, PutPages, StaleCells};
use crate::queue::{GetMessages, Lines};
use crate::reads::ReadLog;

/// The store: all state of all accounts. A handle that is cheap to clone; one that works for a
/// request carries what the journal is told of it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    origin: Option<Arc<Origin>>,
}

/// What all handles of a store share.
#[doc(hidden)]
pub struct Shared {
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
    pub(crate) reads: ReadLog,
    /// Blocks that wait to be appended.
    pub(crate) appends: Combiner<Append>,
    /// Pages that wait to be written.
    pub(crate) page_puts: Combiner<PutPages>,
    pub(crate) page_reads: PageReads,
    pub(crate) stale_cells: StaleCells,
    /// Requests for messages that wait.
    pub(crate) gets: Combiner<GetMessages>,
    pub(crate) lines: Lines,
}

impl Deref for Store {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Store {
    /// A store on an engine.
    pub fn new(
        meta: Arc<dyn Meta>,
        extents: Arc<dyn Extents>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let shared = Shared {
            meta,
            extents,
            clock,
            entropy,
            run: tokio::sync::OnceCell::new(),
            ids: AtomicU64::new(0),
            signals: Signals::default(),
            extent_use: tokio::sync::Mutex::default(),
            reads: ReadLog::default(),
            appends: Combiner::default(),
            page_puts: Combiner::default(),
            page_reads: PageReads::default(),
            stale_cells: StaleCells::default(),
            gets: Combiner::default(),
            lines: Lines::default(),
        };
        Self { shared: Arc::new(shared), origin: None }
    }

    /// A handle that works for a request.
    #[must_use]
    pub fn on_behalf_of(&self, origin: Origin) -> Self {
        Self { shared: Arc::clone(&self.shared), origin: Some(Arc::new(origin)) }
    }

    /// A handle that does the store's own work, whoever had it done.
    #[must_use]
    pub fn own_work(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), origin: None }
    }

    /// The request that this handle works for.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
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
        let store = self.own_work();
        let mut attempts = txn::Attempts::default();
        loop {
            let mut txn = store.begin();
            let before = txn.get::<rows::RunRow>(&schema::run()).await?;
            let run = before.map_or(1, |before| before.run + 1);
            txn.put(schema::run(), &rows::RunRow { run })?;
            txn.record(&Entry::system("BeginRun"));
            if store.commit(txn, &mut attempts).await? {
                return Ok(u64::from(run) << RUN_SHIFT);
            }
        }
    }
}

/// Identifiers one run may draw: 2 to this power.
const RUN_SHIFT: u32 = 40;

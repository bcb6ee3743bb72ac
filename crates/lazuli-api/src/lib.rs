//! The operations of the storage services, one file each, and the pipeline every request takes.
//!
//! The pipeline ([`pipeline`]) is the ten steps from a raw target to a response; an operation is a
//! [`spec::Spec`] and a handler, listed in [`operations`]. Nothing here opens a socket.

pub mod access;
mod accountable;
pub mod accounts;
pub mod address;
pub mod blob;
pub mod call;
mod client;
mod copy_source;
mod cors;
pub mod decode;
mod long_read;
pub mod message;
pub mod operations;
pub mod pipeline;
pub mod properties;
pub mod public_log;
pub mod reference;
pub mod reply;
pub mod spec;
pub mod spelling;
pub mod table;
pub mod upload;

pub use accounts::Accounts;
pub use message::{
    Body, BodyError, FullBody, Observation, Request, RequestBody, Response, ResponseBody,
};
pub use public_log::{OperatorLog, PublicLog};
pub use spelling::Spelling;

use std::collections::HashSet;
use std::sync::Arc;

use lazuli_base::{Clock, Entropy};
use lazuli_engine::BoxFuture;
use lazuli_store::Store;

/// What a listener serves requests with.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; never fails, for a failure is a response too.
    fn handle(&self, request: Request) -> BoxFuture<'_, (Response, Observation)>;
}

/// The storage services on a store.
pub struct Api {
    pub(crate) store: Store,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) versions: UnknownVersions,
    /// Accounts whose reads are answered only once they are logged durably.
    pub(crate) strict_reads: HashSet<String>,
}

/// What becomes of requests that name a version newer than [`lazuli_model::ApiVersion::NEWEST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownVersions {
    /// They are served as the newest known version, with a `Warning` header.
    #[default]
    Serve,
    /// They are refused with `InvalidHeaderValue`, as Azure does.
    Refuse,
}

impl Api {
    /// The services of `accounts` on `store`.
    pub fn new(
        store: Store,
        accounts: Arc<Accounts>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        versions: UnknownVersions,
    ) -> Self {
        Self { store, accounts, clock, entropy, versions, strict_reads: HashSet::new() }
    }

    /// Has the reads of these accounts, too, answered only once their entries are durable. Means
    /// nothing to a store that does not log reads.
    #[must_use]
    pub fn with_strict_reads(mut self, accounts: impl IntoIterator<Item = String>) -> Self {
        self.strict_reads.extend(accounts);
        self
    }
}

impl Handler for Api {
    fn handle(&self, request: Request) -> BoxFuture<'_, (Response, Observation)> {
        Box::pin(self.serve(request))
    }
}

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
mod delegation_key;
mod long_read;
pub mod message;
pub mod operations;
mod own_address;
pub mod pipeline;
pub mod properties;
pub mod public_log;
pub mod queue;
pub mod reference;
mod remote_blob;
pub mod remote_copies;
mod remote_pages;
mod remote_source;
pub mod reply;
mod service;
mod since;
mod source_range;
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
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lazuli_auth::{Guid, Identities};
use lazuli_base::{Clock, Entropy};
use lazuli_engine::BoxFuture;
use lazuli_fetch::{Fetcher, Guard, Roots};
use lazuli_model::tier::RehydratePriority;
use lazuli_store::Store;
use tokio::sync::Notify;

/// What a listener serves requests with.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; never fails, for a failure is a response too.
    fn handle(&self, request: Request) -> BoxFuture<'_, (Response, Observation)>;
}

/// The storage services on a store.
pub struct Api {
    pub(crate) store: Store,
    pub(crate) accounts: Arc<Accounts>,
    /// Whose bearer tokens are taken; nobody's without.
    pub(crate) identities: Option<Arc<Identities>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) versions: UnknownVersions,
    pub(crate) rehydration: Rehydration,
    /// Accounts whose reads are answered only once they are logged durably.
    pub(crate) strict_reads: HashSet<String>,
    /// Who reads copy sources on other servers.
    pub(crate) fetcher: Fetcher,
    /// Where the Blob service listens: copy sources there are here.
    pub(crate) listens_at: Vec<SocketAddr>,
    /// Told when a copy from another server was begun.
    pub(crate) copy_begun: Arc<Notify>,
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

/// How long an archived blob takes to come back online once it is asked to.
///
/// Azure takes up to 15 hours, with high priority mostly less than one. Here no byte has to be
/// fetched from anywhere, so that the wait is for show: long enough to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rehydration {
    /// With standard priority.
    pub standard: Duration,
    /// With high priority.
    pub high: Duration,
}

impl Rehydration {
    /// The wait with a priority.
    pub fn of(&self, priority: RehydratePriority) -> Duration {
        match priority {
            RehydratePriority::Standard => self.standard,
            RehydratePriority::High => self.high,
        }
    }
}

impl Default for Rehydration {
    fn default() -> Self {
        Self { standard: Duration::from_secs(10), high: Duration::from_secs(1) }
    }
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
        let (fetcher, rehydration) =
            (Fetcher::new(Guard::default(), Roots::default()), Rehydration::default());
        let (strict_reads, copy_begun) = (HashSet::new(), Arc::default());
        Self {
            store,
            accounts,
            identities: None,
            clock,
            entropy,
            versions,
            rehydration,
            strict_reads,
            fetcher,
            listens_at: Vec::new(),
            copy_begun,
        }
    }

    /// Sets how long archived blobs take to come back.
    #[must_use]
    pub fn with_rehydration(self, rehydration: Rehydration) -> Self {
        Self { rehydration, ..self }
    }

    /// Takes the bearer tokens of these identities, and the tokens that their keys sign.
    #[must_use]
    pub fn with_identities(self, identities: Arc<Identities>) -> Self {
        Self { identities: Some(identities), ..self }
    }

    /// Whose identities are taken.
    pub(crate) fn tenant(&self) -> Option<Guid> {
        self.identities.as_ref().map(|identities| identities.tenant().clone())
    }

    /// Has the reads of these accounts, too, answered only once their entries are durable. Means
    /// nothing to a store that does not log reads.
    #[must_use]
    pub fn with_strict_reads(mut self, accounts: impl IntoIterator<Item = String>) -> Self {
        self.strict_reads.extend(accounts);
        self
    }

    /// Has copy sources on other servers read by `fetcher`; without one, none is admitted.
    #[must_use]
    pub fn with_fetcher(self, fetcher: Fetcher) -> Self {
        Self { fetcher, ..self }
    }

    /// Tells the addresses, ports included, that the listeners of the Blob service are bound to. A
    /// copy source at one of them is a blob of this server, by whatever name its client calls it.
    #[must_use]
    pub fn with_listeners(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.listens_at.extend(addresses);
        self
    }
}

impl Handler for Api {
    fn handle(&self, request: Request) -> BoxFuture<'_, (Response, Observation)> {
        Box::pin(self.serve(request))
    }
}

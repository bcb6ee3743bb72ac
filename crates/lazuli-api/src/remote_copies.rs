//! The work on copies from other servers, beside the requests: a bounded number of them at once, each
//! one stream of bytes, a block in memory at most. Of a page blob only the pages that the source has
//! are asked for: see `remote_pages`.
//!
//! What is to be done is in the store, so that a start goes on where the end before it left off.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::Clock;
use lazuli_fetch::{Ask, Content, FetchError, Fetcher};
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::Store;
use lazuli_store::payload::{Payload, Placement};
use lazuli_store::remote_copy::RemoteCopy;
use lazuli_store::rows::CopyForm;
use lazuli_wire::copy_source;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Api;
use crate::remote_source::{standing_headers, target_of, unfetched};

/// Copies that are worked on at once.
const RUNNING_MAX: usize = 4;

/// Between two looks for copies, besides those when one was begun or ended.
const LOOK: Duration = Duration::from_secs(30);

/// Between two looks whether a copy was aborted.
const ABORTED: Duration = Duration::from_secs(1);

/// Before a copy that the store could not go on with is tried again.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// Times a source that cannot be read is tried again without a new block in between.
const RETRIES: u32 = 5;

/// Before the first of these; twice as long before each further one.
const RETRY: Duration = Duration::from_secs(1);

/// Blocks of an append blob that one commit adds, and the bytes from which on it adds no more.
const APPENDS_MAX: usize = 128;
const APPENDED_BYTES: u64 = 8 * 1024 * 1024;

/// How long a copy may take.
///
/// <https://learn.microsoft.com/rest/api/storageservices/copy-blob#remarks>
const COPY_TIME: Duration = Duration::from_hours(14 * 24);

/// Works on the copies from other servers.
#[derive(Clone)]
pub struct RemoteCopies {
    pub(crate) store: Store,
    pub(crate) fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    begun: Arc<Notify>,
    retry: Duration,
}

/// Why a copy did not go on.
pub(crate) enum Trouble {
    /// Its source could not be read.
    Source(FetchError),
    /// It could not be stored.
    Store(Refusal),
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Source(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Store(refusal)
    }
}

impl Api {
    /// The work on copies from other servers; to be run once.
    pub fn remote_copies(&self) -> RemoteCopies {
        RemoteCopies {
            store: self.store.own_work(),
            fetcher: self.fetcher.clone(),
            clock: Arc::clone(&self.clock),
            begun: Arc::clone(&self.copy_begun),
            retry: RETRY,
        }
    }
}

impl RemoteCopies {
    /// The same work with another pause before a source is tried again.
    #[must_use]
    pub fn with_retry(self, retry: Duration) -> Self {
        Self { retry, ..self }
    }

    /// Works for ever. To be ended at any point: what was not done is done by the next run.
    pub async fn run(self) {
        let mut running: HashSet<Bytes> = HashSet::new();
        let mut tasks: JoinSet<Bytes> = JoinSet::new();
        loop {
            if running.len() < RUNNING_MAX {
                match self.store.remote_copies().await {
                    Ok(copies) => {
                        for copy in copies {
                            let is_new = !running.contains(copy.key());
                            if running.len() < RUNNING_MAX && is_new {
                                running.insert(copy.key().clone());
                                let work = self.clone();
                                tasks.spawn(async move { work.work_on(copy).await });
                            }
                        }
                    }
                    Err(refusal) => warn(&refusal, "copies under way cannot be read"),
                }
            }
            let ended = async {
                match tasks.join_next().await {
                    Some(ended) => ended.ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = ended => match ended {
                    Some(key) => _ = running.remove(&key),
                    // A task that panicked does not say which it was.
                    None if tasks.is_empty() => running.clear(),
                    None => {}
                },
                () = self.begun.notified() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Carries a copy to its end, or as far as it goes; gives its key.
    async fn work_on(&self, copy: RemoteCopy) -> Bytes {
        let outcome = tokio::select! {
            outcome = self.carry(&copy) => outcome,
            () = self.aborted(&copy) => Ok(()),
        };
        let failed = match outcome {
            Ok(()) => Ok(true),
            Err(Trouble::Source(error)) => {
                self.store.fail_copy(&copy, &description(&unfetched(&error))).await
            }
            Err(Trouble::Store(refusal)) if refusal.code() == ErrorCode::ServerBusy => Err(refusal),
            Err(Trouble::Store(refusal)) => {
                self.store.fail_copy(&copy, &description(&refusal)).await
            }
        };
        if let Err(refusal) = failed {
            warn(&refusal, "a copy from another server does not go on and will be tried again");
            sleep(STORE_RETRY).await;
        }
        copy.key().clone()
    }

    /// Resolves when a copy is no longer under way.
    async fn aborted(&self, copy: &RemoteCopy) {
        loop {
            sleep(ABORTED).await;
            if let Ok(false) = self.store.is_copying(copy).await {
                return;
            }
        }
    }

    /// Copies what is not there yet, trying again where the source may come back.
    async fn carry(&self, copy: &RemoteCopy) -> Result<(), Trouble> {
        let mut tries = 0;
        let mut next = self.store.copied_so_far(copy).await?;
        loop {
            let before = next;
            let outcome = match copy.row().form {
                CopyForm::Pages => self.stream_pages(copy, &mut next).await,
                CopyForm::Blocks | CopyForm::Appends(_) => self.stream(copy, &mut next).await,
            };
            match outcome {
                Ok(true) => break,
                Ok(false) => return Ok(()),
                Err(Trouble::Source(error)) if error.is_passing() && tries < RETRIES => {
                    tries = if next > before { 0 } else { tries + 1 };
                    sleep(self.retry * 2_u32.pow(tries.min(RETRIES))).await;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        self.store.finish_copy(copy).await?;
        Ok(())
    }

    /// Copies from block `next` on, in one stream. `false` if the copy ended meanwhile.
    async fn stream(&self, copy: &RemoteCopy, next: &mut u64) -> Result<bool, Trouble> {
        if copy.block_len(*next) == 0 {
            return Ok(true);
        }
        let mut incoming = Incoming::new(self.open(copy, (copy.block_start(*next), None)).await?);
        let (most, placement) = match copy.row().form {
            CopyForm::Appends(_) => (APPENDS_MAX, Placement::Anywhere),
            CopyForm::Blocks | CopyForm::Pages => (1, Placement::Extent),
        };
        let (mut arrived, mut bytes) = (Vec::new(), 0);
        loop {
            let length = copy.block_len(*next + arrived.len() as u64);
            let is_full = arrived.len() >= most || bytes >= APPENDED_BYTES || length == 0;
            if is_full && !arrived.is_empty() {
                if !self.store.add_copied(copy, (*next, &arrived)).await? {
                    return Ok(false);
                }
                *next += arrived.len() as u64;
                (arrived, bytes) = (Vec::new(), 0);
                continue;
            }
            if length == 0 {
                return Ok(true);
            }
            self.check_age(copy)?;
            arrived.push(self.receive(&mut incoming, (length, placement)).await?);
            bytes += length;
        }
    }

    /// Receives a block.
    async fn receive(
        &self,
        incoming: &mut Incoming,
        (length, placement): (u64, Placement),
    ) -> Result<Payload, Trouble> {
        let mut ingest = self.store.ingest(placement, Some(length));
        let mut left = length;
        while left > 0 {
            let taken = incoming.take(left).await?;
            left -= taken.len() as u64;
            ingest.write(taken).await?;
        }
        Ok(ingest.finish().await?)
    }

    /// Refuses to go on with a copy that has taken too long.
    pub(crate) fn check_age(&self, copy: &RemoteCopy) -> Result<(), FetchError> {
        if self.clock.now().since(copy.row().started) > COPY_TIME {
            return Err(FetchError::TimedOut("a copy ends after two weeks"));
        }
        Ok(())
    }

    /// The source from byte `first` to byte `last` or its end.
    pub(crate) async fn open(
        &self,
        copy: &RemoteCopy,
        (first, last): (u64, Option<u64>),
    ) -> Result<Content, Trouble> {
        let row = copy.row();
        let mut wanted = ask(copy, first > 0)?;
        wanted.range = Some((first, last)).filter(|_| first > 0 || last.is_some());
        let content = self.fetcher.open(wanted).await.map_err(changed)?;
        if content.total() != row.length || content.etag() != row.etag.as_deref() {
            return Err(FetchError::Changed.into());
        }
        Ok(content)
    }
}

/// What a source is asked with: for what it was when the copy was asked for. `has_begun` tells
/// that some of it is there already.
pub(crate) fn ask(copy: &RemoteCopy, has_begun: bool) -> Result<Ask, Trouble> {
    let row = copy.row();
    let source = copy_source::parse("x-ms-copy-source", &row.url)?;
    let mut conditions = Vec::new();
    if let Some(etag) = &row.etag {
        conditions.push(("If-Match", etag.clone()));
    } else if has_begun {
        // Nothing tells that it is still the same.
        return Err(FetchError::Changed.into());
    }
    let headers = standing_headers(row.lease.as_deref());
    Ok(Ask { target: target_of(&source), range: None, headers, conditions })
}

/// That a condition does not hold means that a source is not what it was.
pub(crate) fn changed(error: FetchError) -> FetchError {
    match error {
        FetchError::Answered(answered) if answered.status == 412 => FetchError::Changed,
        other => other,
    }
}

/// Content as it comes, of which any number of bytes can be taken.
pub(crate) struct Incoming {
    content: Content,
    rest: Bytes,
}

impl Incoming {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, rest: Bytes::new() }
    }

    /// The next bytes: at least one, at most `most`, which is not 0.
    pub(crate) async fn take(&mut self, most: u64) -> Result<Bytes, FetchError> {
        if self.rest.is_empty() {
            let ended = || FetchError::Malformed("it is shorter than it was".to_owned());
            self.rest = self.content.next().await?.ok_or_else(ended)?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(self.rest.split_to(self.rest.len().min(most)))
    }
}

/// Why a copy failed, as `x-ms-copy-status-description` tells it.
fn description(refusal: &Refusal) -> String {
    let status = refusal.status();
    format!("{status} {} \"Copy failed: {}\"", refusal.code().name(), refusal.message())
}

fn warn(refusal: &Refusal, what: &str) {
    let cause = refusal.cause().unwrap_or(refusal.message());
    tracing::warn!(cause, "{what}");
}

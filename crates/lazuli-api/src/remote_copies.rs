//! The work on copies from other servers, beside the requests: a bounded number of them at once, each
//! one stream of bytes, a block in memory at most.
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
use lazuli_store::payload::Placement;
use lazuli_store::remote_copy::RemoteCopy;
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

/// How long a copy may take.
///
/// <https://learn.microsoft.com/rest/api/storageservices/copy-blob#remarks>
const COPY_TIME: Duration = Duration::from_hours(14 * 24);

/// Works on the copies from other servers.
#[derive(Clone)]
pub struct RemoteCopies {
    store: Store,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    begun: Arc<Notify>,
    retry: Duration,
}

/// Why a copy did not go on.
enum Trouble {
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
        let mut next = self.store.copied_blocks(copy).await?;
        while copy.block_len(next) > 0 {
            let before = next;
            match self.stream(copy, &mut next).await {
                Ok(true) => {}
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
        let mut content = self.open(copy, *next).await?;
        let mut rest = Bytes::new();
        loop {
            let length = copy.block_len(*next);
            if length == 0 {
                return Ok(true);
            }
            if self.clock.now().since(copy.row().started) > COPY_TIME {
                return Err(FetchError::TimedOut("a copy ends after two weeks").into());
            }
            let mut ingest = self.store.ingest(Placement::Extent, Some(length));
            let mut left = length;
            while left > 0 {
                if rest.is_empty() {
                    let ended = || FetchError::Malformed("it is shorter than it was".to_owned());
                    rest = content.next().await?.ok_or_else(ended)?;
                }
                let taken =
                    rest.split_to(rest.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                left -= taken.len() as u64;
                ingest.write(taken).await?;
            }
            let payload = ingest.finish().await?;
            if !self.store.add_copied(copy, (*next, &payload)).await? {
                return Ok(false);
            }
            *next += 1;
        }
    }

    /// The source from block `next` on, which has to be as it was when the copy was asked for.
    async fn open(&self, copy: &RemoteCopy, next: u64) -> Result<Content, Trouble> {
        let row = copy.row();
        let source = copy_source::parse("x-ms-copy-source", &row.url)?;
        let first = next * row.block_bytes;
        let mut conditions = Vec::new();
        if let Some(etag) = &row.etag {
            conditions.push(("If-Match", etag.clone()));
        } else if next > 0 {
            // Nothing tells that it is still the same.
            return Err(FetchError::Changed.into());
        }
        let ask = Ask {
            target: target_of(&source),
            range: Some((first, None)).filter(|_| first > 0),
            headers: standing_headers(row.lease.as_deref()),
            conditions,
        };
        let content = match self.fetcher.open(ask).await {
            Err(FetchError::Answered(answered)) if answered.status == 412 => {
                return Err(FetchError::Changed.into());
            }
            opened => opened?,
        };
        if content.total() != row.length || content.etag() != row.etag.as_deref() {
            return Err(FetchError::Changed.into());
        }
        Ok(content)
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

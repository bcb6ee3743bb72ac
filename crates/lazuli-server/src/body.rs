//! A request's body as the handler reads it: with time-outs, and given back if it is not read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use lazuli_api::{BodyError, RequestBody};
use lazuli_engine::BoxFuture;
use tokio::time::{Instant, Sleep};

use crate::Limits;
use crate::inbound::{Inbound, Incoming};
use crate::pace::Pace;

/// What is left of a body after the handler let go of it.
#[derive(Default)]
pub(crate) enum Rest {
    /// The handler has not let go of it.
    #[default]
    Held,
    /// It was read to its end.
    Read(Inbound),
    /// It ended early: the connection cannot carry another request.
    Failed,
    /// Not read to its end.
    Unread(Incoming),
}

/// Where a dropped body leaves its [`Rest`].
pub(crate) type RestSlot = Arc<Mutex<Rest>>;

/// A body on the wire.
pub(crate) struct WireBody {
    /// `None` once it failed.
    incoming: Option<Incoming>,
    announced: Option<u64>,
    slot: RestSlot,
    stall: Duration,
    pace: Pace,
    waiting_since: Option<Instant>,
    /// Made at the first wait, for most small bodies arrive with their head.
    timer: Option<Pin<Box<Sleep>>>,
}

impl WireBody {
    /// Wraps a body; what is left of it will be found in the slot.
    pub(crate) fn new(incoming: Incoming, limits: &Limits) -> (Self, RestSlot) {
        let slot = RestSlot::default();
        let body = Self {
            announced: incoming.announced(),
            incoming: Some(incoming),
            slot: Arc::clone(&slot),
            stall: limits.body_stall,
            pace: Pace::new(limits),
            waiting_since: None,
            timer: None,
        };
        (body, slot)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(incoming) = self.incoming.as_mut() else { return Poll::Ready(None) };
        let bytes = match incoming.poll_next(cx) {
            Poll::Pending if self.is_overdue(cx) => return self.fail(BodyError::TimedOut),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => return self.fail(error),
            Poll::Ready(Some(Ok(bytes))) => bytes,
        };
        let waited = self.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        if !self.pace.moved(bytes.len() as u64, waited) {
            return self.fail(BodyError::TimedOut);
        }
        Poll::Ready(Some(Ok(bytes)))
    }

    /// Whether the wait that this call is part of has lasted too long.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let deadline = since + self.stall;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // The timer may be that of an earlier wait: it is moved only when it fires.
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.incoming = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl RequestBody for WireBody {
    fn announced(&self) -> Option<u64> {
        self.announced
    }

    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, BodyError>>> {
        Box::pin(std::future::poll_fn(|cx| self.poll_next(cx)))
    }
}

impl Drop for WireBody {
    fn drop(&mut self) {
        let rest = match self.incoming.take() {
            Some(incoming) if incoming.is_over() => Rest::Read(incoming.into_inbound()),
            Some(incoming) => Rest::Unread(incoming),
            None => Rest::Failed,
        };
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = rest;
    }
}

/// Takes what the handler left.
pub(crate) fn take_rest(slot: &RestSlot) -> Rest {
    std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The most bytes of an unread body that are read to keep the connection.
const DRAIN_BYTES_MAX: u64 = 64 * 1024;

/// The longest that the rest of an unread body is waited for to keep the connection.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Reads a short rest to its end, so that a small upload that was refused does not cost the client
/// its connection; `false` if there is more than is worth reading.
///
/// The SDKs send head and body in separate packets: a refusal decided by the head alone is ready
/// before the body has arrived.
pub(crate) async fn drain(rest: &mut Incoming) -> bool {
    // A client that waits for `100 Continue` sends no body after a final answer; reading on would
    // ask for it.
    if !rest.is_asked_for() || rest.announced().is_none_or(|bytes| bytes > DRAIN_BYTES_MAX) {
        return false;
    }
    let read = async {
        loop {
            match std::future::poll_fn(|cx| rest.poll_next(cx)).await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return false,
                None => return true,
            }
        }
    };
    tokio::time::timeout(DRAIN_TIME, read).await.unwrap_or(false)
}

//! One connection: one request after the other, its limits, its end.

use std::future::Future as _;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use bytes::Bytes;
use http::Method;
use lazuli_api::{FullBody, RequestBody};
use lazuli_base::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Limits;
use crate::body::{self, Rest, RestSlot, WireBody};
use crate::exchange::Respond;
use crate::head::{Framing, Head};
use crate::inbound::{Inbound, Incoming, NoHead};
use crate::outbound::{Manner, Outbound};
use crate::sides::{ReadSide, WriteSide};
use crate::vitals::{Cut, Vitals};

/// How far the server has come in stopping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It serves.
    #[default]
    Serving,
    /// Requests in flight are finished; connections take no further ones.
    Draining,
    /// What is still open is closed.
    Cutting,
}

/// What the connections of one listener share.
pub(crate) struct Shared<R> {
    /// Who answers.
    pub(crate) responder: R,
    /// The bounds on clients.
    pub(crate) limits: Arc<Limits>,
    /// The time in `Date`.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Serves requests on a connection until it ends.
pub(crate) async fn serve<R: Respond>(
    sides: (ReadSide, WriteSide),
    remote: IpAddr,
    shared: Arc<Shared<R>>,
    stage: watch::Receiver<Stage>,
) {
    let vitals = Arc::new(Vitals::new());
    let limits = &*shared.limits;
    let interval = limits.check_interval();
    let mut conversation = pin!(converse(sides, remote, &shared, &vitals));
    let mut cutting = pin!(reached(stage.clone(), Stage::Cutting));
    let mut draining = pin!(reached(stage, Stage::Draining));
    let mut timer = pin!(tokio::time::sleep(interval));
    let cut = std::future::poll_fn(|cx| {
        if !vitals.is_draining() && draining.as_mut().poll(cx).is_ready() {
            vitals.drain();
        }
        if conversation.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if vitals.is_draining() && cutting.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Cut::Stopping));
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if let Some(cut) = vitals.verdict(limits) {
                return Poll::Ready(Some(cut));
            }
            timer.as_mut().reset(Instant::now() + interval);
        }
    })
    .await;
    if let Some(cut) = cut {
        tracing::debug!(?cut, "connection closed");
    }
}

/// Returns when the server has come to `wanted`. A server that is gone has come to its end.
pub(crate) async fn reached(mut stage: watch::Receiver<Stage>, wanted: Stage) {
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

/// What is left of a request when its response is ready.
enum After {
    /// The next request can be read.
    Next(Inbound),
    /// The client may still be sending this one.
    Unread(Inbound),
    /// Nothing can be read any more.
    Broken,
}

/// Answers one request after the other.
async fn converse<R: Respond>(
    (reads, writes): (ReadSide, WriteSide),
    remote: IpAddr,
    shared: &Shared<R>,
    vitals: &Arc<Vitals>,
) {
    let limits = &*shared.limits;
    let mut inbound = Inbound::new(reads, Arc::clone(vitals));
    let clock = Arc::clone(&shared.clock);
    let mut outbound = Outbound::new(writes, Arc::clone(vitals), limits, clock);
    loop {
        let head = match inbound.head(limits).await {
            Ok(head) => head,
            Err(NoHead::Over) => return,
            Err(NoHead::Refused(status)) => {
                tracing::debug!(%status, "request head refused");
                vitals.begin_request();
                let is_head = inbound.asks_for_head();
                let manner = Manner { is_1_1: true, is_head, keeps: false };
                let (response, mut report) = shared.responder.refuse(status, remote);
                if outbound.send(response, manner, report.as_mut()).await.is_ok() {
                    linger(inbound, outbound, limits).await;
                }
                return;
            }
        };
        vitals.begin_request();
        let mut report = shared.responder.report(remote);
        let is_head = head.method == Method::HEAD;
        let (is_1_1, keeps) = (head.is_1_1, head.keeps);
        let (body, waiting) = split(inbound, &head, limits);
        let (response, observation) = shared.responder.respond(head, body, remote).await;
        let after = waiting.after().await;
        if let (Some(report), Some(observation)) = (&mut report, observation) {
            report.answer(observation);
        }
        let keeps = keeps && matches!(after, After::Next(_)) && !vitals.is_draining();
        let sent = outbound.send(response, Manner { is_1_1, is_head, keeps }, report.as_mut());
        let sent = sent.await;
        vitals.end_request();
        drop(report);
        inbound = match (after, sent) {
            (After::Next(inbound), Ok(true)) => inbound,
            (After::Unread(inbound), Ok(_)) => return linger(inbound, outbound, limits).await,
            (_, Ok(_)) => return farewell(outbound, limits).await,
            (_, Err(error)) => {
                tracing::debug!(%error, "response not sent");
                return;
            }
        };
    }
}

/// Where the receiving side of a connection is while a request is answered.
enum Waiting {
    /// Here, for the request has no body.
    Here(Inbound),
    /// With the body.
    Lent(RestSlot),
}

/// A request's body, and how the receiving side comes back from it.
fn split(inbound: Inbound, head: &Head, limits: &Limits) -> (Box<dyn RequestBody>, Waiting) {
    if head.framing == Framing::Length(0) {
        return (Box::new(FullBody::new(Bytes::new())), Waiting::Here(inbound));
    }
    let (body, slot) = WireBody::new(Incoming::new(inbound, head), limits);
    (Box::new(body), Waiting::Lent(slot))
}

impl Waiting {
    /// Decides what becomes of a request body that the handler is done with.
    async fn after(self) -> After {
        let slot = match self {
            Self::Here(inbound) => return After::Next(inbound),
            Self::Lent(slot) => slot,
        };
        match body::take_rest(&slot) {
            Rest::Read(inbound) => After::Next(inbound),
            Rest::Unread(mut rest) => {
                let drained = body::drain(&mut rest).await;
                let inbound = rest.into_inbound();
                if drained { After::Next(inbound) } else { After::Unread(inbound) }
            }
            Rest::Failed | Rest::Held => After::Broken,
        }
    }
}

/// Ends the sending side, so that a client can tell the end of an answer from a cut connection.
async fn farewell(mut outbound: Outbound, limits: &Limits) {
    // A client that does not take the end of the connection is not waited for.
    let _ = tokio::time::timeout(limits.linger, outbound.shutdown()).await;
}

/// Ends the sending side and discards what the client still sends: closing a socket with unread
/// bytes resets the connection, and the client could not read why it was refused.
async fn linger(mut inbound: Inbound, mut outbound: Outbound, limits: &Limits) {
    let discard = async {
        if outbound.shutdown().await.is_ok() {
            inbound.discard().await;
        }
    };
    // Whether the client hung up, failed or used up its time: the socket is closed next.
    let _ = tokio::time::timeout(limits.linger, discard).await;
}

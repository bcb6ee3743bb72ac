//! A response body as hyper polls it: no task and no channel between the handler and the socket.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use lazuli_api::{Body, ResponseBody};
use lazuli_engine::BoxFuture;
use lazuli_model::Refusal;

use crate::report::Report;

type Next = (Box<dyn ResponseBody>, Option<Result<Bytes, Refusal>>);

enum Rest {
    /// Nothing, or nothing more.
    Done,
    Full(Bytes),
    Stream(BoxFuture<'static, Next>),
}

/// A response body with the report that ends with it.
pub(crate) struct Reply {
    rest: Rest,
    report: Report,
}

/// A body that ended early: the connection is closed, so the client sees a short body.
#[derive(Debug)]
pub(crate) struct CutShort;

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response body ended early")
    }
}

impl std::error::Error for CutShort {}

/// The next part, together with the stream it came from: a future that owns what it polls.
fn next_of(mut stream: Box<dyn ResponseBody>) -> BoxFuture<'static, Next> {
    Box::pin(async move {
        let part = stream.next().await;
        (stream, part)
    })
}

impl Reply {
    /// Sends `body`, and `report` after it.
    pub(crate) fn new(body: Body, report: Report) -> Self {
        let rest = match body {
            Body::Full(bytes) if !bytes.is_empty() => Rest::Full(bytes),
            Body::Empty | Body::Full(_) => Rest::Done,
            Body::Stream(stream) => Rest::Stream(next_of(stream)),
        };
        Self { rest, report }
    }
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let part = match &mut self.rest {
            Rest::Done => return Poll::Ready(None),
            Rest::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.rest = Rest::Done;
                Some(Ok(bytes))
            }
            Rest::Stream(next) => {
                let (stream, part) = ready!(next.as_mut().poll(cx));
                self.rest = match part {
                    Some(Ok(_)) => Rest::Stream(next_of(stream)),
                    _ => Rest::Done,
                };
                part
            }
        };
        Poll::Ready(part.map(|part| match part {
            Ok(bytes) => {
                self.report.sent(bytes.len());
                Ok(Frame::data(bytes))
            }
            Err(refusal) => {
                let cause = refusal.cause().unwrap_or(refusal.code().name());
                self.report.fail(cause.to_owned());
                Err(CutShort)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.rest, Rest::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Rest::Done => SizeHint::with_exact(0),
            Rest::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Rest::Stream(_) => SizeHint::default(),
        }
    }
}

//! A request and a response as the operations see them: no sockets, the body not yet read.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};
use lazuli_engine::BoxFuture;
use lazuli_model::{Refusal, Service};

use crate::Spelling;

/// A request whose head has arrived and whose body has not been read.
pub struct Request {
    /// The listener it came in by.
    pub service: Service,
    /// The HTTP method.
    pub method: Method,
    /// Path and query exactly as sent: signatures are made over these bytes.
    pub target: String,
    /// The headers, `Host` among them.
    pub headers: HeaderMap,
    /// How the metadata names among the headers are written.
    pub spelling: Spelling,
    /// The peer's address.
    pub remote: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The body, read only by the operation that wants it.
    pub body: Box<dyn RequestBody>,
}

/// Why a request body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The peer went away or sent fewer bytes than it announced.
    Incomplete,
    /// The peer sent too slowly.
    TimedOut,
    /// The transfer coding is malformed.
    Malformed,
}

/// A stream of request bytes.
pub trait RequestBody: Send {
    /// The length the peer announced; `None` for a chunked body.
    fn announced(&self) -> Option<u64>;

    /// The next bytes; `None` at the end. Not called again after an error or the end.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, BodyError>>>;
}

/// A response, its body perhaps still to come.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// All headers; `Content-Length` among them where a stream's length is known.
    pub headers: HeaderMap,
    /// How the metadata names among the headers are to be written.
    pub spelling: Spelling,
    /// The body.
    pub body: Body,
}

/// A response body.
pub enum Body {
    /// No bytes.
    Empty,
    /// Bytes at hand.
    Full(Bytes),
    /// Bytes that are read while they are sent.
    Stream(Box<dyn ResponseBody>),
}

/// A stream of response bytes, read ahead by no more than a bounded buffer.
pub trait ResponseBody: Send {
    /// The next bytes; `None` at the end. After an error the connection is closed, so that the
    /// client sees a short body and never wrong bytes.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, Refusal>>>;
}

/// What is told of a request after it was answered: one structured event, and the metrics.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The operation's name, `Unknown` if no operation matched.
    pub operation: &'static str,
    /// The account, once the address told it.
    pub account: Option<String>,
    /// The request's `x-ms-request-id`.
    pub request_id: String,
    /// The HTTP status answered.
    pub status: u16,
    /// The error code answered, if any.
    pub error: Option<&'static str>,
    /// What only the operator may read about the error.
    pub cause: Option<String>,
    /// Request body bytes that were read.
    pub bytes_in: u64,
}

/// A body that is at hand: for sub-requests and tests.
pub struct FullBody(Option<Bytes>);

impl FullBody {
    /// A body of `bytes`.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(Some(bytes.into()))
    }
}

impl RequestBody for FullBody {
    fn announced(&self) -> Option<u64> {
        self.0.as_ref().map(|bytes| bytes.len() as u64)
    }

    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, BodyError>>> {
        let bytes = self.0.take().filter(|bytes| !bytes.is_empty());
        Box::pin(std::future::ready(bytes.map(Ok)))
    }
}

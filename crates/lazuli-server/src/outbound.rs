//! What a client is sent: a response's head and body on the socket, as fast as the client takes it.
//!
//! RFC 9112, <https://www.rfc-editor.org/rfc/rfc9112>

use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode};
use lazuli_api::spelling::METADATA_PREFIX;
use lazuli_api::{Body, Response, ResponseBody};
use lazuli_base::Clock;
use lazuli_wire::date::rfc1123;

use crate::Limits;
use crate::pace::Pace;
use crate::report::Report;
use crate::sides::WriteSide;
use crate::vitals::Vitals;

/// Bodies up to this size are copied behind their head: one short buffer costs the kernel less than
/// two.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// The most slices of one write.
const SLICES_MAX: usize = 4;

/// What the request decides about its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Whether the client takes HTTP/1.1 and so knows chunks.
    pub(crate) is_1_1: bool,
    /// Whether the request was `HEAD`: the response has the headers of its body only.
    pub(crate) is_head: bool,
    /// Whether the connection stays open after it.
    pub(crate) keeps: bool,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is no body, whatever the headers say.
    None,
    /// After so many bytes.
    Length(u64),
    /// By an empty chunk.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// The sending side of a connection.
pub(crate) struct Outbound {
    stream: WriteSide,
    vitals: Arc<Vitals>,
    pace: Pace,
    clock: Arc<dyn Clock>,
    head: Vec<u8>,
}

impl Outbound {
    pub(crate) fn new(
        stream: WriteSide,
        vitals: Arc<Vitals>,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { stream, vitals, pace: Pace::new(limits), clock, head: Vec::new() }
    }

    /// Sends a response; whether the connection can carry another one.
    pub(crate) async fn send(
        &mut self,
        response: Response,
        manner: Manner,
        report: Option<&mut Report>,
    ) -> io::Result<bool> {
        let framing = framing(&response, manner);
        let keeps = manner.keeps && framing != Framing::Close;
        self.write_head(&response, framing, Manner { keeps, ..manner });
        match response.body {
            Body::Stream(stream) if framing != Framing::None => {
                self.send_stream(stream, framing, report).await?;
            }
            Body::Full(bytes) if framing != Framing::None => {
                if let Some(report) = report {
                    report.sent(bytes.len());
                }
                self.send_part(bytes).await?;
            }
            _ => self.send_part(Bytes::new()).await?,
        }
        Ok(keeps)
    }

    /// Ends this side of the connection.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.stream.poll_shutdown(cx)).await
    }

    fn write_head(&mut self, response: &Response, framing: Framing, manner: Manner) {
        let out = &mut self.head;
        out.clear();
        let status = StatusCode::from_u16(response.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = status.canonical_reason().unwrap_or_default();
        // Writing to a vector cannot fail.
        let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", status.as_u16());
        for (name, value) in &response.headers {
            if !is_of_the_connection(name, framing) {
                let name = name.as_str();
                let spelled = name.strip_prefix(METADATA_PREFIX);
                match spelled.filter(|_| !response.spelling.is_plain()) {
                    Some(rest) => {
                        out.extend_from_slice(METADATA_PREFIX.as_bytes());
                        push_line(out, response.spelling.of(rest), value.as_bytes());
                    }
                    None => push_line(out, name, value.as_bytes()),
                }
            }
        }
        if !response.headers.contains_key(DATE) {
            push_line(out, "date", rfc1123(self.clock.now()).as_bytes());
        }
        match framing {
            Framing::Length(bytes) => {
                let _ = write!(out, "content-length: {bytes}\r\n");
            }
            Framing::Chunked => push_line(out, "transfer-encoding", b"chunked"),
            Framing::None | Framing::Close => {}
        }
        match (manner.keeps, manner.is_1_1) {
            (false, _) => push_line(out, "connection", b"close"),
            (true, false) => push_line(out, "connection", b"keep-alive"),
            (true, true) => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Sends the parts of a body as they come, the first one together with the head.
    async fn send_stream(
        &mut self,
        mut stream: Box<dyn ResponseBody>,
        framing: Framing,
        mut report: Option<&mut Report>,
    ) -> io::Result<()> {
        let mut sent: u64 = 0;
        while let Some(part) = stream.next().await {
            let bytes = part.map_err(|refusal| {
                let cause = refusal.cause().unwrap_or(refusal.code().name());
                if let Some(report) = &mut report {
                    report.fail(cause.to_owned());
                }
                io::Error::other("the response body ended early")
            })?;
            if bytes.is_empty() {
                continue;
            }
            sent += bytes.len() as u64;
            if matches!(framing, Framing::Length(length) if sent > length) {
                return Err(io::Error::other("the response body is longer than announced"));
            }
            if let Some(report) = &mut report {
                report.sent(bytes.len());
            }
            if framing == Framing::Chunked {
                let _ = write!(self.head, "{:x}\r\n", bytes.len());
                self.send_part(bytes).await?;
                self.head.extend_from_slice(b"\r\n");
            } else {
                self.send_part(bytes).await?;
            }
        }
        match framing {
            Framing::Length(length) if sent < length => {
                return Err(io::Error::other("the response body is shorter than announced"));
            }
            Framing::Chunked => self.head.extend_from_slice(b"0\r\n\r\n"),
            _ => {}
        }
        self.send_part(Bytes::new()).await
    }

    /// Sends what is written of the head, and `bytes` behind it.
    async fn send_part(&mut self, bytes: Bytes) -> io::Result<()> {
        let mut head = std::mem::take(&mut self.head);
        if !head.is_empty() && bytes.len() <= JOINED_BYTES_MAX {
            head.extend_from_slice(&bytes);
            self.write_all(head.as_slice()).await?;
        } else {
            self.write_all(head.as_slice().chain(bytes)).await?;
        }
        // Its room serves the next head; what a large one took is given back.
        head.clear();
        head.shrink_to(2 * JOINED_BYTES_MAX);
        self.head = head;
        Ok(())
    }

    async fn write_all(&mut self, mut bytes: impl Buf) -> io::Result<()> {
        while bytes.has_remaining() {
            let written = poll_fn(|cx| self.poll_write(cx, &bytes)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes.advance(written);
        }
        if self.stream.is_buffered() {
            return poll_fn(|cx| self.poll_flush(cx)).await;
        }
        Ok(())
    }

    /// Hands the socket what the session holds of the bytes written before.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream.poll_flush(cx);
        match &flushed {
            Poll::Pending => self.vitals.stalled(),
            // The bytes were counted when the session took them.
            Poll::Ready(Ok(())) => self.flowed(0),
            Poll::Ready(Err(_)) => {}
        }
        flushed
    }

    /// Records that the client took `bytes`, and how long it did not.
    fn flowed(&mut self, bytes: usize) {
        let waited = self.vitals.flowed();
        if !self.pace.moved(bytes as u64, waited) {
            self.vitals.set_reads_too_slowly();
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &impl Buf) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = bytes.chunks_vectored(&mut slices);
        let slices = slices.get(..count).unwrap_or_default();
        let written = self.stream.poll_write(cx, slices);
        match &written {
            Poll::Pending => self.vitals.stalled(),
            Poll::Ready(Ok(bytes)) => self.flowed(*bytes),
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

fn push_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Whether the connection writes this header itself.
fn is_of_the_connection(name: &HeaderName, framing: Framing) -> bool {
    // The length that HEAD is told is that of the body it would get.
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == CONTENT_LENGTH && framing != Framing::None
}

/// RFC 9112, 6.3.
fn framing(response: &Response, manner: Manner) -> Framing {
    if manner.is_head || matches!(response.status, 100..200 | 204 | 304) {
        return Framing::None;
    }
    let told = |value: &HeaderValue| value.to_str().ok()?.parse().ok();
    match &response.body {
        Body::Empty => Framing::Length(0),
        Body::Full(bytes) => Framing::Length(bytes.len() as u64),
        Body::Stream(_) => match response.headers.get(CONTENT_LENGTH).and_then(told) {
            Some(length) => Framing::Length(length),
            None if manner.is_1_1 => Framing::Chunked,
            None => Framing::Close,
        },
    }
}

//! What a client sends: a buffer in front of the socket, from which heads and bodies are taken.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use lazuli_api::BodyError;

use crate::Limits;
use crate::head::{self, Framing, Head};
use crate::sides::ReadSide;
use crate::vitals::Vitals;

/// What the buffer starts with: room for a usual head and a small body.
const READ_BYTES_MIN: usize = 16 * 1024;

/// The most that is read from a socket at once.
const READ_BYTES_MAX: usize = 512 * 1024;

/// The longest line before a chunk, and the longest trailer section.
const CHUNK_LINE_BYTES_MAX: usize = 4 * 1024;
const TRAILER_BYTES_MAX: usize = 16 * 1024;

/// Most trailer lines; what they say means nothing to any operation.
const TRAILERS_MAX: usize = 32;

/// What the client waits for before it sends a body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The receiving side of a connection.
pub(crate) struct Inbound {
    stream: ReadSide,
    vitals: Arc<Vitals>,
    buffer: BytesMut,
    /// How much the next read asks for: twice as much after each that was filled.
    wanted: usize,
}

/// How a wait for a head ended without one.
#[derive(Debug)]
pub(crate) enum NoHead {
    /// The client closed its side, or the connection failed.
    Over,
    /// What came is no head.
    Refused(StatusCode),
}

impl Inbound {
    pub(crate) fn new(stream: ReadSide, vitals: Arc<Vitals>) -> Self {
        Self { stream, vitals, buffer: BytesMut::new(), wanted: READ_BYTES_MIN }
    }

    /// Reads some bytes; 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = self.buffer.capacity() - self.buffer.len();
        if room == 0 {
            // An idle connection holds no memory: room is made once there is something to read.
            ready!(self.stream.poll_readable(cx))?;
        }
        if room < READ_BYTES_MIN {
            self.buffer.reserve(self.wanted);
        }
        let offered = self.buffer.capacity() - self.buffer.len();
        let read = ready!(self.stream.poll_read(cx, &mut self.buffer))?;
        if read > 0 {
            self.vitals.received();
        }
        if read == offered {
            self.wanted = (self.wanted * 2).min(READ_BYTES_MAX);
        }
        Poll::Ready(Ok(read))
    }

    /// The next request's head.
    pub(crate) async fn head(&mut self, limits: &Limits) -> Result<Head, NoHead> {
        self.wanted = READ_BYTES_MIN;
        if self.buffer.is_empty() {
            // An idle connection holds no memory.
            self.buffer = BytesMut::new();
        } else {
            // A pipelined head has begun to arrive already.
            self.vitals.received();
        }
        let mut seen = 0;
        loop {
            // Only a new line can complete or spoil a head: a client that sends single bytes
            // must not make each of them cost a look at all the others.
            let fresh = self.buffer.get(seen..).unwrap_or_default();
            let full = self.buffer.len() >= limits.head_bytes_max;
            if !fresh.is_empty() && (seen == 0 || full || fresh.contains(&b'\n')) {
                let taken = head::take(&mut self.buffer, limits).map_err(NoHead::Refused)?;
                if let Some(head) = taken {
                    return Ok(head);
                }
            }
            seen = self.buffer.len();
            let read = std::future::poll_fn(|cx| {
                // A server that stops takes no further requests.
                let ends = self.buffer.is_empty() && self.vitals.is_draining();
                if ends { Poll::Ready(Ok(0)) } else { self.poll_fill(cx) }
            });
            if matches!(read.await, Ok(0) | Err(_)) {
                return Err(NoHead::Over);
            }
        }
    }

    /// Whether a head that was refused asks for a response without body.
    pub(crate) fn asks_for_head(&self) -> bool {
        self.buffer.starts_with(b"HEAD ")
    }

    /// Discards what the client sends until it stops.
    pub(crate) async fn discard(&mut self) {
        loop {
            self.buffer.clear();
            match std::future::poll_fn(|cx| self.poll_fill(cx)).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// Sends `100 Continue`. Nothing else is sent on the connection while a body is awaited.
    fn poll_continue(&mut self, cx: &mut Context<'_>, sent: &mut usize) -> Poll<io::Result<()>> {
        self.stream.poll_say(cx, CONTINUE, sent)
    }
}

/// Where the reading of a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// So many bytes of the body are to come.
    Sized(u64),
    /// A chunk's first line.
    ChunkLine,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// The lines after the last chunk.
    Trailers,
}

/// A body on its way in.
pub(crate) struct Incoming {
    inbound: Inbound,
    part: Part,
    /// How much of `100 Continue` is sent; all of it where nobody waits for it.
    continued: usize,
}

impl Incoming {
    /// The body of `head`, whose bytes come from `inbound`.
    pub(crate) fn new(inbound: Inbound, head: &Head) -> Self {
        let part = match head.framing {
            Framing::Length(bytes) => Part::Sized(bytes),
            Framing::Chunked => Part::ChunkLine,
        };
        // HTTP/1.0 knows no interim answers (RFC 9110, 10.1.1).
        let waits = head.expects && head.is_1_1;
        Self { inbound, part, continued: if waits { 0 } else { CONTINUE.len() } }
    }

    /// Gives the connection back.
    pub(crate) fn into_inbound(self) -> Inbound {
        self.inbound
    }

    /// Whether the client sends the body without waiting to be asked for it.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.continued == CONTINUE.len()
    }

    /// Whether all of it was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.part == Part::Sized(0)
    }

    /// How many bytes are to come, if that was announced.
    pub(crate) fn announced(&self) -> Option<u64> {
        match self.part {
            Part::Sized(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The next bytes of the body; `None` at its end.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match self.take() {
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Ok(None) if self.is_over() => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let read = match ready!(self.inbound.poll_continue(cx, &mut self.continued)) {
                Ok(()) => ready!(self.inbound.poll_fill(cx)),
                Err(error) => Err(error),
            };
            if matches!(read, Ok(0) | Err(_)) {
                return Poll::Ready(Some(Err(BodyError::Incomplete)));
            }
        }
    }

    /// What of the body is in the buffer; `None` if more has to be read first.
    fn take(&mut self) -> Result<Option<Bytes>, BodyError> {
        let buffer = &mut self.inbound.buffer;
        loop {
            match &mut self.part {
                Part::Sized(left) | Part::Chunk(left) if *left > 0 => {
                    let at_hand = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                    *left -= at_hand as u64;
                    let bytes = buffer.split_to(at_hand).freeze();
                    return Ok(Some(bytes).filter(|bytes| !bytes.is_empty()));
                }
                Part::Sized(_) => return Ok(None),
                Part::Chunk(_) => self.part = Part::ChunkEnd,
                Part::ChunkLine => match httparse::parse_chunk_size(buffer) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        buffer.advance(length);
                        self.part = if size == 0 { Part::Trailers } else { Part::Chunk(size) };
                    }
                    Ok(httparse::Status::Partial) if buffer.len() < CHUNK_LINE_BYTES_MAX => {
                        return Ok(None);
                    }
                    _ => return Err(BodyError::Malformed),
                },
                Part::ChunkEnd => match buffer.get(..2) {
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        self.part = Part::ChunkLine;
                    }
                    Some(_) => return Err(BodyError::Malformed),
                    None => return Ok(None),
                },
                Part::Trailers => {
                    let mut lines = [httparse::EMPTY_HEADER; TRAILERS_MAX];
                    match httparse::parse_headers(buffer, &mut lines) {
                        Ok(httparse::Status::Complete((length, _))) => {
                            buffer.advance(length);
                            self.part = Part::Sized(0);
                        }
                        Ok(httparse::Status::Partial) if buffer.len() < TRAILER_BYTES_MAX => {
                            return Ok(None);
                        }
                        _ => return Err(BodyError::Malformed),
                    }
                }
            }
        }
    }
}

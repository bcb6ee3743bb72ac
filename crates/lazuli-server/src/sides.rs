//! The two sides of a connection: those of a socket as it is, or of one under TLS.
//!
//! A socket without TLS is split into halves that share nothing but its descriptor. Under TLS both
//! directions go through one session, so that its sides share it behind a lock, which is held for
//! one call of the session and never while anybody waits.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::server::TlsStream;

/// A session that both sides use.
#[derive(Clone)]
pub(crate) struct Session(Arc<Mutex<TlsStream<TcpStream>>>);

impl Session {
    fn lock(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client sends.
pub(crate) enum ReadSide {
    /// Of a socket as it is.
    Plain(OwnedReadHalf),
    /// Of one under TLS.
    Secured(Session),
}

/// What a client is sent.
pub(crate) enum WriteSide {
    /// Of a socket as it is.
    Plain(OwnedWriteHalf),
    /// Of one under TLS.
    Secured(Session),
}

/// The sides of a socket without TLS.
pub(crate) fn plain(stream: TcpStream) -> (ReadSide, WriteSide) {
    let (reads, writes) = stream.into_split();
    (ReadSide::Plain(reads), WriteSide::Plain(writes))
}

/// The sides of a socket whose handshake is done.
pub(crate) fn secured(stream: TlsStream<TcpStream>) -> (ReadSide, WriteSide) {
    let session = Session(Arc::new(Mutex::new(stream)));
    (ReadSide::Secured(session.clone()), WriteSide::Secured(session))
}

impl ReadSide {
    /// Waits until there is something to read, without room for it: the next read may still have to
    /// wait, for under TLS the rest of a record.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => stream.as_ref().poll_read_ready(cx),
            Self::Secured(session) => {
                let mut stream = session.lock();
                let (socket, tls) = stream.get_mut();
                match tls.process_new_packets() {
                    Ok(state)
                        if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() =>
                    {
                        socket.poll_read_ready(cx)
                    }
                    // What is wrong is told by the read.
                    _ => Poll::Ready(Ok(())),
                }
            }
        }
    }

    /// Reads into the room that `buffer` has; 0 at the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => pin!(stream.read_buf(buffer)).poll(cx),
            Self::Secured(session) => {
                let mut stream = session.lock();
                match ready!(pin!(stream.read_buf(buffer)).poll(cx)) {
                    // Many clients leave without saying so; a body that is cut off is noticed by
                    // its length or its last chunk.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        Poll::Ready(Ok(0))
                    }
                    read => Poll::Ready(read),
                }
            }
        }
    }

    /// Sends all of `text` but its first `sent` bytes, while nobody uses the other side.
    pub(crate) fn poll_say(
        &mut self,
        cx: &mut Context<'_>,
        text: &[u8],
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = text.get(*sent..).filter(|rest| !rest.is_empty()) {
            match ready!(self.poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                bytes => *sent += bytes,
            }
        }
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Secured(session) => Pin::new(&mut *session.lock()).poll_flush(cx),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => loop {
                let stream: &TcpStream = (*stream).as_ref();
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
            },
            Self::Secured(session) => Pin::new(&mut *session.lock()).poll_write(cx, bytes),
        }
    }
}

impl WriteSide {
    /// Takes some of the bytes in `slices`. Under TLS they may wait in the session until
    /// [`WriteSide::poll_flush`].
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Secured(session) => {
                Pin::new(&mut *session.lock()).poll_write_vectored(cx, slices)
            }
        }
    }

    /// Whether written bytes wait in this process until they are flushed.
    pub(crate) fn is_buffered(&self) -> bool {
        matches!(self, Self::Secured(_))
    }

    /// Hands the socket all that was written.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secured(session) => Pin::new(&mut *session.lock()).poll_flush(cx),
        }
    }

    /// Ends this side; under TLS the client is told so first.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secured(session) => Pin::new(&mut *session.lock()).poll_shutdown(cx),
        }
    }
}

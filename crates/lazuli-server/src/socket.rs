//! A TCP stream that tells its connection's [`Vitals`] what arrives and what is taken.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::Limits;
use crate::pace::Pace;
use crate::vitals::Vitals;

/// The stream of one connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    vitals: Arc<Vitals>,
    pace: Pace,
}

impl Socket {
    /// Wraps an accepted stream.
    pub(crate) fn new(stream: TcpStream, vitals: Arc<Vitals>, limits: &Limits) -> Self {
        Self { stream, vitals, pace: Pace::new(limits) }
    }

    fn record_write(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.vitals.stalled(),
            Poll::Ready(Ok(bytes)) => {
                let waited = self.vitals.flowed();
                if !self.pace.moved(*bytes as u64, waited) {
                    self.vitals.set_reads_too_slowly();
                }
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.vitals.received();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.record_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.record_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

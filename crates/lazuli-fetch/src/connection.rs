//! One connection: requests out, heads and bytes in.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error::FetchError;
use crate::head::{self, Head};

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Bytes of a body taken at a time: what a source holds in memory.
const PART_BYTES: usize = 256 * 1024;

/// Bytes of a line between the chunks of a body.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// Informational answers that may come before the one that counts.
const INFORMATIONAL_MAX: usize = 8;

/// An open connection.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    /// What was received and not yet taken.
    buffer: BytesMut,
}

impl Connection {
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Whether nothing came that nobody asked for.
    pub(crate) fn is_clean(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Sends a request and receives the head of its answer.
    pub(crate) async fn ask(&mut self, request: &str) -> Result<Head, FetchError> {
        let sent = async {
            self.stream.write_all(request.as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| interrupted(&error))?;
        for _ in 0..INFORMATIONAL_MAX {
            let head = self.head().await?;
            if !(100..200).contains(&head.status) {
                return Ok(head);
            }
        }
        Err(FetchError::Malformed("informational answers only".to_owned()))
    }

    async fn head(&mut self) -> Result<Head, FetchError> {
        loop {
            if let Some((head, length)) = head::parse(&self.buffer)? {
                let _ = self.buffer.split_to(length);
                return Ok(head);
            }
            self.buffer.reserve(8 * 1024);
            if self.stream.read_buf(&mut self.buffer).await.map_err(|error| interrupted(&error))?
                == 0
            {
                return Err(FetchError::Interrupted("closed before an answer".to_owned()));
            }
        }
    }

    /// The next bytes of a body of which so many are left; never more, and none only if the peer
    /// closed.
    pub(crate) async fn part(&mut self, left: u64) -> Result<Bytes, FetchError> {
        if self.buffer.is_empty() {
            self.buffer.reserve(PART_BYTES);
            let most = usize::try_from(left).unwrap_or(PART_BYTES).min(PART_BYTES);
            let mut limited = (&mut self.stream).take(most as u64);
            limited.read_buf(&mut self.buffer).await.map_err(|error| interrupted(&error))?;
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(self.buffer.split_to(most).freeze())
    }
}

impl Connection {
    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> Result<Bytes, FetchError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                let _ = self.buffer.split_to(2);
                return Ok(line);
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(FetchError::Malformed("a line that is too long".to_owned()));
            }
            self.buffer.reserve(LINE_BYTES_MAX);
            let mut limited = (&mut self.stream).take(LINE_BYTES_MAX as u64);
            if limited.read_buf(&mut self.buffer).await.map_err(|error| interrupted(&error))? == 0 {
                return Err(FetchError::Interrupted("closed before its end".to_owned()));
            }
        }
    }
}

fn interrupted(error: &io::Error) -> FetchError {
    FetchError::Interrupted(error.to_string())
}

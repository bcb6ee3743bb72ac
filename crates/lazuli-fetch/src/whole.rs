//! Small bodies that are wanted as a whole: lists, and what else a server says of its content. They
//! may come in chunks, for who writes a list does not always know its length when he begins.
//!
//! <https://www.rfc-editor.org/rfc/rfc9112.html#section-7.1>

use std::time::Duration;

use tokio::time::timeout;

use crate::connection::Connection;
use crate::error::{Answered, FetchError};
use crate::fetcher::{Ask, Fetcher};
use crate::head::{Head, Headers};

/// How long a whole body may take, its head included.
const WHOLE_TIME: Duration = Duration::from_mins(5);

/// Lines that may come after the last chunk.
const TRAILERS_MAX: usize = 64;

/// A body that is there as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The headers of the answer.
    pub headers: Headers,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Whole {
    pub(crate) async fn receive(
        fetcher: &Fetcher,
        ask: &Ask,
        bytes_max: u64,
    ) -> Result<Self, FetchError> {
        let whole = timeout(WHOLE_TIME, Self::receive_patiently(fetcher, ask, bytes_max)).await;
        whole.unwrap_or(Err(FetchError::TimedOut("a list takes too long")))
    }

    async fn receive_patiently(
        fetcher: &Fetcher,
        ask: &Ask,
        bytes_max: u64,
    ) -> Result<Self, FetchError> {
        let all = ask.headers.iter().chain(&ask.conditions);
        let headers: Vec<(&str, &str)> = all.map(|(name, value)| (*name, value.as_str())).collect();
        let (mut connection, head) = fetcher.ask(&ask.target, &headers, ask.range).await?;
        let Head { status, length, is_chunked, keeps_alive, headers } = head;
        if status != 200 {
            return Err(FetchError::Answered(Box::new(Answered { status, headers })));
        }
        let mut body = Body { fetcher, connection: &mut connection, bytes: Vec::new(), bytes_max };
        match length {
            Some(length) => body.take(length).await?,
            None if is_chunked => body.take_chunks().await?,
            None => return Err(FetchError::Malformed("it does not say its length".to_owned())),
        }
        let bytes = body.bytes;
        if keeps_alive {
            fetcher.keep(&ask.target, connection);
        }
        Ok(Self { headers, bytes })
    }
}

/// A body on its way.
struct Body<'a> {
    fetcher: &'a Fetcher,
    connection: &'a mut Connection,
    bytes: Vec<u8>,
    bytes_max: u64,
}

impl Body<'_> {
    /// Takes so many more bytes.
    async fn take(&mut self, length: u64) -> Result<(), FetchError> {
        if length > self.bytes_max.saturating_sub(self.bytes.len() as u64) {
            return Err(FetchError::Malformed(format!("it has over {} bytes", self.bytes_max)));
        }
        let mut left = length;
        while left > 0 {
            let part = timeout(self.fetcher.bounds().stall, self.connection.part(left)).await;
            let part = part.map_err(|_| FetchError::TimedOut("no byte"))??;
            if part.is_empty() {
                return Err(FetchError::Interrupted("closed before its end".to_owned()));
            }
            left -= part.len() as u64;
            self.bytes.extend_from_slice(&part);
        }
        Ok(())
    }

    async fn line(&mut self) -> Result<bytes::Bytes, FetchError> {
        let line = timeout(self.fetcher.bounds().stall, self.connection.line()).await;
        line.map_err(|_| FetchError::TimedOut("no byte"))?
    }

    async fn take_chunks(&mut self) -> Result<(), FetchError> {
        let malformed = |what: &str| FetchError::Malformed(what.to_owned());
        loop {
            let length = chunk_length(&self.line().await?);
            let length = length.ok_or_else(|| malformed("a chunk that does not say its length"))?;
            if length == 0 {
                break;
            }
            self.take(length).await?;
            if !self.line().await?.is_empty() {
                return Err(malformed("a chunk that is longer than it says"));
            }
        }
        for _ in 0..TRAILERS_MAX {
            if self.line().await?.is_empty() {
                return Ok(());
            }
        }
        Err(malformed("too much after its last chunk"))
    }
}

/// The length that the first line of a chunk tells, extensions aside.
fn chunk_length(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::chunk_length;

    #[test]
    fn the_length_of_a_chunk_is_hexadecimal_and_nothing_else() {
        assert_eq!(chunk_length(b"0"), Some(0));
        assert_eq!(chunk_length(b"1aF ;name=value"), Some(0x1af));
        for line in ["", ";", "+1", "-1", "0x1", "1 1", "g", "11111111111111111"] {
            assert_eq!(chunk_length(line.as_bytes()), None, "{line}");
        }
    }
}

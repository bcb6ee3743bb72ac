//! Content as it arrives: one run of bytes, gone on with where a connection broke.
//!
//! The first answer fixes the entity tag, the length and the range; every later one has to agree.

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::connection::Connection;
use crate::error::{Answered, FetchError};
use crate::fetcher::{Ask, Fetcher};
use crate::head::{ContentRange, Head, Headers};
use crate::target::Target;

/// Times a broken run of bytes is gone on with, without [`PROGRESS`] in between.
const RESUMES_MAX: u32 = 4;

/// Bytes after which a source has proved to be worth going on with.
const PROGRESS: u64 = 4 * 1024 * 1024;

/// What is wrong with who is slower than the pace.
pub(crate) const PACE: &str = "too few bytes per second";

/// A run of bytes being received.
pub struct Content {
    fetcher: Fetcher,
    target: Target,
    headers: Vec<(&'static str, String)>,
    answer: Headers,
    /// The entity tag, if it is one that identifies bytes.
    etag: Option<String>,
    total: u64,
    /// The offset of the next byte, and of the one behind the last.
    next: u64,
    end: u64,
    /// Where they come from; nothing once they all came.
    connection: Option<Connection>,
    keeps_alive: bool,
    /// Whether the source is known to give ranges.
    gives_ranges: bool,
    pace: Pace,
    resumes: u32,
    resumed_at: u64,
    permit: Option<OwnedSemaphorePermit>,
}

/// Bytes in a window of time.
struct Pace {
    since: Instant,
    bytes: u64,
}

/// What an answer brings: the range, of how many bytes.
fn brought(head: &Head, wanted: Option<(u64, Option<u64>)>) -> Result<ContentRange, FetchError> {
    let malformed = |what: &str| FetchError::Malformed(what.to_owned());
    let length = head.length.ok_or_else(|| malformed("it does not say its length"))?;
    // A run of no bytes has its last before its first; it is told by `total`.
    let whole = ContentRange { first: 0, last: length.saturating_sub(1), total: length };
    match (head.status, wanted) {
        (200, None | Some((0, None))) => Ok(whole),
        (200, Some(_)) => Err(FetchError::NoRanges),
        (206, Some((first, last))) => {
            let range = head.headers.get("content-range").and_then(ContentRange::parse);
            let range = range.ok_or_else(|| malformed("it does not say its range"))?;
            let last = last.unwrap_or(u64::MAX).min(range.total - 1);
            if (range.first, range.last) != (first, last) {
                return Err(malformed("it is another range"));
            }
            if length != last - first + 1 {
                return Err(malformed("its length is not that of its range"));
            }
            Ok(range)
        }
        _ => Err(malformed("it is a range that nobody asked for")),
    }
}

/// The entity tag of an answer, if it tells one state of the bytes from another.
fn strong_etag(headers: &Headers) -> Option<String> {
    headers
        .get("etag")
        .filter(|etag| !etag.starts_with("W/") && !etag.is_empty())
        .map(str::to_owned)
}

impl Content {
    pub(crate) async fn begin(fetcher: &Fetcher, ask: &Ask) -> Result<Self, FetchError> {
        let all = ask.headers.iter().chain(&ask.conditions);
        let headers: Vec<(&str, &str)> = all.map(|(name, value)| (*name, value.as_str())).collect();
        let (connection, head) = fetcher.ask(&ask.target, &headers, ask.range).await?;
        if !matches!(head.status, 200 | 206) {
            let Head { status, headers, .. } = head;
            return Err(FetchError::Answered(Box::new(Answered { status, headers })));
        }
        let range = brought(&head, ask.range)?;
        let end = if range.total == 0 { 0 } else { range.last + 1 };
        let mut content = Self {
            fetcher: fetcher.clone(),
            target: ask.target.clone(),
            headers: ask.headers.clone(),
            etag: strong_etag(&head.headers),
            total: range.total,
            next: range.first,
            end,
            connection: Some(connection),
            keeps_alive: head.keeps_alive,
            gives_ranges: head.status == 206
                || head.headers.get("accept-ranges").is_some_and(|unit| unit.trim() == "bytes"),
            pace: Pace { since: Instant::now(), bytes: 0 },
            resumes: 0,
            resumed_at: range.first,
            answer: head.headers,
            permit: None,
        };
        if content.remaining() == 0 {
            content.finish();
        }
        Ok(content)
    }

    pub(crate) fn with_permit(self, permit: OwnedSemaphorePermit) -> Self {
        Self { permit: Some(permit), ..self }
    }

    /// The headers of the first answer.
    pub fn headers(&self) -> &Headers {
        &self.answer
    }

    /// The entity tag, if it is a strong one; with its quotation marks.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Bytes of the whole content, of which a range was asked for.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.end - self.next
    }

    /// The next bytes, at most 256 KiB; `None` at the end. After an error there are none.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            if self.remaining() == 0 {
                return Ok(None);
            }
            match self.part().await {
                Ok(bytes) => {
                    self.next += bytes.len() as u64;
                    self.keep_pace(bytes.len() as u64)?;
                    if self.remaining() == 0 {
                        self.finish();
                    }
                    return Ok(Some(bytes));
                }
                Err(error) => self.resume(error).await?,
            }
        }
    }

    async fn part(&mut self) -> Result<Bytes, FetchError> {
        let left = self.remaining();
        let closed = || FetchError::Interrupted("closed before its end".to_owned());
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        let bytes = timeout(self.fetcher.bounds().stall, connection.part(left)).await;
        let bytes = bytes.map_err(|_| FetchError::TimedOut("no byte"))??;
        if bytes.is_empty() { Err(closed()) } else { Ok(bytes) }
    }

    /// Refuses a source that sends something now and then, so that no other bound is met.
    fn keep_pace(&mut self, bytes: u64) -> Result<(), FetchError> {
        self.pace.bytes += bytes;
        let bounds = self.fetcher.bounds();
        let took = self.pace.since.elapsed();
        if took < bounds.pace_window {
            return Ok(());
        }
        let least = bounds.bytes_per_second_min.saturating_mul(took.as_secs().max(1));
        if self.pace.bytes < least {
            self.connection = None;
            return Err(FetchError::TimedOut(PACE));
        }
        self.pace = Pace { since: Instant::now(), bytes: 0 };
        Ok(())
    }

    /// Lets the connection go: to be used again if it may.
    fn finish(&mut self) {
        let connection = self.connection.take();
        if let Some(connection) = connection.filter(|_| self.keeps_alive) {
            self.fetcher.keep(&self.target, connection);
        }
        self.permit = None;
    }

    /// Asks for what is missing after `error`, if the source can be held to being the same.
    async fn resume(&mut self, mut error: FetchError) -> Result<(), FetchError> {
        self.connection = None;
        if self.next - self.resumed_at >= PROGRESS {
            self.resumes = 0;
        }
        self.resumed_at = self.next;
        let Some(etag) = self.etag.clone().filter(|_| self.gives_ranges) else {
            return Err(error);
        };
        while error.is_passing() && self.resumes < RESUMES_MAX {
            self.resumes += 1;
            tokio::time::sleep(std::time::Duration::from_millis(100) * self.resumes).await;
            match self.ask_again(&etag).await {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
        Err(error)
    }

    async fn ask_again(&mut self, etag: &str) -> Result<(), FetchError> {
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("If-Match", etag));
        let range = Some((self.next, Some(self.end - 1)));
        let (connection, head) = self.fetcher.ask(&self.target, &headers, range).await?;
        match head.status {
            200 | 206 => {}
            412 => return Err(FetchError::Changed),
            status => {
                let headers = head.headers;
                return Err(FetchError::Answered(Box::new(Answered { status, headers })));
            }
        }
        if head.headers.get("etag") != Some(etag) {
            return Err(FetchError::Changed);
        }
        let range = brought(&head, range)?;
        if range.total != self.total {
            return Err(FetchError::Changed);
        }
        self.connection = Some(connection);
        self.keeps_alive = head.keeps_alive;
        Ok(())
    }
}

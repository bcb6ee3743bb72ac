//! What an operation answers, before the pipeline adds what every response has.

use std::fmt::{self, Display, Write};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use lazuli_base::Timestamp;
use lazuli_model::etag::ETag;
use lazuli_model::metadata::Metadata;
use lazuli_wire::date;

use crate::Spelling;
use crate::message::{Body, ResponseBody};
use crate::spelling::METADATA_PREFIX;

/// A successful answer.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The operation's own headers.
    pub headers: HeaderMap,
    /// How the metadata names among them are to be written.
    pub spelling: Spelling,
    /// The body.
    pub body: Body,
    /// Whether an operation that changes something found nothing to change: it was a read then.
    pub changed_nothing: bool,
}

impl Reply {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        let headers = HeaderMap::with_capacity(24);
        let (spelling, body) = (Spelling::default(), Body::Empty);
        Self { status, headers, spelling, body, changed_nothing: false }
    }

    /// Says that the operation found nothing to change, so that no commit entered it.
    #[must_use]
    pub fn changed_nothing(self) -> Self {
        Self { changed_nothing: true, ..self }
    }

    /// Sets a header. A value that cannot stand in a header is left out: the values come from
    /// headers, or are made of visible ASCII characters.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Display) -> Self {
        let name = HeaderName::from_static(name);
        let mut line = Line { bytes: [0; LINE_BYTES], len: 0 };
        match write!(line, "{value}") {
            Ok(()) => self.set(name, &line.bytes[..line.len]),
            Err(_) => self.set(name, value.to_string().as_bytes()),
        }
        self
    }

    /// Sets a header to a fixed text.
    #[must_use]
    pub fn fixed(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Sets a header if there is a value.
    #[must_use]
    pub fn optional(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Sets a header to a date in the form of RFC 1123.
    #[must_use]
    pub fn date(self, name: &'static str, at: Timestamp) -> Self {
        self.header(name, date::rfc1123(at))
    }

    /// Sets `ETag` and `Last-Modified`.
    #[must_use]
    pub fn entity(self, etag: ETag, modified: Timestamp) -> Self {
        self.header("etag", etag).date("last-modified", modified)
    }

    /// Sets the metadata headers.
    #[must_use]
    pub fn metadata(mut self, metadata: &Metadata) -> Self {
        for (name, value) in metadata.iter() {
            self.spelling.note(name);
            let name = format!("{METADATA_PREFIX}{name}");
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                self.set(name, value.as_bytes());
            }
        }
        self
    }

    /// Says that content was encrypted on its way to the disk, as SDKs expect of every write.
    #[must_use]
    pub fn encrypted(self) -> Self {
        self.fixed("x-ms-request-server-encrypted", "true")
    }

    /// Sets an XML body.
    #[must_use]
    pub fn xml(self, body: String) -> Self {
        let reply = self.fixed("content-type", "application/xml");
        Self { body: Body::Full(body.into()), ..reply }
    }

    /// Sets a body at hand.
    #[must_use]
    pub fn full(self, body: impl Into<Bytes>) -> Self {
        Self { body: Body::Full(body.into()), ..self }
    }

    /// Sets a body that is read while it is sent.
    #[must_use]
    pub fn stream(self, body: Box<dyn ResponseBody>) -> Self {
        Self { body: Body::Stream(body), ..self }
    }

    fn set(&mut self, name: HeaderName, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.headers.insert(name, value);
        }
    }
}

/// Values up to this length are formatted without an allocation of their own.
const LINE_BYTES: usize = 64;

/// A header's value being formatted; longer ones are an error.
struct Line {
    bytes: [u8; LINE_BYTES],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.bytes.get_mut(self.len..).ok_or(fmt::Error)?;
        free.get_mut(..text.len()).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

//! The heads of requests and answers.
//!
//! <https://www.rfc-editor.org/rfc/rfc9112.html>. Names of headers keep their spelling, for the
//! names of a blob's metadata are in them.

use std::fmt::Write as _;

use crate::error::FetchError;
use crate::target::Target;

/// The most bytes of an answer's head.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The most headers of an answer.
const HEADERS_MAX: usize = 256;

/// The headers of an answer, in order, names spelled as they came. A value that is not text is left
/// out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of a header, whose name is compared without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    /// Bytes of the body; `None` if only its end tells.
    pub(crate) length: Option<u64>,
    /// Whether the body comes in chunks, and in nothing else.
    pub(crate) is_chunked: bool,
    /// Whether another request may follow on the connection.
    pub(crate) keeps_alive: bool,
}

/// Reads a head from the bytes received so far, and how long it is; `None` if it is not whole.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, FetchError> {
    let mut places = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut places);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => {
            return Err(FetchError::Malformed(format!("a head of over {HEAD_BYTES_MAX} bytes")));
        }
        Err(error) => return Err(FetchError::Malformed(error.to_string())),
    };
    let text = |header: &httparse::Header<'_>| {
        let value = std::str::from_utf8(header.value).ok()?;
        Some((header.name.to_owned(), value.trim().to_owned()))
    };
    let headers = Headers(response.headers.iter().filter_map(text).collect());
    let status = response.code.unwrap_or_default();
    let has = |name: &str, word: &str| {
        let words = headers.get(name).unwrap_or_default().split(',');
        words.into_iter().any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    let keeps_alive = match response.version {
        Some(1) => !has("connection", "close"),
        _ => has("connection", "keep-alive"),
    };
    let body = body_length(&headers)?;
    let coding = headers.get("transfer-encoding");
    let is_chunked = coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
    Ok(Some((Head { status, length: body, is_chunked, keeps_alive, headers }, length)))
}

/// The length of the body; a body in chunks, or in what else there may be, has none.
fn body_length(headers: &Headers) -> Result<Option<u64>, FetchError> {
    if headers.get("transfer-encoding").is_some() {
        return Ok(None);
    }
    let mut length = None;
    for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
    {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let value: Option<u64> = value.parse().ok().filter(|_| digits);
        let Some(value) = value.filter(|value| length.is_none_or(|before| before == *value)) else {
            return Err(FetchError::Malformed("its length is no length".to_owned()));
        };
        length = Some(value);
    }
    Ok(length)
}

/// The value of a `Content-Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
}

impl ContentRange {
    /// Parses `bytes FIRST-LAST/TOTAL` of which each part agrees with the others.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| {
            let text = text.trim();
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
        };
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then_some(Self { first, last, total })
    }
}

/// The head of a GET. Headers that could not be sent as they are are refused by their owner.
pub(crate) fn request(
    target: &Target,
    headers: &[(&str, &str)],
    range: Option<(u64, Option<u64>)>,
) -> String {
    let mut out = String::with_capacity(512);
    let _ = write!(out, "GET {} HTTP/1.1\r\n", target.path_and_query());
    let _ = write!(out, "Host: {}\r\n", target.authority());
    out.push_str("User-Agent: lazuli\r\nAccept: */*\r\n");
    if let Some((first, last)) = range {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        let _ = write!(out, "Range: bytes={first}-{last}\r\n");
    }
    let plain = |text: &str| !text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    for (name, value) in headers.iter().filter(|(name, value)| plain(name) && plain(value)) {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<(Head, usize)>, FetchError> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_head_keeps_the_spelling_of_names() {
        let text =
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-ms-meta-OwnerTeam:  a b \r\n\r\nabcde";
        let (found, length) = head(text).expect("good").expect("whole");
        assert_eq!((found.status, found.length, found.keeps_alive), (200, Some(5), true));
        assert_eq!(&text[length..], "abcde");
        assert!(found.headers.iter().any(|header| header == ("x-ms-meta-OwnerTeam", "a b")));
        assert_eq!(found.headers.get("X-MS-META-OWNERTEAM"), Some("a b"));
    }

    #[test]
    fn lengths_and_connections() {
        for (headers, length, keeps_alive) in [
            ("", None, true),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Some(5), true),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", None, true),
            ("Connection: x, Close\r\n", None, false),
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
            let (found, _) = head(&text).expect("good").expect("whole");
            assert_eq!((found.length, found.keeps_alive), (length, keeps_alive), "{headers}");
        }
        for lengths in ["5\r\nContent-Length: 6", "-1", "+1", "", "1 1", "99999999999999999999"] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\n");
            assert!(head(&text).is_err(), "{lengths}");
        }
    }

    #[test]
    fn floods_of_headers_and_endless_heads_are_refused() {
        let flood = "a: b\r\n".repeat(HEADERS_MAX + 1);
        assert!(head(&format!("HTTP/1.1 200 OK\r\n{flood}\r\n")).is_err());
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(HEAD_BYTES_MAX));
        assert!(head(&endless).is_err());
        assert!(head("HTTP/1.1 200 OK\r\na: b").expect("so far good").is_none());
        assert!(head("SSH-2.0-OpenSSH\r\n").is_err());
    }

    #[test]
    fn content_ranges_that_contradict_themselves_are_none() {
        let range = ContentRange { first: 2, last: 4, total: 10 };
        assert_eq!(ContentRange::parse("bytes 2-4/10"), Some(range));
        for text in ["bytes 4-2/10", "bytes 2-10/10", "bytes */10", "2-4/10", "bytes 2-4/*", ""] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_header_cannot_bring_another() {
        let target = Target::new(true, "h", 443, ("/c/b", "sig=1"));
        let sent = request(&target, &[("a", "b\r\nc: d"), ("e", "f")], Some((1, None)));
        assert!(!sent.contains("c: d"), "{sent}");
        assert!(sent.ends_with("Range: bytes=1-\r\ne: f\r\n\r\n"), "{sent}");
        assert!(sent.starts_with("GET /c/b?sig=1 HTTP/1.1\r\nHost: h\r\n"), "{sent}");
    }
}

//! A request's head: from bytes to method, target, headers and how its body is framed.
//!
//! RFC 9112, <https://www.rfc-editor.org/rfc/rfc9112>

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use lazuli_api::Spelling;
use lazuli_api::spelling::METADATA_PREFIX;

use crate::Limits;

/// Headers that take no allocation to be parsed.
const HEADERS_FEW: usize = 256;

/// How many bytes of body follow a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As many as `Content-Length` says; 0 where nothing says anything.
    Length(u64),
    /// Chunks up to the empty one.
    Chunked,
}

/// A request's head.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// Path and query as sent.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) spelling: Spelling,
    pub(crate) framing: Framing,
    /// Whether the client takes HTTP/1.1; the others take HTTP/1.0.
    pub(crate) is_1_1: bool,
    /// Whether the client keeps the connection after this request.
    pub(crate) keeps: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects: bool,
}

/// Takes a head off the front of `buffer`; `None` while it is not complete, the status to refuse it
/// with if it never can be.
pub(crate) fn take(buffer: &mut BytesMut, limits: &Limits) -> Result<Option<Head>, StatusCode> {
    // On the stack, and not filled in: there are few of them in most heads.
    let mut few = [const { MaybeUninit::uninit() }; HEADERS_FEW];
    let mut many = Vec::new();
    let lines = if let Some(few) = few.get_mut(..limits.headers_max) {
        few
    } else {
        many.resize(limits.headers_max, MaybeUninit::uninit());
        &mut many
    };
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(buffer, lines) {
        Ok(httparse::Status::Complete(length)) if length <= limits.head_bytes_max => length,
        Ok(httparse::Status::Partial) if buffer.len() < limits.head_bytes_max => return Ok(None),
        Ok(_) => return Err(too_long(buffer, limits)),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Err(_) => return Err(StatusCode::BAD_REQUEST),
    };
    let (Some(method), Some(path), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
    let uri: Uri = path.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    let mut spelling = Spelling::default();
    // One copy of the head that all values share, instead of one of each value.
    let shared = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
    let start = buffer.as_ptr().addr();
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let name = name.map_err(|_| StatusCode::BAD_REQUEST)?;
        if name.as_str().starts_with(METADATA_PREFIX) {
            spelling.note(line.name.get(METADATA_PREFIX.len()..).unwrap_or_default());
        }
        let value = if line.value.is_empty() {
            Bytes::new()
        } else {
            let at = line.value.as_ptr().addr().saturating_sub(start);
            shared.slice(at..at + line.value.len())
        };
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| StatusCode::BAD_REQUEST)?;
        headers.append(name, value);
    }
    // An absolute-form target overrides Host (RFC 9112, 3.2.2).
    if let Some(authority) = uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, host);
    }
    let is_1_1 = minor >= 1;
    let head = Head {
        method,
        target: target(&uri),
        framing: framing(&headers, is_1_1)?,
        keeps: keeps(&headers, is_1_1),
        expects: expects(&headers)?,
        headers,
        spelling,
        is_1_1,
    };
    drop(buffer.split_to(length));
    Ok(Some(head))
}

/// What is too long of a head: its first line, or the headers.
fn too_long(head: &[u8], limits: &Limits) -> StatusCode {
    let line = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    if line > limits.head_bytes_max / 2 {
        StatusCode::URI_TOO_LONG
    } else {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    }
}

/// The path and query as sent.
fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(String::new, |target| target.as_str().to_owned())
}

/// RFC 9112, 6.3. A message with both a length and a coding is how requests are smuggled past a
/// proxy: it is refused, as the RFC allows.
fn framing(headers: &HeaderMap, is_1_1: bool) -> Result<Framing, StatusCode> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let lone = codings.next().is_none() && !headers.contains_key(CONTENT_LENGTH) && is_1_1;
        return if lone && coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            Ok(Framing::Chunked)
        } else {
            Err(StatusCode::BAD_REQUEST)
        };
    }
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let text = value.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StatusCode::BAD_REQUEST);
        }
        let found: u64 = text.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
        if length.is_some_and(|other| other != found) {
            return Err(StatusCode::BAD_REQUEST);
        }
        length = Some(found);
    }
    Ok(Framing::Length(length.unwrap_or(0)))
}

fn keeps(headers: &HeaderMap, is_1_1: bool) -> bool {
    let says = |wanted: &str| {
        let mut values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(wanted)))
    };
    if is_1_1 { !says("close") } else { says("keep-alive") }
}

fn expects(headers: &HeaderMap) -> Result<bool, StatusCode> {
    match headers.get(EXPECT) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(StatusCode::EXPECTATION_FAILED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Head>, StatusCode> {
        take(&mut BytesMut::from(text), &Limits::default())
    }

    fn framed(lines: &str) -> Result<Framing, StatusCode> {
        parse(&format!("PUT / HTTP/1.1\r\n{lines}\r\n")).map(|head| head.unwrap().framing)
    }

    #[test]
    fn the_target_is_kept_as_sent() {
        for (uri, want) in [
            ("/a%2Fb//c%20d?x=%2f&y", "/a%2Fb//c%20d?x=%2f&y"),
            ("http://account.host/c/b?comp=list", "/c/b?comp=list"),
            ("http://account.host", "/"),
            ("//account/c", "//account/c"),
            ("*", "*"),
            ("host:443", ""),
        ] {
            assert_eq!(target(&uri.parse().unwrap()), want, "{uri}");
        }
    }

    #[test]
    fn metadata_names_keep_their_case() {
        let text =
            "GET / HTTP/1.1\r\nX-MS-Meta-CamelCase: v\r\nx-ms-meta-plain:  w \r\nEmpty:\r\n\r\n";
        let head = parse(text).unwrap().unwrap();
        assert_eq!(head.headers.get("x-ms-meta-camelcase").unwrap(), "v");
        assert_eq!(head.headers.get("x-ms-meta-plain").unwrap(), "w");
        assert_eq!(head.headers.get("empty").unwrap(), "");
        assert_eq!(head.spelling.of("camelcase"), "CamelCase");
        assert_eq!(head.spelling.of("plain"), "plain");
    }

    #[test]
    fn one_framing_or_none() {
        let bad = Err(StatusCode::BAD_REQUEST);
        for (lines, want) in [
            ("", Ok(Framing::Length(0))),
            ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Ok(Framing::Length(5))),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", bad),
            ("Content-Length: +5\r\n", bad),
            ("Content-Length: 99999999999999999999\r\n", bad),
            ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: gzip\r\n", bad),
            ("Transfer-Encoding: gzip, chunked\r\n", bad),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", bad),
        ] {
            assert_eq!(framed(lines), want, "{lines}");
        }
    }

    #[test]
    fn who_keeps_the_connection() {
        for (text, want) in [
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ] {
            assert_eq!(parse(text).unwrap().unwrap().keeps, want, "{text}");
        }
    }

    #[test]
    fn heads_are_taken_whole() {
        assert!(parse("GET / HTTP/1.1\r\nHost: h\r\n").unwrap().is_none());
        let mut buffer = BytesMut::from("GET / HTTP/1.1\r\n\r\nrest");
        assert!(take(&mut buffer, &Limits::default()).unwrap().is_some());
        assert_eq!(buffer, "rest");
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
        assert_eq!(parse(&long).unwrap_err(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let long = format!("GET /{} HTTP/1.1\r\n", "y".repeat(64 * 1024));
        assert_eq!(parse(&long).unwrap_err(), StatusCode::URI_TOO_LONG);
        assert_eq!(parse("GET / HTTP/1.1\r\na b: c\r\n\r\n").unwrap_err(), StatusCode::BAD_REQUEST);
    }
}

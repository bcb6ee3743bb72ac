//! Blob Batch: many requests in one `multipart/mixed` body, and their responses in another.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/blob-batch>
//!
//! The sub-requests a batch may hold have no bodies, so a batch is read line by line. Lines may
//! end with a lone line feed. Whatever is malformed refuses the whole batch with `InvalidInput`.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use lazuli_model::{ErrorCode, Refusal};

/// The longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most sub-requests of a batch.
pub const REQUESTS_MAX: usize = 256;
/// The most headers of a part or a sub-request.
const HEADERS_MAX: usize = 100;
/// The longest line: a URL with a signature, and then some.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// The longest boundary; RFC 2046 allows 70 characters.
const BOUNDARY_BYTES_MAX: usize = 100;

/// One request of a batch.
#[derive(Clone, Debug)]
pub struct SubRequest {
    /// `Content-ID`, which its response repeats.
    pub content_id: Option<String>,
    /// The method.
    pub method: Method,
    /// Path and query, as sent.
    pub target: String,
    /// The sub-request's own headers.
    pub headers: HeaderMap,
}

pub(crate) fn malformed(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidInput).with_cause(format_args!("batch: {why}"))
}

/// Takes a line of at most `max` bytes, without its end; `None` behind the last one.
pub(crate) fn take_line<'a>(rest: &mut &'a [u8], max: usize) -> Result<Option<&'a str>, Refusal> {
    if rest.is_empty() {
        return Ok(None);
    }
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, after) = match end.and_then(|end| rest.split_at_checked(end + 1)) {
        Some((line, after)) => (line.strip_suffix(b"\n").unwrap_or(line), after),
        None => (*rest, &[][..]),
    };
    *rest = after;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > max {
        return Err(malformed("a line is too long"));
    }
    str::from_utf8(line).map(Some).map_err(|_| malformed("it is not UTF-8"))
}

/// Adds a header to those of a part or a request.
pub(crate) fn add_header(
    headers: &mut HeaderMap,
    (name, value): (&str, &str),
) -> Result<(), Refusal> {
    let name = HeaderName::from_bytes(name.as_bytes());
    let value = HeaderValue::from_bytes(value.trim().as_bytes());
    let (Ok(name), Ok(value)) = (name, value) else {
        return Err(malformed("a header has an illegal character"));
    };
    if headers.len() == HEADERS_MAX {
        return Err(malformed("too many headers"));
    }
    headers.append(name, value);
    Ok(())
}

/// Whether a part of this content type is a request.
pub(crate) fn is_request(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/http")
}

/// A line of a head: name and value.
pub(crate) fn split_header(line: &str) -> Result<(&str, &str), Refusal> {
    line.split_once(':').ok_or_else(|| malformed("a header without colon"))
}

/// Reads the body of a batch that came with `content_type`.
///
/// `InvalidHeaderValue` for a content type without boundary; `RequestBodyTooLarge` for more than
/// 4 MiB; `InvalidInput` for everything else, a batch of no or of more than 256 requests included.
pub fn read(content_type: &str, body: &[u8]) -> Result<Vec<SubRequest>, Refusal> {
    let boundary = boundary(content_type)
        .ok_or_else(|| Refusal::header_value("Content-Type", content_type))?;
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::new(ErrorCode::RequestBodyTooLarge)
            .with_detail("MaxLimit", BODY_BYTES_MAX.to_string()));
    }
    let mut lines = Lines { rest: body, boundary };
    while lines.next()? != Line::Delimiter {}
    let mut requests = Vec::new();
    loop {
        let (request, last) = read_part(&mut lines)?;
        if requests.len() == REQUESTS_MAX {
            return Err(malformed("more than 256 requests"));
        }
        requests.push(request);
        if last {
            break;
        }
    }
    let ids = || requests.iter().filter_map(|request| request.content_id.as_deref());
    let distinct: std::collections::HashSet<&str> = ids().collect();
    if distinct.len() != ids().count() {
        return Err(malformed("two requests have one Content-ID"));
    }
    Ok(requests)
}

/// The boundary in `multipart/mixed; boundary=...`, which may be quoted.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    let legal = !boundary.is_empty()
        && boundary.len() <= BOUNDARY_BYTES_MAX
        && boundary.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    legal.then_some(boundary)
}

#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Text(&'a str),
    Delimiter,
    End,
}

struct Lines<'a> {
    rest: &'a [u8],
    boundary: &'a str,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Line<'a>, Refusal> {
        let line = take_line(&mut self.rest, LINE_BYTES_MAX)?;
        let line = line.ok_or_else(|| malformed("it ends early"))?;
        match line.strip_prefix("--").and_then(|line| line.strip_prefix(self.boundary)) {
            Some(after) if after.trim_end().is_empty() => Ok(Line::Delimiter),
            Some(after) if after.trim_end() == "--" => Ok(Line::End),
            _ => Ok(Line::Text(line)),
        }
    }

    /// The headers up to an empty line, or up to a delimiter, which is returned.
    fn headers(&mut self) -> Result<(HeaderMap, Option<Line<'a>>), Refusal> {
        let mut headers = HeaderMap::new();
        loop {
            match self.next()? {
                Line::Text("") => return Ok((headers, None)),
                Line::Text(line) => add_header(&mut headers, split_header(line)?)?,
                delimiter => return Ok((headers, Some(delimiter))),
            }
        }
    }
}

/// Reads a part after its delimiter, up to and with the next; tells whether that was the last.
fn read_part(lines: &mut Lines<'_>) -> Result<(SubRequest, bool), Refusal> {
    let (part_headers, None) = lines.headers()? else {
        return Err(malformed("a part without request"));
    };
    let text = |name: &str| part_headers.get(name).and_then(|value| value.to_str().ok());
    if !text("content-type").is_some_and(is_request) {
        return Err(malformed("a part is not application/http"));
    }
    let Line::Text(request_line) = lines.next()? else {
        return Err(malformed("a part without request"));
    };
    let (method, target) =
        read_request_line(request_line).ok_or_else(|| malformed("a request line"))?;
    let (headers, mut delimiter) = lines.headers()?;
    while delimiter.is_none() {
        match lines.next()? {
            Line::Text(line) if line.trim().is_empty() => {}
            Line::Text(_) => return Err(malformed("a request with a body")),
            other => delimiter = Some(other),
        }
    }
    let content_id = text("content-id").map(str::to_owned);
    let request = SubRequest { content_id, method, target: target.to_owned(), headers };
    Ok((request, delimiter == Some(Line::End)))
}

/// Splits `METHOD /target HTTP/1.1`.
fn read_request_line(line: &str) -> Option<(Method, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    let legal = target.starts_with('/')
        && target.bytes().all(|byte| byte.is_ascii_graphic() || byte >= 0x80)
        && version.starts_with("HTTP/1.");
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    legal.then_some((method, target))
}

/// The response to a batch in the making. It is answered with status 202.
pub struct BatchResponseWriter {
    boundary: String,
    out: Vec<u8>,
}

impl BatchResponseWriter {
    /// Begins a response; `id` is a UUID, for a boundary that no body contains.
    pub fn new(id: &str) -> Self {
        Self { boundary: format!("batchresponse_{id}"), out: Vec::new() }
    }

    /// The value of `Content-Type`.
    pub fn content_type(&self) -> String {
        format!("multipart/mixed; boundary={}", self.boundary)
    }

    /// Adds the response to the request of `content_id`.
    pub fn part(
        &mut self,
        content_id: Option<&str>,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) {
        let mut line = |parts: &[&[u8]]| {
            for part in parts {
                self.out.extend_from_slice(part);
            }
            self.out.extend_from_slice(b"\r\n");
        };
        line(&[b"--", self.boundary.as_bytes()]);
        line(&[b"Content-Type: application/http"]);
        if let Some(id) = content_id {
            line(&[b"Content-ID: ", id.as_bytes()]);
        }
        line(&[]);
        let reason = status.canonical_reason().unwrap_or("Unknown");
        line(&[b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason.as_bytes()]);
        for (name, value) in headers {
            line(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
        }
        line(&[]);
        line(&[body]);
    }

    /// Ends the response.
    pub fn finish(mut self) -> Vec<u8> {
        for part in ["--", &self.boundary, "--\r\n"] {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out
    }
}

#[cfg(test)]
mod tests;

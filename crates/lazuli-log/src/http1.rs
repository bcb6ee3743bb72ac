//! As much HTTP/1.1 as one needs who asks a log or a witness: addresses, requests as bytes, and
//! answers read from bytes. Nothing here opens a connection, so that whoever does may block or not.
//!
//! <https://www.rfc-editor.org/rfc/rfc9112.html>. Each request has a connection of its own; an
//! answer is bounded before it is read.

use std::fmt;
use std::str::FromStr;

/// The most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most headers of an answer.
const HEADERS_MAX: usize = 64;

/// The most bytes that the lines between chunks may have.
const CHUNK_LINE_BYTES_MAX: usize = 1024;

/// An address of the form `http://HOST[:PORT][/PATH]`, or the same with `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    is_tls: bool,
    authority: String,
    path: String,
}

/// Why a text is not an address that can be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It begins neither with `http://` nor with `https://`.
    Scheme,
    /// It has no host, or letters that a host, port or path cannot have.
    Malformed,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it begins neither with `http://` nor with `https://`",
            Self::Malformed => "it is not `http://HOST[:PORT][/PATH]` or the same with `https`",
        })
    }
}

impl std::error::Error for UrlError {}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let plain = text.strip_prefix("http://").map(|rest| (rest, false));
        let tls = || text.strip_prefix("https://").map(|rest| (rest, true));
        let (rest, is_tls) = plain.or_else(tls).ok_or(UrlError::Scheme)?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let is_visible = |byte: u8| byte.is_ascii_graphic();
        let port = match authority.rsplit_once(':') {
            // The colons of an address in brackets are not the one before a port.
            Some((host, port)) if !host.contains('[') || host.ends_with(']') => Some(port),
            _ => None,
        };
        let host = authority.len() - port.map_or(0, |port| port.len() + 1);
        let is_good = host > 0
            && port.is_none_or(|port| port.parse::<u16>().is_ok())
            && authority.bytes().all(|byte| is_visible(byte) && !b"@?#\\".contains(&byte))
            && path.bytes().all(|byte| is_visible(byte) && !b"?#".contains(&byte));
        if !is_good {
            return Err(UrlError::Malformed);
        }
        let authority = match (port, is_tls) {
            (Some(_), _) => authority.to_owned(),
            (None, false) => format!("{authority}:80"),
            (None, true) => format!("{authority}:443"),
        };
        Ok(Self { is_tls, authority, path: path.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

impl Url {
    /// Host and port, as one connects to them.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether the connection is to be encrypted.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The host alone: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        let host =
            self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, _)| host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// A request for what is at `below`, a path with or without a query, under this address.
    pub fn get(&self, below: &str) -> Vec<u8> {
        self.request("GET", below, &[])
    }

    /// A request that sends `body` to what is at `below`.
    pub fn post(&self, below: &str, body: &[u8]) -> Vec<u8> {
        self.request("POST", below, body)
    }

    fn request(&self, method: &str, below: &str, body: &[u8]) -> Vec<u8> {
        let Self { authority, path, .. } = self;
        let length = match method {
            "GET" => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!(
            "{method} {path}/{below} HTTP/1.1\r\nHost: {authority}\r\n{length}Connection: close\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why bytes are not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// They are not HTTP.
    Malformed,
    /// They are more than was asked for.
    TooLong,
    /// They end before the answer does.
    Truncated,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the answer is not HTTP",
            Self::TooLong => "the answer is too long",
            Self::Truncated => "the answer ends early",
        })
    }
}

impl std::error::Error for HttpError {}

/// Where the body of an answer ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// After as many bytes.
    Length(usize),
    /// After the last chunk.
    Chunks,
    /// Where the connection ends.
    Connection,
}

/// An answer of which some bytes are there.
#[derive(Debug)]
pub struct Incoming {
    buffer: Vec<u8>,
    /// Status and end of the body, once the head is there.
    head: Option<(u16, End)>,
    body: Vec<u8>,
    body_bytes_max: usize,
}

impl Incoming {
    /// An answer whose body has at most so many bytes.
    pub fn new(body_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), head: None, body: Vec::new(), body_bytes_max }
    }

    /// Takes bytes as they come; the answer once it is complete. No bytes mean that the connection
    /// has ended.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Answer>, HttpError> {
        let has_ended = bytes.is_empty();
        self.buffer.extend_from_slice(bytes);
        while self.head.is_none() {
            if !self.read_head()? {
                return if has_ended { Err(HttpError::Truncated) } else { Ok(None) };
            }
        }
        let Some((status, end)) = self.head else { return Ok(None) };
        let is_complete = match end {
            End::Length(length) => {
                self.body.append(&mut self.buffer);
                self.body.truncate(length);
                self.body.len() == length
            }
            End::Connection => {
                self.body.append(&mut self.buffer);
                has_ended
            }
            End::Chunks => self.read_chunks()?,
        };
        if self.body.len() > self.body_bytes_max {
            return Err(HttpError::TooLong);
        }
        match is_complete {
            true => Ok(Some(Answer { status, body: std::mem::take(&mut self.body) })),
            false if has_ended => Err(HttpError::Truncated),
            false => Ok(None),
        }
    }

    /// Reads the head, if all of it is there; those of answers before the real one are skipped.
    fn read_head(&mut self) -> Result<bool, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&self.buffer).map_err(|_| HttpError::Malformed)?;
        let httparse::Status::Complete(bytes) = parsed else {
            let is_long = self.buffer.len() > HEAD_BYTES_MAX;
            return if is_long { Err(HttpError::TooLong) } else { Ok(false) };
        };
        let status = response.code.ok_or(HttpError::Malformed)?;
        let mut end = End::Connection;
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(HttpError::Malformed);
                }
                end = End::Chunks;
            } else if header.name.eq_ignore_ascii_case("content-length")
                && !matches!(end, End::Chunks)
            {
                let length = std::str::from_utf8(header.value.trim_ascii()).ok();
                let length = length.and_then(|length| length.parse().ok());
                end = End::Length(length.ok_or(HttpError::Malformed)?);
            }
        }
        match end {
            _ if (100..200).contains(&status) => {}
            _ if matches!(status, 204 | 304) => self.head = Some((status, End::Length(0))),
            End::Length(length) if length > self.body_bytes_max => return Err(HttpError::TooLong),
            end => self.head = Some((status, end)),
        }
        self.buffer.drain(..bytes);
        Ok(true)
    }

    /// Reads the chunks that are there; whether the last one is.
    fn read_chunks(&mut self) -> Result<bool, HttpError> {
        let mut from = 0;
        let is_last = loop {
            let rest = self.buffer.get(from..).unwrap_or_default();
            let parsed = httparse::parse_chunk_size(rest).map_err(|_| HttpError::Malformed)?;
            let httparse::Status::Complete((line, length)) = parsed else {
                if rest.len() > CHUNK_LINE_BYTES_MAX {
                    return Err(HttpError::TooLong);
                }
                break false;
            };
            if length == 0 {
                break true;
            }
            let length = usize::try_from(length).map_err(|_| HttpError::TooLong)?;
            if length.saturating_add(self.body.len()) > self.body_bytes_max {
                return Err(HttpError::TooLong);
            }
            // The chunk with the line feed behind it.
            let Some(chunk) = rest.get(line..line + length + 2) else { break false };
            self.body.extend_from_slice(chunk.get(..length).unwrap_or_default());
            from += line + length + 2;
        };
        self.buffer.drain(..from);
        Ok(is_last)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn addresses_are_read_and_asked() {
        let url: Url = "http://witness.example/a/b/".parse().unwrap();
        assert_eq!(url.authority(), "witness.example:80");
        let post = "POST /a/b/add HTTP/1.1\r\nHost: witness.example:80\r\nContent-Length: 2\r\n\
                    Connection: close\r\n\r\nhi";
        assert_eq!(url.post("add", b"hi"), post.as_bytes());
        let url: Url = "http://[::1]:8080".parse().unwrap();
        assert_eq!(
            (url.authority(), url.to_string().as_str()),
            ("[::1]:8080", "http://[::1]:8080")
        );
        assert!(url.get("x?y=1").starts_with(b"GET /x?y=1 HTTP/1.1\r\nHost: [::1]:8080\r\nConn"));
        let plain: Url = "http://[::1]/log".parse().unwrap();
        assert_eq!(plain.to_string(), "http://[::1]:80/log");
        assert_eq!((plain.is_tls(), plain.host()), (false, "::1"));
        let tls: Url = "https://witness.example/w".parse().unwrap();
        assert_eq!((tls.is_tls(), tls.host()), (true, "witness.example"));
        assert_eq!(tls.to_string(), "https://witness.example:443/w");
        assert_eq!("ftp://a".parse::<Url>(), Err(UrlError::Scheme));
        for text in ["", "http://", "http:///a", "http://a:x", "http://a:70000", "http://:1"] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
        for text in ["http://a b", "http://a/b c", "http://a@b", "http://a/?b", "http://a\r\nX: y"]
        {
            assert_eq!(text.parse::<Url>(), Err(UrlError::Malformed), "{text}");
        }
    }

    /// What comes out when the bytes come one by one, and when they come at once.
    fn read(bytes: &[u8], max: usize) -> Result<Answer, HttpError> {
        let end = |mut incoming: Incoming, mut answer: Option<Answer>| {
            if answer.is_none() {
                answer = incoming.take(b"")?;
            }
            Ok(answer.unwrap())
        };
        let mut slowly = Incoming::new(max);
        let mut answer = Ok(None);
        for byte in bytes {
            answer = slowly.take(&[*byte]);
            if !matches!(answer, Ok(None)) {
                break;
            }
        }
        let slowly = answer.and_then(|answer| end(slowly, answer));
        let mut at_once = Incoming::new(max);
        let answer = at_once.take(bytes);
        let at_once = answer.and_then(|answer| end(at_once, answer));
        assert_eq!(slowly, at_once);
        at_once
    }

    #[test]
    fn bodies_end_in_three_ways() {
        let want = |status, body: &[u8]| Ok(Answer { status, body: body.to_vec() });
        let length = b"HTTP/1.1 409 Conflict\r\ncontent-length: 3\r\n\r\n12\n";
        assert_eq!(read(length, 3), want(409, b"12\n"));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\nall of it", 9), want(200, b"all of it"));
        let chunks = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\
            \r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(read(chunks, 5), want(200, b"abcde"));
        assert_eq!(read(b"HTTP/1.1 204 No\r\n\r\n", 0), want(204, b""));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let cases: [(&[u8], HttpError); 10] = [
            (b"", HttpError::Truncated),
            (b"SSH-2.0-x\r\n\r\n", HttpError::Malformed),
            (b"HTTP/1.1 200 OK\r\n", HttpError::Truncated),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", HttpError::Truncated),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", HttpError::TooLong),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", HttpError::Malformed),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", HttpError::Malformed),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", HttpError::Malformed),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                HttpError::TooLong,
            ),
            (b"HTTP/1.1 200 OK\r\n\r\nmore than eight", HttpError::TooLong),
        ];
        for (bytes, error) in cases {
            assert_eq!(read(bytes, 8), Err(error), "{}", String::from_utf8_lossy(bytes));
        }
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'y'; HEAD_BYTES_MAX]].concat();
        assert_eq!(read(&endless, 8), Err(HttpError::TooLong));
    }
}

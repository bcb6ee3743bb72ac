//! HTTP/1.1 for strangers: one thread a connection, everything bounded.
//!
//! <https://www.rfc-editor.org/rfc/rfc9112.html>. Bodies need a `Content-Length`; what is sent in
//! chunks is refused, so that there is one way in which a message can end.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::request::BODY_BYTES_MAX;
use crate::witness::{Answer, Witness};

/// The most headers of a request.
const HEADERS_MAX: usize = 64;

/// The most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How much a stranger can take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at a time; one more is answered with 503 and closed.
    pub connections_max: usize,
    /// The longest that a request may take from the first wait to its last byte, and an answer to
    /// be taken.
    pub request_time_max: Duration,
    /// The most requests of one connection.
    pub requests_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 64, request_time_max: Duration::from_secs(10), requests_max: 1000 }
    }
}

/// A listener and the witness behind it.
pub struct Server {
    listener: TcpListener,
    witness: Arc<Witness>,
    limits: Limits,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// A server that answers on `listener` once it runs.
    pub fn new(listener: TcpListener, witness: Witness, limits: Limits) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        Self { listener, witness: Arc::new(witness), limits, connections }
    }

    /// Answers for ever.
    pub fn run(&self) -> ! {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.serve(stream),
                // Out of file descriptors, most likely: let connections end before the next try.
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Answers one connection in a thread of its own.
    fn serve(&self, mut stream: TcpStream) {
        let limits = self.limits;
        let place = Place::take(&self.connections);
        if place.others >= limits.connections_max {
            let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
            let busy = Reply { status: 503, content_type: "text/plain", body: "busy\n".to_owned() };
            let _ = stream.write_all(busy.bytes(false).as_bytes());
            return;
        }
        let witness = Arc::clone(&self.witness);
        let work = move || {
            let _place = place;
            // A connection that breaks is the stranger's affair.
            let _ =
                Connection { stream, limits, buffer: Vec::new(), has_begun: false }.run(&witness);
        };
        // Without a thread the connection is dropped, and its place with it.
        let _ = std::thread::Builder::new().stack_size(512 * 1024).spawn(work);
    }
}

/// A connection that is counted for as long as this lives.
struct Place {
    connections: Arc<AtomicUsize>,
    /// How many there were before.
    others: usize,
}

impl Place {
    fn take(connections: &Arc<AtomicUsize>) -> Self {
        let others = connections.fetch_add(1, Ordering::AcqRel);
        Self { connections: Arc::clone(connections), others }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What goes back.
struct Reply {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Reply {
    /// A refusal by the server itself.
    fn refusal(status: u16) -> Self {
        let body = format!("{}\n", reason(status));
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }

    /// The message as it is sent.
    fn bytes(&self, stays_open: bool) -> String {
        let Self { status, content_type, body } = self;
        let connection = if stays_open { "keep-alive" } else { "close" };
        format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: {connection}\r\n\r\n{body}",
            reason(*status),
            body.len()
        )
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let (status, content_type) = (answer.status(), answer.content_type());
        Self { status, content_type, body: answer.to_string() }
    }
}

/// The words for a status code.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        422 => "Unprocessable Entity",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// The head of a request, as far as it matters here.
struct Head {
    /// How many bytes it has.
    bytes: usize,
    method: String,
    path: String,
    length: Option<usize>,
    stays_open: bool,
    awaits_continue: bool,
}

/// One connection.
struct Connection {
    stream: TcpStream,
    limits: Limits,
    /// What was read and not used yet.
    buffer: Vec<u8>,
    /// Whether a part of a request that is not answered yet is there.
    has_begun: bool,
}

impl Connection {
    /// Answers requests until the connection ends.
    fn run(mut self, witness: &Witness) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.limits.request_time_max))?;
        self.stream.set_nodelay(true)?;
        for left in (0..self.limits.requests_max).rev() {
            let deadline = Instant::now() + self.limits.request_time_max;
            let (reply, stays_open) = match self.request(witness, deadline) {
                Ok(Some((reply, stays_open))) => (reply, stays_open && left > 0),
                Ok(None) => return Ok(()),
                Err(Failure::Refused(status)) => (Reply::refusal(status), false),
                Err(Failure::Broken(error)) => return Err(error),
            };
            self.stream.write_all(reply.bytes(stays_open).as_bytes())?;
            self.has_begun = !self.buffer.is_empty();
            if !stays_open {
                return self.close();
            }
        }
        Ok(())
    }

    /// Ends the connection so that the answer arrives: closing with bytes unread would reset it.
    fn close(mut self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)?;
        let deadline = Instant::now() + Duration::from_secs(1).min(self.limits.request_time_max);
        let mut unread = 0;
        while unread < BODY_BYTES_MAX {
            self.buffer.clear();
            match self.read(deadline) {
                Ok(true) => unread += self.buffer.len(),
                _ => break,
            }
        }
        Ok(())
    }

    /// Reads one request and answers it; `None` if the other side has no more.
    fn request(
        &mut self,
        witness: &Witness,
        deadline: Instant,
    ) -> Result<Option<(Reply, bool)>, Failure> {
        let Some(head) = self.head(deadline)? else { return Ok(None) };
        let body = self.body(&head, deadline)?;
        let reply = match (head.method.as_str(), head.path.as_str()) {
            ("POST", "/add-checkpoint") => witness.add_checkpoint(&body).into(),
            (_, "/add-checkpoint") => Reply::refusal(405),
            ("GET", path) => {
                match path.strip_prefix('/').and_then(|p| p.strip_suffix("/checkpoint")) {
                    Some(origin_hash) => witness.checkpoint(origin_hash).into(),
                    None => Answer::Unknown.into(),
                }
            }
            _ => Answer::Unknown.into(),
        };
        Ok(Some((reply, head.stays_open)))
    }

    /// Reads the head of a request; `None` if the connection ended before it began.
    fn head(&mut self, deadline: Instant) -> Result<Option<Head>, Failure> {
        loop {
            if let Some(head) = parse_head(&self.buffer)? {
                self.buffer.drain(..head.bytes);
                return Ok(Some(head));
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(Failure::Refused(431));
            }
            if !self.read(deadline)? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Failure::Refused(400)) };
            }
        }
    }

    /// Reads the body of a request.
    fn body(&mut self, head: &Head, deadline: Instant) -> Result<Vec<u8>, Failure> {
        let length = match head.length {
            Some(length) => length,
            None if head.method == "POST" => return Err(Failure::Refused(411)),
            None => 0,
        };
        if length > BODY_BYTES_MAX {
            return Err(Failure::Refused(413));
        }
        if head.awaits_continue && self.buffer.len() < length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(Failure::Broken)?;
        }
        while self.buffer.len() < length {
            if !self.read(deadline)? {
                return Err(Failure::Refused(400));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads what is there; `false` if the other side has ended.
    fn read(&mut self, deadline: Instant) -> Result<bool, Failure> {
        // The time of the whole request counts, so that a byte now and then buys no more of it.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.late());
        }
        self.stream.set_read_timeout(Some(left)).map_err(Failure::Broken)?;
        let mut chunk = [0; 8192];
        let count = match self.stream.read(&mut chunk) {
            Ok(count) => count,
            // Which of the two says that the time is up depends on the system.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                return Err(self.late());
            }
            Err(error) => return Err(Failure::Broken(error)),
        };
        self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        self.has_begun |= count > 0;
        Ok(count > 0)
    }

    /// The time is up. Who began a request is told; who is silent is not waiting for an answer.
    fn late(&self) -> Failure {
        if self.has_begun {
            Failure::Refused(408)
        } else {
            Failure::Broken(io::ErrorKind::TimedOut.into())
        }
    }
}

/// Why a request is not answered as it wants to be.
#[derive(Debug)]
enum Failure {
    /// It is refused with this status, and the connection ends.
    Refused(u16),
    /// The connection broke or was too slow.
    Broken(io::Error),
}

/// Reads the head of a request; `None` if more of it must come.
fn parse_head(buffer: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let bytes = match request.parse(buffer) {
        Ok(httparse::Status::Complete(bytes)) if bytes <= HEAD_BYTES_MAX => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Failure::Refused(431));
        }
        Err(httparse::Error::Version) => return Err(Failure::Refused(505)),
        Err(_) => return Err(Failure::Refused(400)),
    };
    let mut head = Head {
        bytes,
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        length: None,
        // HTTP/1.0 ends each connection.
        stays_open: request.version == Some(1),
        awaits_continue: false,
    };
    for httparse::Header { name, value } in request.headers.iter() {
        let value = value.trim_ascii();
        match name.to_ascii_lowercase().as_str() {
            // A second length, even an equal one, is a way to be read in two ways.
            "content-length" if head.length.is_some() => return Err(Failure::Refused(400)),
            "content-length" => head.length = Some(length(value)?),
            "transfer-encoding" => return Err(Failure::Refused(501)),
            "connection" if value.eq_ignore_ascii_case(b"close") => head.stays_open = false,
            "expect" if value.eq_ignore_ascii_case(b"100-continue") => head.awaits_continue = true,
            "expect" => return Err(Failure::Refused(417)),
            _ => {}
        }
    }
    Ok(Some(head))
}

/// A length in decimal digits; one that is too long for any number is too long for a body.
fn length(value: &[u8]) -> Result<usize, Failure> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Failure::Refused(400));
    }
    let digits = std::str::from_utf8(value).map_err(|_| Failure::Refused(400))?;
    digits.parse().map_err(|_| Failure::Refused(413))
}

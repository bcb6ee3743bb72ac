//! A blocking HTTP/1.1 client that signs with Shared Key and keeps its connection.
//!
//! It never repeats a request: a test has to know of each one whether it was answered.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use lazuli_auth::{AccountKey, Scheme, Signable, sign_shared_key};
use lazuli_base::{Clock as _, SystemClock};
use lazuli_model::{ApiVersion, Service};
use lazuli_wire::date;

/// The development account, which every emulator of the service knows.
pub const ACCOUNT: &str = "devstoreaccount1";

/// The development account's well-known key.
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The version that requests name.
const VERSION: ApiVersion = ApiVersion::new(2023, 11, 3);

/// The longest wait for the next bytes of an answer.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// The longest line of an answer's head, in bytes.
const LINE_MAX: u64 = 16 * 1024;

/// The longest body of an answer, in bytes.
const BODY_MAX: u64 = 64 * 1024 * 1024;

/// A request, without what signing adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The path below the account, encoded, for instance `/container/blob`.
    pub path: &'a str,
    /// The query, encoded, without `?`.
    pub query: &'a str,
    /// Further headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// An answer that was received whole.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header; empty if it is absent or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client of one server, with at most one connection.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    service: Service,
    account: String,
    key: AccountKey,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client of the server at `address`; it connects with the first request.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        Self::of_account(address, ACCOUNT, KEY)
    }

    /// A client of the Table service at `address`.
    pub fn of_tables(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { service: Service::Table, ..Self::new(address)? })
    }

    /// A client of the Queue service at `address`.
    pub fn of_queues(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { service: Service::Queue, ..Self::new(address)? })
    }

    /// A client of another account, whose key is given in Base64.
    pub fn of_account(address: SocketAddr, account: &str, key: &str) -> io::Result<Self> {
        let key = AccountKey::from_base64(key).map_err(|_| bad("the key"))?;
        let service = Service::Blob;
        Ok(Self { address, service, account: account.to_owned(), key, connection: None })
    }

    /// The URL of a path below the account, for instance for a copy source.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{}{path}", self.address, self.account)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// After an error the request may or may not have been carried out; the connection is gone.
    pub fn send(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let head = self.head(request)?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address)?,
        };
        connection.get_mut().write_all(&head)?;
        connection.get_mut().write_all(request.body)?;
        let response = receive(&mut connection, request.method)?;
        if !response.header("connection").eq_ignore_ascii_case("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// Gets what anybody may have: `target` is the whole path, and nothing is signed.
    pub fn fetch(&mut self, target: &str) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address)?,
        };
        let head = format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        connection.get_mut().write_all(head.as_bytes())?;
        let response = receive(&mut connection, "GET")?;
        if !response.header("connection").eq_ignore_ascii_case("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// The signed head of a request.
    fn head(&self, request: &Request<'_>) -> io::Result<Vec<u8>> {
        let mut headers = HeaderMap::new();
        let length = request.body.len().to_string();
        let (now, version) = (date::rfc1123(SystemClock.now()), VERSION.to_string());
        let ours = [
            ("host", self.address.to_string()),
            ("content-length", length),
            ("x-ms-date", now),
            ("x-ms-version", version),
        ];
        for (name, value) in ours.iter().map(|(name, value)| (*name, value.as_str())) {
            insert(&mut headers, name, value)?;
        }
        for (name, value) in request.headers {
            insert(&mut headers, name, value)?;
        }
        let path = format!("/{}{}", self.account, request.path);
        let signable = Signable {
            method: request.method,
            path: &path,
            query: request.query,
            headers: &headers,
            service: self.service,
            account: &self.account,
            version: VERSION,
        };
        let signature = sign_shared_key(&self.key, Scheme::SharedKey, &signable);
        insert(&mut headers, "authorization", &signature)?;
        let mark = if request.query.is_empty() { "" } else { "?" };
        let mut head =
            format!("{} {path}{mark}{} HTTP/1.1\r\n", request.method, request.query).into_bytes();
        for (name, value) in &headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_LIMIT))?;
    stream.set_write_timeout(Some(READ_LIMIT))?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> io::Result<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("a header's name"))?;
    let value = HeaderValue::from_str(value).map_err(|_| bad("a header's value"))?;
    headers.insert(name, value);
    Ok(())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not understood: {what}"))
}

/// Reads an answer; interim ones (1xx) are passed over.
fn receive(from: &mut impl io::BufRead, method: &str) -> io::Result<Response> {
    loop {
        let first = line(from)?;
        let status = first.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status: u16 = status.ok_or_else(|| bad(&first))?;
        let mut headers = HeaderMap::new();
        loop {
            let line = line(from)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
            insert(&mut headers, name, value.trim())?;
        }
        if status >= 200 {
            let mut response = Response { status, headers, body: Vec::new() };
            if method != "HEAD" && status != 204 && status != 304 {
                response.body = body(from, &response)?;
            }
            return Ok(response);
        }
    }
}

/// A line without its end.
fn line(from: &mut impl io::BufRead) -> io::Result<String> {
    let mut text = String::new();
    from.take(LINE_MAX).read_line(&mut text)?;
    match text.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The body of an answer whose head was read.
fn body(from: &mut impl io::BufRead, head: &Response) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if head.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        loop {
            let size = line(from)?;
            let digits = size.split(';').next().unwrap_or_default().trim();
            let length = u64::from_str_radix(digits, 16).map_err(|_| bad(&size))?;
            append(from, &mut body, length)?;
            // The end of the chunk, or of the trailer's fields after the last one.
            while !line(from)?.is_empty() {}
            if length == 0 {
                return Ok(body);
            }
        }
    }
    let length = head.header("content-length").parse().map_err(|_| bad("an unbounded body"))?;
    append(from, &mut body, length)?;
    Ok(body)
}

/// Reads exactly `length` bytes more.
fn append(from: &mut impl io::BufRead, body: &mut Vec<u8>, length: u64) -> io::Result<()> {
    if body.len() as u64 + length > BODY_MAX {
        return Err(bad("a body longer than any that tests write"));
    }
    if from.take(length).read_to_end(body)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Requests as bytes: signed and then bent, sent over a socket, and what came back.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use lazuli_auth::{AccountKey, Scheme, Signable, sign_shared_key};
use lazuli_base::{Clock as _, SystemClock};
use lazuli_model::{ApiVersion, Service};
use lazuli_wire::date;

/// The development account, which a server without settings has.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";

/// The development account's well-known key.
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The version that calls name if they name none.
const VERSION: ApiVersion = ApiVersion::new(2023, 11, 3);

/// Longer than any wait of a passing test: a server that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that is yet to be signed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    /// Path with query, as it is sent.
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_signed: bool,
}

/// A call to a path below the account, in path style, for instance `/container/blob?comp=tags`.
pub(crate) fn call(method: &str, below: &str) -> Call {
    call_to(method, &format!("/{ACCOUNT}{below}"))
}

/// A call to a target as it is sent.
pub(crate) fn call_to(method: &str, target: &str) -> Call {
    Call {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        is_signed: true,
    }
}

impl Call {
    /// Sets a header, also one that every call has: `Content-Length` may lie.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        body.as_ref().clone_into(&mut self.body);
        self
    }

    /// Leaves the signature out.
    pub(crate) fn unsigned(mut self) -> Self {
        self.is_signed = false;
        self
    }

    /// The request as bytes. It asks for the end of the connection unless it says otherwise.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        };
        set("host", "127.0.0.1:10000");
        set("connection", "close");
        set("content-length", &self.body.len().to_string());
        set("x-ms-date", &date::rfc1123(SystemClock.now()));
        set("x-ms-version", &VERSION.to_string());
        for (name, value) in &self.headers {
            set(name, value);
        }
        if self.is_signed {
            let signature = self.signature(&headers);
            headers.insert("authorization", HeaderValue::from_str(&signature).unwrap());
        }
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn signature(&self, headers: &HeaderMap) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let named = headers.get("x-ms-version").and_then(|value| value.to_str().ok());
        let signable = Signable {
            method: &self.method,
            path,
            query,
            headers,
            service: Service::Blob,
            account: ACCOUNT,
            version: named.and_then(ApiVersion::parse).unwrap_or(VERSION),
        };
        sign_shared_key(&AccountKey::from_base64(KEY).unwrap(), Scheme::SharedKey, &signable)
    }
}

/// What came back on a connection until the server closed it.
#[derive(Debug)]
pub(crate) struct Answer(String);

impl Answer {
    /// The status code of the first answer; 0 if the connection was closed without one.
    pub(crate) fn status(&self) -> u16 {
        let line = self.0.strip_prefix("HTTP/1.1 ").unwrap_or_default();
        line.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// A header of the first answer; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(have, _)| have.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// What follows the first answer's head, further answers included.
    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// How many answers there are.
    pub(crate) fn count(&self) -> usize {
        self.0.matches("HTTP/1.1 ").count()
    }
}

/// Sends bytes on a connection of their own, ends the sending side if told so, and reads up to the
/// end.
pub(crate) fn exchange(authority: &str, bytes: &[u8], half_closes: bool) -> Answer {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // A server that has heard enough may close before everything is sent.
    let is_sent = stream.write_all(bytes).is_ok();
    if is_sent && half_closes {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let is_wait = matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
                assert!(!is_wait, "the server neither answers nor closes the connection");
                // A reset is an end, too.
                break;
            }
        }
    }
    Answer(String::from_utf8_lossy(&answer).into_owned())
}

/// Sends a call on a connection of its own.
pub(crate) fn send(authority: &str, call: &Call) -> Answer {
    exchange(authority, &call.bytes(), false)
}

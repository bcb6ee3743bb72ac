//! Shared Key signatures for the few requests that the generator sends.
//!
//! Reference: <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::time::SystemTime;

/// The version of the service that the requests ask for.
const VERSION: &str = "2021-12-02";

/// One request, before it is signed.
pub(crate) struct Request<'a> {
    /// `GET`, `PUT` or `POST`.
    pub(crate) method: &'static str,
    /// The path below the account: `/container/blob`.
    pub(crate) path: &'a str,
    /// The query parameters, sorted by name, with values that need no escaping.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// The length of the body in bytes.
    pub(crate) length: usize,
    /// Further headers whose names begin with `x-ms-`, sorted by name.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The type of the body; empty if it is not told. Only the Table service's signature has it.
    pub(crate) content_type: &'a str,
}

impl<'a> Request<'a> {
    /// A request without query, headers and body.
    pub(crate) fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, query: &[], length: 0, headers: &[], content_type: "" }
    }
}

/// Signs and writes request heads for one account.
pub(crate) struct Signer {
    key: hmac::Key,
    account: String,
    authority: String,
    /// Whether requests go to the Table service, which signs less of them.
    tables: bool,
    date: String,
    date_second: u64,
    text: String,
}

impl Signer {
    /// A signer with an account's base64 key.
    pub(crate) fn new(authority: &str, account: &str, key: &str) -> Result<Self, String> {
        let key = STANDARD.decode(key).map_err(|error| format!("the key: {error}"))?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            account: account.to_owned(),
            authority: authority.to_owned(),
            tables: false,
            date: String::new(),
            date_second: 0,
            text: String::with_capacity(512),
        })
    }

    /// The same for the Table service, or not.
    pub(crate) fn of_tables(self, tables: bool) -> Self {
        Self { tables, ..self }
    }

    /// Writes the text that is signed.
    fn write_text(&mut self, request: &Request<'_>) {
        let Request { method, path, query, length, headers, content_type } = request;
        let Self { account, date, text, .. } = self;
        text.clear();
        // Writing to a string cannot fail.
        if self.tables {
            let resource = format_args!("/{account}/{account}{path}");
            let _ = write!(text, "{method}\n\n{content_type}\n{date}\n{resource}");
            return;
        }
        let signed_length = if *length == 0 { String::new() } else { length.to_string() };
        let _ = write!(text, "{method}\n\n\n{signed_length}\n\n\n\n\n\n\n\n\n");
        let date_place = headers.partition_point(|(name, _)| *name < "x-ms-date");
        let (before, after) = headers.split_at(date_place);
        let dated = [("x-ms-date", date.as_str())];
        for (name, value) in before.iter().chain(&dated).chain(after) {
            let _ = writeln!(text, "{name}:{value}");
        }
        let _ = write!(text, "x-ms-version:{VERSION}\n/{account}/{account}{path}");
        for (name, value) in *query {
            let _ = write!(text, "\n{name}:{}", decode(value));
        }
    }

    /// Writes the head of `request` into `head`.
    pub(crate) fn write_head(&mut self, request: &Request<'_>, head: &mut String) {
        self.refresh_date();
        self.write_text(request);
        let Request { method, path, query, length, headers, content_type } = request;
        let Self { account, date, text, .. } = self;
        let signature = STANDARD.encode(hmac::sign(&self.key, text.as_bytes()));
        head.clear();
        let _ = write!(head, "{method} /{account}{path}");
        for (index, (name, value)) in query.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            let _ = write!(head, "{mark}{name}={value}");
        }
        let _ = write!(
            head,
            " HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\nx-ms-date: {date}\r\n\
             x-ms-version: {VERSION}\r\n",
            self.authority
        );
        if !content_type.is_empty() {
            let _ = write!(head, "Content-Type: {content_type}\r\n");
        }
        if self.tables {
            head.push_str("Accept: application/json\r\nDataServiceVersion: 3.0\r\n");
        }
        for (name, value) in *headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Authorization: SharedKey {account}:{signature}\r\n\r\n");
    }

    /// Writes the date anew when its second has passed.
    fn refresh_date(&mut self) {
        let now = SystemTime::now();
        let second =
            now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        if second != self.date_second {
            self.date = httpdate::fmt_http_date(now);
            self.date_second = second;
        }
    }
}

/// Undoes percent-encoding, as the signature wants parameter values.
fn decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| std::str::from_utf8(tail.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        let used = if escaped.is_some() { 2 } else { 0 };
        rest = tail.get(used..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub(crate) fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{Request, Signer, decode, encode};

    #[test]
    fn escaping_goes_both_ways() {
        assert_eq!(encode("a+b/=ü"), "a%2Bb%2F%3D%C3%BC");
        assert_eq!(decode(&encode("a+b/=ü")), "a+b/=ü");
        assert_eq!(decode("100%"), "100%");
    }

    #[test]
    fn a_head_is_complete() {
        let mut signer = Signer::new("h:1", "dev", "a2V5").expect("a key");
        let mut head = String::new();
        let query = [("comp", "list"), ("restype", "container")];
        let request = Request { query: &query, ..Request::new("GET", "/c") };
        signer.write_head(&request, &mut head);
        assert!(
            head.starts_with("GET /dev/c?comp=list&restype=container HTTP/1.1\r\nHost: h:1\r\n")
        );
        assert!(head.contains("\r\nAuthorization: SharedKey dev:") && head.ends_with("\r\n\r\n"));
    }
}

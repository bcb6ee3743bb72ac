//! Entity group transactions: a change set of requests in one `multipart/mixed` body, and the
//! answer to it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions>

use http::{HeaderMap, Method, StatusCode};
use lazuli_model::{ErrorCode, Refusal};

use crate::batch::{add_header, boundary, is_request, malformed, split_header, take_line};

/// The longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most requests of a change set.
pub const REQUESTS_MAX: usize = 100;
/// The longest line of a head.
const LINE_BYTES_MAX: usize = 32 * 1024;

/// One request of a transaction.
#[derive(Clone, Debug)]
pub struct SubRequest {
    /// `Content-ID`, which its answer repeats.
    pub content_id: Option<String>,
    /// The method.
    pub method: Method,
    /// Path and query as sent, without scheme and host.
    pub target: String,
    /// The request's own headers.
    pub headers: HeaderMap,
    /// The request's body.
    pub body: Vec<u8>,
}

/// What a batch asks for.
#[derive(Clone, Debug)]
pub enum Batch {
    /// Changes that are made together or not at all.
    Changes(Vec<SubRequest>),
    /// A single query.
    Query(SubRequest),
}

/// Reads the body of a batch that came with `content_type`.
///
/// `InvalidHeaderValue` for a content type without boundary; `RequestBodyTooLarge` for more than
/// 4 MiB; `InvalidInput` for everything else, a change set of none or of more than 100 included.
pub fn read(content_type: &str, body: &[u8]) -> Result<Batch, Refusal> {
    let outer = boundary(content_type)
        .ok_or_else(|| Refusal::header_value("Content-Type", content_type))?;
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::new(ErrorCode::RequestBodyTooLarge)
            .with_detail("MaxLimit", BODY_BYTES_MAX.to_string()));
    }
    let [part] = parts(body, outer, Close::Either)?[..] else {
        return Err(malformed("it has not exactly one part"));
    };
    let mut rest = part;
    let headers = head(&mut rest)?;
    let content_type = text(&headers, "content-type").unwrap_or_default();
    if let Some(inner) = boundary(content_type) {
        let changes = parts(rest, inner, Close::Marked)?;
        if changes.len() > REQUESTS_MAX {
            return Err(Refusal::new(ErrorCode::InvalidInput).with_message(
                "100:The batch request operation exceeds the maximum 100 changes per change set.",
            ));
        }
        let changes: Vec<SubRequest> =
            changes.into_iter().map(request).collect::<Result<_, Refusal>>()?;
        return if changes.is_empty() {
            Err(malformed("an empty change set"))
        } else {
            Ok(Batch::Changes(changes))
        };
    }
    request(part).map(Batch::Query)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the last delimiter of a body looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Close {
    /// Two dashes mark it: without it the body is cut off.
    Marked,
    /// Like that, or like the others: the service takes batches that end so, as early clients send
    /// them. Nothing but white space may follow it then.
    Either,
}

/// The parts between the delimiters, without the line end that belongs to the delimiter.
fn parts<'a>(body: &'a [u8], boundary: &str, close: Close) -> Result<Vec<&'a [u8]>, Refusal> {
    let (mut parts, mut begun, mut at) = (Vec::new(), None, 0);
    while at < body.len() {
        let rest = body.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..end).unwrap_or_default();
        let after = line.strip_prefix(b"--").and_then(|it| it.strip_prefix(boundary.as_bytes()));
        let after = after.map(<[u8]>::trim_ascii);
        if let Some(b"" | b"--") = after {
            if let Some(start) = begun {
                let part = body.get(start..at).unwrap_or_default();
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                parts.push(part.strip_suffix(b"\r").unwrap_or(part));
            }
            if after == Some(b"--") {
                return Ok(parts);
            }
            if parts.len() > REQUESTS_MAX {
                return Ok(parts);
            }
            begun = Some(at + end);
        }
        at += end;
    }
    let after_last = begun.and_then(|start| body.get(start..)).unwrap_or(b"?");
    if close == Close::Either && !parts.is_empty() && after_last.trim_ascii().is_empty() {
        return Ok(parts);
    }
    Err(malformed("it ends early"))
}

/// Takes headers and the empty line after them.
fn head(rest: &mut &[u8]) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    while let Some(line) = take_line(rest, LINE_BYTES_MAX)?.filter(|line| !line.is_empty()) {
        let (name, value) = split_header(line)?;
        add_header(&mut headers, (name.trim(), value))?;
    }
    Ok(headers)
}

/// Reads a part that is a request.
fn request(part: &[u8]) -> Result<SubRequest, Refusal> {
    let mut rest = part;
    let outer = head(&mut rest)?;
    if !text(&outer, "content-type").is_some_and(is_request) {
        return Err(malformed("a part is not application/http"));
    }
    let request_line = loop {
        match take_line(&mut rest, LINE_BYTES_MAX)? {
            Some(line) if line.trim().is_empty() => {}
            Some(line) => break line,
            None => return Err(malformed("a part without request")),
        }
    };
    let (method, target) =
        read_request_line(request_line.trim()).ok_or_else(|| malformed("a request line"))?;
    let headers = head(&mut rest)?;
    // Some clients send another empty line between headers and body.
    let body = rest.trim_ascii().to_vec();
    let id = |headers: &HeaderMap| text(headers, "content-id").map(str::to_owned);
    let content_id = id(&outer).or_else(|| id(&headers));
    Ok(SubRequest { content_id, method, target: target.to_owned(), headers, body })
}

/// Splits `METHOD http://host/target HTTP/1.1`; scheme and host may be missing.
fn read_request_line(line: &str) -> Option<(Method, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let (url, version) = rest.rsplit_once(' ')?;
    let target = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest.get(rest.find('/')?..)?,
        _ => url,
    };
    let legal = target.starts_with('/')
        && target.bytes().all(|byte| byte.is_ascii_graphic() || byte >= 0x80 || byte == b' ')
        && version.starts_with("HTTP/1.");
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    legal.then_some((method, target))
}

/// The answer to a batch in the making. It is answered with status 202.
pub struct AnswerWriter {
    id: String,
    changes: bool,
    out: Vec<u8>,
}

impl AnswerWriter {
    /// Begins an answer; `id` is a UUID, for a boundary that no body contains. `changes` says
    /// whether it answers a change set.
    pub fn new(id: &str, changes: bool) -> Self {
        let mut writer = Self { id: id.to_owned(), changes, out: Vec::new() };
        if changes {
            writer.push(&["--batchresponse_", id]);
            writer.push(&["Content-Type: multipart/mixed; boundary=changesetresponse_", id]);
            writer.push(&[]);
        }
        writer
    }

    /// The value of `Content-Type`.
    pub fn content_type(&self) -> String {
        format!("multipart/mixed; boundary=batchresponse_{}", self.id)
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Adds the answer to one request; headers are written with the names given.
    pub fn part(
        &mut self,
        content_id: Option<&str>,
        status: StatusCode,
        headers: &[(&str, &str)],
        body: &[u8],
    ) {
        let (kind, id) =
            (if self.changes { "changesetresponse_" } else { "batchresponse_" }, self.id.clone());
        self.push(&["--", kind, &id]);
        self.push(&["Content-Type: application/http"]);
        self.push(&["Content-Transfer-Encoding: binary"]);
        self.push(&[]);
        let reason = status.canonical_reason().unwrap_or("Unknown");
        self.push(&["HTTP/1.1 ", status.as_str(), " ", reason]);
        if let Some(id) = content_id {
            self.push(&["Content-ID: ", id]);
        }
        for (name, value) in headers {
            self.push(&[name, ": ", value]);
        }
        self.push(&[]);
        self.out.extend_from_slice(body);
        self.push(&[]);
    }

    /// Ends the answer.
    pub fn finish(mut self) -> Vec<u8> {
        let id = self.id.clone();
        if self.changes {
            self.push(&["--changesetresponse_", &id, "--"]);
        }
        self.push(&["--batchresponse_", &id, "--"]);
        self.out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OUTER: &str = "multipart/mixed; boundary=batch_1";

    fn part(request: &str) -> String {
        format!(
            "--changeset_2\r\nContent-Type: application/http\r\n\
             Content-Transfer-Encoding: binary\r\n\r\n{request}\r\n"
        )
    }

    fn batch(parts: &str) -> String {
        format!(
            "--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_2\r\n\r\n\r\n\
             {parts}--changeset_2--\r\n--batch_1--\r\n"
        )
    }

    fn changes(body: &str) -> Vec<SubRequest> {
        match read(OUTER, body.as_bytes()).unwrap() {
            Batch::Changes(changes) => changes,
            Batch::Query(_) => panic!("a query"),
        }
    }

    #[test]
    fn requests_keep_their_bodies() {
        let insert = "POST http://h:1/acct/t HTTP/1.1\r\naccept: x\r\n\r\n\r\n{\"a\":\"b\r\nc\"}";
        let delete = "DELETE /acct/t(PartitionKey='p',RowKey='a%20b') HTTP/1.1\r\nIf-Match: *\r\n";
        let body = batch(&(part(insert) + &part(delete)));
        for body in [body.clone(), body.replace("\r\n--", "\n--")] {
            let changes = changes(&body);
            assert_eq!(changes.len(), 2);
            assert_eq!(changes[0].target, "/acct/t");
            assert_eq!(changes[0].body, b"{\"a\":\"b\r\nc\"}");
            assert_eq!(changes[0].headers["accept"], "x");
            assert_eq!((&changes[1].method, changes[1].body.len()), (&Method::DELETE, 0));
            assert_eq!(changes[1].target, "/acct/t(PartitionKey='p',RowKey='a%20b')");
        }
        let query = "--batch_1\r\nContent-Type: application/http\r\n\r\n\
                     GET /acct/t() HTTP/1.1\r\n\r\n--batch_1--\r\n";
        assert!(matches!(read(OUTER, query.as_bytes()).unwrap(), Batch::Query(_)));
    }

    #[test]
    fn the_outer_end_need_not_be_marked() {
        let body = batch(&part("POST /t HTTP/1.1\r\n\r\n{}"));
        for end in ["--batch_1", "--batch_1\r\n", "--batch_1\n\r\n "] {
            let unmarked = body.replace("--batch_1--\r\n", end);
            assert_eq!(changes(&unmarked).len(), 1, "{unmarked}");
            // Cut off anywhere before its end, it is no batch.
            let cut_off = unmarked.trim_end().len() - 1;
            for length in 0..=cut_off {
                assert!(read(OUTER, &unmarked.as_bytes()[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let one = part("POST /t HTTP/1.1\r\n\r\n{}");
        for body in [
            String::new(),
            "--batch_1--".to_owned(),
            batch(""),
            batch(&one).replace("--batch_1--", ""),
            batch(&one).replace("--batch_1--", "--batch_"),
            batch(&one).replace("--batch_1--", "--batch_1\r\nx"),
            batch(&one).replace("--changeset_2--", "--changeset_2"),
            batch(&one).replace("--changeset_2--", ""),
            "--batch_1\r\n".to_owned(),
            batch(&one).replace("application/http", "text/plain"),
            batch(&one).replace("POST /t", "POST t"),
            batch(&part("")),
            batch(&one.repeat(101)),
        ] {
            let code = read(OUTER, body.as_bytes()).unwrap_err().code();
            assert_eq!(code, ErrorCode::InvalidInput, "{body}");
        }
        assert_eq!(changes(&batch(&one.repeat(100))).len(), 100);
        let code = read("multipart/mixed", b"").unwrap_err().code();
        assert_eq!(code, ErrorCode::InvalidHeaderValue);
        let code = read(OUTER, &vec![b'a'; BODY_BYTES_MAX + 1]).unwrap_err().code();
        assert_eq!(code, ErrorCode::RequestBodyTooLarge);
    }

    #[test]
    fn answers_have_the_services_shape() {
        let mut answer = AnswerWriter::new("9", true);
        assert_eq!(answer.content_type(), "multipart/mixed; boundary=batchresponse_9");
        answer.part(None, StatusCode::NO_CONTENT, &[("ETag", "x")], b"");
        assert_eq!(
            String::from_utf8(answer.finish()).unwrap(),
            "--batchresponse_9\r\nContent-Type: multipart/mixed; boundary=changesetresponse_9\r\n\
             \r\n--changesetresponse_9\r\nContent-Type: application/http\r\n\
             Content-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 204 No Content\r\nETag: x\r\n\r\n\
             \r\n--changesetresponse_9--\r\n--batchresponse_9--\r\n"
        );
    }

    proptest! {
        #[test]
        fn no_body_panics(lines in proptest::collection::vec(prop_oneof![
            Just("--batch_1"), Just("--batch_1--"), Just("--changeset_2"), Just("--changeset_2--"),
            Just("Content-Type: multipart/mixed; boundary=changeset_2"),
            Just("Content-Type: application/http"), Just(""), Just("POST /t HTTP/1.1"), Just("x"),
        ], 0..30)) {
            let _ = read(OUTER, lines.join("\r\n").as_bytes());
        }
    }
}

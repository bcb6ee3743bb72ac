//! Tests of batches: the form the clients' libraries send, and every way to get it wrong.

use super::*;
use proptest::prelude::*;

const TYPE: &str = "multipart/mixed; boundary=batch_1";
const BATCH: &str = "--batch_1\r\n\
Content-Type: application/http\r\n\
Content-Transfer-Encoding: binary\r\n\
Content-ID: 0\r\n\
\r\n\
DELETE /c/b%201?sig=x HTTP/1.1\r\n\
x-ms-date: Mon, 06 May 2024 07:08:09 GMT\r\n\
Authorization: SharedKey a:b=\r\n\
Content-Length: 0\r\n\
\r\n\
--batch_1\r\n\
Content-Type: application/http\r\n\
Content-ID: 1\r\n\
\r\n\
PUT /a/c/d?comp=tier HTTP/1.1\r\n\
x-ms-access-tier: Cool\r\n\
\r\n\
\r\n\
--batch_1--\r\n";

fn code(content_type: &str, body: &str) -> Option<ErrorCode> {
    read(content_type, body.as_bytes()).err().map(|refusal| refusal.code())
}

#[test]
fn reads_what_the_libraries_send() {
    for body in [BATCH.to_owned(), BATCH.replace("\r\n", "\n"), format!("preamble\r\n{BATCH}")] {
        let requests = read(TYPE, body.as_bytes()).unwrap();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].content_id.as_deref(), Some("0"));
        assert_eq!(requests[0].method, Method::DELETE);
        assert_eq!(requests[0].target, "/c/b%201?sig=x");
        assert_eq!(requests[0].headers["authorization"], "SharedKey a:b=");
        assert_eq!(requests[0].headers.len(), 3);
        assert_eq!(requests[1].method, Method::PUT);
        assert_eq!(requests[1].headers["x-ms-access-tier"], "Cool");
    }
    assert_eq!(code("Multipart/Mixed; charset=x; Boundary=\"batch_1\"", BATCH), None);
}

#[test]
fn the_content_type_needs_a_boundary() {
    for content_type in
        ["", "multipart/mixed", "text/plain; boundary=batch_1", "multipart/mixed; boundary="]
    {
        assert_eq!(code(content_type, BATCH), Some(ErrorCode::InvalidHeaderValue));
    }
}

#[test]
fn a_malformed_batch_is_refused_whole() {
    for (from, to) in [
        ("--batch_1--", ""),
        ("DELETE /c", "DELETE c"),
        ("DELETE ", "DEL(TE "),
        ("HTTP/1.1", "SMTP"),
        ("%201", " 1"),
        ("application/http", "text/plain"),
        ("Content-ID: 1", "Content-ID: 0"),
        ("x-ms-access-tier:", "x-ms-access-tier"),
        ("x-ms-access-tier:", "x ms:"),
        ("Cool\r\n\r\n", "Cool\r\n\r\nbody"),
        ("\r\n\r\nPUT", "\r\nPUT"),
        ("batch_1", "other"),
    ] {
        assert_eq!(code(TYPE, &BATCH.replace(from, to)), Some(ErrorCode::InvalidInput), "{from}");
    }
    for body in ["", "--batch_1--\r\n", "--batch_1\r\n--batch_1--\r\n"] {
        assert_eq!(code(TYPE, body), Some(ErrorCode::InvalidInput));
    }
    assert!(read(TYPE, b"--batch_1\r\n\xff\r\n").is_err());
}

fn many(count: usize) -> String {
    let mut body = String::new();
    for _ in 0..count {
        body.push_str("--batch_1\nContent-Type: application/http\n\nDELETE /c/b HTTP/1.1\n\n");
    }
    body + "--batch_1--"
}

#[test]
fn a_batch_is_bounded() {
    assert_eq!(code(TYPE, &many(REQUESTS_MAX)), None);
    assert_eq!(code(TYPE, &many(REQUESTS_MAX + 1)), Some(ErrorCode::InvalidInput));
    let large = " ".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(code(TYPE, &large), Some(ErrorCode::RequestBodyTooLarge));
    let long = many(1).replace("/c/b", &format!("/{}", "b".repeat(LINE_BYTES_MAX)));
    assert_eq!(code(TYPE, &long), Some(ErrorCode::InvalidInput));
    let headers = many(1).replace("1.1\n", &format!("1.1\n{}", "a: b\n".repeat(HEADERS_MAX + 1)));
    assert_eq!(code(TYPE, &headers), Some(ErrorCode::InvalidInput));
}

#[test]
fn writes_what_the_libraries_read() {
    let mut response = BatchResponseWriter::new("7");
    let mut headers = HeaderMap::new();
    headers.insert("x-ms-request-id", HeaderValue::from_static("r"));
    response.part(Some("0"), StatusCode::ACCEPTED, &headers, b"");
    response.part(None, StatusCode::NOT_FOUND, &HeaderMap::new(), b"<Error />");
    assert_eq!(response.content_type(), "multipart/mixed; boundary=batchresponse_7");
    assert_eq!(
        String::from_utf8(response.finish()).unwrap(),
        "--batchresponse_7\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n\
         HTTP/1.1 202 Accepted\r\nx-ms-request-id: r\r\n\r\n\r\n\
         --batchresponse_7\r\nContent-Type: application/http\r\n\r\n\
         HTTP/1.1 404 Not Found\r\n\r\n<Error />\r\n--batchresponse_7--\r\n"
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), content_type in ".{0,40}", at in 0..BATCH.len()) {
        let _ = read(&content_type, &bytes);
        let mut body = BATCH.as_bytes()[..at].to_vec();
        body.extend_from_slice(&bytes);
        body.extend_from_slice(&BATCH.as_bytes()[at..]);
        let _ = read(TYPE, &body);
        prop_assert!(read(TYPE, &BATCH.as_bytes()[..at.min(BATCH.len() - 13)]).is_err());
    }
}

//! The client's reading of answers.

use std::io::ErrorKind;

use super::receive;

fn read(text: &str) -> Result<(u16, String), ErrorKind> {
    let response = receive(&mut text.as_bytes(), "GET").map_err(|error| error.kind())?;
    Ok((response.status, response.text()))
}

#[test]
fn a_body_is_counted_or_chunked() {
    let counted = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd";
    assert_eq!(read(counted), Ok((200, "abc".to_owned())));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
    assert_eq!(read(chunked), Ok((200, "abc0123456789".to_owned())));
}

#[test]
fn interim_answers_are_passed_over_and_204_has_no_body() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(read(text), Ok((204, String::new())));
}

#[test]
fn an_answer_cut_off_anywhere_is_no_answer() {
    for whole in [
        "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ] {
        assert!(read(whole).is_ok());
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{:?}", &whole[..end]);
        }
    }
}

#[test]
fn a_body_without_a_bound_is_refused() {
    assert_eq!(read("HTTP/1.1 200 OK\r\n\r\nabc"), Err(ErrorKind::InvalidData));
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(read(long), Err(ErrorKind::InvalidData));
}

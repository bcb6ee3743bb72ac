//! Entity group transactions: all changes or none, and which one is at fault.

use std::fmt::Write as _;

use crate::answer::Answer;
use crate::harness::{Tables, get, send};

/// A transaction of these requests: method, target below the account, further headers, body.
fn transaction(tables: &Tables, parts: &[(&str, &str, &str, &str)]) -> Answer {
    let mut body =
        String::from("--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_2\r\n\r\n");
    for (method, target, headers, content) in parts {
        let _ = write!(
            body,
            "--changeset_2\r\nContent-Type: application/http\r\n\
             Content-Transfer-Encoding: binary\r\n\r\n\
             {method} http://127.0.0.1:10002/lazurite{target} HTTP/1.1\r\n\
             Content-Type: application/json\r\n{headers}\r\n{content}\r\n"
        );
    }
    body.push_str("--changeset_2--\r\n--batch_1--\r\n");
    let call = send("POST", "/$batch", body);
    tables.send(&call.clone_with_type("multipart/mixed; boundary=batch_1")).is(202)
}

fn at(row: &str) -> String {
    format!("/Things(PartitionKey='p',RowKey='{row}')")
}

fn body(row: &str) -> String {
    format!("{{\"PartitionKey\":\"p\",\"RowKey\":\"{row}\"}}")
}

#[test]
fn all_changes_are_made() {
    let tables = Tables::with_table();
    for row in ["old", "gone"] {
        tables.send(&send("PUT", &at(row), r#"{"v":1}"#)).is(204);
    }
    let answer = transaction(
        &tables,
        &[
            ("POST", "/Things", "Prefer: return-no-content\r\n", &body("new")),
            ("POST", "/Things", "Prefer: return-content\r\n", &body("shown")),
            ("PUT", &at("old"), "If-Match: *\r\n", r#"{"v":2}"#),
            ("MERGE", &at("merged"), "", r#"{"v":3}"#),
            ("DELETE", &at("gone"), "If-Match: *\r\n", ""),
        ],
    );
    assert_eq!(answer.text().matches("HTTP/1.1 204 No Content").count(), 4, "{answer}");
    answer
        .says("HTTP/1.1 201 Created")
        .says("Preference-Applied: return-no-content")
        .says(
            "DataServiceId: http://127.0.0.1:10002/lazurite/Things(PartitionKey='p',RowKey='new')",
        )
        .says("ETag: W/\"datetime'");
    assert_eq!(tables.rows(""), ["merged", "new", "old", "shown"]);
}

#[test]
fn one_refusal_takes_all_back() {
    let tables = Tables::with_table();
    tables.send(&send("PUT", &at("old"), r#"{"v":1}"#)).is(204);
    let insert = |row: &str| ("POST", "/Things", "", body(row));
    let parts = [insert("a"), insert("b"), insert("old")];
    let parts: Vec<_> = parts.iter().map(|(m, t, h, b)| (*m, *t, *h, b.as_str())).collect();
    let answer = transaction(&tables, &parts);
    answer
        .says("HTTP/1.1 409 Conflict")
        .says("\"code\":\"EntityAlreadyExists\"")
        .says("\"value\":\"2:The specified entity already exists.\\nRequestId:")
        .hides("204 No Content");
    let stale = "If-Match: W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\"\r\n";
    let (one, old) = (body("a"), at("old"));
    let other = "{\"PartitionKey\":\"q\",\"RowKey\":\"a\"}";
    for (second, status, told) in [
        (("PUT", old.as_str(), stale, "{}"), "412", "\"value\":\"1:The update condition"),
        (("POST", "/Things", "", one.as_str()), "400", "\"value\":\"1:The batch request contains"),
        (("POST", "/Things", "", other), "400", "\"value\":\"1:All commands in a batch"),
        (("POST", "/Others", "", "{\"PartitionKey\":\"p\",\"RowKey\":\"x\"}"), "400", "\"1:All"),
        (("POST", "/Things", "", "{"), "400", "\"code\":\"InvalidInput\""),
        (("GET", old.as_str(), "", ""), "400", "\"code\":\"InvalidInput\""),
        (("DELETE", old.as_str(), "", ""), "400", "\"code\":\"MissingRequiredHeader\""),
    ] {
        let answer = transaction(&tables, &[("POST", "/Things", "", &one), second]);
        answer.says(&format!("HTTP/1.1 {status} ")).says(told);
        assert_eq!(tables.rows(""), ["old"], "{second:?}");
    }
    let none = transaction(&Tables::new(), &[("POST", "/Things", "", &one)]);
    none.says("HTTP/1.1 404 Not Found").says("\"0:The table specified does not exist.");
}

#[test]
fn answers_repeat_the_ids_of_their_requests() {
    let tables = Tables::with_table();
    let (one, other) = (body("a"), body("b"));
    let first = ("POST", "/Things", "Content-ID: first\r\n", one.as_str());
    let second = ("POST", "/Things", "Content-ID: second\r\n", other.as_str());
    let made = transaction(&tables, &[first, second]);
    made.says("HTTP/1.1 204 No Content\r\nContent-ID: first").says("Content-ID: second");
    let third =
        ("POST", "/Things", "Content-ID: third\r\n", "{\"PartitionKey\":\"p\",\"RowKey\":\"c\"}");
    let refused = transaction(&tables, &[third, second]);
    refused.says("HTTP/1.1 409 Conflict\r\nContent-ID: second").hides("Content-ID: third");
}

#[test]
fn a_batch_may_be_one_query() {
    let tables = Tables::with_table();
    tables.send(&send("PUT", &at("r"), r#"{"v":1}"#)).is(204);
    let ask = |target: &str| {
        let body = format!(
            "--batch_1\r\nContent-Type: application/http\r\n\r\n\
             GET http://127.0.0.1:10002/lazurite{target} HTTP/1.1\r\n\
             Accept: application/json;odata=nometadata\r\n\r\n--batch_1--\r\n"
        );
        let call = send("POST", "/$batch", body);
        tables.send(&call.clone_with_type("multipart/mixed; boundary=batch_1")).is(202)
    };
    ask(&at("r")).says("HTTP/1.1 200 OK").says("\"v\":1");
    ask("/Things()?$filter=v%20eq%201").says("HTTP/1.1 200 OK").says("\"RowKey\":\"r\"");
    ask(&at("x")).says("HTTP/1.1 404 Not Found").says("ResourceNotFound");
}

#[test]
fn a_hundred_changes_are_the_most() {
    let tables = Tables::with_table();
    let bodies: Vec<String> = (0..101).map(|n| body(&format!("{n:03}"))).collect();
    let parts: Vec<_> = bodies.iter().map(|it| ("POST", "/Things", "", it.as_str())).collect();
    transaction(&tables, &parts).says("HTTP/1.1 400 Bad Request").says("\"code\":\"InvalidInput\"");
    assert!(tables.rows("").is_empty());
    transaction(&tables, &parts[..100]).hides("HTTP/1.1 4");
    assert_eq!(tables.rows("").len(), 100);
    let bad = send("POST", "/$batch", "junk").clone_with_type("multipart/mixed; boundary=b");
    tables.send(&bad).is(202).says("HTTP/1.1 400 Bad Request").says("InvalidInput");
    tables.send(&send("POST", "/$batch", "")).refused_in_json(400, "InvalidHeaderValue");
    tables.send(&get("/$batch")).refused_in_json(405, "UnsupportedHttpVerb");
}

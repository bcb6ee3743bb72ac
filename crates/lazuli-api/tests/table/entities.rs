//! Single entities: every operation, its conditions, its formats.

use crate::harness::{Call, Tables, call, get, insert, send};

const AT: &str = "/Things(PartitionKey='p',RowKey='r')";

fn one(more: &str) -> Call {
    insert(&format!("{{\"PartitionKey\":\"p\",\"RowKey\":\"r\"{more}}}"))
}

#[test]
fn an_inserted_entity_comes_back() {
    let tables = Tables::with_table();
    let made = tables.send(&one(r#","n":1,"L":"5","L@odata.type":"Edm.Int64""#)).is(201);
    let etag = made.header("etag");
    assert_eq!(etag, "W/\"datetime'2026-11-24T08%3A00%3A00.0000000Z'\"");
    made.says(r#""n":1,"L@odata.type":"Edm.Int64","L":"5"}"#)
        .has("location", "http://127.0.0.1:10002/lazurite/Things(PartitionKey='p',RowKey='r')");
    let read = tables.send(&get(AT)).is(200);
    assert_eq!(read.text(), made.text());
    read.has("etag", &etag);
    let plain = get(AT).header("accept", "application/json;odata=nometadata");
    tables.send(&plain).is(200).hides("odata").hides("Edm");
    let full = get(AT).header("accept", "application/json;odata=fullmetadata");
    tables.send(&full).is(200).says(r#""odata.type":"lazurite.Things""#).says("odata.editLink");
    let selected = get(&format!("{AT}?$select=n,absent"))
        .header("accept", "application/json;odata=nometadata");
    assert_eq!(tables.send(&selected).is(200).text(), r#"{"n":1}"#);
    tables.send(&one("")).refused_in_json(409, "EntityAlreadyExists");
    let quiet =
        insert(r#"{"PartitionKey":"p","RowKey":"s"}"#).header("prefer", "return-no-content");
    let quiet = tables.send(&quiet).is(204);
    assert!(quiet.text().is_empty() && quiet.header("dataserviceid").ends_with("RowKey='s')"));
    tables
        .send(&get("/Things(PartitionKey='p',RowKey='x')"))
        .refused_in_json(404, "ResourceNotFound");
    tables
        .send(&get("/Nowhere(PartitionKey='p',RowKey='x')"))
        .refused_in_json(404, "TableNotFound");
}

#[test]
fn writes_replace_or_merge_under_their_conditions() {
    let tables = Tables::with_table();
    let write = |method: &str, body: &str| send(method, AT, body);
    let text = || {
        let call = get(&format!("{AT}?$select=a,b"));
        tables.send(&call.header("accept", "application/json;odata=nometadata")).is(200).text()
    };
    // Without If-Match an entity need not be there.
    tables.send(&write("PUT", r#"{"a":1}"#)).is(204);
    tables.send(&write("MERGE", r#"{"b":2}"#)).is(204);
    assert_eq!(text(), r#"{"a":1,"b":2}"#);
    tables.send(&write("PATCH", r#"{"b":3,"a":null}"#)).is(204);
    assert_eq!(text(), r#"{"a":1,"b":3}"#);
    let replaced = tables.send(&write("PUT", r#"{"b":4}"#)).is(204);
    let stale = replaced.header("etag");
    assert_eq!(text(), r#"{"b":4}"#);
    // Every write has a tag of its own, though the clock stands still.
    let newer = tables.send(&write("PUT", r#"{"b":5}"#).header("if-match", &stale)).is(204);
    assert_ne!(newer.header("etag"), stale);
    for method in ["PUT", "MERGE", "DELETE"] {
        let call = write(method, "{}").header("if-match", &stale);
        tables.send(&call).refused_in_json(412, "UpdateConditionNotSatisfied");
        let call = write(method, "{}").header("if-match", "nonsense");
        tables.send(&call).refused_in_json(400, "InvalidInput");
        let call = write(method, "{}").header("if-match", "");
        tables.send(&call).refused_in_json(400, "InvalidInput");
    }
    assert_eq!(text(), r#"{"b":5}"#);
    tables.send(&call("DELETE", AT)).refused_in_json(400, "MissingRequiredHeader");
    tables.send(&call("DELETE", AT).header("if-match", "*")).is(204);
    for method in ["PUT", "MERGE", "DELETE"] {
        let call = write(method, "{}").header("if-match", "*");
        tables.send(&call).refused_in_json(404, "ResourceNotFound");
    }
    let other = write("PUT", r#"{"PartitionKey":"other","RowKey":"r"}"#);
    tables.send(&other).refused_in_json(400, "InvalidInput");
}

#[test]
fn post_stands_for_other_methods() {
    let tables = Tables::with_table();
    let tunnelled =
        |method: &str, body: &str| send("POST", AT, body).header("x-http-method", method);
    tables.send(&tunnelled("MERGE", r#"{"a":1}"#)).is(204);
    tables.send(&tunnelled("PUT", r#"{"a":2}"#).header("if-match", "*")).is(204);
    tables.send(&tunnelled("DELETE", "").header("if-match", "*").lite()).is(204);
    tables.send(&tunnelled("GET", "")).refused_in_json(400, "XMethodIncorrectValue");
    let twice = tunnelled("PUT", "").header("x-http-method", "PUT");
    tables.send(&twice).refused_in_json(400, "XMethodIncorrectCount");
    let plain = send("PUT", AT, "{}").header("x-http-method", "MERGE");
    tables.send(&plain).refused_in_json(400, "XMethodNotUsingPost");
}

#[test]
fn keys_are_taken_as_they_are_written() {
    let tables = Tables::with_table();
    for (key, url) in [
        ("O'Brien", "O''Brien"),
        ("O'Brien", "O%27%27Brien"),
        ("", ""),
        ("a b+c", "a%20b+c"),
        ("ü\u{1f600}", "%C3%BC%F0%9F%98%80"),
        ("x=(,)&", "x=(,)%26"),
    ] {
        let at = format!("/Things(PartitionKey='{url}',RowKey='{url}')");
        tables.send(&send("PUT", &at, "{}")).is(204);
        let read = tables.send(&get(&at)).is(200);
        assert_eq!(read.members("RowKey"), [key]);
        let swapped = format!("/Things(RowKey='{url}',PartitionKey='{url}')");
        tables.send(&call("DELETE", &swapped).header("if-match", "*").lite()).is(204);
    }
}

//! Slow, huge and broken clients: each is cut off, and others are served on.

use std::time::Duration;

use lazuli_server::Limits;

use crate::client::{Client, within};
use crate::fake::Fixture;

const PLAIN: &str = "GET /target HTTP/1.1\r\nHost: h\r\n\r\n";
const SHORT: Duration = Duration::from_millis(40);

async fn assert_serves_others(fixture: &Fixture) {
    assert_eq!(Client::ask(fixture.blob, PLAIN).await.status, 200);
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let fixture = Fixture::start(Limits { head_read: SHORT, ..Limits::default() }).await;
    for begun in ["", "GET /", "GET / HTTP/1.1\r\nHost: h\r\n"] {
        let mut client = Client::connect(fixture.blob).await;
        client.send(begun).await;
        assert_eq!(client.rest().await, "", "{begun}");
    }
    assert_serves_others(&fixture).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let fixture = Fixture::start(Limits { idle: SHORT, ..Limits::default() }).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send(PLAIN).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_body_that_stalls_is_cut_off() {
    let fixture = Fixture::start(Limits { body_stall: SHORT, ..Limits::default() }).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc").await;
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("TimedOut", Some("close")));
    assert_eq!(client.rest().await, "");
    assert_serves_others(&fixture).await;
}

#[tokio::test]
async fn a_byte_at_a_time_is_cut_off() {
    let limits = Limits { rate_window: SHORT, bytes_per_second_min: 1 << 30, ..Limits::default() };
    let fixture = Fixture::start(limits).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n").await;
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if !client.try_send(b"x").await {
                return;
            }
        }
    };
    within(drip).await;
    assert_serves_others(&fixture).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let fixture = Fixture::start(Limits { write_stall: SHORT, ..Limits::default() }).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("GET /endless HTTP/1.1\r\nHost: h\r\n\r\n").await;
    within(fixture.fake.dropped.notified()).await;
    assert_serves_others(&fixture).await;
}

#[tokio::test]
async fn huge_heads_are_refused() {
    let fixture = Fixture::start(Limits::default()).await;
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let endless = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(257));
    for request in [long, endless, many] {
        let mut client = Client::connect(fixture.blob).await;
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("x-ms-error-code")), (431, Some("InvalidInput")));
        assert!(answer.body.contains(answer.header("x-ms-request-id").unwrap()), "{answer:?}");
        assert_eq!(client.rest().await, "");
    }
    let fits = format!("GET /target HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(255));
    assert_eq!(Client::ask(fixture.blob, &fits).await.status, 200);
}

#[tokio::test]
async fn a_long_url_is_refused_as_the_service_refuses() {
    let fixture = Fixture::start(Limits::default()).await;
    let url = format!("/t()?$filter={}", "A%20eq%201%20or%20".repeat(10_000));
    let request = format!("GET {url} HTTP/1.1\r\nHost: h\r\n\r\n");
    for (address, kind, begins) in [
        (fixture.blob, "application/xml", "<?xml"),
        (
            fixture.table,
            "application/json",
            "{\"odata.error\":{\"code\":\"RequestUrlFailedToParse\"",
        ),
    ] {
        let mut client = Client::connect(address).await;
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("x-ms-error-code"), Some("RequestUrlFailedToParse"));
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{answer:?}");
        assert!(answer.body.trim_start_matches('\u{feff}').starts_with(begins), "{answer:?}");
        assert!(answer.body.contains(answer.header("x-ms-request-id").unwrap()), "{answer:?}");
        assert_eq!(client.rest().await, "");
        let mut client = Client::connect(address).await;
        client.send(request.replace("GET ", "HEAD ")).await;
        let rest = client.rest().await;
        assert!(rest.starts_with("HTTP/1.1 400 ") && rest.ends_with("\r\n\r\n"), "{rest}");
    }
    assert_serves_others(&fixture).await;
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let fixture = Fixture::start(Limits::default()).await;
    for request in [
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = Client::connect(fixture.blob).await;
        client.send(request).await;
        let rest = client.rest().await;
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{request}: {rest}");
    }
    assert_serves_others(&fixture).await;
}

#[tokio::test]
async fn a_length_beside_chunks_ends_the_connection() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    let smuggled = "PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /panic HTTP/1.1\r\n\r\n";
    client.send(smuggled).await;
    let rest = client.rest().await;
    assert!(rest.starts_with("HTTP/1.1 400 "), "{rest}");
    assert_eq!(rest.matches("HTTP/1.1 ").count(), 1, "{rest}");
}

#[tokio::test]
async fn half_closed_connections() {
    let fixture = Fixture::start(Limits::default()).await;
    for (sent, want) in [("abc", "abc"), ("a", "Incomplete")] {
        let mut client = Client::connect(fixture.blob).await;
        client.send("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n").await;
        client.send(sent).await;
        client.half_close().await;
        assert_eq!(client.answer().await.body, want);
        assert_eq!(client.rest().await, "");
    }
    let mut client = Client::connect(fixture.blob).await;
    client.half_close().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn malformed_chunks_are_told() {
    let fixture = Fixture::start(Limits::default()).await;
    let head = "PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Client::connect(fixture.blob).await;
    client.send(format!("{head}xyz\r\n")).await;
    assert_eq!(client.answer().await.body, "Malformed");
    assert_eq!(client.rest().await, "");
    let mut client = Client::connect(fixture.blob).await;
    client.send(format!("{head}5\r\nabc")).await;
    client.half_close().await;
    assert_eq!(client.answer().await.body, "Incomplete");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_a_place() {
    let fixture = Fixture::start(Limits { connections_max: 1, ..Limits::default() }).await;
    let mut first = Client::connect(fixture.blob).await;
    first.send(PLAIN).await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = Client::connect(fixture.blob).await;
    second.send(PLAIN).await;
    first.send(PLAIN).await;
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(fixture.metrics.connections_open(), 1);
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

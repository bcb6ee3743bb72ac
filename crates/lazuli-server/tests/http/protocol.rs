//! What well-meaning clients rely on.

use lazuli_server::Limits;

use crate::client::Client;
use crate::fake::Fixture;

#[tokio::test]
async fn the_target_arrives_as_sent() {
    let fixture = Fixture::start(Limits::default()).await;
    let request = "GET /target?a=%2f&b HTTP/1.1\r\nHost: one.host:1\r\n\r\n";
    assert_eq!(Client::ask(fixture.blob, request).await.body, "/target?a=%2f&b one.host:1");
    let request = "GET http://two.host/target?%7e HTTP/1.1\r\nHost: one.host\r\n\r\n";
    assert_eq!(Client::ask(fixture.blob, request).await.body, "/target?%7e two.host");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    let upload = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    let other = "GET /target HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(format!("{upload}one{other}{upload}two")).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(client.answer().await.body);
    }
    assert_eq!(bodies, ["one", "/target h", "two"]);
}

#[tokio::test]
async fn chunked_bodies_have_no_announced_length() {
    let fixture = Fixture::start(Limits::default()).await;
    let request = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
    let answer = Client::ask(fixture.blob, request).await;
    assert_eq!((answer.body.as_str(), answer.header("announced")), ("abcde", Some("none")));
    let request = "POST /echo HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(Client::ask(fixture.blob, request).await.header("announced"), Some("0"));
}

#[tokio::test]
async fn continue_is_sent_when_the_body_is_wanted() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    let headers = "HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    client.send(format!("PUT /echo {headers}")).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    assert_eq!(client.answer().await.body, "body");
    client.send(format!("PUT /refuse {headers}")).await;
    let refused = client.answer().await;
    assert_eq!((refused.status, refused.header("connection")), (403, Some("close")));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn metadata_names_keep_their_case() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    let headers = "x-ms-meta-lower: 1\r\nX-MS-Meta-Camel_Case: 2\r\nConnection: close\r\n";
    client.send(format!("GET /metadata HTTP/1.1\r\nHost: h\r\n{headers}\r\n")).await;
    let rest = client.rest().await;
    for line in ["\r\nx-ms-meta-lower: 1\r\n", "\r\nx-ms-meta-Camel_Case: 2\r\n"] {
        assert!(rest.contains(line), "{rest}");
    }
}

#[tokio::test]
async fn clients_of_http_1_0_get_no_chunks() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let kept = client.answer().await;
    assert_eq!((kept.body.as_str(), kept.header("connection")), ("abcdef", Some("keep-alive")));
    client.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let rest = client.rest().await;
    assert!(rest.ends_with("connection: close\r\n\r\nabcdef"), "{rest}");
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let answer = client.answer_to("HEAD").await;
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("1234")));
    client.send("GET /target HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "/target h");
}

#[tokio::test]
async fn streams_are_sent_by_length_or_in_chunks() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "abcdef");
    client.send("GET /chunked HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.answer().await.header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.rest().await, "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_stream_that_fails_leaves_a_short_body() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("GET /broken HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let rest = client.rest().await;
    let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    assert!("abc".starts_with(body), "{rest}");
}

#[tokio::test]
async fn a_small_refused_upload_keeps_the_connection() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    for _ in 0..3 {
        client.send("PUT /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n").await;
        client.send("body").await;
        let refused = client.answer().await;
        assert_eq!((refused.status, refused.header("connection")), (403, None));
    }
}

#[tokio::test]
async fn a_large_refused_upload_can_read_why() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("PUT /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n").await;
    assert!(client.try_send(&vec![0; 8_388_608]).await, "the server took no more");
    let refused = client.answer().await;
    assert_eq!((refused.status, refused.header("connection")), (403, Some("close")));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut client = Client::connect(fixture.blob).await;
    client.send("GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("x-ms-error-code")), (500, Some("InternalError")));
    assert!(answer.body.contains("<Code>InternalError</Code>"), "{}", answer.body);
    assert!(!answer.body.contains("as asked"), "{}", answer.body);
    client.send("GET /target HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert!(fixture.metrics.render().unwrap().contains("lazuli_panics_total 1\n"));
}

#[tokio::test]
async fn health_and_metrics_are_on_the_admin_listener() {
    let fixture = Fixture::start(Limits::default()).await;
    Client::ask(fixture.blob, "GET /refuse HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut client = Client::connect(fixture.admin).await;
    client.send("GET /health/ready HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "ready\n");
    client.send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let metrics = client.answer().await.body;
    let line = r#"lazuli_requests_total{operation="Fake",status="403"} 1"#;
    assert!(metrics.lines().any(|have| have == line), "{metrics}");
}

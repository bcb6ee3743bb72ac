//! The public log on both kinds of listeners.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use lazuli_api::public_log::{Cache, PublicAnswer, Unlogged};
use lazuli_api::{OperatorLog, PublicLog};
use lazuli_engine::BoxFuture;
use lazuli_server::Limits;

use crate::client::{Answer, Client};
use crate::fake::Fixture;

/// A log of two files, which tells what it was asked for.
struct TwoFiles;

impl PublicLog for TwoFiles {
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<PublicAnswer>> {
        let found = match path {
            "log/checkpoint" => Some(("text/plain; charset=utf-8", Cache::No)),
            "log/tile/0/000" => Some(("application/octet-stream", Cache::Immutable)),
            "log/panic" => panic!("as asked"),
            _ => None,
        };
        let body = Bytes::copy_from_slice(path.as_bytes());
        let found = found.map(|(content_type, cache)| PublicAnswer { content_type, body, cache });
        Box::pin(std::future::ready(found))
    }
}

async fn ask(address: std::net::SocketAddr, method: &str, target: &str) -> Answer {
    let mut client = Client::connect(address).await;
    client.send(format!("{method} {target} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
    client.answer_to(method).await
}

#[tokio::test]
async fn the_log_is_shown_to_anybody() {
    let fixture = Fixture::start_with(Limits::default(), Some(Arc::new(TwoFiles))).await;
    for (address, prefix) in [(fixture.blob, "/.lazuli"), (fixture.admin, "")] {
        let checkpoint = ask(address, "GET", &format!("{prefix}/log/checkpoint?a=b")).await;
        assert_eq!((checkpoint.status, &*checkpoint.body), (200, "log/checkpoint"));
        assert_eq!(checkpoint.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(checkpoint.header("cache-control"), Some("no-cache"));
        let tile = ask(address, "HEAD", &format!("{prefix}/log/tile/0/000")).await;
        assert_eq!((tile.status, tile.header("content-length")), (200, Some("14")));
        let cached = Some("public, max-age=31536000, immutable");
        assert_eq!(tile.header("cache-control"), cached);
        for nothing in ["log/none", "log/", "log/../log/checkpoint", "log/%63heckpoint"] {
            let answer = ask(address, "GET", &format!("{prefix}/{nothing}")).await;
            assert_eq!(answer.status, 404, "{nothing}");
        }
        let refused = ask(address, "POST", &format!("{prefix}/log/checkpoint")).await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    }
    assert_eq!(ask(fixture.blob, "GET", "/.lazuli/other").await.status, 404);
    assert_eq!(ask(fixture.blob, "GET", "/target").await.body, "/target h");
    assert_eq!(ask(fixture.admin, "GET", "/health/live").await.body, "live\n");
    let metrics = ask(fixture.admin, "GET", "/metrics").await.body;
    assert!(metrics.contains("operation=\"PublicLog\""), "{metrics}");
}

#[tokio::test]
async fn a_log_that_panics_costs_its_own_request() {
    let fixture = Fixture::start_with(Limits::default(), Some(Arc::new(TwoFiles))).await;
    assert_eq!(ask(fixture.blob, "GET", "/.lazuli/log/panic").await.status, 500);
    assert_eq!(ask(fixture.blob, "GET", "/.lazuli/log/checkpoint").await.status, 200);
}

/// Tells who asked; nothing of one account.
struct ForOperator;

impl OperatorLog for ForOperator {
    fn get<'a>(
        &'a self,
        path: &'a str,
        remote: IpAddr,
    ) -> BoxFuture<'a, Result<Option<PublicAnswer>, Unlogged>> {
        let body = Bytes::from(format!("{path} {remote}"));
        let answer = PublicAnswer { content_type: "text/plain", body, cache: Cache::No };
        let is_unlogged = path.contains("account=unlogged");
        let answer = if is_unlogged { Err(Unlogged) } else { Ok(Some(answer)) };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn what_cannot_be_logged_is_not_shown_to_the_operator() {
    let fixture = Fixture::start_for_operator(Arc::new(ForOperator)).await;
    let shown = ask(fixture.admin, "GET", "/log/entries?account=a").await;
    assert_eq!((shown.status, &*shown.body), (200, "log/entries?account=a 127.0.0.1"));
    let refused = ask(fixture.admin, "GET", "/log/entries?account=unlogged").await;
    assert_eq!(refused.status, 503);
    assert!(!refused.body.contains("account"), "{}", refused.body);
    assert_eq!(ask(fixture.admin, "DELETE", "/log/entries?account=a").await.status, 405);
}

#[tokio::test]
async fn without_a_log_nothing_is_different() {
    let fixture = Fixture::start(Limits::default()).await;
    assert_eq!(ask(fixture.blob, "GET", "/.lazuli/log/checkpoint").await.status, 404);
    let admin = ask(fixture.admin, "GET", "/log/checkpoint").await;
    assert_eq!(
        (admin.status, &*admin.body),
        (404, "try /health/live, /health/ready or /metrics\n")
    );
}

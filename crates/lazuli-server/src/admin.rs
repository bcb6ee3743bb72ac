//! The admin listener: liveness, readiness and metrics, for whoever runs the server.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lazuli_api::{Body, Response, Spelling};

use crate::metrics::{self, Metrics};

const TEXT: &str = "text/plain; charset=utf-8";

/// Whether the server can do its work.
pub trait Health: Send + Sync + 'static {
    /// `Err` with the reason while requests that write would fail.
    fn ready(&self) -> Result<(), String>;
}

/// Answers a request to the admin listener.
pub(crate) fn answer(
    method: &Method,
    target: &str,
    health: &dyn Health,
    metrics: &Metrics,
) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused.headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match target.split('?').next().unwrap_or_default() {
        "/health/live" => text(StatusCode::OK, "live\n"),
        "/health/ready" => match health.ready() {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        "/metrics" => match metrics.render() {
            Ok(body) => with_type(StatusCode::OK, metrics::CONTENT_TYPE, body),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be rendered\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "try /health/live, /health/ready or /metrics\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    with_type(status, TEXT, body)
}

fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let body = Body::Full(body.into());
    Response { status: status.as_u16(), headers, spelling: Spelling::default(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(Option<&'static str>);

    impl Health for Broken {
        fn ready(&self) -> Result<(), String> {
            self.0.map_or(Ok(()), |why| Err(why.to_owned()))
        }
    }

    fn status_of(method: &Method, path: &str, broken: Option<&'static str>) -> u16 {
        answer(method, path, &Broken(broken), &Metrics::new(None)).status
    }

    #[test]
    fn a_broken_server_lives_but_is_not_ready() {
        for (path, well, broken) in [
            ("/health/live", 200, 200),
            ("/health/ready", 200, 503),
            ("/metrics", 200, 200),
            ("/", 404, 404),
        ] {
            assert_eq!(status_of(&Method::GET, path, None), well, "{path}");
            assert_eq!(status_of(&Method::GET, path, Some("poisoned")), broken, "{path}");
        }
        assert_eq!(status_of(&Method::POST, "/metrics", None), 405);
    }
}

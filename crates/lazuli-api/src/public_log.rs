//! The public log, as whoever asks reads it: checkpoints, tiles and proofs under fixed paths,
//! without authentication, for nothing in it tells who stores what.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lazuli_engine::BoxFuture;

use crate::Spelling;
use crate::message::{Body, Response};

/// What the paths of the log begin with on a listener of a storage service. A name that begins with
/// a dot is no account's and no container's.
pub const DATA_PREFIX: &str = "/.lazuli/";

/// What they begin with on the admin listener.
pub const ADMIN_PREFIX: &str = "/";

/// The longest path.
const PATH_BYTES_MAX: usize = 256;

/// A log that anybody may read.
pub trait PublicLog: Send + Sync + 'static {
    /// What is at `path`, for instance `log/checkpoint`, `log/tile/0/x001/234` or
    /// `log/proof/17/3/` with a leaf hash behind it: segments of letters, digits, `.`, `-` and `_`, none of them `.` or `..`;
    /// `None` if there is nothing.
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<PublicAnswer>>;
}

/// The log as whoever runs the server reads it: more than anybody may see. What it shows of an account
/// is an access of its own, which is entered in that account's log before it is answered.
pub trait OperatorLog: Send + Sync + 'static {
    /// What is at `path`, which may have a query, for somebody at `remote`; `None` if there is
    /// nothing.
    ///
    /// [`Unlogged`] if the access cannot be entered.
    fn get<'a>(
        &'a self,
        path: &'a str,
        remote: IpAddr,
    ) -> BoxFuture<'a, Result<Option<PublicAnswer>, Unlogged>>;
}

/// Nothing is shown, for that it was shown cannot be entered in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlogged;

/// A part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAnswer {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Bytes,
    /// How long it stays so.
    pub cache: Cache,
}

/// How long a part of the log may be kept by who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// It never changes.
    Immutable,
    /// It changes: who wants it asks again.
    No,
}

/// The log's path in a target, given what such paths begin with; `None` if the target is another.
/// The query is left out, for nothing that anybody may read has one; the operator's listener keeps
/// it.
pub fn path_of<'a>(target: &'a str, prefix: &str) -> Option<&'a str> {
    let path = target.strip_prefix(prefix)?;
    if prefix == DATA_PREFIX {
        return path.split('?').next();
    }
    path.starts_with("log/").then_some(path)
}

/// Answers a request for a path of the log.
pub async fn answer(log: &dyn PublicLog, method: &Method, path: &str) -> Response {
    if let Some(refused) = refused(method) {
        return refused;
    }
    shown(if is_clean(path) { log.get(path).await } else { None })
}

/// Answers a request of whoever runs the server, from `remote`.
pub async fn answer_operator(
    log: &dyn OperatorLog,
    method: &Method,
    path: &str,
    remote: IpAddr,
) -> Response {
    if let Some(refused) = refused(method) {
        return refused;
    }
    let found = if is_clean(path) { log.get(path, remote).await } else { Ok(None) };
    match found {
        Ok(found) => shown(found),
        Err(Unlogged) => {
            text(StatusCode::SERVICE_UNAVAILABLE, "the access cannot be entered in the log\n")
        }
    }
}

/// The answer to a method that changes something.
fn refused(method: &Method) -> Option<Response> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    refused.headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(refused)
}

fn shown(found: Option<PublicAnswer>) -> Response {
    match found {
        Some(found) => with(StatusCode::OK, found),
        None => text(StatusCode::NOT_FOUND, "the log has nothing here\n"),
    }
}

/// Whether a path can be one of the log's. Others never reach it: it may keep files of these names.
fn is_clean(path: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let (names, query) = path.split_once('?').unwrap_or((path, ""));
    path.len() <= PATH_BYTES_MAX
        && query.bytes().all(|byte| byte.is_ascii_graphic())
        && names
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(of_name))
}

fn text(status: StatusCode, body: &'static str) -> Response {
    let (body, content_type) = (Bytes::from_static(body.as_bytes()), "text/plain; charset=utf-8");
    with(status, PublicAnswer { content_type, body, cache: Cache::No })
}

fn with(status: StatusCode, answer: PublicAnswer) -> Response {
    let cache = match answer.cache {
        Cache::Immutable => "public, max-age=31536000, immutable",
        Cache::No => "no-cache",
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    // A verifier may run in a browser, from whatever page.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let body = Body::Full(answer.body);
    Response { status: status.as_u16(), headers, spelling: Spelling::default(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_log_are_told_by_what_they_begin_with() {
        for (target, prefix, path) in [
            ("/.lazuli/log/checkpoint", DATA_PREFIX, Some("log/checkpoint")),
            ("/.lazuli/log/checkpoint?x=1", DATA_PREFIX, Some("log/checkpoint")),
            ("/.lazuli/", DATA_PREFIX, Some("")),
            ("/.lazuli", DATA_PREFIX, None),
            ("/account/.lazuli/log/checkpoint", DATA_PREFIX, None),
            ("/log/checkpoint", DATA_PREFIX, None),
            ("/log/checkpoint", ADMIN_PREFIX, Some("log/checkpoint")),
            ("/log/entries?account=a", ADMIN_PREFIX, Some("log/entries?account=a")),
            ("/metrics", ADMIN_PREFIX, None),
            ("/log", ADMIN_PREFIX, None),
        ] {
            assert_eq!(path_of(target, prefix), path, "{target}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_path() {
        for path in ["log/tile/0/x001/234.p/17", "log/proof/1/2", "log/a-b_c?d=/../"] {
            assert!(is_clean(path), "{path}");
        }
        let long = format!("log/{}", "a".repeat(PATH_BYTES_MAX));
        for path in [
            "",
            "log/",
            "log/?",
            "log/a?b c",
            "log//a",
            "log/./a",
            "log/../a",
            "log/%2e",
            "log/a\\b",
            &long,
        ] {
            assert!(!is_clean(path), "{path}");
        }
    }
}

//! One request and its response: from hyper's types to the handler's and back.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use http::header::{CONNECTION, EXPECT, HOST};
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use lazuli_api::{Body, FullBody, Handler, Observation, Request, RequestBody, Response};
use lazuli_base::{Clock, Entropy};
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_wire::error_body;

use crate::body::{self, Rest, RestSlot, WireBody};
use crate::reply::Reply;
use crate::report::Report;
use crate::vitals::Vitals;
use crate::{Limits, Metrics};

/// What all requests of a storage listener share.
pub(crate) struct Storage {
    pub(crate) service: Service,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// Answers one request. A handler that panics costs its own request and nothing else.
pub(crate) async fn exchange(
    storage: Arc<Storage>,
    vitals: Arc<Vitals>,
    remote: IpAddr,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Reply>, Infallible> {
    let mut report = Report::begin(Arc::clone(&storage.metrics), Arc::clone(&vitals), remote);
    let (mut head, incoming) = request.into_parts();
    let (is_head, expects) = (head.method == Method::HEAD, head.headers.contains_key(EXPECT));
    // An absolute-form target overrides Host (RFC 9112, 3.2.2).
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    let (body, slot) = request_body(incoming, &storage.limits);
    let request = Request {
        service: storage.service,
        method: head.method,
        target: target(&head.uri),
        headers: head.headers,
        remote,
        secure: false,
        body,
    };
    let (mut response, observation) = handle(&storage, request).await;
    if is_head {
        response.body = Body::Empty;
    }
    if let Some(slot) = slot
        && !settle(&slot, expects, &vitals).await
    {
        response.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    report.answer(observation);
    let mut reply = hyper::Response::new(Reply::new(response.body, report));
    *reply.status_mut() = status(response.status);
    *reply.headers_mut() = response.headers;
    Ok(reply)
}

/// The path and query as sent.
fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(String::new, |target| target.as_str().to_owned())
}

fn request_body(incoming: Incoming, limits: &Limits) -> (Box<dyn RequestBody>, Option<RestSlot>) {
    if incoming.is_end_stream() {
        return (Box::new(FullBody::new(bytes::Bytes::new())), None);
    }
    let (body, slot) = WireBody::new(incoming, limits);
    (Box::new(body), Some(slot))
}

/// Decides what becomes of a request body that the handler is done with; `false` if the connection
/// has to be closed after the response.
async fn settle(slot: &RestSlot, expects: bool, vitals: &Vitals) -> bool {
    match body::take_rest(slot) {
        Rest::Read => true,
        Rest::Failed => false,
        Rest::Unread(rest) => {
            // A client that waits for `100 Continue` sends no body after a final answer; reading
            // on would ask for it.
            let drained = !expects && body::drain(rest).await;
            if !drained {
                vitals.set_unread();
            }
            drained
        }
        Rest::Held => {
            vitals.set_unread();
            false
        }
    }
}

/// Calls the handler and turns a panic into an answer.
async fn handle(storage: &Storage, request: Request) -> (Response, Observation) {
    let mut future = match catch_unwind(AssertUnwindSafe(|| storage.handler.handle(request))) {
        Ok(future) => future,
        Err(panic) => return panicked(storage, &*panic),
    };
    let outcome = std::future::poll_fn(|cx| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    outcome.unwrap_or_else(|panic| panicked(storage, &*panic))
}

fn panicked(storage: &Storage, panic: &(dyn Any + Send)) -> (Response, Observation) {
    storage.metrics.panicked();
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let request_id = storage.entropy.uuid();
    let refusal = Refusal::new(ErrorCode::InternalError);
    let xml = error_body::xml(&refusal, &request_id, storage.clock.now());
    let mut headers = HeaderMap::new();
    let content_type = HeaderValue::from_static(error_body::XML_CONTENT_TYPE);
    headers.insert(http::header::CONTENT_TYPE, content_type);
    headers.insert("x-ms-error-code", HeaderValue::from_static(refusal.code().name()));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-ms-request-id", id);
    }
    let observation = Observation {
        operation: "Unknown",
        account: None,
        request_id,
        status: refusal.status(),
        error: Some(refusal.code().name()),
        cause: Some(format!("panic: {}", text.unwrap_or("no message"))),
        bytes_in: 0,
    };
    let body = Body::Full(xml.into());
    (Response { status: refusal.status(), headers, body }, observation)
}

fn status(code: u16) -> http::StatusCode {
    http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_kept_as_sent() {
        for (uri, want) in [
            ("/a%2Fb//c%20d?x=%2f&y", "/a%2Fb//c%20d?x=%2f&y"),
            ("http://account.host/c/b?comp=list", "/c/b?comp=list"),
            ("http://account.host", "/"),
            ("//account/c", "//account/c"),
            ("*", "*"),
            ("host:443", ""),
        ] {
            assert_eq!(target(&uri.parse().unwrap()), want, "{uri}");
        }
    }
}

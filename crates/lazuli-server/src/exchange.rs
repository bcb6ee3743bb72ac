//! One request and its response: from the connection to the handler and back.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderMap, HeaderValue};
use lazuli_api::{Body, Handler, Observation, Request, RequestBody, Response, Spelling};
use lazuli_base::{Clock, Entropy};
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_wire::error_body;

use crate::Metrics;
use crate::admin::{self, Health};
use crate::head::Head;
use crate::report::Report;

/// What all requests of a storage listener share.
pub(crate) struct Storage {
    pub(crate) service: Service,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// Who answers the requests of a listener.
pub(crate) trait Respond: Send + Sync + 'static {
    /// The report of a request whose head has just been read; `None` where requests are not
    /// counted.
    fn report(&self, remote: IpAddr) -> Option<Report>;

    /// Answers a request, with what there is to tell of it.
    fn respond(
        &self,
        head: Head,
        body: Box<dyn RequestBody>,
        remote: IpAddr,
    ) -> impl Future<Output = (Response, Option<Observation>)> + Send;
}

impl Respond for Storage {
    fn report(&self, remote: IpAddr) -> Option<Report> {
        Some(Report::begin(Arc::clone(&self.metrics), remote))
    }

    /// A handler that panics costs its own request and nothing else.
    async fn respond(
        &self,
        head: Head,
        body: Box<dyn RequestBody>,
        remote: IpAddr,
    ) -> (Response, Option<Observation>) {
        let request = Request {
            service: self.service,
            method: head.method,
            target: head.target,
            headers: head.headers,
            spelling: head.spelling,
            remote,
            secure: false,
            body,
        };
        let (response, observation) = handle(self, request).await;
        (response, Some(observation))
    }
}

/// What the admin listener answers with.
pub(crate) struct Admin {
    pub(crate) health: Arc<dyn Health>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Respond for Admin {
    fn report(&self, _: IpAddr) -> Option<Report> {
        None
    }

    async fn respond(
        &self,
        head: Head,
        _: Box<dyn RequestBody>,
        _: IpAddr,
    ) -> (Response, Option<Observation>) {
        (admin::answer(&head.method, &head.target, &*self.health, &self.metrics), None)
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
    let spelling = Spelling::default();
    (Response { status: refusal.status(), headers, spelling, body }, observation)
}

//! One request and its response: from the connection to the handler and back.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lazuli_api::{
    Body, Handler, Observation, OperatorLog, PublicLog, Request, RequestBody, Response, Spelling,
    public_log,
};
use lazuli_base::{Clock, Entropy};
use lazuli_engine::BoxFuture;
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_wire::error_body;
use lazuli_wire::odata::format::{Format, Metadata};

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
    pub(crate) log: Option<Arc<dyn PublicLog>>,
    /// Whether requests come over TLS.
    pub(crate) secure: bool,
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

    /// The answer to what is no request, by the status it is refused with.
    fn refuse(&self, status: StatusCode, remote: IpAddr) -> (Response, Option<Report>);
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
        let path = public_log::path_of(&head.target, public_log::DATA_PREFIX);
        let outcome = if let (Some(log), Some(path)) = (self.log.as_deref(), path) {
            unpanicked(|| public(log, &head.method, path)).await
        } else {
            let request = Request {
                service: self.service,
                method: head.method,
                target: head.target,
                headers: head.headers,
                spelling: head.spelling,
                remote,
                secure: self.secure,
                body,
            };
            unpanicked(|| self.handler.handle(request)).await
        };
        let (response, observation) = outcome.unwrap_or_else(|panic| panicked(self, &*panic));
        (response, Some(observation))
    }

    fn refuse(&self, status: StatusCode, remote: IpAddr) -> (Response, Option<Report>) {
        let (response, observation) = refused(self, &unread(status));
        let mut report = Report::begin(Arc::clone(&self.metrics), remote);
        report.answer(observation);
        (response, Some(report))
    }
}

/// What the admin listener answers with.
pub(crate) struct Admin {
    pub(crate) health: Arc<dyn Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Option<Arc<dyn PublicLog>>,
    /// Stands for `log`, and is asked with the query.
    pub(crate) operator_log: Option<Arc<dyn OperatorLog>>,
}

impl Respond for Admin {
    fn report(&self, _: IpAddr) -> Option<Report> {
        None
    }

    async fn respond(
        &self,
        head: Head,
        _: Box<dyn RequestBody>,
        remote: IpAddr,
    ) -> (Response, Option<Observation>) {
        if let Some(path) = public_log::path_of(&head.target, public_log::ADMIN_PREFIX) {
            let method = &head.method;
            if let Some(log) = &self.operator_log {
                return (public_log::answer_operator(&**log, method, path, remote).await, None);
            }
            if let (Some(log), Some(path)) = (&self.log, path.split('?').next()) {
                return (public_log::answer(&**log, method, path).await, None);
            }
        }
        (admin::answer(&head.method, &head.target, &*self.health, &self.metrics), None)
    }

    fn refuse(&self, status: StatusCode, _: IpAddr) -> (Response, Option<Report>) {
        let (headers, spelling) = (HeaderMap::new(), Spelling::default());
        (Response { status: status.as_u16(), headers, spelling, body: Body::Empty }, None)
    }
}

/// Answers a request for the public log, with what there is to tell of it.
fn public<'a>(
    log: &'a dyn PublicLog,
    method: &'a Method,
    path: &'a str,
) -> BoxFuture<'a, (Response, Observation)> {
    Box::pin(async move {
        let response = public_log::answer(log, method, path).await;
        let observation = Observation {
            operation: "PublicLog",
            account: None,
            request_id: String::new(),
            status: response.status,
            error: None,
            cause: None,
            bytes_in: 0,
        };
        (response, observation)
    })
}

/// What a future made by `begin` gives, or what it panicked with.
async fn unpanicked<'a, T>(
    begin: impl FnOnce() -> BoxFuture<'a, T>,
) -> Result<T, Box<dyn Any + Send>> {
    let mut future = catch_unwind(AssertUnwindSafe(begin))?;
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn panicked(storage: &Storage, panic: &(dyn Any + Send)) -> (Response, Observation) {
    storage.metrics.panicked();
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let cause = format!("panic: {}", text.unwrap_or("no message"));
    refused(storage, &Refusal::new(ErrorCode::InternalError).with_cause(cause))
}

/// Why a head was not read. The list of error codes has none for it: the nearest ones stand for it.
fn unread(status: StatusCode) -> Refusal {
    match status {
        StatusCode::URI_TOO_LONG => Refusal::new(ErrorCode::RequestUrlFailedToParse)
            .with_message("The url in the request is too long."),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Refusal::new(ErrorCode::InvalidInput)
            .with_status(status.as_u16())
            .with_message("The headers of the request are too many or too long."),
        _ => Refusal::new(ErrorCode::InvalidInput).with_status(status.as_u16()),
    }
}

/// The answer to a request that no operation has seen, in the format in which its service answers
/// who asks for none.
fn refused(storage: &Storage, refusal: &Refusal) -> (Response, Observation) {
    let (request_id, now) = (storage.entropy.uuid(), storage.clock.now());
    let (kind, body) = match storage.service {
        Service::Table => (
            Format::Json(Metadata::Minimal).content_type(false),
            error_body::odata_json(refusal, &request_id, now),
        ),
        _ => (error_body::XML_CONTENT_TYPE, error_body::xml(refusal, &request_id, now)),
    };
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
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
        cause: refusal.cause().map(str::to_owned),
        bytes_in: 0,
    };
    let (body, spelling) = (Body::Full(body.into()), Spelling::default());
    (Response { status: refusal.status(), headers, spelling, body }, observation)
}

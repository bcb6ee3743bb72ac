//! Blob Batch: many deletes or tier changes in one request.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/blob-batch>

use bytes::Bytes;
use http::{Method, StatusCode};
use lazuli_model::{ErrorCode, Refusal};
use lazuli_wire::{batch, headers};

use crate::call::Call;
use crate::message::{Body, FullBody};
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::{access, address};

/// Blob Batch, of an account.
pub static ACCOUNT: Spec = Spec {
    name: "BlobBatch",
    title: "Blob Batch",
    rows: &["Service_SubmitBatch"],
    page: "https://learn.microsoft.com/rest/api/storageservices/blob-batch",
    level: Level::Account,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "batch")],
    access: access::BATCH,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[202],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Blob Batch in Container, of a container.
pub static CONTAINER: Spec = Spec {
    name: "BlobBatchInContainer",
    title: "Blob Batch in Container",
    rows: &["Container_SubmitBatch"],
    page: "https://learn.microsoft.com/rest/api/storageservices/blob-batch",
    level: Level::Container,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "batch")],
    access: access::BATCH,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[202],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Answers every sub-request as the pipeline answers a request of its own.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let content_type = call.required_header("content-type")?;
    let body = call.read_announced_body(batch::BODY_BYTES_MAX as u64).await?;
    let requests = batch::read(content_type, &body)?;
    let mut answer = batch::BatchResponseWriter::new(&call.api.entropy.uuid());
    let mut first = None;
    for request in requests {
        let (content_id, sub) = (request.content_id.clone(), sub_request(&call, request)?);
        let response = call.api.serve_part(&call, sub, &mut first).await;
        let status = StatusCode::from_u16(response.status)
            .map_err(|error| Refusal::new(ErrorCode::InternalError).with_cause(error))?;
        let body = match response.body {
            Body::Full(bytes) => bytes,
            Body::Empty | Body::Stream(_) => Bytes::new(),
        };
        answer.part(content_id.as_deref(), status, &response.headers, &body);
    }
    let reply = Reply::new(202).header("content-type", answer.content_type());
    Ok(reply.full(answer.finish()))
}

/// A sub-request with what it takes from the request around it: host and connection.
fn sub_request(
    call: &Call<'_>,
    request: batch::SubRequest,
) -> Result<crate::message::Request, Refusal> {
    let mut headers = request.headers;
    if let Some(host) = call.head.headers.get("host") {
        headers.insert("host", host.clone());
    }
    let target = match call.spec.level {
        Level::Container => {
            let container = call.container()?;
            check_container(call, &request.target, container.as_str())?;
            request.target
        }
        _ => request.target,
    };
    Ok(crate::message::Request {
        service: call.head.service,
        method: request.method,
        target,
        headers,
        remote: call.head.remote,
        spelling: crate::Spelling::default(),
        secure: call.head.secure,
        body: Box::new(FullBody::new(Bytes::new())),
    })
}

/// A batch of a container has requests for that container only.
fn check_container(call: &Call<'_>, target: &str, container: &str) -> Result<(), Refusal> {
    let host = headers::text(call.head.headers, "host")?;
    let is_account = |name: &str| call.api.accounts.contains(name);
    let address = address::resolve(target, host, call.head.secure, is_account)?;
    if address.first == container && address.account == call.account() {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::InvalidInput)
        .with_message("A sub-request of a container's batch names another container."))
}

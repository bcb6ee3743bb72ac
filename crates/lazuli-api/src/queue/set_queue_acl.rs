//! Set Queue ACL.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-queue-acl>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::signed_identifiers;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Set Queue ACL.
pub static SPEC: Spec = Spec {
    name: "SetQueueAcl",
    title: "Set Queue ACL",
    rows: &["Queue_SetAccessPolicy"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-queue-acl",
    level: Level::Queue,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "acl")],
    access: access::QUEUE_SET_ACL,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Replaces the stored access policies.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    let body = call.read_body(signed_identifiers::BODY_BYTES_MAX as u64).await?;
    let policies = signed_identifiers::read(&body)?;
    call.store().set_queue_acl(call.account(), &queue, &policies).await?;
    Ok(Reply::new(204))
}

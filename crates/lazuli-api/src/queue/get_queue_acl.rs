//! Get Queue ACL.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-queue-acl>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::signed_identifiers;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Get Queue ACL.
pub static SPEC: Spec = Spec {
    name: "GetQueueAcl",
    title: "Get Queue ACL",
    rows: &["Queue_GetAccessPolicy"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-queue-acl",
    level: Level::Queue,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "acl")],
    access: access::QUEUE_GET_ACL,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Tells the stored access policies.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let row = call.store().get_queue(call.account(), &call.queue()?).await?;
    Ok(Reply::new(200).xml(signed_identifiers::write(&row.policies)))
}

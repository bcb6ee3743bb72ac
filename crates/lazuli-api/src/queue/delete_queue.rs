//! Delete Queue.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delete-queue3>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Delete Queue.
pub static SPEC: Spec = Spec {
    name: "DeleteQueue",
    title: "Delete Queue",
    rows: &["Queue_Delete"],
    page: "https://learn.microsoft.com/rest/api/storageservices/delete-queue3",
    level: Level::Queue,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::QUEUE_DELETE,
    query: &["timeout"],
    headers: &[],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Deletes the queue and its messages.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    call.store().delete_queue(call.account(), &call.queue()?).await?;
    Ok(Reply::new(204))
}

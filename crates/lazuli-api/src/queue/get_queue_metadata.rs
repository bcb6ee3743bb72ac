//! Get Queue Metadata.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-queue-metadata>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, METADATA, Selector, Spec, Status};

/// Get Queue Metadata.
pub static SPEC: Spec = Spec {
    name: "GetQueueMetadata",
    title: "Get Queue Metadata",
    rows: &["Queue_GetProperties"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-queue-metadata",
    level: Level::Queue,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "metadata")],
    access: access::QUEUE_READ,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[METADATA, &["x-ms-approximate-messages-count"]],
    status: Status::Built,
};

/// Tells the metadata and the number of messages, those that are not visible included.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (row, messages) = call.store().count_messages(call.account(), &call.queue()?).await?;
    let reply = Reply::new(200).metadata(&row.metadata);
    Ok(reply.header("x-ms-approximate-messages-count", messages))
}

//! Set Queue Metadata.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-queue-metadata>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, METADATA, Selector, Spec, Status};

/// Set Queue Metadata.
pub static SPEC: Spec = Spec {
    name: "SetQueueMetadata",
    title: "Set Queue Metadata",
    rows: &["Queue_SetMetadata"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-queue-metadata",
    level: Level::Queue,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "metadata")],
    access: access::QUEUE_WRITE,
    query: &["timeout"],
    headers: &[METADATA],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Replaces the metadata.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    let metadata = call.metadata()?;
    call.store().set_queue_metadata(call.account(), &queue, &metadata).await?;
    Ok(Reply::new(204))
}

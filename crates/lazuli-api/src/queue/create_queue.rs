//! Create Queue.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-queue4>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::queue::Creation;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, METADATA, Selector, Spec, Status};

/// Create Queue.
pub static SPEC: Spec = Spec {
    name: "CreateQueue",
    title: "Create Queue",
    rows: &["Queue_Create"],
    page: "https://learn.microsoft.com/rest/api/storageservices/create-queue4",
    level: Level::Queue,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::QUEUE_CREATE,
    query: &["timeout"],
    headers: &[METADATA],
    success: &[201, 204],
    response: &[],
    status: Status::Built,
};

/// Makes a queue; one that is there with the same metadata is left as it is.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    let metadata = call.metadata()?;
    let creation = call.store().create_queue(call.account(), &queue, &metadata).await?;
    Ok(Reply::new(match creation {
        Creation::Made => 201,
        Creation::Same => 204,
    }))
}

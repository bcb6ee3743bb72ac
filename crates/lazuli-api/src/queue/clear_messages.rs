//! Clear Messages.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/clear-messages>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Clear Messages.
pub static SPEC: Spec = Spec {
    name: "ClearMessages",
    title: "Clear Messages",
    rows: &["Messages_Clear"],
    page: "https://learn.microsoft.com/rest/api/storageservices/clear-messages",
    level: Level::Messages,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::MESSAGES_CLEAR,
    query: &["timeout"],
    headers: &[],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Deletes all messages of the queue.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    call.store().clear_messages(call.account(), &call.queue()?).await?;
    Ok(Reply::new(204))
}

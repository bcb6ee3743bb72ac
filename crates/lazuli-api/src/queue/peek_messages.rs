//! Peek Messages.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/peek-messages>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::queue_messages;

use crate::access;
use crate::call::Call;
use crate::queue::{item, numbers};
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Peek Messages.
pub static SPEC: Spec = Spec {
    name: "PeekMessages",
    title: "Peek Messages",
    rows: &["Messages_Peek"],
    page: "https://learn.microsoft.com/rest/api/storageservices/peek-messages",
    level: Level::Messages,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("peekonly", "true"), Selector::NoQuery("comp")],
    access: access::MESSAGE_READ,
    query: &["timeout", "numofmessages"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Tells the oldest visible messages, which stay as they are.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    let max = numbers::of_messages(&call)?;
    let messages = call.store().peek_messages(call.account(), &queue, max).await?;
    let items: Vec<_> = messages.iter().map(item::peeked).collect();
    Ok(Reply::new(200).xml(queue_messages::write(&items)))
}

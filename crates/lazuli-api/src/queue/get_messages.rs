//! Get Messages.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-messages>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::queue_messages;

use crate::access;
use crate::call::Call;
use crate::queue::{item, numbers, times};
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Get Messages.
pub static SPEC: Spec = Spec {
    name: "GetMessages",
    title: "Get Messages",
    rows: &["Messages_Dequeue"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-messages",
    level: Level::Messages,
    methods: &[Method::GET],
    effect: Effect::Changes,
    selectors: &[Selector::QueryNot("peekonly", "true"), Selector::NoQuery("comp")],
    access: access::MESSAGE_GET,
    query: &["timeout", "numofmessages", "visibilitytimeout"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Hands out the oldest visible messages and hides them from others for a time.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    check_peekonly(&call)?;
    let asked = (numbers::of_messages(&call)?, times::get(&call)?);
    let messages = call.store().get_messages(call.account(), &queue, asked).await?;
    let items: Vec<_> = messages.iter().map(item::got).collect();
    let reply = Reply::new(200).xml(queue_messages::write(&items));
    Ok(if messages.is_empty() { reply.changed_nothing() } else { reply })
}

/// Refuses what may have been meant to leave the messages where they are.
fn check_peekonly(call: &Call<'_>) -> Result<(), Refusal> {
    match call.query("peekonly") {
        Some(text) if !text.eq_ignore_ascii_case("false") => {
            let reason = "The value is not true or false.";
            Err(Refusal::query_value("peekonly", text, reason))
        }
        _ => Ok(()),
    }
}

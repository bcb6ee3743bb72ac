//! Update Message.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/update-message>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::queue::{item, text, times};
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Update Message.
pub static SPEC: Spec = Spec {
    name: "UpdateMessage",
    title: "Update Message",
    rows: &["MessageId_Update"],
    page: "https://learn.microsoft.com/rest/api/storageservices/update-message",
    level: Level::Message,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::MESSAGE_UPDATE,
    query: &["timeout", "popreceipt", "visibilitytimeout"],
    headers: &[&["content-type"]],
    success: &[204],
    response: &[&["x-ms-popreceipt", "x-ms-time-next-visible"]],
    status: Status::Built,
};

/// Hides the message, which the caller must hold, for another time, and gives it another text if
/// there is a body.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    let receipt = item::receipt(&call)?;
    let hidden = times::update(&call)?;
    let held = (call.message_id()?, receipt);
    let text = text::read_if_any(&mut call).await?;
    let message = call.store().update_message(call.account(), &queue, held, (hidden, text)).await?;
    let receipt = message.receipt;
    Ok(Reply::new(204)
        .header("x-ms-popreceipt", receipt)
        .date("x-ms-time-next-visible", receipt.visible))
}

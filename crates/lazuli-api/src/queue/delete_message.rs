//! Delete Message.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delete-message2>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::queue::item;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Delete Message.
pub static SPEC: Spec = Spec {
    name: "DeleteMessage",
    title: "Delete Message",
    rows: &["MessageId_Delete"],
    page: "https://learn.microsoft.com/rest/api/storageservices/delete-message2",
    level: Level::Message,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::MESSAGE_DELETE,
    query: &["timeout", "popreceipt"],
    headers: &[],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Deletes the message, which the caller must hold.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    let receipt = item::receipt(&call)?;
    let held = (call.message_id()?, receipt);
    call.store().delete_message(call.account(), &queue, held).await?;
    Ok(Reply::new(204))
}

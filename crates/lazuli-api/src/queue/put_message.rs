//! Put Message.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-message>

use http::Method;
use lazuli_model::{ApiVersion, Refusal};
use lazuli_store::queue::NewMessage;
use lazuli_wire::body::queue_messages;

use crate::access;
use crate::call::Call;
use crate::queue::{item, text, times};
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Put Message.
pub static SPEC: Spec = Spec {
    name: "PutMessage",
    title: "Put Message",
    rows: &["Messages_Enqueue"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-message",
    level: Level::Messages,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::MESSAGE_ADD,
    query: &["timeout", "visibilitytimeout", "messagettl"],
    headers: &[&["content-type"]],
    success: &[201],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Since this version the answer tells of the message.
const TOLD: ApiVersion = ApiVersion::new(2016, 5, 31);

/// Puts a message behind those of the queue.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let queue = call.queue()?;
    let (delay, kept) = times::put(&call)?;
    let text = text::read(&mut call).await?;
    let new = NewMessage { text, delay, kept };
    let message = call.store().put_message(call.account(), &queue, new).await?;
    let reply = Reply::new(201);
    if call.version() < TOLD {
        return Ok(reply);
    }
    Ok(reply.xml(queue_messages::write(&[item::held(&message)])))
}

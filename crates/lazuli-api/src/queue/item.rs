//! What answers tell of a message, and the receipt that its holder shows.

use lazuli_model::Refusal;
use lazuli_model::message::PopReceipt;
use lazuli_store::queue::Message;
use lazuli_wire::body::queue_messages::MessageItem;

use crate::call::Call;

/// What everybody is told.
fn known(message: &Message) -> MessageItem<'_> {
    MessageItem {
        id: &message.id,
        inserted: message.inserted,
        expires: message.expires,
        receipt: None,
        dequeued: None,
        text: None,
    }
}

/// What who put the message is told, who holds it and knows its text.
pub(crate) fn held(message: &Message) -> MessageItem<'_> {
    let receipt = &message.receipt;
    MessageItem { receipt: Some((receipt, receipt.visible)), ..known(message) }
}

/// What who looked at the message is told.
pub(crate) fn peeked(message: &Message) -> MessageItem<'_> {
    let dequeued = Some(message.dequeued);
    MessageItem { dequeued, text: Some(&message.text), ..known(message) }
}

/// What who got the message is told.
pub(crate) fn got(message: &Message) -> MessageItem<'_> {
    MessageItem { receipt: held(message).receipt, ..peeked(message) }
}

/// The receipt in `popreceipt`.
///
/// `MissingRequiredQueryParameter` without it; `InvalidQueryParameterValue` for what is no receipt.
pub(crate) fn receipt(call: &Call<'_>) -> Result<PopReceipt, Refusal> {
    // A `+` that was not encoded has become a space, which base64 does not have.
    PopReceipt::parse(&call.required_query("popreceipt")?.replace(' ', "+"))
}

//! The result of Put Message, Get Messages and Peek Messages.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-messages#response-body>

use std::fmt::{Display, Write as _};

use lazuli_base::Timestamp;

use crate::date;
use crate::xml::XmlWriter;

/// Bytes a message takes besides its text, about.
const ITEM_BYTES: usize = 512;

/// One message. What an operation does not tell is `None`.
#[derive(Clone, Copy)]
pub struct MessageItem<'a> {
    /// The message's identifier.
    pub id: &'a dyn Display,
    /// When it was put.
    pub inserted: Timestamp,
    /// When it is gone; `None` if it stays until it is deleted.
    pub expires: Option<Timestamp>,
    /// The receipt, which needs no escape, and when the message becomes visible.
    pub receipt: Option<(&'a dyn Display, Timestamp)>,
    /// How often it was got.
    pub dequeued: Option<u32>,
    /// Its text.
    pub text: Option<&'a str>,
}

/// Writes the messages, in order.
pub fn write(messages: &[MessageItem<'_>]) -> String {
    let text_bytes = |message: &MessageItem<'_>| message.text.map_or(0, str::len);
    let bytes = messages.iter().map(|message| ITEM_BYTES + text_bytes(message)).sum::<usize>();
    let mut xml = XmlWriter::document(128 + bytes);
    if messages.is_empty() {
        xml.empty("QueueMessagesList");
        return xml.finish();
    }
    xml.open("QueueMessagesList");
    for message in messages {
        write_one(&mut xml, message);
    }
    xml.close("QueueMessagesList");
    xml.finish()
}

fn write_one(xml: &mut XmlWriter, message: &MessageItem<'_>) {
    xml.open("QueueMessage");
    displayed(xml, "MessageId", message.id);
    xml.rfc1123("InsertionTime", message.inserted);
    xml.rfc1123("ExpirationTime", message.expires.unwrap_or(date::LAST));
    if let Some((receipt, visible)) = message.receipt {
        displayed(xml, "PopReceipt", receipt);
        xml.rfc1123("TimeNextVisible", visible);
    }
    if let Some(dequeued) = message.dequeued {
        xml.number("DequeueCount", u64::from(dequeued));
    }
    xml.optional("MessageText", message.text);
    xml.close("QueueMessage");
}

/// An element that holds what `value` displays as, which needs no escape.
fn displayed(xml: &mut XmlWriter, name: &str, value: &dyn Display) {
    xml.open(name);
    // Writing to a String cannot fail.
    let _ = write!(xml.buffer(), "{value}");
    xml.close(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> MessageItem<'static> {
        MessageItem {
            id: &"0a",
            inserted: Timestamp::from_unix_seconds(0),
            expires: Some(Timestamp::from_unix_seconds(60)),
            receipt: None,
            dequeued: None,
            text: None,
        }
    }

    #[test]
    fn each_operation_tells_its_part() {
        let start = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
        assert_eq!(write(&[]), format!("{start}<QueueMessagesList />"));
        let got = MessageItem {
            receipt: Some((&"cmVjZWlwdA==", Timestamp::from_unix_seconds(30))),
            dequeued: Some(2),
            text: Some("<a>"),
            ..message()
        };
        assert_eq!(
            write(&[got]),
            format!(
                "{start}<QueueMessagesList><QueueMessage><MessageId>0a</MessageId>\
                 <InsertionTime>Thu, 01 Jan 1970 00:00:00 GMT</InsertionTime>\
                 <ExpirationTime>Thu, 01 Jan 1970 00:01:00 GMT</ExpirationTime>\
                 <PopReceipt>cmVjZWlwdA==</PopReceipt>\
                 <TimeNextVisible>Thu, 01 Jan 1970 00:00:30 GMT</TimeNextVisible>\
                 <DequeueCount>2</DequeueCount><MessageText>&lt;a&gt;</MessageText>\
                 </QueueMessage></QueueMessagesList>"
            )
        );
        let peeked = write(&[MessageItem { dequeued: Some(0), text: Some(""), ..message() }; 2]);
        assert!(!peeked.contains("PopReceipt") && !peeked.contains("TimeNextVisible"));
        assert_eq!(peeked.matches("<DequeueCount>0</DequeueCount><MessageText /></Q").count(), 2);
    }

    #[test]
    fn what_is_never_gone_goes_at_the_end_of_time() {
        let xml = write(&[MessageItem { expires: None, ..message() }]);
        assert!(xml.contains("<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime>"));
    }
}

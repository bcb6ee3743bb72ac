//! Bodies and addresses of the Queue service: the first line is a receipt or an identifier, the rest
//! a message. A text that is read is written so that it is read again, alone and in a list.
#![no_main]

use lazuli_base::Timestamp;
use lazuli_fuzz::{first_line, text};
use lazuli_model::message::{MessageId, PopReceipt};
use lazuli_wire::body::queue_message::{self, BODY_BYTES_MAX};
use lazuli_wire::body::queue_messages::{self, MessageItem};
use lazuli_wire::xml::{XmlLimits, XmlReader, XmlWriter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (line, body) = first_line(data);
    let line = text(line);
    if let Ok(receipt) = PopReceipt::parse(&line) {
        assert_eq!(PopReceipt::parse(&receipt.to_string()), Ok(receipt));
    }
    if let Ok(id) = MessageId::parse(&line) {
        assert_eq!(MessageId::parse(&id.to_string()), Ok(id));
    }
    for body in [body, data] {
        let Ok(text) = queue_message::read(body) else { continue };
        let mut xml = XmlWriter::document(64);
        xml.open("QueueMessage");
        xml.element("MessageText", &text);
        xml.close("QueueMessage");
        let again = queue_message::read(xml.finish().as_bytes());
        assert_eq!(again.as_ref(), Ok(&text));
        assert_eq!(listed(&text), text);
    }
});

/// A text as a client reads it in the list of the messages it got.
fn listed(text: &str) -> String {
    let now = Timestamp::from_unix_seconds(1_760_000_000);
    let id = MessageId::new(1, 2);
    let receipt = PopReceipt { visible: now, change: 3, mark: id.mark() };
    let list = queue_messages::write(&[MessageItem {
        id: &id,
        inserted: now,
        expires: None,
        receipt: Some((&receipt, now)),
        dequeued: Some(1),
        text: Some(text),
    }]);
    let limits = XmlLimits { elements_max: 16, text_bytes_max: 8 * BODY_BYTES_MAX };
    let root = "QueueMessagesList";
    let mut xml = XmlReader::open(list.as_bytes(), root, limits).expect("a list is a document");
    assert_eq!(xml.child(&["QueueMessage"]), Ok(Some("QueueMessage")));
    let mut told = None;
    while let Some(element) = xml.any_child().expect("a message has elements") {
        let content = xml.text("MessageText").expect("an element has a text");
        if element.name == "MessageText" {
            told = Some(content);
        }
    }
    told.expect("a message has a text")
}

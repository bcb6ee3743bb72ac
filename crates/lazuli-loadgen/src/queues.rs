//! What is sent to the Queue service: messages that are put on one side, and got and deleted on the
//! other.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::sign::encode;

/// Messages that may be put before one is deleted, so that neither side waits for the other often
/// and the queue stays as long as it is.
const AHEAD: usize = 64;

/// Between two requests of a consumer that found nothing.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

/// What producers and consumers share.
pub(crate) struct Belt {
    room: Semaphore,
    over: Cell<bool>,
}

impl Belt {
    pub(crate) fn new() -> Self {
        Self { room: Semaphore::new(AHEAD), over: Cell::new(false) }
    }

    /// Waits until a message may be put; `false` when the run is over.
    pub(crate) async fn may_put(&self) -> bool {
        match self.room.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return false,
        }
        !self.over.get()
    }

    /// Tells that a message was deleted.
    pub(crate) fn deleted(&self) {
        self.room.add_permits(1);
    }

    /// Ends the run for those who wait.
    pub(crate) fn end(&self) {
        self.over.set(true);
        self.room.close();
    }
}

/// The body of a message that is put, with a text of a kilobyte.
pub(crate) fn message(number: u64) -> String {
    let text = format!("{number:016}").repeat(64);
    format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>")
}

/// The path and the query that delete the first message of an answer; `None` if it has none.
pub(crate) fn deletion(queue: &str, answer: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(answer);
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(part, _)| part.to_owned())
    };
    let (id, receipt) = (part("MessageId")?, part("PopReceipt")?);
    Some((format!("/{queue}/messages/{id}"), encode(&receipt)))
}

#[cfg(test)]
mod tests {
    use super::{deletion, message};

    #[test]
    fn a_message_is_deleted_by_what_its_answer_says() {
        let answer = b"<MessageId>a-b</MessageId><PopReceipt>x+/=</PopReceipt>";
        let wanted = ("/q/messages/a-b".to_owned(), "x%2B%2F%3D".to_owned());
        assert_eq!(deletion("q", answer), Some(wanted));
        assert_eq!(deletion("q", b"<QueueMessagesList />"), None);
        assert!(message(7).len() > 1024);
    }
}

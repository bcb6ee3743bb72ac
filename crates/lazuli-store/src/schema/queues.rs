//! The keys of queues and messages.

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_engine::KeyRange;
use serde::{Deserialize, Serialize};

use super::key;

/// Identifies the messages of a queue, from its creation or its last clearing on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

/// The key of a queue's row.
pub fn queue(account: &str, queue: &str) -> Bytes {
    key(b'Q', &[account.as_bytes(), &[0], queue.as_bytes()])
}

/// The key of the row that says where a queue's messages are.
pub fn home(account: &str, queue: &str) -> Bytes {
    key(b'i', &[account.as_bytes(), &[0], queue.as_bytes()])
}

/// An account's queues whose names begin with `prefix`.
pub fn queues(account: &str, prefix: &str) -> KeyRange {
    KeyRange::prefix(queue(account, prefix))
}

/// All queues of all accounts.
pub fn all_queues() -> KeyRange {
    KeyRange::prefix(key(b'Q', &[]))
}

/// The account and the queue's name in the key of its row, or of that of its messages' home.
pub fn queue_name(key: &[u8]) -> Option<(&str, &str)> {
    let names = std::str::from_utf8(key.get(1..)?).ok()?;
    names.split_once('\0')
}

/// The key of the row of the message of that number, visible from then on.
pub fn message(queue: QueueId, visible: Timestamp, number: u64) -> Bytes {
    let (queue, visible) = (queue.0.to_be_bytes(), visible.ticks().to_be_bytes());
    key(b'q', &[&queue, &visible, &number.to_be_bytes()])
}

/// A queue's messages.
pub fn messages(queue: QueueId) -> KeyRange {
    KeyRange::prefix(key(b'q', &[&queue.0.to_be_bytes()]))
}

/// The queue, the time from which the message is visible, and its number, in the key of its row.
pub fn message_parts(key: &[u8]) -> Option<(QueueId, Timestamp, u64)> {
    let number = |at: usize| Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?));
    (key.len() == 25).then_some(())?;
    Some((QueueId(number(1)?), Timestamp::from_ticks(number(9)?), number(17)?))
}

/// The key of the text of a long message.
pub fn text(queue: QueueId, number: u64) -> Bytes {
    key(b'w', &[&queue.0.to_be_bytes(), &number.to_be_bytes()])
}

/// The queue and the message's number in the key of its text.
pub fn text_parts(key: &[u8]) -> Option<(QueueId, u64)> {
    let number = |at: usize| Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?));
    (key.len() == 17).then_some((QueueId(number(1)?), number(9)?))
}

/// The texts of a queue's long messages.
pub fn texts(queue: QueueId) -> KeyRange {
    KeyRange::prefix(key(b'w', &[&queue.0.to_be_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_their_parts() {
        let (id, at) = (QueueId(7), Timestamp::from_ticks(9));
        assert_eq!(message_parts(&message(id, at, 3)), Some((id, at, 3)));
        assert_eq!(message_parts(b"q"), None);
        assert_eq!(text_parts(&text(id, 3)), Some((id, 3)));
        assert_eq!(queue_name(&queue("account", "queue-1")), Some(("account", "queue-1")));
        assert_eq!(queue_name(b"Qx"), None);
    }
}

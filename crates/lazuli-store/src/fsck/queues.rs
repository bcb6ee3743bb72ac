//! Queues and their messages.

use lazuli_engine::Row;

use super::{Check, Trouble, ensure};
use crate::rows::{HomeRow, MessageRow, MessageText, QueueRow, Stored, TextRow};
use crate::schema::{self, Garbage, QueueId};

impl Check<'_> {
    pub(super) fn queue(&mut self, row: &Row) -> Result<(), Trouble> {
        let queue = QueueRow::decode(&row.value)?;
        let (account, name) = schema::queue_name(&row.key).ok_or("its key names no queue")?;
        let home = self.get(schema::home(account, name))?;
        let home = home.and_then(|value| HomeRow::decode(&value).ok());
        ensure(home == Some(HomeRow { id: queue.id }), "its messages' home is another")?;
        ensure(self.named.queues.insert(queue.id.0), "another queue has the same messages")
    }

    pub(super) fn home(&mut self, row: &Row) -> Result<(), Trouble> {
        let home = HomeRow::decode(&row.value)?;
        ensure(self.named.queues.contains(&home.id.0), "its queue does not exist")
    }

    fn holds_queue(&self, queue: QueueId) -> bool {
        self.named.queues.contains(&queue.0) || self.named.is_garbage(Garbage::Queue(queue))
    }

    pub(super) fn message(&mut self, row: &Row) -> Result<(), Trouble> {
        let message = MessageRow::decode(&row.value)?;
        let parts = schema::message_parts(&row.key);
        let (queue, _, number) = parts.ok_or("its key names no message")?;
        ensure(message.id.number() == number, "its key does not have its number")?;
        ensure(self.holds_queue(queue), "its queue does not exist")?;
        if message.text == MessageText::Apart {
            self.named.texts.insert((queue.0, number));
            let text = self.get(schema::text(queue, number))?;
            ensure(text.is_some(), "its text is missing")?;
        }
        Ok(())
    }

    pub(super) fn text(&mut self, row: &Row) -> Result<(), Trouble> {
        TextRow::decode(&row.value)?;
        let (queue, number) = schema::text_parts(&row.key).ok_or("its key names no message")?;
        let known = self.named.texts.contains(&(queue.0, number))
            || self.named.is_garbage(Garbage::Queue(queue));
        ensure(known, "no message has the text")
    }
}

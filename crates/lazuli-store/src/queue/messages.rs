//! Messages: putting, peeking, updating, deleting.
//!
//! A change of a message goes on when its client goes away: the queue's line is told of it in any
//! case.

use std::time::Duration;

use lazuli_base::Timestamp;
use lazuli_model::message::{MessageId, PopReceipt};
use lazuli_model::names::QueueName;
use lazuli_model::{ErrorCode, Refusal};

use super::line::{Line, Look, Place};
use super::open_home;
use crate::Store;
use crate::blocks::following;
use crate::combine::Led;
use crate::journal::{Entry, Kind, Object};
use crate::rows::{MessageRow, MessageText, Stored as _, TextRow};
use crate::schema::{self, QueueId};
use crate::txn::{Attempts, Txn, damaged};

/// Longest text that is kept in a message's row, in bytes: it is written again whenever the message
/// is got.
pub(super) const TEXT_HERE_MAX: usize = 4096;

/// Rows that are looked at together for visible messages.
pub(super) const LOOK_PAGE: usize = 64;

/// A message to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Its text.
    pub text: String,
    /// How long it is not visible.
    pub delay: Duration,
    /// How long it is kept; `None` for ever.
    pub kept: Option<Duration>,
}

/// A message as it was put, got, peeked or updated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its identifier.
    pub id: MessageId,
    /// When it was put.
    pub inserted: Timestamp,
    /// When it is gone; `None` if it stays until it is deleted.
    pub expires: Option<Timestamp>,
    /// What its holder shows. It tells when the message becomes visible.
    pub receipt: PopReceipt,
    /// How often it was got.
    pub dequeued: u32,
    /// Its text.
    pub text: String,
}

impl Message {
    pub(super) const fn new(row: &MessageRow, visible: Timestamp, text: String) -> Self {
        let receipt = PopReceipt { visible, change: row.change, mark: row.id.mark() };
        let (id, inserted, expires, dequeued) = (row.id, row.inserted, row.expires, row.dequeued);
        Self { id, inserted, expires, receipt, dequeued, text }
    }
}

impl MessageRow {
    /// Whether the message is gone at `now`.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Gives a message its text, in the row or in one of its own.
fn set_text(
    txn: &mut Txn<'_>,
    queue: QueueId,
    row: &mut MessageRow,
    text: &str,
) -> Result<(), Refusal> {
    let key = schema::text(queue, row.id.number());
    if text.len() > TEXT_HERE_MAX {
        txn.put(key, &TextRow { text: text.to_owned() })?;
        row.text = MessageText::Apart;
    } else {
        if row.text == MessageText::Apart {
            txn.delete(key);
        }
        row.text = MessageText::Here(text.to_owned());
    }
    Ok(())
}

/// The journal entry of a change to a message.
fn entry<'a>(
    (kind, operation): (Kind, &'a str),
    account: &'a str,
    (queue, id): (&'a QueueName, &'a str),
) -> Entry<'a> {
    let object = Object { container: queue.as_str(), blob: Some(id), snapshot: None };
    Entry::new(kind, operation, account).object(Some(object))
}

impl Store {
    /// Puts a message behind those of its queue. `QueueNotFound`.
    pub async fn put_message(
        &self,
        account: &str,
        queue: &QueueName,
        new: NewMessage,
    ) -> Result<Message, Refusal> {
        let (store, account, queue) = (self.clone(), account.to_owned(), queue.clone());
        Led::new(async move { store.put_message_whole(&account, &queue, new).await }).await
    }

    async fn put_message_whole(
        &self,
        account: &str,
        queue: &QueueName,
        new: NewMessage,
    ) -> Result<Message, Refusal> {
        let id = MessageId::new(self.new_id().await?, self.entropy.next_u64());
        let name = id.to_string();
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let home = open_home(&mut txn, (account, queue.as_str())).await?;
            let mut row = MessageRow {
                id,
                inserted: txn.now(),
                expires: new.kept.map(|kept| txn.now().saturating_add(kept)),
                dequeued: 0,
                change: 0,
                text: MessageText::Here(String::new()),
            };
            set_text(&mut txn, home, &mut row, &new.text)?;
            let place = (txn.now().saturating_add(new.delay), id.number());
            txn.put(schema::message(home, place.0, place.1), &row)?;
            let bytes = Some(new.text.len() as u64);
            txn.record(&entry((Kind::Write, "PutMessage"), account, (queue, &name)).bytes(bytes));
            let line = self.lines.of(home);
            let _told = line.changing.read().await;
            line.state().may_come(place);
            let committed = self.commit(txn, &mut attempts).await;
            line.state().may_come(place);
            if committed? {
                line.state().came(place, &row);
                return Ok(Message::new(&row, place.0, new.text));
            }
        }
    }

    /// Up to `max` of a queue's visible messages, the oldest first, which stay as they are.
    pub async fn peek_messages(
        &self,
        account: &str,
        queue: &QueueName,
        max: usize,
    ) -> Result<Vec<Message>, Refusal> {
        let home = self.get_queue(account, queue).await?.id;
        let (line, now) = (self.lines.of(home), self.clock.now());
        let look = Look::begin(&line);
        let end = (now, u64::MAX);
        let mut range = schema::messages(home);
        range.start = schema::message(home, look.from.0, look.from.1);
        range.end = Some(following(&schema::message(home, end.0, end.1)));
        let (mut peeked, mut first, mut expired) = (Vec::new(), None, false);
        while peeked.len() < max {
            let rows = self.rows(range.clone(), LOOK_PAGE).await?;
            for row in &rows {
                let message = MessageRow::decode(&row.value).map_err(|error| damaged(&error))?;
                let Some((_, visible, number)) = schema::message_parts(&row.key) else { continue };
                first = first.or(Some((visible, number)));
                if message.is_expired(now) {
                    expired = true;
                } else if peeked.len() < max
                    // It may have been taken since, with its text.
                    && let Some(text) = self.message_text(home, &message).await?
                {
                    peeked.push(Message::new(&message, visible, text));
                }
            }
            match rows.last() {
                Some(last) if rows.len() == LOOK_PAGE => range.start = following(&last.key),
                _ => break,
            }
        }
        look.found(first.unwrap_or(end));
        if expired {
            self.saw_expired(&line);
        }
        Ok(peeked)
    }

    /// Tells the collector that rows of expired messages were in the way.
    pub(super) fn saw_expired(&self, line: &Line) {
        line.state().saw_expired();
        self.collect_soon();
    }

    /// The text of a message; `None` if it is apart and not there.
    pub(super) async fn message_text(
        &self,
        queue: QueueId,
        message: &MessageRow,
    ) -> Result<Option<String>, Refusal> {
        if let MessageText::Here(text) = &message.text {
            return Ok(Some(text.clone()));
        }
        let row: Option<TextRow> = self.row(&schema::text(queue, message.id.number())).await?;
        Ok(row.map(|row| row.text))
    }

    /// Hides a message from now on for the time `hidden`, and gives it another text if there is one:
    /// `receipt` must be the message's newest. `QueueNotFound`, `MessageNotFound`, and
    /// `InvalidQueryParameterValue` if it would be hidden longer than it is kept.
    pub async fn update_message(
        &self,
        account: &str,
        queue: &QueueName,
        (id, receipt): (MessageId, PopReceipt),
        (hidden, text): (Duration, Option<String>),
    ) -> Result<Message, Refusal> {
        let (store, account, queue) = (self.clone(), account.to_owned(), queue.clone());
        let change = async move {
            store.update_message_whole(&account, &queue, (id, receipt), (hidden, text)).await
        };
        Led::new(change).await
    }

    async fn update_message_whole(
        &self,
        account: &str,
        queue: &QueueName,
        (id, receipt): (MessageId, PopReceipt),
        (hidden, text): (Duration, Option<String>),
    ) -> Result<Message, Refusal> {
        let (name, from) = (id.to_string(), (receipt.visible, id.number()));
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let home = open_home(&mut txn, (account, queue.as_str())).await?;
            let before = held(&mut txn, home, (id, receipt)).await?;
            let mut row = before.clone();
            let to: Place = (txn.now().saturating_add(hidden), id.number());
            if row.expires.is_some_and(|expires| expires < to.0) {
                return Err(Refusal::query_value(
                    "visibilitytimeout",
                    hidden.as_secs().to_string(),
                    "The message expires before it would be visible again.",
                ));
            }
            row.change += 1;
            if let Some(text) = &text {
                set_text(&mut txn, home, &mut row, text)?;
            }
            txn.delete(schema::message(home, from.0, from.1));
            txn.put(schema::message(home, to.0, to.1), &row)?;
            let bytes = text.as_ref().map(|text| text.len() as u64);
            let recorded = entry((Kind::Write, "UpdateMessage"), account, (queue, &name));
            txn.record(&recorded.bytes(bytes));
            let line = self.lines.of(home);
            let _told = line.changing.read().await;
            line.state().may_come(to);
            let committed = self.commit(txn, &mut attempts).await;
            line.state().may_come(to);
            if committed? {
                let mut state = line.state();
                state.went(from, &before);
                state.came(to, &row);
                return Ok(Message::new(&row, to.0, text.unwrap_or_default()));
            }
        }
    }

    /// Deletes a message; `receipt` must be its newest. `QueueNotFound`, `MessageNotFound`.
    pub async fn delete_message(
        &self,
        account: &str,
        queue: &QueueName,
        (id, receipt): (MessageId, PopReceipt),
    ) -> Result<(), Refusal> {
        let (store, account, queue) = (self.clone(), account.to_owned(), queue.clone());
        let change =
            async move { store.delete_message_whole(&account, &queue, (id, receipt)).await };
        Led::new(change).await
    }

    async fn delete_message_whole(
        &self,
        account: &str,
        queue: &QueueName,
        (id, receipt): (MessageId, PopReceipt),
    ) -> Result<(), Refusal> {
        let (name, place) = (id.to_string(), (receipt.visible, id.number()));
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let home = open_home(&mut txn, (account, queue.as_str())).await?;
            let row = held(&mut txn, home, (id, receipt)).await?;
            txn.delete(schema::message(home, place.0, place.1));
            if row.text == MessageText::Apart {
                txn.delete(schema::text(home, place.1));
            }
            txn.record(&entry((Kind::Delete, "DeleteMessage"), account, (queue, &name)));
            let line = self.lines.of(home);
            let _told = line.changing.read().await;
            if self.commit(txn, &mut attempts).await? {
                line.state().went(place, &row);
                return Ok(());
            }
        }
    }
}

/// The message whose newest receipt this is. `MessageNotFound` if there is none.
///
/// <https://learn.microsoft.com/rest/api/storageservices/delete-message2#remarks>
async fn held(
    txn: &mut Txn<'_>,
    queue: QueueId,
    (id, receipt): (MessageId, PopReceipt),
) -> Result<MessageRow, Refusal> {
    let row: Option<MessageRow> =
        txn.get(&schema::message(queue, receipt.visible, id.number())).await?;
    let is_held = |row: &MessageRow| {
        let own = row.id == id && id.mark() == receipt.mark;
        own && row.change == receipt.change && !row.is_expired(txn.now())
    };
    row.filter(is_held).ok_or_else(|| ErrorCode::MessageNotFound.into())
}

//! Getting messages: the oldest visible ones are hidden and handed out.
//!
//! Everybody wants the same rows, those at the front, so requests are combined.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lazuli_engine::Row;
use lazuli_model::Refusal;
use lazuli_model::names::QueueName;
use tokio::sync::OwnedRwLockReadGuard;

use super::line::{Line, Look, Place};
use super::messages::{LOOK_PAGE, Message, TEXT_HERE_MAX};
use super::open_home;
use crate::Store;
use crate::blob::BlobPath;
use crate::blocks::following;
use crate::combine::{Change, Combiner, Name};
use crate::journal::{Entry, Kind};
use crate::rows::{MessageRow, Stored as _};
use crate::schema::{self, QueueId};
use crate::txn::{Txn, damaged};

/// A request for messages.
#[derive(Debug)]
pub(crate) struct GetMessages {
    max: usize,
    hidden: Duration,
}

/// A visible message, and the row it was read in.
struct Visible {
    place: Place,
    row: Row,
    message: MessageRow,
}

/// A queue of which messages are got.
pub(crate) struct Front {
    queue: QueueId,
    line: Arc<Line>,
    look: Look,
    _told: OwnedRwLockReadGuard<()>,
    /// Where to read on; `None` if everything visible is read.
    next: Option<Place>,
    /// Visible messages that were read and not got.
    visible: VecDeque<Visible>,
    /// Where rows end that are visible now.
    end: Place,
    /// Got messages: where each was, where it went, as it was and as it is.
    got: Vec<(Place, Place, MessageRow, MessageRow)>,
    /// The first row of an expired message.
    expired: Option<Place>,
}

impl Front {
    /// The next visible message; `None` if there is none.
    async fn next(&mut self, txn: &Txn<'_>) -> Result<Option<Visible>, Refusal> {
        while self.visible.is_empty()
            && let Some(start) = self.next.take()
        {
            let mut range = schema::messages(self.queue);
            range.start = schema::message(self.queue, start.0, start.1);
            range.end = Some(following(&schema::message(self.queue, self.end.0, self.end.1)));
            let rows = txn.scan(range, LOOK_PAGE).await?;
            let last = rows.last().filter(|_| rows.len() == LOOK_PAGE);
            let last = last.and_then(|row| schema::message_parts(&row.key));
            self.next = last.map(|(_, at, number)| (at, number.saturating_add(1)));
            for row in rows {
                let message = MessageRow::decode(&row.value).map_err(|error| damaged(&error))?;
                let Some((_, at, number)) = schema::message_parts(&row.key) else { continue };
                let place = (at, number);
                if message.is_expired(txn.now()) {
                    self.expired = self.expired.or(Some(place));
                } else {
                    self.visible.push_back(Visible { place, row, message });
                }
            }
        }
        Ok(self.visible.pop_front())
    }

    /// The first place at which a row may be left.
    fn first(&self) -> Place {
        let left = self.visible.front().map(|visible| visible.place);
        left.into_iter().chain(self.expired).chain(self.next).min().unwrap_or(self.end)
    }
}

impl Change for GetMessages {
    type Done = Vec<Message>;
    type State = Front;

    fn combiner(store: &Store) -> &Combiner<Self> {
        &store.gets
    }

    fn bytes(&self) -> usize {
        self.max * TEXT_HERE_MAX
    }

    async fn open<'a>(
        store: &'a Store,
        txn: &'a mut Txn<'_>,
        path: &'a BlobPath<'_>,
    ) -> Result<Front, Refusal> {
        let queue = open_home(txn, (path.account, path.container)).await?;
        let line = store.lines.of(queue);
        let told = Arc::clone(&line.changing).read_owned().await;
        let look = Look::begin(&line);
        Ok(Front {
            queue,
            line,
            _told: told,
            next: Some(look.from),
            look,
            visible: VecDeque::new(),
            end: (txn.now(), u64::MAX),
            got: Vec::new(),
            expired: None,
        })
    }

    async fn make<'a>(
        &'a self,
        store: &'a Store,
        txn: &'a mut Txn<'_>,
        front: &'a mut Front,
        path: &'a BlobPath<'_>,
    ) -> Result<Vec<Message>, Refusal> {
        let mut taken = Vec::new();
        while taken.len() < self.max
            && let Some(visible) = front.next(txn).await?
        {
            match store.message_text(front.queue, &visible.message).await {
                Ok(Some(text)) => taken.push((visible, text)),
                // It was deleted since its row was read.
                Ok(None) => txn.rely_on(&visible.row),
                Err(refusal) => {
                    front.visible.push_front(visible);
                    let untaken = taken.into_iter().rev().map(|(visible, _)| visible);
                    untaken.for_each(|visible| front.visible.push_front(visible));
                    return Err(refusal);
                }
            }
        }
        let mut got = Vec::with_capacity(taken.len());
        for (Visible { place, row, message: before }, text) in taken {
            let to = (txn.now().saturating_add(self.hidden), place.1);
            let mut message = before.clone();
            message.dequeued = message.dequeued.saturating_add(1);
            message.change += 1;
            txn.rely_on(&row);
            txn.delete(row.key);
            txn.put(schema::message(front.queue, to.0, to.1), &message)?;
            got.push(Message::new(&message, to.0, text));
            front.got.push((place, to, before, message));
        }
        if !got.is_empty() {
            let bytes = got.iter().map(|message| message.text.len() as u64).sum();
            let entry = Entry::new(Kind::Write, "GetMessages", path.account);
            txn.record(&entry.container(path.container).bytes(Some(bytes)));
        }
        Ok(got)
    }

    fn close(_: &Front, _: &mut Txn<'_>, _: &BlobPath<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn durable(store: &Store, front: &Front) {
        let mut state = front.line.state();
        for (from, to, before, after) in &front.got {
            state.went(*from, before);
            state.came(*to, after);
        }
        drop(state);
        front.look.found(front.first());
        if front.expired.is_some() {
            store.saw_expired(&front.line);
        }
    }
}

impl Store {
    /// Takes up to `max` of a queue's visible messages, the oldest first, and hides them for the
    /// time `hidden`. None if there are none. `QueueNotFound`.
    pub async fn get_messages(
        &self,
        account: &str,
        queue: &QueueName,
        (max, hidden): (usize, Duration),
    ) -> Result<Vec<Message>, Refusal> {
        let name = Name::of_queue(account, queue.as_str());
        self.combine(name, GetMessages { max, hidden }).await
    }
}

//! How many messages a queue has.

use lazuli_model::Refusal;
use lazuli_model::names::QueueName;

use super::line::{Counted, Line};
use crate::Store;
use crate::blocks::following;
use crate::rows::{MessageRow, QueueRow, Stored as _};
use crate::schema::{self, QueueId};
use crate::txn::damaged;

/// Rows that are counted at a time.
const COUNT_PAGE: usize = 1024;

impl Store {
    /// The queue's row, and how many messages it has, those included that are not visible: never
    /// less than there are, and at most a five-hundredth of the time they are kept too late for
    /// those that have expired. `QueueNotFound`.
    pub async fn count_messages(
        &self,
        account: &str,
        queue: &QueueName,
    ) -> Result<(QueueRow, u64), Refusal> {
        let row = self.get_queue(account, queue).await?;
        let line = self.lines.of(row.id);
        self.count_line(row.id, &line).await?;
        let number = line.state().number(self.clock.now());
        Ok((row, number))
    }

    /// Counts a queue's messages if they are not yet; several may do so at the same time.
    pub(super) async fn count_line(&self, queue: QueueId, line: &Line) -> Result<(), Refusal> {
        loop {
            let _alone = line.changing.write().await;
            let mut range = schema::messages(queue);
            match line.state().counted() {
                Counted::All => return Ok(()),
                Counted::None => {}
                Counted::To((visible, number)) => {
                    range.start = following(&schema::message(queue, visible, number));
                }
            }
            let rows = self.rows(range, COUNT_PAGE).await?;
            let messages = rows.iter().map(|row| MessageRow::decode(&row.value));
            let messages = messages.collect::<Result<Vec<MessageRow>, _>>();
            let messages = messages.map_err(|error| damaged(&error))?;
            let last = rows.last().filter(|_| rows.len() == COUNT_PAGE);
            let last = last.and_then(|row| schema::message_parts(&row.key));
            let mut state = line.state();
            for message in &messages {
                state.count(message);
            }
            state.set_counted(
                last.map_or(Counted::All, |(_, visible, number)| Counted::To((visible, number))),
            );
        }
    }
}

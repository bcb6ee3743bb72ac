//! Removing the rows of messages that have expired.

use lazuli_base::Timestamp;
use lazuli_model::Refusal;

use crate::Store;
use crate::blocks::following;
use crate::collector::Collected;
use crate::journal::Entry;
use crate::rows::{MessageRow, MessageText, QueueRow, Stored as _};
use crate::schema::{self, QueueId};
use crate::txn::{Attempts, damaged};

/// Rows that are looked at, and at most removed, in one commit.
const BATCH: usize = 500;

impl Store {
    /// Removes the rows of expired messages where there are many; in a `full` round everywhere.
    pub(crate) async fn expire_messages(
        &self,
        full: bool,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let mut queues = self.lines.expired(self.certainly_now());
        if full {
            queues.clear();
            self.each_row(schema::all_queues(), |row| {
                let queue = QueueRow::decode(&row.value).map_err(|error| damaged(&error))?;
                queues.push(queue.id);
                Ok(())
            })
            .await?;
        }
        for queue in queues {
            self.expire_messages_of(queue, collected).await?;
        }
        Ok(())
    }

    /// A time that it is not before, even if the clock was set forward by mistake: what expired by
    /// then is gone for good.
    fn certainly_now(&self) -> Timestamp {
        self.clock.now().min(self.clock.steady())
    }

    async fn expire_messages_of(
        &self,
        queue: QueueId,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let line = self.lines.of(queue);
        self.count_line(queue, &line).await?;
        line.state().expires();
        let now = self.certainly_now();
        let mut range = schema::messages(queue);
        loop {
            let _told = line.changing.read().await;
            let mut txn = self.begin();
            let rows = txn.scan(range.clone(), BATCH).await?;
            let mut gone = Vec::new();
            for row in &rows {
                let message = MessageRow::decode(&row.value).map_err(|error| damaged(&error))?;
                let Some((_, visible, number)) = schema::message_parts(&row.key) else { continue };
                if message.is_expired(now) {
                    txn.rely_on(row);
                    txn.delete(row.key.clone());
                    if message.text == MessageText::Apart {
                        txn.delete(schema::text(queue, number));
                    }
                    gone.push(((visible, number), message));
                }
            }
            if !gone.is_empty() {
                txn.record(&Entry::system("ExpireMessages"));
                // On a conflict, with the collector of a deleted queue, a later round goes on.
                if self.commit(txn, &mut Attempts::default()).await? {
                    let mut state = line.state();
                    for (place, message) in &gone {
                        state.went(*place, message);
                    }
                    collected.rows += gone.len();
                }
            }
            match rows.last() {
                Some(last) if rows.len() == BATCH => range.start = following(&last.key),
                _ => return Ok(()),
            }
        }
    }
}

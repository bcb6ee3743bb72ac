//! Queues: finding, creating, deleting, listing, metadata, access policy.

use lazuli_model::acl::SignedIdentifier;
use lazuli_model::metadata::Metadata;
use lazuli_model::names::QueueName;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::journal::{Entry, Kind};
use crate::list::Page;
use crate::rows::{GarbageRow, HomeRow, QueueRow, Stored as _};
use crate::schema::{self, Garbage, QueueId};
use crate::txn::{Attempts, Txn, damaged};

mod count;
mod expire;
mod get;
mod line;
mod messages;

pub(crate) use get::GetMessages;
pub(crate) use line::Lines;
pub use messages::{Message, NewMessage};

/// What became of the creation of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The queue was made.
    Made,
    /// It was there, with the same metadata.
    Same,
}

/// A queue of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedQueue {
    /// Its name.
    pub name: String,
    /// Its row.
    pub row: QueueRow,
}

/// Finds a queue inside a transaction: its row must be the same when the change commits.
async fn open_queue(
    txn: &mut Txn<'_>,
    account: &str,
    queue: &QueueName,
) -> Result<QueueRow, Refusal> {
    let row = txn.get(&schema::queue(account, queue.as_str())).await?;
    row.ok_or_else(|| ErrorCode::QueueNotFound.into())
}

/// Finds where a queue's messages are, inside a transaction: they must still be there when the change
/// commits.
async fn open_home(txn: &mut Txn<'_>, (account, queue): (&str, &str)) -> Result<QueueId, Refusal> {
    let row: Option<HomeRow> = txn.get(&schema::home(account, queue)).await?;
    row.map(|row| row.id).ok_or_else(|| ErrorCode::QueueNotFound.into())
}

/// The journal entry of a change to a queue.
fn control<'a>(operation: &'a str, account: &'a str, queue: &'a QueueName) -> Entry<'a> {
    Entry::new(Kind::Control, operation, account).container(queue.as_str())
}

/// Leaves messages that nothing names any more to the collector.
fn discard(txn: &mut Txn<'_>, account: &str, id: QueueId) -> Result<(), Refusal> {
    let garbage = GarbageRow { account: account.to_owned() };
    txn.put(schema::garbage(Garbage::Queue(id)), &garbage)
}

impl Store {
    /// The same store, which remembers of at most `max` queues where their messages are and how many
    /// there are, besides those that are in use; of others it finds that anew.
    #[must_use]
    pub fn with_queues_known(self, max: usize) -> Self {
        self.lines.set_max(max);
        self
    }

    /// The queue's row, if there is one of the name.
    pub async fn find_queue(
        &self,
        account: &str,
        queue: &str,
    ) -> Result<Option<QueueRow>, Refusal> {
        self.row(&schema::queue(account, queue)).await
    }

    /// The queue's row. `QueueNotFound` if there is none.
    pub async fn get_queue(&self, account: &str, queue: &QueueName) -> Result<QueueRow, Refusal> {
        let row = self.find_queue(account, queue.as_str()).await?;
        row.ok_or_else(|| ErrorCode::QueueNotFound.into())
    }

    /// Makes a queue. `QueueAlreadyExists` if there is one of the name with other metadata.
    ///
    /// <https://learn.microsoft.com/rest/api/storageservices/create-queue4#remarks>
    pub async fn create_queue(
        &self,
        account: &str,
        queue: &QueueName,
        metadata: &Metadata,
    ) -> Result<Creation, Refusal> {
        let key = schema::queue(account, queue.as_str());
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let entry = control("CreateQueue", account, queue);
            let mut new = None;
            let creation = match txn.get::<QueueRow>(&key).await? {
                Some(row) if row.metadata.is_same(metadata) => {
                    txn.record(&entry.status(Some(204)));
                    Creation::Same
                }
                Some(_) => return Err(ErrorCode::QueueAlreadyExists.into()),
                None => {
                    let row = QueueRow {
                        id: self.new_queue_id().await?,
                        created: txn.now(),
                        metadata: metadata.clone(),
                        policies: Vec::new(),
                    };
                    txn.put(key.clone(), &row)?;
                    txn.put(schema::home(account, queue.as_str()), &HomeRow { id: row.id })?;
                    txn.record(&entry);
                    new = Some(row.id);
                    Creation::Made
                }
            };
            if self.commit(txn, &mut attempts).await? {
                return Ok(creation);
            }
            if let Some(id) = new {
                self.lines.forget(id);
            }
        }
    }

    /// An identifier for messages of which there is none yet.
    async fn new_queue_id(&self) -> Result<QueueId, Refusal> {
        let id = QueueId(self.new_id().await?);
        self.lines.begin_empty(id);
        Ok(id)
    }

    /// Deletes a queue with its messages, at once; the collector removes them. The name is free for
    /// another queue. `QueueNotFound` if there is none.
    pub async fn delete_queue(&self, account: &str, queue: &QueueName) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let row = open_queue(&mut txn, account, queue).await?;
            txn.delete(schema::queue(account, queue.as_str()));
            txn.delete(schema::home(account, queue.as_str()));
            discard(&mut txn, account, row.id)?;
            let entry = Entry::new(Kind::Delete, "DeleteQueue", account);
            txn.record(&entry.container(queue.as_str()));
            if self.commit(txn, &mut attempts).await? {
                self.lines.forget(row.id);
                self.collect_soon();
                return Ok(());
            }
        }
    }

    /// Deletes all messages of a queue, at once; the collector removes them.
    pub async fn clear_messages(&self, account: &str, queue: &QueueName) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let mut row = open_queue(&mut txn, account, queue).await?;
            let before = row.id;
            row.id = self.new_queue_id().await?;
            txn.put(schema::queue(account, queue.as_str()), &row)?;
            txn.put(schema::home(account, queue.as_str()), &HomeRow { id: row.id })?;
            discard(&mut txn, account, before)?;
            let entry = Entry::new(Kind::Delete, "ClearMessages", account);
            txn.record(&entry.container(queue.as_str()));
            if self.commit(txn, &mut attempts).await? {
                self.lines.forget(before);
                self.collect_soon();
                return Ok(());
            }
            self.lines.forget(row.id);
        }
    }

    /// Replaces a queue's metadata.
    pub async fn set_queue_metadata(
        &self,
        account: &str,
        queue: &QueueName,
        metadata: &Metadata,
    ) -> Result<(), Refusal> {
        let change = |row: &mut QueueRow| row.metadata = metadata.clone();
        self.change_queue(account, queue, "SetQueueMetadata", change).await
    }

    /// Replaces a queue's stored access policies.
    pub async fn set_queue_acl(
        &self,
        account: &str,
        queue: &QueueName,
        policies: &[SignedIdentifier],
    ) -> Result<(), Refusal> {
        let change = |row: &mut QueueRow| row.policies = policies.to_vec();
        self.change_queue(account, queue, "SetQueueAcl", change).await
    }

    async fn change_queue(
        &self,
        account: &str,
        queue: &QueueName,
        operation: &str,
        change: impl Fn(&mut QueueRow),
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let mut row = open_queue(&mut txn, account, queue).await?;
            change(&mut row);
            txn.put(schema::queue(account, queue.as_str()), &row)?;
            txn.record(&control(operation, account, queue));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// A page of at most `max` of an account's queues whose names begin with `prefix`, from the name
    /// `from` on.
    pub async fn list_queues(
        &self,
        account: &str,
        prefix: &str,
        (from, max): (Option<&str>, usize),
    ) -> Result<Page<ListedQueue>, Refusal> {
        let mut range = schema::queues(account, prefix);
        if let Some(from) = from {
            range.start = range.start.max(schema::queue(account, from));
        }
        let mut page = Page { items: Vec::new(), next: None };
        for row in self.rows(range, max.saturating_add(1)).await? {
            let Some((_, name)) = schema::queue_name(&row.key) else { continue };
            if page.items.len() == max {
                page.next = Some(name.as_bytes().to_vec());
                break;
            }
            let name = name.to_owned();
            let row = QueueRow::decode(&row.value).map_err(|error| damaged(&error))?;
            page.items.push(ListedQueue { name, row });
        }
        Ok(page)
    }
}

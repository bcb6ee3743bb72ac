//! Combined changes, on a number in the place of a blob.

use std::sync::LazyLock;

use lazuli_base::{ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::Version;
use lazuli_engine::memory::{MemoryExtents, MemoryMeta};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::journal::Entry;
use crate::put::entry;
use crate::rows::RunRow;
use crate::schema;

/// Adds to the number in a row; a number that is odd is refused.
#[derive(Clone, Debug, Default)]
struct Add {
    number: u32,
    gate: Option<Arc<Gate>>,
}

/// Where a change is held while it is made.
#[derive(Debug)]
struct Gate {
    entered: Semaphore,
    open: Semaphore,
}

static COMBINER: LazyLock<Combiner<Add>> = LazyLock::new(Combiner::default);

fn row() -> bytes::Bytes {
    schema::account("sum")
}

impl Change for Add {
    type Done = u32;
    type State = u32;

    fn combiner(_: &Store) -> &Combiner<Self> {
        &COMBINER
    }

    fn bytes(&self) -> usize {
        BYTES_MAX / 16
    }

    async fn open<'a>(
        _: &'a Store,
        txn: &'a mut Txn<'_>,
        _: &'a BlobPath<'_>,
    ) -> Result<u32, Refusal> {
        Ok(txn.get::<RunRow>(&row()).await?.map_or(0, |row| row.run))
    }

    async fn make<'a>(
        &'a self,
        _: &'a Store,
        txn: &'a mut Txn<'_>,
        sum: &'a mut u32,
        path: &'a BlobPath<'_>,
    ) -> Result<u32, Refusal> {
        if let Some(gate) = &self.gate {
            gate.entered.add_permits(1);
            gate.open.acquire().await.unwrap().forget();
        }
        if self.number % 2 == 1 {
            return Err(ErrorCode::InvalidInput.into());
        }
        *sum += self.number;
        txn.record(&entry("Add", path).bytes(Some(u64::from(self.number))));
        Ok(*sum)
    }

    fn close(sum: &u32, txn: &mut Txn<'_>, _: &BlobPath<'_>) -> Result<(), Refusal> {
        txn.put(row(), &RunRow { run: *sum })
    }
}

/// A store, and a blob of it that no other test has.
fn store(blob: &'static str) -> (Store, BlobPath<'static>) {
    let (meta, extents) = (Arc::new(MemoryMeta::default()), Arc::new(MemoryExtents::default()));
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let store = Store::new(meta, extents, clock, Arc::new(SystemEntropy));
    (store, BlobPath { account: "a", container: "c", blob })
}

fn gated(number: u32) -> (Add, Arc<Gate>) {
    let gate = Arc::new(Gate { entered: Semaphore::new(0), open: Semaphore::new(0) });
    (Add { number, gate: Some(Arc::clone(&gate)) }, gate)
}

fn begin(store: &Store, path: BlobPath<'static>, change: Add) -> JoinHandle<Result<u32, Refusal>> {
    let store = store.clone();
    tokio::spawn(async move { store.combine(Name::from(&path), change).await })
}

/// Waits until as many changes wait at the blob.
async fn waiting(path: &BlobPath<'_>, count: usize) {
    let name = Name::from(path);
    let length = || COMBINER.queues().get(&name).map_or(0, VecDeque::len);
    let reached = async {
        while length() != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), reached).await.unwrap();
}

#[tokio::test]
async fn changes_that_wait_are_made_in_few_commits_and_fail_alone() {
    let (store, path) = store("together");
    let (first, gate) = gated(2);
    let first = begin(&store, path, first);
    gate.entered.acquire().await.unwrap().forget();
    let others: Vec<_> =
        (0..40).map(|number| begin(&store, path, Add { number, gate: None })).collect();
    waiting(&path, 40).await;
    gate.open.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap(), 2);
    let mut sum = 2;
    for (number, other) in others.into_iter().enumerate() {
        let answer = other.await.unwrap();
        if number % 2 == 1 {
            assert_eq!(answer.unwrap_err().code(), ErrorCode::InvalidInput);
        } else {
            sum += number as u32;
            assert_eq!(answer.unwrap(), sum, "in the order in which they came");
        }
    }
    waiting(&path, 0).await;
    // One for the first, and 16 changes in each of the others.
    assert_eq!(store.meta.latest(), Version(4));
    let journal = store.meta.journal(Version(1), 10).await.unwrap();
    let entries: Vec<usize> = journal.iter().map(|(_, entries)| entries.len()).collect();
    assert_eq!(entries, [1, 8, 8, 4], "one entry for each change that was made");
}

#[tokio::test]
async fn a_leader_who_goes_away_finishes_for_the_others() {
    let (store, path) = store("gone");
    let (first, gate) = gated(2);
    let first = begin(&store, path, first);
    gate.entered.acquire().await.unwrap().forget();
    let second = begin(&store, path, Add { number: 4, gate: None });
    let (third, third_gate) = gated(8);
    let third = begin(&store, path, third);
    waiting(&path, 2).await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.open.add_permits(1);
    third_gate.open.add_permits(1);
    assert_eq!(third.await.unwrap().unwrap(), 10, "the leader's change, and not the second");
}

#[tokio::test]
async fn others_are_answered_while_their_leader_goes_away() {
    let (store, path) = store("led");
    let (first, first_gate) = gated(2);
    let first = begin(&store, path, first);
    first_gate.entered.acquire().await.unwrap().forget();
    let (leader, gate) = gated(4);
    let leader = begin(&store, path, leader);
    waiting(&path, 1).await;
    let follower = begin(&store, path, Add { number: 8, gate: None });
    waiting(&path, 2).await;
    first_gate.open.add_permits(1);
    gate.entered.acquire().await.unwrap().forget();
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    gate.open.add_permits(1);
    assert_eq!(follower.await.unwrap().unwrap(), 14);
    assert_eq!(first.await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn a_change_decided_on_what_has_changed_is_made_again() {
    let (store, path) = store("conflict");
    let (first, gate) = gated(2);
    let first = begin(&store, path, first);
    gate.entered.acquire().await.unwrap().forget();
    let mut other = store.begin();
    other.put(row(), &RunRow { run: 100 }).unwrap();
    other.record(&Entry::system("Other"));
    assert!(store.commit(other, &mut Attempts::default()).await.unwrap());
    gate.open.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap(), 102);
}

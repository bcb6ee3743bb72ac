//! A queue on a simulated disk: the power is cut at any call, with torn writes and unsynced ones
//! lost; or any call fails, because the device does or because it is full. What was acknowledged is
//! there afterwards, under its receipt; what was deleted is not; and of the change that met the
//! fault the whole was done or nothing.
//!
//! The log is on the simulated disk. The tables are on a real one, which loses nothing. What the
//! next start finds is written to the real one and checked there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::disk::{Access, Disk, Fault, SimDisk, SystemDisk};
use lazuli_engine::{Engine, Fsck, KeyRange, Options};
use lazuli_model::Refusal;
use lazuli_model::message::{MessageId, PopReceipt};
use lazuli_model::metadata::Metadata;
use lazuli_model::names::QueueName;
use lazuli_store::Store;
use lazuli_store::queue::{Message, NewMessage};

const ACCOUNT: &str = "account";

/// How long a message that is got is hidden.
const HIDDEN: Duration = Duration::from_secs(30);

/// How long a message is kept that expires.
const KEPT: Duration = Duration::from_secs(5);

/// Longer than anything is hidden or kept that is not kept for ever.
const AFTERWARDS: Duration = Duration::from_hours(1);

/// Size of the simulated disk, in bytes: a small one has short segments of the log.
const DISK_BYTES: u64 = 16 << 20;

/// Changes of a run.
const CHANGES: u64 = 24;

/// Rows in memory before tables are written: more than a run writes, and less.
const MEMTABLE_BYTES: [u64; 2] = [16 << 20, 8 << 10];

/// A message as it is known from answers.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    text: String,
    visible: Timestamp,
    expires: Option<Timestamp>,
    dequeued: u32,
    /// What its holder shows, unless the answer that told it did not come.
    held: Option<(MessageId, PopReceipt)>,
}

impl Known {
    fn is_there(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

/// A queue, if it exists.
type Model = Option<Vec<Known>>;

/// A change of the queue, or the collector's work.
#[derive(Clone, Debug)]
enum Change {
    CreateQueue,
    DeleteQueue,
    Clear,
    Put(NewMessage),
    Get(usize),
    Update((MessageId, PopReceipt), String),
    Delete((MessageId, PopReceipt)),
    Collect,
}

fn queue() -> QueueName {
    QueueName::parse("jobs").unwrap()
}

/// Draws a number below `end`.
fn draw(random: &mut u64, end: u64) -> u64 {
    *random =
        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*random >> 33) % end
}

/// Draws a change that the model allows, if possible.
fn drawn(random: &mut u64, model: &Model, number: u64) -> Change {
    let Some(messages) = model else { return Change::CreateQueue };
    let long = draw(random, 4) == 0;
    let text = format!("{number}{}", if long { "-".repeat(5_000) } else { String::new() });
    let held: Vec<_> = messages.iter().filter_map(|known| known.held).collect();
    let held = held.get(draw(random, held.len().max(1) as u64) as usize).copied();
    match (draw(random, 16), held) {
        (0, _) => Change::DeleteQueue,
        (1, _) => Change::Clear,
        (2 | 3, _) => Change::Collect,
        (4..=6, Some(held)) => Change::Update(held, text),
        (7 | 8, Some(held)) => Change::Delete(held),
        (9..=11, _) => Change::Get(1 + draw(random, 3) as usize),
        _ => {
            let kept = (draw(random, 3) == 0).then_some(KEPT);
            Change::Put(NewMessage { text, delay: Duration::ZERO, kept })
        }
    }
}

/// Asks the store for the change; the messages that the answer tells of.
async fn ask(store: &Store, change: &Change) -> Result<Vec<Message>, Refusal> {
    let none = |()| Vec::new();
    match change.clone() {
        Change::CreateQueue => {
            let made = store.create_queue(ACCOUNT, &queue(), &Metadata::default()).await;
            made.map(|_| Vec::new())
        }
        Change::DeleteQueue => store.delete_queue(ACCOUNT, &queue()).await.map(none),
        Change::Clear => store.clear_messages(ACCOUNT, &queue()).await.map(none),
        Change::Put(new) => store.put_message(ACCOUNT, &queue(), new).await.map(|put| vec![put]),
        Change::Get(max) => store.get_messages(ACCOUNT, &queue(), (max, HIDDEN)).await,
        Change::Update(held, text) => {
            let change = (Duration::ZERO, Some(text));
            store.update_message(ACCOUNT, &queue(), held, change).await.map(|new| vec![new])
        }
        Change::Delete(held) => store.delete_message(ACCOUNT, &queue(), held).await.map(none),
        Change::Collect => store.collect(true).await.map(|_| Vec::new()),
    }
}

/// The places of the messages that are visible at `now`, in the order they are handed out.
fn visible(messages: &[Known], now: Timestamp) -> Vec<usize> {
    let is_visible = |known: &Known| known.visible <= now && known.is_there(now);
    let mut places: Vec<usize> =
        (0..messages.len()).filter(|&at| is_visible(&messages[at])).collect();
    // Those of one moment in the order in which they were put, which that of the model is.
    places.sort_by_key(|&at| messages[at].visible);
    places
}

/// The queue after a change, and the places of messages that the answer tells of; `None` if the
/// change is refused.
fn changed(model: &Model, change: &Change, now: Timestamp) -> Option<(Model, Vec<usize>)> {
    let mut messages = match (model, change) {
        (None, Change::CreateQueue) => return Some((Some(Vec::new()), Vec::new())),
        (None, Change::Collect) => return Some((None, Vec::new())),
        (model, _) => model.clone()?,
    };
    let place = |held: &(MessageId, PopReceipt)| {
        let is_it = |known: &Known| known.held.as_ref() == Some(held) && known.is_there(now);
        messages.iter().position(is_it)
    };
    let places = match change {
        Change::CreateQueue | Change::Collect => Vec::new(),
        Change::DeleteQueue => return Some((None, Vec::new())),
        Change::Clear => return Some((Some(Vec::new()), Vec::new())),
        Change::Put(NewMessage { text, kept, .. }) => {
            let expires = kept.map(|kept| now.saturating_add(kept));
            let text = text.clone();
            messages.push(Known { text, visible: now, expires, dequeued: 0, held: None });
            vec![messages.len() - 1]
        }
        Change::Get(max) => {
            let mut places = visible(&messages, now);
            places.truncate(*max);
            for &at in &places {
                messages[at].visible = now.saturating_add(HIDDEN);
                messages[at].dequeued += 1;
            }
            places
        }
        Change::Update(held, text) => {
            let at = place(held)?;
            (messages[at].visible, messages[at].text) = (now, text.clone());
            vec![at]
        }
        Change::Delete(held) => {
            messages.remove(place(held)?);
            Vec::new()
        }
    };
    for &at in &places {
        messages[at].held = None;
    }
    Some((Some(messages), places))
}

/// The queue after a change that was acknowledged; `None` if that answer cannot be.
fn acknowledged(model: &Model, asked: (&Change, Timestamp), answer: &[Message]) -> Option<Model> {
    let (mut model, places) = changed(model, asked.0, asked.1)?;
    if places.len() != answer.len() {
        return None;
    }
    for (at, told) in places.into_iter().zip(answer) {
        let known = model.as_mut()?.get_mut(at)?;
        known.held = Some((told.id, told.receipt));
        if (&told.text, told.dequeued) != (&known.text, known.dequeued) {
            return None;
        }
    }
    Some(model)
}

/// Whether it is known that the engine takes commits if this was answered.
fn has_committed(change: &Change, answer: &Result<Vec<Message>, Refusal>) -> bool {
    match (change, answer) {
        (Change::Collect, _) | (_, Err(_)) => false,
        (Change::Get(_), Ok(got)) => !got.is_empty(),
        (_, Ok(_)) => true,
    }
}

/// A queue under work on a simulated disk.
struct Run {
    disk: SimDisk,
    /// What it may be: more than one thing after a change that met a fault.
    may_be: Vec<Model>,
    failed: usize,
}

impl Run {
    /// Makes changes until the power is cut, or two in a row fail.
    async fn work(&mut self, store: &Store, clock: &ManualClock, random: &mut u64) {
        let mut in_a_row = 0;
        for number in 0..CHANGES {
            if self.disk.cut().is_some() || in_a_row == 2 {
                break;
            }
            clock.advance(Duration::from_secs(1));
            let change = drawn(random, &self.may_be[0], number);
            let answer = ask(store, &change).await;
            in_a_row = if self.take(&change, &answer, clock.now()) { 0 } else { in_a_row + 1 };
        }
    }

    /// Follows a change that was asked for at `now`; whether it did not meet a fault.
    fn take(
        &mut self,
        change: &Change,
        answer: &Result<Vec<Message>, Refusal>,
        now: Timestamp,
    ) -> bool {
        let before = self.may_be.clone();
        let made = |model: &Model| changed(model, change, now).map(|(model, _)| model);
        let fits: Vec<Model> = match answer {
            Ok(told) => {
                before.iter().filter_map(|model| acknowledged(model, (change, now), told)).collect()
            }
            Err(refusal) if refusal.status() < 500 => {
                before.iter().filter(|model| made(model).is_none()).cloned().collect()
            }
            Err(_) => {
                self.failed += 1;
                self.may_be.extend(before.iter().filter_map(made));
                return false;
            }
        };
        assert!(!fits.is_empty(), "{change:?} answered {answer:?} of {before:?}");
        if has_committed(change, answer) || self.failed == 0 {
            self.may_be = fits;
        }
        if self.disk.cut().is_some() {
            // It cannot be told whether the power was cut before the change was durable.
            self.may_be.extend(before);
        }
        true
    }

    /// Holds what can be seen now against what may be.
    async fn compare(&self, store: &Store, now: Timestamp) {
        let peeked = store.peek_messages(ACCOUNT, &queue(), 32).await;
        let seen = |model: &&Model| match (model, &peeked) {
            (None, Err(refusal)) => refusal.status() == 404,
            (Some(messages), Ok(peeked)) => {
                let places = visible(messages, now);
                let known = places.into_iter().map(|at| &messages[at]);
                known.len() == peeked.len()
                    && known.zip(peeked).all(|(known, message)| {
                        known.held.is_none_or(|held| held == (message.id, message.receipt))
                            && (&known.text, known.dequeued, known.visible)
                                == (&message.text, message.dequeued, message.receipt.visible)
                    })
            }
            _ => false,
        };
        let fits = self.may_be.iter().any(|model| seen(&model));
        assert!(fits, "{peeked:?} at {now:?} where there was {:?}", self.may_be);
    }
}

fn open(
    (disk, memtable_bytes): (Arc<dyn Disk>, u64),
    data: &Path,
    clock: &Arc<ManualClock>,
) -> (Engine, Store) {
    let options = Options { disk, memtable_bytes, reserve_bytes: 0, ..Options::new(data) };
    let engine = Engine::open(options).unwrap();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let store = Store::new(meta, extents, clock, Arc::new(SeededEntropy::new(7)));
    (engine, store)
}

/// Writes what is on a simulated disk to the real one.
fn write_out(disk: &SimDisk, data: &Path) {
    for dir in [data.to_owned(), data.join("extents"), data.join("meta/wal")] {
        std::fs::create_dir_all(&dir).unwrap();
        for name in disk.list(&dir).unwrap() {
            let path = dir.join(name);
            let file = disk.open(&path, Access::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// The first bytes of the keys of all rows, which agree with each other and with the disk.
fn check(data: &Path) -> Vec<u8> {
    let mut fsck = Fsck::open(data).unwrap();
    lazuli_store::fsck::check(&mut fsck).unwrap();
    let rows = fsck.rows(&KeyRange { start: Bytes::new(), end: None }, 100_000).unwrap();
    assert_eq!(fsck.finish().damage, []);
    rows.iter().filter_map(|row| row.key.first().copied()).collect()
}

/// One run: `prepare` tells the disk what is to happen once the store is open. How many calls
/// reached the disk from then on.
async fn run((seed, memtable_bytes): (u64, u64), prepare: impl FnOnce(&SimDisk)) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir_all(data.join("meta")).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let disk = SimDisk::new(seed);
    disk.set_total_bytes(DISK_BYTES);
    let (engine, store) = open((Arc::new(disk.clone()), memtable_bytes), &data, &clock);
    prepare(&disk);
    let calls = disk.calls();
    let mut run = Run { disk: disk.clone(), may_be: vec![None], failed: 0 };
    let mut random = seed;
    run.work(&store, &clock, &mut random).await;
    if disk.cut().is_none() {
        run.compare(&store, clock.now()).await;
    }
    let calls = disk.calls() - calls;
    let found = disk.cut().unwrap_or_else(|| disk.power_cut());
    drop((store, engine));
    write_out(&found, &data);
    check(&data);
    let (engine, store) = open((Arc::new(SystemDisk), memtable_bytes), &data, &clock);
    clock.advance(AFTERWARDS);
    run.compare(&store, clock.now()).await;
    // The queue can be used, and nothing of it stays when it is gone.
    store.create_queue(ACCOUNT, &queue(), &Metadata::default()).await.unwrap();
    let new = NewMessage { text: "new".to_owned(), delay: Duration::ZERO, kept: None };
    let put = store.put_message(ACCOUNT, &queue(), new).await.unwrap();
    store.delete_message(ACCOUNT, &queue(), (put.id, put.receipt)).await.unwrap();
    store.delete_queue(ACCOUNT, &queue()).await.unwrap();
    store.collect(true).await.unwrap();
    engine.close().unwrap();
    drop((store, engine));
    let left: Vec<char> = check(&data).into_iter().map(char::from).collect();
    assert!(left.iter().all(|table| *table == 'R'), "{left:?}");
    calls
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_power_cut_at_any_call_takes_nothing_that_was_acknowledged() {
    runtime().block_on(async {
        // No tables: the disk that they are on would go on while the other is cut.
        let [memtable_bytes, _] = MEMTABLE_BYTES;
        let calls = run((1, memtable_bytes), |_| {}).await;
        for at in 1..=calls {
            run((at, memtable_bytes), |disk| disk.cut_at(at)).await;
        }
    });
}

#[test]
fn a_fault_at_any_call_takes_nothing_that_was_acknowledged() {
    runtime().block_on(async {
        for memtable_bytes in MEMTABLE_BYTES {
            let calls = run((1, memtable_bytes), |_| {}).await;
            for fault in [Fault::Io, Fault::Full] {
                for at in 1..=calls {
                    run((1, memtable_bytes), |disk| disk.fail_at(at, fault)).await;
                }
            }
        }
    });
}

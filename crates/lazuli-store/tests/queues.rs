//! Random histories of a queue on disk, held against a model in memory, across collections,
//! reopenings and clocks that jump; and producers and consumers at work at the same time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "queues/lines.rs"]
mod lines;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, SystemClock, SystemEntropy, Timestamp};
use lazuli_engine::{Engine, Fsck, KeyRange, Options};
use lazuli_model::ErrorCode;
use lazuli_model::message::{MessageId, PopReceipt};
use lazuli_model::metadata::Metadata;
use lazuli_model::names::QueueName;
use lazuli_store::Store;
use lazuli_store::queue::{Creation, Message, NewMessage};
use proptest::prelude::*;
use tokio::task::JoinSet;

const ACCOUNT: &str = "account";

/// A message of the model, under its newest receipt.
#[derive(Clone, Debug)]
struct Known {
    id: MessageId,
    receipt: PopReceipt,
    /// Receipts that another followed.
    stale: Vec<PopReceipt>,
    inserted: Timestamp,
    expires: Option<Timestamp>,
    dequeued: u32,
    text: String,
}

impl Known {
    fn is_there(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    fn takes(&mut self, receipt: PopReceipt) {
        self.stale.push(std::mem::replace(&mut self.receipt, receipt));
    }

    /// What is handed out of it.
    fn message(&self) -> Message {
        let Self { id, receipt, inserted, expires, dequeued, .. } = *self;
        Message { id, inserted, expires, receipt, dequeued, text: self.text.clone() }
    }
}

type Model = Vec<Known>;

#[derive(Clone, Debug)]
enum Step {
    /// A text of this length, hidden for so many milliseconds, kept for so many.
    Put {
        length: usize,
        delay: u64,
        kept: Option<u64>,
    },
    Get {
        max: usize,
        hidden: u64,
    },
    Peek {
        max: usize,
    },
    /// Of the message of this place, and perhaps with a receipt that another followed.
    Update {
        place: usize,
        stale: bool,
        hidden: u64,
        length: Option<usize>,
    },
    Delete {
        place: usize,
        stale: bool,
    },
    Clear,
    DeleteQueue,
    /// Milliseconds that pass.
    Pass(u64),
    /// Milliseconds that the clock is set forward, or back.
    Jump(i64),
    Collect,
    /// Another queue is used, and what is known of this one forgotten.
    UseAnother,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = || prop_oneof![5 => 0..20_usize, 1 => 4090..4100_usize, 1 => Just(65_536)];
    let millis = || prop_oneof![2 => Just(0_u64), 3 => 1..200_u64, 1 => Just(100_000)];
    let kept = prop_oneof![2 => Just(None), 3 => (1..400_u64).prop_map(Some)];
    let put = (length(), millis(), kept);
    let update = (0..8_usize, prop::bool::weighted(0.3), millis(), prop::option::of(length()));
    let step = prop_oneof![
        10 => put.prop_map(|(length, delay, kept)| Step::Put { length, delay, kept }),
        8 => (1..6_usize, millis()).prop_map(|(max, hidden)| Step::Get { max, hidden }),
        2 => (1..6_usize).prop_map(|max| Step::Peek { max }),
        4 => update.prop_map(|(place, stale, hidden, length)| {
            Step::Update { place, stale, hidden, length }
        }),
        5 => (0..8_usize, prop::bool::weighted(0.3))
            .prop_map(|(place, stale)| Step::Delete { place, stale }),
        1 => Just(Step::Clear),
        1 => Just(Step::DeleteQueue),
        5 => (0..300_u64).prop_map(Step::Pass),
        2 => (-200..300_i64).prop_map(Step::Jump),
        2 => Just(Step::Collect),
        3 => Just(Step::UseAnother),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..80)
}

fn queue() -> QueueName {
    QueueName::parse("jobs").unwrap()
}

fn another() -> QueueName {
    QueueName::parse("others").unwrap()
}

struct Open {
    engine: Engine,
    store: Store,
}

fn open(dir: &Path, clock: Arc<dyn Clock>) -> Open {
    let mut options = Options::new(dir);
    options.memtable_bytes = 64 << 10;
    let engine = Engine::open(options).unwrap();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, clock, Arc::new(SystemEntropy));
    Open { engine, store: store.with_queues_known(1) }
}

fn text(length: usize, seed: usize) -> String {
    let letter = char::from(b'a' + (seed % 26) as u8);
    std::iter::repeat_n(letter, length).collect()
}

/// The places of the messages that are visible at `now`, in the order they are handed out.
fn visible(model: &Model, now: Timestamp) -> Vec<usize> {
    let is_visible = |known: &Known| known.receipt.visible <= now && known.is_there(now);
    let mut places: Vec<usize> = (0..model.len()).filter(|&at| is_visible(&model[at])).collect();
    places.sort_by_key(|&at| (model[at].receipt.visible, model[at].id));
    places
}

/// A message of the model and a receipt to change it with.
fn chosen(model: &Model, place: usize, stale: bool) -> Option<(usize, PopReceipt)> {
    let at = place.checked_rem(model.len())?;
    let receipt = if stale { model[at].stale.last().copied() } else { Some(model[at].receipt) };
    receipt.map(|receipt| (at, receipt))
}

async fn apply(store: &Store, model: &mut Model, step: &Step, clock: &ManualClock) {
    let now = clock.now();
    let millis = Duration::from_millis;
    match *step {
        Step::Put { length, delay, kept } => {
            let text = text(length, model.len());
            let (delay, kept) = (millis(delay), kept.map(millis));
            let new = NewMessage { text: text.clone(), delay, kept };
            let put = store.put_message(ACCOUNT, &queue(), new).await.unwrap();
            assert_eq!(put.receipt.visible, now.saturating_add(delay));
            assert_eq!(put.expires, kept.map(|kept| now.saturating_add(kept)));
            assert_eq!((put.inserted, put.dequeued, &put.text), (now, 0, &text));
            model.push(Known {
                id: put.id,
                receipt: put.receipt,
                stale: Vec::new(),
                inserted: put.inserted,
                expires: put.expires,
                dequeued: 0,
                text,
            });
        }
        Step::Get { max, hidden } => {
            let got = store.get_messages(ACCOUNT, &queue(), (max, millis(hidden))).await.unwrap();
            let mut places = visible(model, now);
            places.truncate(max);
            assert_eq!(got.len(), places.len());
            for (message, at) in got.iter().zip(places) {
                let known = &mut model[at];
                assert_eq!(message.receipt.visible, now.saturating_add(millis(hidden)));
                assert_ne!(message.receipt, known.receipt);
                known.takes(message.receipt);
                known.dequeued += 1;
                assert_eq!(*message, known.message());
            }
        }
        Step::Peek { max } => {
            let peeked = store.peek_messages(ACCOUNT, &queue(), max).await.unwrap();
            let places = visible(model, now);
            let wanted: Vec<Message> =
                places.iter().take(max).map(|&at| model[at].message()).collect();
            assert_eq!(peeked, wanted);
        }
        Step::Update { place, stale, hidden, length } => {
            let Some((at, receipt)) = chosen(model, place, stale) else { return };
            let (id, known) = (model[at].id, &mut model[at]);
            let new = length.map(|length| text(length, place));
            let change = (millis(hidden), new.clone());
            let updated = store.update_message(ACCOUNT, &queue(), (id, receipt), change).await;
            let to = now.saturating_add(millis(hidden));
            if stale || !known.is_there(now) {
                assert_eq!(updated.unwrap_err().code(), ErrorCode::MessageNotFound);
            } else if known.expires.is_some_and(|expires| expires < to) {
                assert_eq!(updated.unwrap_err().code(), ErrorCode::InvalidQueryParameterValue);
            } else {
                let updated = updated.unwrap();
                assert_eq!(updated.receipt.visible, to);
                known.takes(updated.receipt);
                known.text = new.unwrap_or(std::mem::take(&mut known.text));
            }
        }
        Step::Delete { place, stale } => {
            let Some((at, receipt)) = chosen(model, place, stale) else { return };
            let deleted = store.delete_message(ACCOUNT, &queue(), (model[at].id, receipt)).await;
            if stale || !model[at].is_there(now) {
                assert_eq!(deleted.unwrap_err().code(), ErrorCode::MessageNotFound);
            } else {
                deleted.unwrap();
                model.remove(at);
            }
        }
        Step::Clear => {
            store.clear_messages(ACCOUNT, &queue()).await.unwrap();
            model.clear();
        }
        Step::DeleteQueue => {
            store.delete_queue(ACCOUNT, &queue()).await.unwrap();
            let got = store.get_messages(ACCOUNT, &queue(), (1, Duration::ZERO)).await;
            assert_eq!(got.unwrap_err().code(), ErrorCode::QueueNotFound);
            create(store).await;
            model.clear();
        }
        Step::Pass(passed) => clock.advance(millis(passed)),
        Step::Jump(millis) => {
            let ticks = now.ticks().saturating_add_signed(millis * 10_000);
            clock.set(Timestamp::from_ticks(ticks));
        }
        Step::Collect => {
            store.collect(true).await.unwrap();
            // What has certainly expired is gone, even if the clock is set back.
            model.retain(|known| known.is_there(now.min(clock.steady())));
        }
        Step::UseAnother => {
            assert_eq!(store.peek_messages(ACCOUNT, &another(), 1).await.unwrap(), []);
        }
        Step::Reopen => {}
    }
}

async fn create(store: &Store) {
    create_named(store, &queue()).await;
}

async fn create_named(store: &Store, name: &QueueName) {
    let made = store.create_queue(ACCOUNT, name, &Metadata::default()).await.unwrap();
    assert_eq!(made, Creation::Made);
}

/// What can be seen without changing anything.
async fn compare(store: &Store, model: &Model, now: Timestamp) {
    let peeked = store.peek_messages(ACCOUNT, &queue(), 32).await.unwrap();
    let wanted: Vec<Message> =
        visible(model, now).iter().take(32).map(|&at| model[at].message()).collect();
    assert_eq!(peeked, wanted);
    let there = model.iter().filter(|known| known.is_there(now)).count() as u64;
    // Those that expired a five-hundredth of their time ago may be among them.
    let slack = |known: &&Known| {
        let kept = known.expires.map_or(Duration::ZERO, |expires| expires.since(known.inserted));
        known.expires.is_none_or(|expires| expires.saturating_add(kept / 500) > now)
    };
    let at_most = model.iter().filter(slack).count() as u64;
    let (_, counted) = store.count_messages(ACCOUNT, &queue()).await.unwrap();
    assert!((there..=at_most).contains(&counted), "{counted} of {there} to {at_most}");
}

/// Closes the store and checks what lies on the disk; gives the first bytes of its rows.
fn close_and_check(open: Open, dir: &Path) -> Vec<u8> {
    open.engine.close().unwrap();
    drop(open);
    let mut fsck = Fsck::open(dir).unwrap();
    lazuli_store::fsck::check(&mut fsck).unwrap();
    let rows = fsck.rows(&KeyRange { start: Bytes::new(), end: None }, 100_000).unwrap();
    assert_eq!(fsck.finish().damage, []);
    rows.iter().filter_map(|row| row.key.first().copied()).collect()
}

async fn run(steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000)));
    let mut now = open(dir.path(), clock.clone());
    create(&now.store).await;
    create_named(&now.store, &another()).await;
    let mut model = Model::new();
    for step in steps {
        if matches!(step, Step::Reopen) {
            close_and_check(now, dir.path());
            now = open(dir.path(), clock.clone());
        }
        apply(&now.store, &mut model, step, &clock).await;
        compare(&now.store, &model, clock.now()).await;
    }
    // What has expired goes by itself, and the rest with the queue.
    clock.advance(Duration::from_hours(1));
    now.store.collect(true).await.unwrap();
    model.retain(|known| known.is_there(clock.now()));
    close_and_check(now, dir.path());
    now = open(dir.path(), clock.clone());
    compare(&now.store, &model, clock.now()).await;
    let (_, counted) = now.store.count_messages(ACCOUNT, &queue()).await.unwrap();
    assert_eq!(counted, model.len() as u64);
    for name in [queue(), another()] {
        now.store.delete_queue(ACCOUNT, &name).await.unwrap();
    }
    now.store.collect(true).await.unwrap();
    let left: Vec<char> = close_and_check(now, dir.path()).into_iter().map(char::from).collect();
    assert!(left.iter().all(|table| *table == 'R'), "{left:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_does_what_its_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&steps));
    }
}

/// A store in memory whose clock goes.
async fn running() -> (Engine, Store) {
    let engine = Engine::in_memory();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, Arc::new(SystemClock), Arc::new(SystemEntropy));
    create(&store).await;
    (engine, store)
}

fn forever(text: &str) -> NewMessage {
    NewMessage { text: text.to_owned(), delay: Duration::ZERO, kept: None }
}

const HIDDEN: Duration = Duration::from_hours(1);

#[test]
fn each_message_goes_to_one_consumer_while_the_queue_is_counted() {
    const PRODUCERS: usize = 8;
    const EACH: usize = 60;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let (_engine, store) = running().await;
        let mut producers = JoinSet::new();
        for producer in 0..PRODUCERS {
            let store = store.clone();
            producers.spawn(async move {
                for n in 0..EACH {
                    let new = forever(&format!("{producer} {n}"));
                    store.put_message(ACCOUNT, &queue(), new).await.unwrap();
                }
            });
        }
        let mut consumers = JoinSet::new();
        let (done, _) = tokio::sync::watch::channel(0_usize);
        let done = Arc::new(done);
        for max in 1..=8 {
            let (store, done) = (store.clone(), Arc::clone(&done));
            consumers.spawn(async move {
                let mut eaten = Vec::new();
                while *done.borrow() < PRODUCERS * EACH {
                    let got = store.get_messages(ACCOUNT, &queue(), (max, HIDDEN)).await.unwrap();
                    for message in got {
                        let held = (message.id, message.receipt);
                        store.delete_message(ACCOUNT, &queue(), held).await.unwrap();
                        eaten.push(message.text);
                        done.send_modify(|done| *done += 1);
                    }
                    store.count_messages(ACCOUNT, &queue()).await.unwrap();
                    tokio::task::yield_now().await;
                }
                eaten
            });
        }
        let mut eaten: Vec<String> = Vec::new();
        while let Some(more) = consumers.join_next().await {
            eaten.extend(more.unwrap());
        }
        while let Some(done) = producers.join_next().await {
            done.unwrap();
        }
        let different: HashSet<&String> = eaten.iter().collect();
        assert_eq!((eaten.len(), different.len()), (PRODUCERS * EACH, PRODUCERS * EACH));
        let (_, counted) = store.count_messages(ACCOUNT, &queue()).await.unwrap();
        assert_eq!(counted, 0);
    });
}

#[test]
fn who_sets_metadata_holds_up_no_message() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let (_engine, store) = running().await;
        let mut setters = JoinSet::new();
        for setter in 0..4 {
            let store = store.clone();
            setters.spawn(async move {
                for n in 0.. {
                    let metadata = Metadata::new([("a", format!("{setter} {n}"))]).unwrap();
                    // They may meet each other.
                    let _ = store.set_queue_metadata(ACCOUNT, &queue(), &metadata).await;
                    tokio::task::yield_now().await;
                }
            });
        }
        for n in 0..300_u64 {
            store.put_message(ACCOUNT, &queue(), forever(&n.to_string())).await.unwrap();
            let got = store.get_messages(ACCOUNT, &queue(), (1, HIDDEN)).await.unwrap();
            let held = (got[0].id, got[0].receipt);
            store.delete_message(ACCOUNT, &queue(), held).await.unwrap();
        }
        setters.shutdown().await;
    });
}

#[test]
fn a_change_whose_client_goes_away_is_made_whole_or_not_at_all() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let (_engine, store) = running().await;
        store.count_messages(ACCOUNT, &queue()).await.unwrap();
        for n in 0..300 {
            let worker = store.clone();
            let task = tokio::spawn(async move {
                worker.put_message(ACCOUNT, &queue(), forever(&n.to_string())).await.unwrap();
                let got = worker.get_messages(ACCOUNT, &queue(), (1, Duration::ZERO)).await;
                for message in got.unwrap() {
                    let held = (message.id, message.receipt);
                    // Another one may have got it since.
                    let _ = worker.delete_message(ACCOUNT, &queue(), held).await;
                }
            });
            for _ in 0..n % 7 {
                tokio::task::yield_now().await;
            }
            task.abort();
        }
        // What went on by itself ends: nothing is left that could change the count.
        let mut left = store.count_messages(ACCOUNT, &queue()).await.unwrap().1;
        let mut gone = 0;
        loop {
            let got = store.get_messages(ACCOUNT, &queue(), (32, HIDDEN)).await.unwrap();
            if got.is_empty() {
                let now = store.count_messages(ACCOUNT, &queue()).await.unwrap().1;
                if now == left.saturating_sub(gone) && now == 0 {
                    break;
                }
                (left, gone) = (now, 0);
                tokio::task::yield_now().await;
            }
            for message in got {
                let held = (message.id, message.receipt);
                store.delete_message(ACCOUNT, &queue(), held).await.unwrap();
                gone += 1;
            }
        }
    });
}

#[test]
fn the_clock_set_back_hides_nothing_for_longer_than_it_was_set_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp::from_unix_seconds(1_700_000_000);
        let clock = Arc::new(ManualClock::new(start));
        let now = open(dir.path(), clock.clone());
        create(&now.store).await;
        now.store.put_message(ACCOUNT, &queue(), forever("before")).await.unwrap();
        clock.set(start.saturating_sub(Duration::from_secs(10)));
        let get = async || {
            let got = now.store.get_messages(ACCOUNT, &queue(), (32, HIDDEN)).await.unwrap();
            got.into_iter().map(|message| message.text).collect::<Vec<String>>()
        };
        assert_eq!(get().await, Vec::<String>::new());
        // One that comes now is not kept waiting by it, although its place is before the other's.
        now.store.put_message(ACCOUNT, &queue(), forever("after")).await.unwrap();
        assert_eq!(get().await, ["after"]);
        clock.set(start);
        assert_eq!(get().await, ["before"]);
    });
}

#[test]
fn what_expires_by_a_clock_that_is_wrong_comes_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp::from_unix_seconds(1_700_000_000);
        let clock = Arc::new(ManualClock::new(start));
        let now = open(dir.path(), clock.clone());
        create(&now.store).await;
        let new = NewMessage { kept: Some(Duration::from_mins(1)), ..forever("kept") };
        now.store.put_message(ACCOUNT, &queue(), new).await.unwrap();
        clock.set(start.saturating_add(Duration::from_hours(24)));
        assert_eq!(now.store.peek_messages(ACCOUNT, &queue(), 32).await.unwrap(), []);
        now.store.collect(true).await.unwrap();
        clock.set(start);
        let texts = async || {
            let peeked = now.store.peek_messages(ACCOUNT, &queue(), 32).await.unwrap();
            peeked.into_iter().map(|message| message.text).collect::<Vec<_>>()
        };
        assert_eq!(texts().await, ["kept"]);
        clock.advance(Duration::from_mins(1));
        now.store.collect(true).await.unwrap();
        clock.set(start);
        assert_eq!(texts().await, Vec::<String>::new());
    });
}

#[test]
fn a_queue_is_made_again_with_the_same_metadata_only() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_engine, store) = running().await;
        let of = |pairs: &[(&str, &str)]| Metadata::new(pairs.iter().copied()).unwrap();
        let again = async |metadata: &Metadata| {
            store.create_queue(ACCOUNT, &queue(), metadata).await.map_err(|error| error.code())
        };
        assert_eq!(again(&of(&[])).await, Ok(Creation::Same));
        assert_eq!(again(&of(&[("a", "1")])).await, Err(ErrorCode::QueueAlreadyExists));
        store.set_queue_metadata(ACCOUNT, &queue(), &of(&[("a", "1"), ("B", "2")])).await.unwrap();
        assert_eq!(again(&of(&[("b", "2"), ("A", "1")])).await, Ok(Creation::Same));
        assert_eq!(again(&of(&[("b", "2")])).await, Err(ErrorCode::QueueAlreadyExists));
        assert_eq!(again(&of(&[("b", "1"), ("A", "1")])).await, Err(ErrorCode::QueueAlreadyExists));
    });
}

#[test]
fn queues_are_listed_by_pages() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_engine, store) = running().await;
        for name in ["alpha", "beta-1", "beta-2", "beta-3", "gamma"] {
            let name = QueueName::parse(name).unwrap();
            store.create_queue(ACCOUNT, &name, &Metadata::default()).await.unwrap();
        }
        let mut names = Vec::new();
        let mut from = None;
        loop {
            let page = store.list_queues(ACCOUNT, "beta", (from.as_deref(), 2)).await.unwrap();
            assert!(page.items.len() <= 2);
            names.extend(page.items.into_iter().map(|listed| listed.name));
            let Some(next) = page.next else { break };
            from = Some(String::from_utf8(next).unwrap());
        }
        assert_eq!(names, ["beta-1", "beta-2", "beta-3"]);
        let others = store.list_queues("other", "", (None, 10)).await.unwrap();
        assert!(others.items.is_empty());
    });
}

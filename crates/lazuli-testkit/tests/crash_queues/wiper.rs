//! A server killed again and again while queues are cleared and deleted, messages expire, and the
//! collector removes what is gone: nothing of it comes back, and nothing else is lost.
//!
//! Each wiper has a queue of its own. After every start he takes all messages there are and holds
//! them against those that he put since he last wiped the queue. And all put into one queue that any
//! of them clears: a message is gone if it was there before that, and is there if it came afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lazuli_base::{Clock as _, SystemClock, Timestamp};
use lazuli_testkit::{Client, Random, Server, check_directory, kill_under_load};

use super::{ACTORS, Outcome, body, number, of_receipt, part, parts, send};

/// How long what is taken to be looked at is hidden: were it to come back after it was wiped, later
/// rounds would see it.
const TAKE: &str = "numofmessages=32&visibilitytimeout=5";

/// How long a message is kept that expires while the test runs, in seconds.
const KEPT_SECONDS: u64 = 1;

/// The longest life of a server, in milliseconds: the collector goes to work once a second.
const LIFETIME_MAX: u64 = 2_500;

/// One request in so many wipes the queue: in some queues messages live long enough to expire.
const WIPES: [u64; 2] = [100, 5_000];

/// A message that was put and not wiped.
#[derive(Debug)]
struct Put {
    text: String,
    receipt: String,
    /// When it expires: not before the one, and at the latest at the other.
    expires: Option<(Timestamp, Timestamp)>,
}

/// When a request was sent, and when it was answered if it was, by a clock that counts.
#[derive(Clone, Copy, Debug)]
struct Span {
    sent: u64,
    answered: Option<u64>,
}

impl Span {
    /// Whether this was answered before the other was sent.
    fn is_before(self, other: Self) -> bool {
        self.answered.is_some_and(|answered| answered < other.sent)
    }
}

/// The queue of all, since it was last held against this.
#[derive(Debug, Default)]
struct Shared {
    clock: u64,
    put: BTreeMap<String, Span>,
    cleared: Vec<Span>,
    /// Messages that requests without an answer may have put.
    uncertain: usize,
}

impl Shared {
    const MESSAGES: &str = "/shared/messages";

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Holds the queue against what is known, and clears it.
    fn verify(&mut self, client: &mut Client) -> Result<(), String> {
        let found = take(client, Self::MESSAGES)?;
        for (id, put) in &self.put {
            let gone =
                self.cleared.iter().any(|clear| put.is_before(*clear) && clear.answered.is_some());
            let stays = self.cleared.iter().all(|clear| clear.is_before(*put));
            match found.contains_key(id) {
                true if gone => return Err(format!("{id} was cleared and is there")),
                false if stays => return Err(format!("{id} is lost")),
                _ => {}
            }
        }
        let unknown = found.keys().filter(|id| !self.put.contains_key(*id)).count();
        if unknown > self.uncertain {
            return Err(format!("{unknown} unknown messages of {}", self.uncertain));
        }
        let cleared = send(client, ("DELETE", Self::MESSAGES, ""), ("", &[204]))?;
        cleared.ok_or("the server is gone")?;
        *self = Self::default();
        Ok(())
    }
}

/// Takes all messages: their identifiers and texts.
fn take(client: &mut Client, path: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    loop {
        let taken = send(client, ("GET", path, TAKE), ("", &[200]))?;
        let taken = taken.ok_or("the server is gone")?.text();
        let messages = parts(&taken, "QueueMessage");
        if messages.is_empty() {
            return Ok(found);
        }
        for message in messages {
            found.insert(part(message, "MessageId")?, part(message, "MessageText")?);
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one request without an answer.
#[derive(Debug)]
enum Pending {
    Put(String),
    Delete(String),
    Clear,
    CreateQueue,
    DeleteQueue,
}

/// One client and what it knows of its queue.
struct Wiper {
    queue: String,
    random: Random,
    /// One request in so many wipes the queue.
    wipes: u64,
    exists: bool,
    messages: BTreeMap<String, Put>,
    pending: Option<Pending>,
    wiped: usize,
    expired: usize,
}

impl Wiper {
    fn messages(&self) -> String {
        format!("/{}/messages", self.queue)
    }

    /// Works until the server no longer answers.
    fn work(&mut self, address: SocketAddr, shared: &Mutex<Shared>) -> Result<(), String> {
        let mut client = Client::of_queues(address).map_err(|error| error.to_string())?;
        loop {
            let goes_on = match self.random.between(0, 3) {
                0 => self.share(&mut client, shared)?,
                _ => self.step(&mut client)?,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Puts a message into the queue of all, or clears that.
    fn share(&mut self, client: &mut Client, shared: &Mutex<Shared>) -> Result<bool, String> {
        let clears = self.random.between(0, 40) == 0;
        let sent = lock(shared).tick();
        if clears {
            // Until it is answered it may happen at any time.
            lock(shared).cleared.push(Span { sent, answered: None });
            let what = ("DELETE", Shared::MESSAGES, "");
            if send(client, what, ("", &[204]))?.is_none() {
                return Ok(false);
            }
            let mut shared = lock(shared);
            let answered = Some(shared.tick());
            let own = shared.cleared.iter_mut().find(|clear| clear.sent == sent);
            own.ok_or("a clear is forgotten")?.answered = answered;
            return Ok(true);
        }
        lock(shared).uncertain += 1;
        let what = ("POST", Shared::MESSAGES, "messagettl=-1");
        let Some(put) = send(client, what, (&body("x"), &[201]))? else { return Ok(false) };
        let mut shared = lock(shared);
        shared.uncertain -= 1;
        let answered = Some(shared.tick());
        shared.put.insert(part(&put.text(), "MessageId")?, Span { sent, answered });
        Ok(true)
    }

    /// One request; `false` once the server is gone.
    fn step(&mut self, client: &mut Client) -> Result<bool, String> {
        if !self.exists {
            return self.create_queue(client);
        }
        if self.random.between(0, self.wipes) == 0 {
            return self.wipe(client);
        }
        let chosen = self.random.between(0, self.messages.len() as u64) as usize;
        let chosen = self.messages.keys().nth(chosen).cloned();
        match (self.random.between(0, 20), chosen) {
            (0, Some(id)) => self.delete(client, &id),
            (1, _) => self.peek(client),
            (2..6, _) => self.put(client, Some(KEPT_SECONDS)),
            _ => self.put(client, None),
        }
    }

    fn wipe(&mut self, client: &mut Client) -> Result<bool, String> {
        if self.random.between(0, 3) == 0 { self.delete_queue(client) } else { self.clear(client) }
    }

    fn create_queue(&mut self, client: &mut Client) -> Result<bool, String> {
        self.pending = Some(Pending::CreateQueue);
        let path = format!("/{}", self.queue);
        if send(client, ("PUT", &path, ""), ("", &[201]))?.is_none() {
            return Ok(false);
        }
        (self.pending, self.exists) = (None, true);
        Ok(true)
    }

    fn delete_queue(&mut self, client: &mut Client) -> Result<bool, String> {
        self.pending = Some(Pending::DeleteQueue);
        let path = format!("/{}", self.queue);
        if send(client, ("DELETE", &path, ""), ("", &[204]))?.is_none() {
            return Ok(false);
        }
        (self.pending, self.exists) = (None, false);
        self.forget();
        Ok(true)
    }

    fn clear(&mut self, client: &mut Client) -> Result<bool, String> {
        self.pending = Some(Pending::Clear);
        if send(client, ("DELETE", &self.messages(), ""), ("", &[204]))?.is_none() {
            return Ok(false);
        }
        self.pending = None;
        self.forget();
        Ok(true)
    }

    /// All messages are gone for good.
    fn forget(&mut self) {
        self.wiped += self.messages.len();
        self.messages.clear();
    }

    /// Puts a message, one in four with a text that is kept apart.
    fn put(&mut self, client: &mut Client, kept_seconds: Option<u64>) -> Result<bool, String> {
        let mut text = format!("{:x}", self.random.between(0, 1 << 60));
        if self.random.between(0, 4) == 0 {
            text.push_str(&"-".repeat(5_000));
        }
        let kept = kept_seconds.map_or("-1".to_owned(), |seconds| seconds.to_string());
        let query = format!("messagettl={kept}");
        self.pending = Some(Pending::Put(text.clone()));
        let begun = SystemClock.now();
        let what = ("POST", &*self.messages(), &*query);
        let Some(response) = send(client, what, (&body(&text), &[201]))? else {
            return Ok(false);
        };
        let answered = SystemClock.now();
        self.pending = None;
        let answer = response.text();
        let (id, receipt) = (part(&answer, "MessageId")?, part(&answer, "PopReceipt")?);
        let expires = kept_seconds.map(Duration::from_secs);
        let expires =
            expires.map(|kept| (begun.saturating_add(kept), answered.saturating_add(kept)));
        self.messages.insert(id, Put { text, receipt, expires });
        Ok(true)
    }

    fn delete(&mut self, client: &mut Client, id: &str) -> Result<bool, String> {
        let Some(put) = self.messages.get(id) else { return Ok(true) };
        self.pending = Some(Pending::Delete(id.to_owned()));
        let path = format!("{}/{id}", self.messages());
        let what = ("DELETE", &*path, &*of_receipt(&put.receipt));
        let Some(response) = send(client, what, ("", &[204, 404]))? else { return Ok(false) };
        let now = SystemClock.now();
        if response.status == 404 && put.expires.is_none_or(|(first, _)| now < first) {
            return Err(format!("{path} is not there before it expires"));
        }
        self.pending = None;
        self.messages.remove(id);
        Ok(true)
    }

    /// Looks at the oldest messages, and passes over those that have expired.
    fn peek(&self, client: &mut Client) -> Result<bool, String> {
        let path = self.messages();
        let query = "peekonly=true&numofmessages=32";
        let peeked = send(client, ("GET", &path, query), ("", &[200]))?;
        let Some(peeked) = peeked else { return Ok(false) };
        for message in parts(&peeked.text(), "QueueMessage") {
            let (id, text) = (part(message, "MessageId")?, part(message, "MessageText")?);
            if self.messages.get(&id).is_none_or(|put| put.text != text) {
                return Err(format!("{path} has {id}, which was wiped or says something else"));
            }
        }
        Ok(true)
    }

    /// Holds the queue against what is known, and wipes it.
    fn verify(&mut self, client: &mut Client) -> Result<(), String> {
        let gone = "the server is gone";
        let path = format!("/{}", self.queue);
        let found =
            send(client, ("GET", &path, "comp=metadata"), ("", &[200, 404]))?.ok_or(gone)?;
        let exists = found.status == 200;
        let may_differ = matches!(self.pending, Some(Pending::CreateQueue | Pending::DeleteQueue));
        if exists != self.exists && !may_differ {
            return Err(format!("{path} exists: {exists}, acknowledged: {}", self.exists));
        }
        self.exists = exists;
        if exists {
            self.compare(client)?;
        }
        self.pending = None;
        self.forget();
        if self.exists && !self.wipe(client)? { Err(gone.to_owned()) } else { Ok(()) }
    }

    /// Takes all messages and holds them against those that are known.
    fn compare(&mut self, client: &mut Client) -> Result<(), String> {
        let path = self.messages();
        let begun = SystemClock.now();
        let mut found = take(client, &path)?;
        let ended = SystemClock.now();
        if matches!(self.pending, Some(Pending::Clear)) && found.is_empty() {
            return Ok(());
        }
        for (id, put) in &self.messages {
            let is_pending = matches!(&self.pending, Some(Pending::Delete(gone)) if gone == id);
            let says = found.remove(id);
            match (says, put.expires) {
                (Some(text), _) if text != put.text => {
                    return Err(format!("{path}: {id} says {text} where {} was put", put.text));
                }
                (Some(_), Some((_, last))) if last < begun => {
                    return Err(format!("{path}: {id} came back after it expired"));
                }
                (Some(_), _) => {}
                (None, Some((first, _))) if first <= ended => self.expired += 1,
                (None, _) if is_pending => {}
                (None, _) => return Err(format!("{path}: {id} is lost")),
            }
        }
        if let Some(Pending::Put(text)) = &self.pending {
            let new = found.iter().find(|(_, found)| *found == text).map(|(id, _)| id.clone());
            new.and_then(|id| found.remove(&id));
        }
        if found.is_empty() { Ok(()) } else { Err(format!("{path}: wiped and there: {found:?}")) }
    }
}

fn verify(server: &Server, wipers: &mut [Wiper], shared: &Mutex<Shared>) -> Result<(), String> {
    let client = Client::of_queues(server.queues());
    lock(shared).verify(&mut client.map_err(|error| error.to_string())?)?;
    for wiper in wipers {
        let client = Client::of_queues(server.queues());
        wiper.verify(&mut client.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs the release binary and takes minutes; cargo xtask test --only crash runs it"]
fn what_is_wiped_stays_away_when_its_collection_is_killed() -> Outcome<()> {
    let rounds = number("LAZULI_CRASH_ROUNDS", 40)?;
    let seed = number("LAZULI_CRASH_SEED", u64::from(std::process::id()))?;
    println!("LAZULI_CRASH_SEED={seed} LAZULI_CRASH_ROUNDS={rounds}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-wipers-{seed}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let data = folder.join("data");
    let mut random = Random::new(seed);
    let wiper = |(index, wipes)| Wiper {
        queue: format!("wiped-{index}"),
        random: random.split(),
        wipes,
        exists: false,
        messages: BTreeMap::new(),
        pending: None,
        wiped: 0,
        expired: 0,
    };
    let mut wipers: Vec<Wiper> = (0..ACTORS).zip(WIPES.into_iter().cycle()).map(wiper).collect();
    let shared = Mutex::new(Shared::default());
    for round in 0..rounds {
        let server = Server::start_logged(&folder, &data)?;
        if round == 0 {
            let mut client = Client::of_queues(server.queues())?;
            send(&mut client, ("PUT", "/shared", ""), ("", &[201]))?;
        }
        verify(&server, &mut wipers, &shared).map_err(|error| format!("round {round}: {error}"))?;
        let lifetime = Duration::from_millis(random.between(20, LIFETIME_MAX));
        let address = server.queues();
        kill_under_load(server, &mut wipers, lifetime, |wiper| wiper.work(address, &shared))
            .map_err(|error| format!("round {round}: {error}"))?;
        check_directory(&data).map_err(|error| format!("round {round}: {error}"))?;
    }
    let server = Server::start_logged(&folder, &data)?;
    verify(&server, &mut wipers, &shared)?;
    server.stop()?;
    check_directory(&data)?;
    let wiped: usize = wipers.iter().map(|wiper| wiper.wiped).sum();
    let expired: usize = wipers.iter().map(|wiper| wiper.expired).sum();
    println!("{rounds} rounds, {wiped} messages wiped, {expired} seen to have expired");
    assert!(wiped > 0 && expired > 0, "nothing was wiped, or nothing expired");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

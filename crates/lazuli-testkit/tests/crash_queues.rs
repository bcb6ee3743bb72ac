//! A server killed again and again while messages are put, got, updated and deleted: what it
//! acknowledged is there, with its text and its holder; what was deleted stays away; and of a
//! request without an answer the whole was done or nothing.
//!
//! Each actor has a queue of its own, of which he knows everything, and all compete for the messages
//! of another one: none of those goes to two of them.
//!
//! `LAZULI_CRASH_ROUNDS` says how many rounds (100), `LAZULI_CRASH_SEED` which ones.

#[path = "crash_queues/wiper.rs"]
mod wiper;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lazuli_testkit::{Client, Random, Request, Response, Server, check_directory, kill_under_load};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Clients at work at the same time.
const ACTORS: u64 = 4;

/// Messages of an actor's own queue: no more than one peek shows.
const MESSAGES_MAX: usize = 24;

/// Every so many rounds the data directory is checked whole.
const FSCK_EVERY: u64 = 20;

/// How long a message is hidden that an actor gets from his own queue, in seconds: whatever became
/// of a request without an answer, it is visible again soon.
const HIDDEN: &str = "visibilitytimeout=1";

/// How long one is hidden that an actor gets from the common queue: longer than the test runs.
const HIDDEN_FOR_LONG: &str = "visibilitytimeout=604800";

/// The longest wait for what is hidden to be visible.
const VISIBLE_LIMIT: Duration = Duration::from_secs(20);

/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// A message that an actor knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    text: String,
    /// The newest receipt that he was given.
    receipt: String,
}

/// The one request without an answer.
#[derive(Clone, Debug)]
enum Pending {
    Put(String),
    /// A message may have been got, and has another receipt then.
    Get,
    Update(String, String),
    Delete(String),
}

/// What became of the messages of the common queue.
#[derive(Debug, Default)]
struct Common {
    put: BTreeSet<String>,
    got: BTreeSet<String>,
    /// Messages that may have been put or got by requests without an answer.
    uncertain: u64,
}

/// One client and what it knows.
struct Actor {
    queue: String,
    random: Random,
    known: BTreeMap<String, Known>,
    pending: Option<Pending>,
    acknowledged: u64,
}

fn number(variable: &str, otherwise: u64) -> Outcome<u64> {
    match std::env::var(variable) {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(otherwise),
    }
}

fn body(text: &str) -> String {
    format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>")
}

/// The parts of an answer that are between `<name>` and its end.
fn parts<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    text.split(begin.as_str()).skip(1).filter_map(|rest| rest.split(end.as_str()).next()).collect()
}

fn part(text: &str, name: &str) -> Result<String, String> {
    let found = parts(text, name).first().map(|text| (*text).to_owned());
    found.ok_or_else(|| format!("no {name} in {text}"))
}

fn of_receipt(receipt: &str) -> String {
    let escaped = receipt.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("popreceipt={escaped}")
}

/// Sends a request; `None` once the server is gone.
fn send(
    client: &mut Client,
    (method, path, query): (&str, &str, &str),
    (body, statuses): (&str, &[u16]),
) -> Result<Option<Response>, String> {
    let request = Request { method, path, query, headers: &[], body: body.as_bytes() };
    let Ok(response) = client.send(&request) else { return Ok(None) };
    if statuses.contains(&response.status) {
        return Ok(Some(response));
    }
    Err(format!("{method} {path}?{query} answered {}: {}", response.status, response.text()))
}

fn lock(common: &Mutex<Common>) -> std::sync::MutexGuard<'_, Common> {
    common.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Actor {
    fn messages(&self) -> String {
        format!("/{}/messages", self.queue)
    }

    /// Works until the server no longer answers.
    fn work(&mut self, address: SocketAddr, common: &Mutex<Common>) -> Result<(), String> {
        let mut client = Client::of_queues(address).map_err(|error| error.to_string())?;
        while self.step(&mut client, common)? {
            self.acknowledged += 1;
        }
        Ok(())
    }

    /// One request; `false` once the server is gone.
    fn step(&mut self, client: &mut Client, common: &Mutex<Common>) -> Result<bool, String> {
        let chosen = self.random.between(0, self.known.len().max(1) as u64) as usize;
        let chosen = self.known.keys().nth(chosen).cloned();
        match (self.random.between(0, 10), chosen) {
            (0 | 1, _) => self.compete(client, common),
            (2..=4, _) if self.known.len() < MESSAGES_MAX => self.put(client),
            (5 | 6, _) | (_, None) => self.get(client),
            (7, Some(id)) => self.update(client, &id),
            (_, Some(id)) => self.delete(client, &id),
        }
    }

    /// A text that no other message has: sometimes a long one, which is kept apart.
    fn text(&mut self) -> String {
        let mut text = format!("{:x}", self.random.between(0, 1 << 60));
        if self.random.between(0, 4) == 0 {
            text.push_str(&"-".repeat(self.random.between(4_000, 6_000) as usize));
        }
        text
    }

    fn put(&mut self, client: &mut Client) -> Result<bool, String> {
        let text = self.text();
        self.pending = Some(Pending::Put(text.clone()));
        let what = ("POST", self.messages());
        let Some(response) = send(client, (what.0, &what.1, ""), (&body(&text), &[201]))? else {
            return Ok(false);
        };
        let answer = response.text();
        let (id, receipt) = (part(&answer, "MessageId")?, part(&answer, "PopReceipt")?);
        self.pending = None;
        self.known.insert(id, Known { text, receipt });
        Ok(true)
    }

    fn get(&mut self, client: &mut Client) -> Result<bool, String> {
        self.pending = Some(Pending::Get);
        let path = self.messages();
        let Some(response) = send(client, ("GET", &path, HIDDEN), ("", &[200]))? else {
            return Ok(false);
        };
        self.pending = None;
        for message in parts(&response.text(), "QueueMessage") {
            let (id, text) = (part(message, "MessageId")?, part(message, "MessageText")?);
            let Some(known) = self.known.get_mut(&id) else {
                return Err(format!("{path} has {id}, which was deleted or never put"));
            };
            if known.text != text {
                return Err(format!("{id} says {text} where {} was put", known.text));
            }
            known.receipt = part(message, "PopReceipt")?;
        }
        Ok(true)
    }

    /// Gives a message another text, and has it visible at once.
    fn update(&mut self, client: &mut Client, id: &str) -> Result<bool, String> {
        let text = self.text();
        let receipt = self.known.get(id).map(|known| of_receipt(&known.receipt));
        let query = format!("{}&visibilitytimeout=0", receipt.unwrap_or_default());
        self.pending = Some(Pending::Update(id.to_owned(), text.clone()));
        let path = format!("{}/{id}", self.messages());
        let Some(response) = send(client, ("PUT", &path, &query), (&body(&text), &[204]))? else {
            return Ok(false);
        };
        self.pending = None;
        let receipt = response.header("x-ms-popreceipt").to_owned();
        self.known.insert(id.to_owned(), Known { text, receipt });
        Ok(true)
    }

    fn delete(&mut self, client: &mut Client, id: &str) -> Result<bool, String> {
        let receipt = self.known.get(id).map(|known| of_receipt(&known.receipt));
        self.pending = Some(Pending::Delete(id.to_owned()));
        let path = format!("{}/{id}", self.messages());
        let query = receipt.unwrap_or_default();
        if send(client, ("DELETE", &path, &query), ("", &[204]))?.is_none() {
            return Ok(false);
        }
        self.pending = None;
        self.known.remove(id);
        Ok(true)
    }

    /// Puts a message in the common queue, or gets one there.
    fn compete(&mut self, client: &mut Client, common: &Mutex<Common>) -> Result<bool, String> {
        const PATH: &str = "/common/messages";
        let puts = self.random.between(0, 2) == 0;
        let what = if puts { ("POST", PATH, "") } else { ("GET", PATH, HIDDEN_FOR_LONG) };
        let (text, status) = if puts { (body("x"), 201) } else { (String::new(), 200) };
        lock(common).uncertain += 1;
        let Some(response) = send(client, what, (&text, &[status]))? else { return Ok(false) };
        let mut common = lock(common);
        common.uncertain -= 1;
        for id in parts(&response.text(), "MessageId") {
            let ids = if puts { &mut common.put } else { &mut common.got };
            if !ids.insert(id.to_owned()) {
                return Err(format!("{id} went to two of those who compete"));
            }
        }
        Ok(true)
    }

    /// Makes everything visible and holds it against what is known.
    fn verify(&mut self, client: &mut Client) -> Result<(), String> {
        let replaced = self.renew_all(client)?;
        let path = self.messages();
        let begun = Instant::now();
        loop {
            let peek = ("GET", path.as_str(), "peekonly=true&numofmessages=32");
            let count = ("GET", format!("/{}", self.queue), "comp=metadata");
            let gone = || "the server is gone".to_owned();
            let peeked = send(client, peek, ("", &[200]))?.ok_or_else(gone)?.text();
            let counted = send(client, (count.0, &count.1, count.2), ("", &[200]))?;
            let counted = counted.ok_or_else(gone)?;
            let mut found = BTreeMap::new();
            for message in parts(&peeked, "QueueMessage") {
                found.insert(part(message, "MessageId")?, part(message, "MessageText")?);
            }
            let visible = found.len().to_string();
            if counted.header("x-ms-approximate-messages-count") == visible {
                self.compare(&found)?;
                return self.take_over(client, &found, &replaced);
            }
            if begun.elapsed() > VISIBLE_LIMIT {
                return Err(format!("{path}: {visible} visible messages\n{:?}", counted.headers));
            }
            thread::sleep(POLL);
        }
    }

    /// Holds all messages there are against those that are known.
    fn compare(&mut self, found: &BTreeMap<String, String>) -> Result<(), String> {
        let mut may: BTreeMap<String, String> =
            self.known.iter().map(|(id, known)| (id.clone(), known.text.clone())).collect();
        let before = may.clone();
        let pending = self.pending.take();
        match &pending {
            Some(Pending::Put(text)) => {
                let new = found.iter().find(|(_, found)| *found == text);
                may.extend(new.map(|(id, text)| (id.clone(), text.clone())));
            }
            Some(Pending::Update(id, text)) => {
                may.insert(id.clone(), text.clone());
            }
            Some(Pending::Delete(id)) => {
                may.remove(id);
            }
            Some(Pending::Get) | None => {}
        }
        if *found != before && *found != may {
            return Err(format!(
                "{} has\n{found:?}\nacknowledged:\n{before:?}\nasked for: {pending:?}",
                self.queue
            ));
        }
        Ok(())
    }

    /// Takes every message for himself and makes it visible. The receipt that was given before the
    /// end of the server must be the valid one, but for at most one message: the request without an
    /// answer may have replaced it.
    fn renew_all(&mut self, client: &mut Client) -> Result<BTreeSet<String>, String> {
        let path = self.messages();
        let mut replaced = BTreeSet::new();
        for (id, known) in &mut self.known {
            let query = format!("{}&visibilitytimeout=0", of_receipt(&known.receipt));
            match renew(client, (&format!("{path}/{id}"), &query))? {
                Some(receipt) => known.receipt = receipt,
                None => {
                    replaced.insert(id.clone());
                }
            }
        }
        let may = match self.pending {
            Some(Pending::Get | Pending::Update(..) | Pending::Delete(_)) => 1,
            Some(Pending::Put(_)) | None => 0,
        };
        if replaced.len() > may {
            return Err(format!("messages of {path} have other holders: {replaced:?}"));
        }
        Ok(replaced)
    }

    /// Gets all messages, which are visible, if the valid receipt of one is not known.
    fn take_over(
        &mut self,
        client: &mut Client,
        found: &BTreeMap<String, String>,
        replaced: &BTreeSet<String>,
    ) -> Result<(), String> {
        self.known.retain(|id, _| found.contains_key(id) && !replaced.contains(id));
        if self.known.len() == found.len() {
            return Ok(());
        }
        let path = self.messages();
        let query = "visibilitytimeout=1&numofmessages=32";
        let got = send(client, ("GET", &path, query), ("", &[200]))?;
        let got = got.ok_or("the server is gone")?.text();
        for message in parts(&got, "QueueMessage") {
            let (id, text) = (part(message, "MessageId")?, part(message, "MessageText")?);
            self.known.insert(id, Known { text, receipt: part(message, "PopReceipt")? });
        }
        if self.known.len() == found.len() { Ok(()) } else { Err(format!("{path}: not all came")) }
    }
}

/// The receipt that takes the place of the one in `query`, and the message visible; `None` if that
/// is not valid.
fn renew(client: &mut Client, (path, query): (&str, &str)) -> Result<Option<String>, String> {
    let renewed = send(client, ("PUT", path, query), ("", &[204, 404]))?;
    let renewed = renewed.ok_or("the server is gone")?;
    Ok((renewed.status == 204).then(|| renewed.header("x-ms-popreceipt").to_owned()))
}

/// All messages of the common queue were put, and those that nobody got are still there.
fn verify_common(client: &mut Client, common: &Mutex<Common>) -> Result<(), String> {
    let mut left = BTreeSet::new();
    loop {
        let query = format!("{HIDDEN_FOR_LONG}&numofmessages=32");
        let got = send(client, ("GET", "/common/messages", &query), ("", &[200]))?;
        let got = got.ok_or("the server is gone")?.text();
        let ids = parts(&got, "MessageId");
        if ids.is_empty() {
            break;
        }
        left.extend(ids.into_iter().map(str::to_owned));
    }
    let common = lock(common);
    let twice = left.intersection(&common.got).count();
    let seen: BTreeSet<String> = left.union(&common.got).cloned().collect();
    let lost = common.put.difference(&seen).count() as u64;
    let unknown = seen.difference(&common.put).count() as u64;
    if twice > 0 || lost + unknown > common.uncertain {
        let uncertain = common.uncertain;
        return Err(format!("{twice} got twice, {lost} lost, {unknown} unknown of {uncertain}"));
    }
    Ok(())
}

fn verify(server: &Server, actors: &mut [Actor]) -> Result<(), String> {
    for actor in actors {
        let client = Client::of_queues(server.queues());
        actor.verify(&mut client.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs the release binary and takes minutes; cargo xtask test --only crash runs it"]
fn acknowledged_messages_survive_kills() -> Outcome<()> {
    let rounds = number("LAZULI_CRASH_ROUNDS", 100)?;
    let seed = number("LAZULI_CRASH_SEED", u64::from(std::process::id()))?;
    println!("LAZULI_CRASH_SEED={seed} LAZULI_CRASH_ROUNDS={rounds}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-queues-{seed}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let data = folder.join("data");
    let mut random = Random::new(seed);
    let actor = |index| Actor {
        queue: format!("own-{index}"),
        random: random.split(),
        known: BTreeMap::new(),
        pending: None,
        acknowledged: 0,
    };
    let mut actors: Vec<Actor> = (0..ACTORS).map(actor).collect();
    let common = Mutex::new(Common::default());
    for round in 0..rounds {
        let server = Server::start_logged(&folder, &data)?;
        if round == 0 {
            let mut client = Client::of_queues(server.queues())?;
            let own = actors.iter().map(|actor| format!("/{}", actor.queue));
            for path in own.chain(["/common".to_owned()]) {
                send(&mut client, ("PUT", &path, ""), ("", &[201]))?;
            }
        }
        verify(&server, &mut actors).map_err(|error| format!("round {round}: {error}"))?;
        let lifetime = Duration::from_millis(random.between(20, 250));
        let address = server.queues();
        kill_under_load(server, &mut actors, lifetime, |actor| actor.work(address, &common))?;
        if round % FSCK_EVERY == FSCK_EVERY - 1 {
            check_directory(&data)?;
        }
    }
    let server = Server::start_logged(&folder, &data)?;
    verify(&server, &mut actors)?;
    verify_common(&mut Client::of_queues(server.queues())?, &common)?;
    server.kill()?;
    check_directory(&data)?;
    let acknowledged: u64 = actors.iter().map(|actor| actor.acknowledged).sum();
    println!("{rounds} rounds, {acknowledged} acknowledged requests");
    assert!(acknowledged > 0, "nothing was acknowledged");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

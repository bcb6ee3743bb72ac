//! A Queue service in memory with a clock of its own, calls to it, and what is asked of its answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use lazuli_api::{Accounts, Api, Body, FullBody, Handler as _, Request, UnknownVersions};
use lazuli_auth::{AccountKey, Scheme, Signable, sign_shared_key};
use lazuli_base::{Clock as _, Halted, ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::Engine;
use lazuli_model::{ApiVersion, Service};
use lazuli_store::Store;
use lazuli_wire::date;

use crate::answer::Answer;
use crate::scribe::{FakeScribe, Logged};

/// The account that calls are made to.
pub(crate) const ACCOUNT: &str = "lazurite";

/// The version that calls name if they name none.
pub(crate) const VERSION: ApiVersion = ApiVersion::NEWEST;

/// When a test begins: 2026-11-24T08:00:00Z.
const START: i64 = 1_795_507_200;

const HOST: &str = "127.0.0.1:10001";

/// The key of the account.
pub(crate) fn key() -> AccountKey {
    AccountKey::new(b"a key")
}

/// A request that is yet to be signed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_signed: bool,
    is_announced: bool,
    version: String,
}

/// A call to a path below the account.
pub(crate) fn call(method: &str, target: &str) -> Call {
    Call {
        method: method.to_owned(),
        target: target.to_owned(),
        host: None,
        headers: Vec::new(),
        body: Vec::new(),
        is_signed: true,
        is_announced: true,
        version: VERSION.to_string(),
    }
}

/// A call that reads.
pub(crate) fn get(target: &str) -> Call {
    call("GET", target)
}

/// A call with a body.
pub(crate) fn send(method: &str, target: &str, body: impl AsRef<[u8]>) -> Call {
    let mut call = call(method, target).header("content-type", "application/xml");
    call.body = body.as_ref().to_vec();
    call
}

/// The body that holds a text.
pub(crate) fn message(text: &str) -> String {
    format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>")
}

/// Put Message into `things`; the query begins with a question mark.
pub(crate) fn put(query: &str, text: &str) -> Call {
    send("POST", &format!("/things/messages{query}"), message(text))
}

/// Delete Message or Update Message in `things`, for who got it so.
pub(crate) fn held(method: &str, got: &Got, query: &str) -> Call {
    call(method, &format!("/things/messages/{}?popreceipt={}{query}", got.id, got.receipt))
}

impl Call {
    /// Adds a header; an empty value is sent too.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a body.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends a token in place of a signature.
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.is_signed = false;
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(token);
        self
    }

    /// Announces no length.
    pub(crate) fn unannounced(mut self) -> Self {
        self.is_announced = false;
        self
    }

    /// Names another version.
    pub(crate) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Names the account in the host and not in the path.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// The target at the account, or at its secondary.
    fn path(&self, secondary: bool) -> String {
        match (&self.host, secondary) {
            (Some(_), _) => self.target.clone(),
            (None, false) => format!("/{ACCOUNT}{}", self.target),
            (None, true) => format!("/{ACCOUNT}-secondary{}", self.target),
        }
    }

    fn signed(&self, target: &str, now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        };
        add("host", self.host.as_deref().unwrap_or(HOST));
        if self.is_announced {
            add("content-length", &self.body.len().to_string());
        }
        add("x-ms-date", &date::rfc1123(now));
        add("x-ms-version", &self.version);
        for (name, value) in &self.headers {
            add(name, value);
        }
        if self.is_signed {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let signable = Signable {
                method: &self.method,
                path,
                query,
                headers: &headers,
                service: Service::Queue,
                account: ACCOUNT,
                version: ApiVersion::parse(&self.version).unwrap(),
            };
            let signature = sign_shared_key(&key(), Scheme::SharedKey, &signable);
            headers.insert("authorization", HeaderValue::from_str(&signature).unwrap());
        }
        headers
    }
}

/// A Queue service in memory. Its journal is kept by a scribe.
pub(crate) struct Queues {
    api: Api,
    store: Store,
    clock: Arc<ManualClock>,
    scribe: Arc<FakeScribe>,
    runtime: tokio::runtime::Runtime,
}

impl Queues {
    /// A service without any queue.
    pub(crate) fn new() -> Self {
        let engine = Engine::in_memory();
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(START)));
        let entropy = Arc::new(SeededEntropy::new(7));
        let mut accounts = Accounts::default();
        accounts.insert(ACCOUNT, vec![key()]);
        let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
        let store = Store::new(meta, extents, clock.clone(), entropy.clone());
        let scribe = Arc::new(FakeScribe::default());
        engine.write_journal_with(scribe.clone());
        let store = store.with_reads_logged(Halted::default());
        let (accounts, versions) = (Arc::new(accounts), UnknownVersions::default());
        let api = Api::new(store.clone(), accounts, clock.clone(), entropy, versions);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { api, store, clock, scribe, runtime }
    }

    /// A service with the queue `things`.
    pub(crate) fn with_queue() -> Self {
        let queues = Self::new();
        queues.send(&call("PUT", "/things")).is(201);
        queues
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The time so many seconds from now as tokens write it.
    pub(crate) fn iso_date(&self, offset: i64) -> String {
        let at = self.clock.now().unix_seconds() + offset;
        format!("{}Z", &date::iso7(Timestamp::from_unix_seconds(at))[..19])
    }

    /// The time so many seconds from now as answers tell it.
    pub(crate) fn date(&self, offset: i64) -> String {
        date::rfc1123(Timestamp::from_unix_seconds(self.clock.now().unix_seconds() + offset))
    }

    /// The entries of requests, from an entry on, with those of all reads until now.
    pub(crate) fn entries(&self, from: usize) -> Vec<Logged> {
        self.runtime.block_on(self.store.flush_reads()).unwrap();
        let entries = self.scribe.entries(from).into_iter();
        entries.filter(|entry| !entry.account().is_empty()).collect()
    }

    /// How many entries there are.
    pub(crate) fn logged(&self) -> usize {
        self.runtime.block_on(self.store.flush_reads()).unwrap();
        self.scribe.len()
    }

    /// Sends a call and receives the whole answer.
    #[track_caller]
    pub(crate) fn send(&self, call: &Call) -> Answer {
        self.send_to(call, false)
    }

    /// Sends a call to the account, or to its secondary.
    #[track_caller]
    pub(crate) fn send_to(&self, call: &Call, secondary: bool) -> Answer {
        let target = call.path(secondary);
        let headers = call.signed(&target, self.clock.now());
        let request = Request {
            service: Service::Queue,
            method: call.method.parse().unwrap(),
            target: target.clone(),
            spelling: lazuli_api::Spelling::default(),
            headers,
            remote: IpAddr::from([127, 0, 0, 1]),
            secure: false,
            body: Box::new(FullBody::new(call.body.clone())),
        };
        let (response, _) = self.runtime.block_on(self.api.handle(request));
        let body = match response.body {
            Body::Full(bytes) => bytes.to_vec(),
            Body::Empty => Vec::new(),
            Body::Stream(_) => panic!("no answer of queues is streamed"),
        };
        let asked = format!("{} {target}", call.method);
        Answer { asked, status: response.status, headers: response.headers, body }
    }

    /// Get Messages from `things`; the query begins with an ampersand.
    #[track_caller]
    pub(crate) fn get(&self, query: &str) -> Vec<Got> {
        self.send(&get(&format!("/things/messages?numofmessages=32{query}"))).is(200).messages()
    }

    /// The texts that peeking at `things` tells.
    #[track_caller]
    pub(crate) fn peek(&self) -> Vec<String> {
        let peek = get("/things/messages?peekonly=true&numofmessages=32");
        self.send(&peek).is(200).elements("MessageText")
    }

    /// How many messages `things` is said to have.
    #[track_caller]
    pub(crate) fn count(&self) -> String {
        let answer = self.send(&get("/things?comp=metadata")).is(200);
        answer.header("x-ms-approximate-messages-count")
    }
}

/// A message as it was got, put or updated; what was not told is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    /// Its identifier.
    pub(crate) id: String,
    /// The receipt, encoded for a query.
    pub(crate) receipt: String,
    /// When it becomes visible.
    pub(crate) visible: String,
    /// How often it was got.
    pub(crate) dequeued: String,
    /// Its text, still escaped.
    pub(crate) text: String,
}

/// A receipt as it stands in a query.
pub(crate) fn encoded(receipt: &str) -> String {
    receipt.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

impl Answer {
    /// The messages in the body.
    pub(crate) fn messages(&self) -> Vec<Got> {
        let all = self.elements("QueueMessage");
        all.iter()
            .map(|message| {
                let one = |name: &str| elements(message, name).pop().unwrap_or_default();
                Got {
                    id: one("MessageId"),
                    receipt: encoded(&one("PopReceipt")),
                    visible: one("TimeNextVisible"),
                    dequeued: one("DequeueCount"),
                    text: one("MessageText"),
                }
            })
            .collect()
    }

    /// The only message in the body.
    #[track_caller]
    pub(crate) fn message(&self) -> Got {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{self}");
        messages.pop().unwrap()
    }
}

fn elements(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let after = text.split(open.as_str()).skip(1);
    after.map(|rest| rest.split(close.as_str()).next().unwrap_or_default().to_owned()).collect()
}

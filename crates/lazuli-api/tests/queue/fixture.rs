//! A service in memory with a clock of its own, and signed calls to it: what the tests of queues and
//! of tables share.

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

/// When a test begins: 2026-11-24T08:00:00Z.
const START: i64 = 1_795_507_200;

/// The key of the account.
pub(crate) fn key() -> AccountKey {
    AccountKey::new(b"a key")
}

/// A request that is yet to be signed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    target: String,
    /// The host that names the account, which the path then does not.
    pub(crate) host: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How it is signed, if it is.
    pub(crate) scheme: Option<Scheme>,
    /// Whether the head tells the body's length.
    pub(crate) is_announced: bool,
    /// Empty to name none.
    version: String,
}

impl Call {
    /// A call to a path below the account.
    pub(crate) fn new(method: &str, target: &str, version: ApiVersion) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: None,
            headers: Vec::new(),
            body: Vec::new(),
            scheme: Some(Scheme::SharedKey),
            is_announced: true,
            version: version.to_string(),
        }
    }

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
        self.scheme = None;
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(token);
        self
    }

    /// Names another version.
    pub(crate) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
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

    fn signed(&self, (service, host): (Service, &str), target: &str, now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        };
        add("host", self.host.as_deref().unwrap_or(host));
        if self.is_announced {
            add("content-length", &self.body.len().to_string());
        }
        add("x-ms-date", &date::rfc1123(now));
        if !self.version.is_empty() {
            add("x-ms-version", &self.version);
        }
        for (name, value) in &self.headers {
            add(name, value);
        }
        if let Some(scheme) = self.scheme {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let signable = Signable {
                method: &self.method,
                path,
                query,
                headers: &headers,
                service,
                account: ACCOUNT,
                version: ApiVersion::parse(&self.version).unwrap_or(ApiVersion::NEWEST),
            };
            let signature = sign_shared_key(&key(), scheme, &signable);
            headers.insert("authorization", HeaderValue::from_str(&signature).unwrap());
        }
        headers
    }
}

/// A service in memory. Its journal is kept by a scribe.
pub(crate) struct Fixture {
    /// Which service it is, and the host that calls name.
    at: (Service, &'static str),
    api: Api,
    store: Store,
    pub(crate) clock: Arc<ManualClock>,
    scribe: Arc<FakeScribe>,
    runtime: tokio::runtime::Runtime,
}

impl Fixture {
    /// A service without anything in it.
    pub(crate) fn new(service: Service, host: &'static str) -> Self {
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
        Self { at: (service, host), api, store, clock, scribe, runtime }
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
        let headers = call.signed(self.at, &target, self.clock.now());
        let request = Request {
            service: self.at.0,
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
            Body::Stream(_) => panic!("no answer of queues or tables is streamed"),
        };
        let asked = format!("{} {target}", call.method);
        Answer { asked, status: response.status, headers: response.headers, body }
    }
}

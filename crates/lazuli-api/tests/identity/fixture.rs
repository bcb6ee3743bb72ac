//! The three services in memory, and calls to them by whoever brings a token.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use lazuli_api::{Accounts, Api, Body, FullBody, Handler as _, Request, UnknownVersions};
use lazuli_auth::{
    AccountKey, Assignment, Identities, Scheme, Signable, parse_iso8601, sign_shared_key,
};
use lazuli_base::{Clock as _, Halted, ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::Engine;
use lazuli_model::{ApiVersion, Service};
use lazuli_store::Store;
use lazuli_wire::date;

use crate::answer::Answer;
use crate::issuer::Issuer;
use crate::scribe::{FakeScribe, Logged};

pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const NOW: &str = "2026-11-24T00:07:46Z";

pub(crate) fn at(text: &str) -> Timestamp {
    parse_iso8601(text).unwrap()
}

/// A key of the account.
pub(crate) fn key(name: &str) -> AccountKey {
    AccountKey::new(name.as_bytes())
}

/// Who sends a call.
#[derive(Clone, Debug)]
pub(crate) enum By {
    /// The holder of the account's first key.
    Key,
    /// Somebody with a bearer token of the shared issuer.
    Bearer(String),
    /// Nobody.
    Nobody,
}

/// A request that is yet to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    version: ApiVersion,
    secure: bool,
    by: By,
}

/// A call over TLS to a path below the account.
pub(crate) fn call(service: Service, method: &str, target: &str) -> Call {
    Call {
        service,
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        version: ApiVersion::NEWEST,
        secure: true,
        by: By::Key,
    }
}

impl Call {
    /// The same of whoever has this object id.
    pub(crate) fn by(self, object_id: &str) -> Self {
        self.with_token(&Issuer::shared().token(object_id))
    }

    /// The same with a bearer token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { by: By::Bearer(token.to_owned()), ..self }
    }

    /// The same of nobody.
    pub(crate) fn by_nobody(self) -> Self {
        Self { by: By::Nobody, ..self }
    }

    pub(crate) fn version(self, version: &str) -> Self {
        Self { version: ApiVersion::parse(version).unwrap(), ..self }
    }

    /// The same without TLS.
    pub(crate) fn plain(self) -> Self {
        Self { secure: false, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with something more in the query.
    pub(crate) fn query(mut self, more: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target += more;
        self
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn signed(&self, target: &str, now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        };
        add("host", "127.0.0.1:10000");
        add("content-length", &self.body.len().to_string());
        add("x-ms-date", &date::rfc1123(now));
        add("x-ms-version", &self.version.to_string());
        for (name, value) in &self.headers {
            add(name, value);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let value = match &self.by {
            By::Nobody => return headers,
            By::Bearer(token) => format!("Bearer {token}"),
            By::Key => {
                let signable = Signable {
                    method: &self.method,
                    path,
                    query,
                    headers: &headers,
                    service: self.service,
                    account: ACCOUNT,
                    version: self.version,
                };
                sign_shared_key(&key("one"), Scheme::SharedKey, &signable)
            }
        };
        headers.insert("authorization", HeaderValue::from_str(&value).unwrap());
        headers
    }
}

/// The services in memory, their journal kept by a scribe.
pub(crate) struct Services {
    apis: Vec<(String, Api)>,
    store: Store,
    clock: Arc<ManualClock>,
    scribe: Arc<FakeScribe>,
    runtime: tokio::runtime::Runtime,
}

impl Services {
    /// Services with the container `box` and its blob `b`, the queue `things` and the table `gems`, and
    /// with the roles that tests know.
    pub(crate) fn new() -> Self {
        let mut services = Self::without_identities();
        services.add("roles", &["one", "two"], Issuer::shared().identities());
        services.fill();
        services
    }

    /// The same without identities.
    pub(crate) fn without_identities() -> Self {
        let engine = Engine::in_memory();
        let clock = Arc::new(ManualClock::new(at(NOW)));
        let entropy = Arc::new(SeededEntropy::new(7));
        let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
        let store = Store::new(meta, extents, clock.clone(), entropy);
        let scribe = Arc::new(FakeScribe::default());
        engine.write_journal_with(scribe.clone());
        let store = store.with_reads_logged(Halted::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut services = Self { apis: Vec::new(), store, clock, scribe, runtime };
        let api = services.api(&["one", "two"]);
        services.apis.push(("none".to_owned(), api));
        services
    }

    /// A server whose account has these keys.
    fn api(&self, keys: &[&str]) -> Api {
        let mut accounts = Accounts::default();
        accounts.insert(ACCOUNT, keys.iter().map(|name| key(name)).collect());
        let entropy = Arc::new(SeededEntropy::new(self.apis.len() as u64));
        let versions = UnknownVersions::default();
        Api::new(self.store.clone(), Arc::new(accounts), self.clock.clone(), entropy, versions)
    }

    /// Starts a server of the same store with other keys or roles; calls go to the last one.
    pub(crate) fn add(&mut self, name: &str, keys: &[&str], identities: Identities) {
        let api = self.api(keys).with_identities(Arc::new(identities));
        self.apis.push((name.to_owned(), api));
    }

    /// Exchanges the roles.
    pub(crate) fn assign(&mut self, assignments: Vec<Assignment>) {
        self.add("others", &["one", "two"], Issuer::shared().identities_with(assignments));
    }

    fn fill(&self) {
        for (service, target) in
            [(Service::Blob, "/box?restype=container"), (Service::Queue, "/things")]
        {
            self.send(&call(service, "PUT", target)).is(201);
        }
        let put = call(Service::Blob, "PUT", "/box/b").header("x-ms-blob-type", "BlockBlob");
        self.send(&put.body("content")).is(201);
        for table in ["gems", "stones"] {
            let body = format!("{{\"TableName\":\"{table}\"}}");
            let create = call(Service::Table, "POST", "/Tables").body(body);
            self.send(&create.header("content-type", "application/json")).is(201);
        }
    }

    /// How many entries there are.
    pub(crate) fn logged(&self) -> usize {
        self.runtime.block_on(self.store.flush_reads()).unwrap();
        self.scribe.len()
    }

    /// The entries of requests from one on.
    pub(crate) fn entries(&self, from: usize) -> Vec<Logged> {
        self.runtime.block_on(self.store.flush_reads()).unwrap();
        let entries = self.scribe.entries(from).into_iter();
        entries.filter(|entry| !entry.account().is_empty()).collect()
    }

    /// Sends a call to the last server and receives the whole answer.
    #[track_caller]
    pub(crate) fn send(&self, call: &Call) -> Answer {
        let target = format!("/{ACCOUNT}{}", call.target);
        let headers = call.signed(&target, self.clock.now());
        let request = Request {
            service: call.service,
            method: call.method.parse().unwrap(),
            target: target.clone(),
            spelling: lazuli_api::Spelling::default(),
            headers,
            remote: IpAddr::from([127, 0, 0, 1]),
            secure: call.secure,
            body: Box::new(FullBody::new(call.body.clone())),
        };
        let (_, api) = self.apis.last().unwrap();
        let (response, _) = self.runtime.block_on(api.handle(request));
        let body = match response.body {
            Body::Full(bytes) => bytes.to_vec(),
            Body::Empty => Vec::new(),
            Body::Stream(mut stream) => {
                let mut all = Vec::new();
                while let Some(part) = self.runtime.block_on(stream.next()) {
                    all.extend_from_slice(&part.unwrap());
                }
                all
            }
        };
        let asked = format!("{} {target}", call.method);
        Answer { asked, status: response.status, headers: response.headers, body }
    }
}

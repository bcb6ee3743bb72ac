//! A Table service in memory with a clock of its own, calls to it, and what is asked of its answers.

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

use crate::scribe::{FakeScribe, Logged};

/// The account that calls are made to.
pub(crate) const ACCOUNT: &str = "lazurite";

/// The version that calls name if they name none.
pub(crate) const VERSION: ApiVersion = ApiVersion::new(2019, 2, 2);

/// When a test begins: 2026-11-24T08:00:00Z.
const START: i64 = 1_795_507_200;

const HOST: &str = "127.0.0.1:10002";

/// The key of the account.
pub(crate) fn key() -> AccountKey {
    AccountKey::new(b"a key")
}

/// A request that is yet to be signed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    scheme: Option<Scheme>,
    version: String,
}

/// A call to a path below the account.
pub(crate) fn call(method: &str, target: &str) -> Call {
    Call {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        scheme: Some(Scheme::SharedKey),
        version: VERSION.to_string(),
    }
}

/// A call that reads.
pub(crate) fn get(target: &str) -> Call {
    call("GET", target)
}

/// A call with a body.
pub(crate) fn send(method: &str, target: &str, body: impl AsRef<[u8]>) -> Call {
    let mut call = call(method, target).header("content-type", "application/json");
    call.body = body.as_ref().to_vec();
    call
}

/// Insert Entity into `Things`.
pub(crate) fn insert(body: &str) -> Call {
    send("POST", "/Things", body)
}

impl Call {
    /// Adds a header; an empty value is sent too.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends another `Content-Type`.
    pub(crate) fn clone_with_type(&self, kind: &str) -> Self {
        let mut call = self.clone();
        call.headers.retain(|(name, _)| name != "content-type");
        call.header("content-type", kind)
    }

    /// Signs with Shared Key Lite.
    pub(crate) fn lite(mut self) -> Self {
        self.scheme = Some(Scheme::SharedKeyLite);
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
        let suffix = if secondary { "-secondary" } else { "" };
        format!("/{ACCOUNT}{suffix}{}", self.target)
    }

    fn signed(&self, target: &str, now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        };
        add("host", HOST);
        add("content-length", &self.body.len().to_string());
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
                service: Service::Table,
                account: ACCOUNT,
                version: VERSION,
            };
            let signature = sign_shared_key(&key(), scheme, &signable);
            headers.insert("authorization", HeaderValue::from_str(&signature).unwrap());
        }
        headers
    }
}

/// A Table service in memory. Its journal is kept by a scribe.
pub(crate) struct Tables {
    api: Api,
    store: Store,
    clock: Arc<ManualClock>,
    scribe: Arc<FakeScribe>,
    runtime: tokio::runtime::Runtime,
}

impl Tables {
    /// A service without any table.
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

    /// A service with the table `Things`.
    pub(crate) fn with_table() -> Self {
        let tables = Self::new();
        tables.send(&send("POST", "/Tables", r#"{"TableName":"Things"}"#)).is(201);
        tables
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
        let headers = call.signed(&target, self.clock.now());
        let request = Request {
            service: Service::Table,
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
            Body::Stream(_) => panic!("no answer of tables is streamed"),
        };
        let asked = format!("{} {target}", call.method);
        Answer { asked, status: response.status, headers: response.headers, body }
    }

    /// The row keys that a query gives, all pages of it.
    #[track_caller]
    pub(crate) fn rows(&self, query: &str) -> Vec<String> {
        let (mut rows, mut token) = (Vec::new(), String::new());
        loop {
            let call = get(&format!("/Things()?{query}{token}"));
            let answer = self.send(&call.header("accept", "application/json;odata=nometadata"));
            let answer = answer.is(200);
            rows.extend(answer.members("RowKey"));
            let next = |part: &str| answer.header(&format!("x-ms-continuation-next{part}key"));
            if next("partition").is_empty() {
                return rows;
            }
            token = format!("&NextPartitionKey={}&NextRowKey={}", next("partition"), next("row"));
        }
    }
}

/// What a call was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: String,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\nanswered {}", self.asked, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.to_str().unwrap_or("(no text)"))?;
        }
        write!(f, "{}", self.text())
    }
}

impl Answer {
    /// Asserts success with a status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!((self.status, self.header("x-ms-error-code").as_str()), (status, ""), "{self}");
        self
    }

    /// Asserts a refusal with a status and a code, told in the header and in a body of OData.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let found = (self.status, self.header("x-ms-error-code"));
        assert_eq!(found, (status, code.to_owned()), "{self}");
        let told = format!("{{\"odata.error\":{{\"code\":\"{code}\",\"message\":{{");
        assert!(self.text().starts_with(&told), "{self}");
        let kind = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8";
        self.has("content-type", kind);
        self
    }

    /// Asserts a refusal told in XML.
    #[track_caller]
    pub(crate) fn refused_in_xml(self, status: u16, code: &str) -> Self {
        let found = (self.status, self.header("x-ms-error-code"));
        assert_eq!(found, (status, code.to_owned()), "{self}");
        self.has("content-type", "application/xml");
        self
    }

    /// Asserts a header's value; empty for an absent header.
    #[track_caller]
    pub(crate) fn has(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.header(name), value, "{name} of {self}");
        self
    }

    /// Asserts that the body says something.
    #[track_caller]
    pub(crate) fn says(&self, part: &str) -> &Self {
        assert!(self.text().contains(part), "{part:?} in {self}");
        self
    }

    /// Asserts that the body does not say something.
    #[track_caller]
    pub(crate) fn hides(&self, part: &str) -> &Self {
        assert!(!self.text().contains(part), "{part:?} in {self}");
        self
    }

    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// A header's value; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.unwrap_or_default().into_owned()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The values of the members of a name that are plain texts, in the body's order.
    pub(crate) fn members(&self, name: &str) -> Vec<String> {
        let (text, open) = (self.text(), format!("\"{name}\":\""));
        let after = text.split(open.as_str()).skip(1);
        after.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    }
}

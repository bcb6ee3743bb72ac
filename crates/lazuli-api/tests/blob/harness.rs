//! A blob service in memory with a clock of its own, calls to it, and what is asked of its answers.

use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lazuli_api::operations::BLOB;
use lazuli_api::{
    Accounts, Api, Body, BodyError, Handler as _, Request, RequestBody, UnknownVersions,
};
use lazuli_auth::{AccountKey, Scheme, Signable, sign_shared_key};
use lazuli_base::{Clock as _, Halted, ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::{BoxFuture, Engine};
use lazuli_model::{ApiVersion, Service};
use lazuli_store::Store;
use lazuli_wire::date;

use crate::scribe::{FakeScribe, Logged};
use crate::secrets::Secrets;

pub(crate) use super::answer::Answer;

/// The account that calls are made to.
pub(crate) const ACCOUNT: &str = "lazurite";

/// An account whose key is not [`ACCOUNT`]'s.
pub(crate) const OTHER_ACCOUNT: &str = "sodalite";

/// The host that calls are made to.
pub(crate) const HOST: &str = "127.0.0.1:10000";

/// The version that calls name if they name none.
pub(crate) const VERSION: ApiVersion = ApiVersion::new(2025, 11, 5);

/// When a test begins: 2026-11-24T08:00:00Z.
const START: i64 = 1_795_507_200;

/// The key of an account.
pub(crate) fn key_of(account: &str) -> AccountKey {
    AccountKey::new(format!("the key of {account}").as_bytes())
}

/// A request that is yet to be signed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The body's length as it is announced; nothing for a chunked body.
    announced: Option<u64>,
    version: Option<String>,
    /// What signs it; nothing if it brings a token or nothing.
    signer: Option<(Box<AccountKey>, Scheme)>,
    account: String,
    /// The path's first segment.
    place: String,
    remote: IpAddr,
    secure: bool,
    date: Option<String>,
}

/// A call to a path below the account, for instance `GET`, `/container/blob?comp=metadata`.
pub(crate) fn call(method: &str, target: &str) -> Call {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Call {
        method: method.parse().unwrap(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        announced: Some(0),
        version: Some(VERSION.to_string()),
        signer: Some((Box::new(key_of(ACCOUNT)), Scheme::SharedKey)),
        account: ACCOUNT.to_owned(),
        place: ACCOUNT.to_owned(),
        remote: IpAddr::from([127, 0, 0, 1]),
        secure: false,
        date: None,
    }
}

/// A call that reads.
pub(crate) fn get(target: &str) -> Call {
    call("GET", target)
}

/// A call that reads no body.
pub(crate) fn head(target: &str) -> Call {
    call("HEAD", target)
}

/// A call that writes.
pub(crate) fn put(target: &str) -> Call {
    call("PUT", target)
}

/// A call that deletes.
pub(crate) fn delete(target: &str) -> Call {
    call("DELETE", target)
}

/// Put Blob of a block blob.
pub(crate) fn put_blob(target: &str, content: impl AsRef<[u8]>) -> Call {
    put(target).header("x-ms-blob-type", "BlockBlob").body(content)
}

impl Call {
    /// Adds a header; an empty value is sent too.
    #[expect(clippy::needless_pass_by_value, reason = "callers bring literals and temporaries")]
    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds to the query, for instance a token.
    pub(crate) fn query(mut self, more: &str) -> Self {
        if !self.query.is_empty() && !more.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(more);
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        body.as_ref().clone_into(&mut self.body);
        self.announced = Some(self.body.len() as u64);
        self
    }

    /// Announces another length than the body has: the rest never comes.
    pub(crate) fn announced(mut self, bytes: u64) -> Self {
        self.announced = Some(bytes);
        self
    }

    /// Announces no length.
    pub(crate) fn unannounced(mut self) -> Self {
        self.announced = None;
        self
    }

    /// Names another version; none if it is empty.
    pub(crate) fn version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned()).filter(|version| !version.is_empty());
        self
    }

    /// Sends no `Authorization`.
    pub(crate) fn unsigned(mut self) -> Self {
        self.signer = None;
        self
    }

    /// Sends a token in place of `Authorization`.
    pub(crate) fn token(self, token: &str) -> Self {
        self.unsigned().query(token)
    }

    /// Signs with another key.
    pub(crate) fn key(mut self, key: AccountKey) -> Self {
        self.signer = Some((Box::new(key), Scheme::SharedKey));
        self
    }

    /// Signs with Shared Key Lite.
    pub(crate) fn lite(mut self) -> Self {
        self.signer = Some((Box::new(key_of(ACCOUNT)), Scheme::SharedKeyLite));
        self
    }

    /// Calls another account, with its key.
    pub(crate) fn account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        account.clone_into(&mut self.place);
        self.key(key_of(account))
    }

    /// Calls the account under another name, for instance as its secondary.
    pub(crate) fn at(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }

    /// Comes from another address.
    pub(crate) fn from(mut self, remote: &str) -> Self {
        self.remote = remote.parse().unwrap();
        self
    }

    /// Comes over TLS.
    pub(crate) fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Names another date than now; none if it is empty.
    pub(crate) fn date(mut self, date: &str) -> Self {
        self.date = Some(date.to_owned());
        self
    }

    /// The value of a header that was added; empty if there is none.
    pub(crate) fn header_named(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// The request's path and query.
    pub(crate) fn target(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("/{}{}{mark}{}", self.place, self.path, self.query)
    }

    /// The request's headers, `Authorization` among them.
    fn signed(&self, now: Timestamp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        };
        add("host", HOST);
        if let Some(bytes) = self.announced {
            add("content-length", &bytes.to_string());
        }
        match self.date.as_deref() {
            None => add("x-ms-date", &date::rfc1123(now)),
            Some("") => {}
            Some(date) => add("x-ms-date", date),
        }
        if let Some(version) = &self.version {
            add("x-ms-version", version);
        }
        for (name, value) in &self.headers {
            add(name, value);
        }
        if let Some((key, scheme)) = &self.signer {
            let version = self.version.as_deref().and_then(ApiVersion::parse);
            let signable = Signable {
                method: self.method.as_str(),
                path: &format!("/{}{}", self.place, self.path),
                query: &self.query,
                headers: &headers,
                service: Service::Blob,
                account: &self.account,
                version: version.unwrap_or(VERSION),
            };
            let signature = sign_shared_key(key, *scheme, &signable);
            headers.insert("authorization", HeaderValue::from_str(&signature).unwrap());
        }
        headers
    }

    /// The call as a part of a batch.
    pub(crate) fn part(&self, id: usize, now: Timestamp) -> String {
        let mut part = format!(
            "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\
             Content-ID: {id}\r\n\r\n{} {} HTTP/1.1\r\n",
            self.method,
            self.target()
        );
        for (name, value) in &self.signed(now) {
            if name != "host" {
                let _ = write!(part, "{name}: {}\r\n", value.to_str().unwrap());
            }
        }
        part.push_str("\r\n");
        part
    }
}

/// A request's body, which arrives in small pieces.
struct Upload {
    rest: Bytes,
    announced: Option<u64>,
}

impl RequestBody for Upload {
    fn announced(&self) -> Option<u64> {
        self.announced
    }

    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, BodyError>>> {
        let piece = self.rest.split_to(self.rest.len().min(self.rest.len() / 3 + 1));
        let piece = Some(piece).filter(|piece| !piece.is_empty());
        Box::pin(std::future::ready(piece.map(Ok)))
    }
}

/// A blob service of two accounts, in memory. Its journal is kept by a scribe.
pub(crate) struct Blobs {
    api: Api,
    engine: Engine,
    pub(crate) store: Store,
    /// The service's clock.
    pub(crate) clock: Arc<ManualClock>,
    /// Its journal.
    pub(crate) scribe: Arc<FakeScribe>,
    secrets: Secrets,
    runtime: tokio::runtime::Runtime,
}

/// How a service is set up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    /// What it does with versions it does not know.
    pub(crate) versions: UnknownVersions,
    /// Whether nobody keeps its journal.
    pub(crate) unlogged: bool,
    /// Whether it may read copy sources from this machine.
    pub(crate) remote: bool,
    /// The account whose reads are logged before they are answered.
    pub(crate) strict: Option<&'static str>,
}

impl Blobs {
    /// A service without any container.
    pub(crate) fn new() -> Self {
        Self::set_up(Setup::default())
    }

    /// A service with its own mind of versions it does not know.
    pub(crate) fn of_versions(versions: UnknownVersions) -> Self {
        Self::set_up(Setup { versions, ..Setup::default() })
    }

    /// A service that is set up otherwise.
    pub(crate) fn set_up(setup: Setup) -> Self {
        let engine = Engine::in_memory();
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(START)));
        let entropy = Arc::new(SeededEntropy::new(7));
        let mut accounts = Accounts::default();
        for account in [ACCOUNT, OTHER_ACCOUNT] {
            let second = AccountKey::new(format!("the second key of {account}").as_bytes());
            accounts.insert(account, vec![key_of(account), second]);
        }
        let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
        let mut store = Store::new(meta, extents, clock.clone(), entropy.clone());
        let scribe = Arc::new(FakeScribe::default());
        if !setup.unlogged {
            engine.write_journal_with(scribe.clone());
            store = store.with_reads_logged(Halted::default());
        }
        let (accounts, versions) = (Arc::new(accounts), setup.versions);
        let api = Api::new(store.clone(), accounts, clock.clone(), entropy, versions)
            .with_strict_reads(setup.strict.map(str::to_owned))
            .with_listeners([HOST.parse().unwrap()]);
        let api = if setup.remote { api.with_fetcher(crate::source::fetcher()) } else { api };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let secrets = Secrets::new([ACCOUNT, OTHER_ACCOUNT].map(|name| format!("key of {name}")));
        Self { api, engine, store, clock, scribe, secrets, runtime }
    }

    /// A store on the same data that knows nothing but the data, as after a restart.
    pub(crate) fn store_again(&self) -> Store {
        let (meta, extents) = (Arc::clone(&self.engine.meta), Arc::clone(&self.engine.extents));
        Store::new(meta, extents, self.clock.clone(), Arc::new(SeededEntropy::new(8)))
    }

    /// The work on copies from other servers.
    pub(crate) fn remote_copies(&self) -> lazuli_api::remote_copies::RemoteCopies {
        self.api.remote_copies()
    }

    /// Runs what is to be run in the service's runtime.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Runs as far as something can without anything else happening.
    pub(crate) fn serve_once(&self, call: &Call) -> Option<u16> {
        let request = self.request(call);
        self.run(async {
            let mut serving = pin!(self.api.handle(request));
            let polled = poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
            match polled {
                Poll::Ready((response, _)) => Some(response.status),
                Poll::Pending => None,
            }
        })
    }

    /// The entries from an entry on, with those of all reads and failed authentications until now.
    pub(crate) fn entries(&self, from: usize) -> Vec<Logged> {
        self.run(self.store.flush_reads()).unwrap();
        self.scribe.entries(from)
    }

    fn request(&self, call: &Call) -> Request {
        let headers = call.signed(self.clock.now());
        self.secrets.note(call.remote, &call.target(), &headers);
        Request {
            service: Service::Blob,
            method: call.method.clone(),
            target: call.target(),
            spelling: lazuli_api::Spelling::default(),
            headers,
            remote: call.remote,
            secure: call.secure,
            body: Box::new(Upload { rest: call.body.clone().into(), announced: call.announced }),
        }
    }

    /// A service with the container `box`.
    pub(crate) fn with_container() -> Self {
        let blobs = Self::new();
        blobs.send(&put("/box?restype=container")).is(201);
        blobs
    }

    /// A service with the container `box` and the blob `box/b` that says `content`.
    pub(crate) fn with_blob(content: &str) -> Self {
        let blobs = Self::with_container();
        blobs.send(&put_blob("/box/b", content)).is(201);
        blobs
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The time so many seconds from now as headers write it.
    pub(crate) fn http_date(&self, offset: i64) -> String {
        date::rfc1123(self.at(offset))
    }

    /// The time so many seconds from now as tokens write it.
    pub(crate) fn iso_date(&self, offset: i64) -> String {
        format!("{}Z", &date::iso7(self.at(offset))[..19])
    }

    /// The `Authorization` of a call.
    pub(crate) fn authorization(&self, call: &Call) -> String {
        call.signed(self.clock.now())["authorization"].to_str().unwrap().to_owned()
    }

    fn at(&self, offset: i64) -> Timestamp {
        Timestamp::from_unix_seconds(self.clock.now().unix_seconds() + offset)
    }

    /// Sends a call and receives the whole answer.
    #[track_caller]
    pub(crate) fn send(&self, call: &Call) -> Answer {
        let request = self.request(call);
        let asked = format!("{} {}", call.method, request.target);
        let (response, observation) = self.runtime.block_on(self.api.handle(request));
        let body = self.runtime.block_on(receive(response.body));
        let answer = Answer { asked, status: response.status, headers: response.headers, body };
        assert_eq!(observation.status, answer.status, "{answer}");
        assert_eq!(observation.request_id.len(), 36, "{answer}");
        answer.has("x-ms-request-id", &observation.request_id);
        assert!(answer.headers.contains_key("x-ms-version"), "{answer}");
        self.check_receipt(&answer, observation.operation);
        answer
    }

    /// Sends a call and takes the first part of the answer's body, as a client that then goes away;
    /// how many bytes that was.
    pub(crate) fn begin_to_receive(&self, call: &Call) -> usize {
        let request = self.request(call);
        self.run(async {
            let (response, _) = self.api.handle(request).await;
            let Body::Stream(mut body) = response.body else { panic!("not streamed") };
            body.next().await.unwrap().unwrap().len()
        })
    }

    /// Whatever changed something has a receipt, and what was refused has none.
    #[track_caller]
    fn check_receipt(&self, answer: &Answer, operation: &str) {
        let found = BLOB.iter().find(|known| known.spec.name == operation);
        let has = answer.headers.contains_key("x-lz-receipt");
        match found {
            Some(found) if answer.status < 300 && self.store.logs_reads() => {
                let changes = !found.spec.is_read() && !operation.starts_with("BlobBatch");
                assert!(has || !changes, "{answer}");
            }
            _ => assert!(!has, "{answer}"),
        }
    }
}

/// Whatever a test asked, its journal says nothing that it must not say.
impl Drop for Blobs {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.scribe.refuse(false);
            self.secrets.assert_untold(&self.entries(0));
        }
    }
}

async fn receive(body: Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Full(bytes) => bytes.to_vec(),
        Body::Stream(mut stream) => {
            let mut whole = Vec::new();
            while let Some(bytes) = stream.next().await {
                whole.extend_from_slice(&bytes.unwrap());
            }
            whole
        }
    }
}

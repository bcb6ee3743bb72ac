//! The whole service behind a socket: a body that the head says nothing of is asked for, where the
//! tests without sockets can only say what the listener would make of such a head.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob#request-headers-all-blob-types>

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use lazuli_api::{Accounts, Api, Handler, UnknownVersions};
use lazuli_auth::{AccountKey, Scheme, Signable, sign_shared_key};
use lazuli_base::{Clock, ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::Engine;
use lazuli_model::{ApiVersion, Service};
use lazuli_server::{Limits, Listener, Metrics, Parts, Server};
use lazuli_store::Store;

use crate::client::{Answer, Client};

const ACCOUNT: &str = "lazurite";
const VERSION: ApiVersion = ApiVersion::new(2025, 11, 5);

/// The headers of one that is to be sent, beside those that all have.
type Headers<'h> = &'h [(&'static str, &'h str)];

/// A server of blobs and queues in memory.
struct Fixture {
    clock: Arc<ManualClock>,
    _server: Server,
    blobs: SocketAddr,
    queues: SocketAddr,
}

fn key() -> AccountKey {
    AccountKey::new(b"a key")
}

impl Fixture {
    /// Starts it on free ports, with a container and a queue.
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_795_507_200)));
        let entropy = Arc::new(SeededEntropy::new(7));
        let engine = Engine::in_memory();
        let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
        let store = Store::new(meta, extents, clock.clone(), entropy.clone());
        let mut accounts = Accounts::default();
        accounts.insert(ACCOUNT, vec![key()]);
        let versions = UnknownVersions::default();
        let api = Api::new(store, Arc::new(accounts), clock.clone(), entropy.clone(), versions);
        let api: Arc<dyn Handler> = Arc::new(api);
        let metrics = Arc::new(Metrics::new(None));
        let parts = Parts { limits: Limits::default(), metrics, clock: clock.clone(), entropy };
        let server = Server::new(parts).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = [Listener::bind(any).await.unwrap(), Listener::bind(any).await.unwrap()];
        let [blobs, queues] = listeners.each_ref().map(Listener::address);
        for (listener, service) in listeners.into_iter().zip([Service::Blob, Service::Queue]) {
            server.serve(listener, service, Arc::clone(&api));
        }
        let fixture = Self { clock, _server: server, blobs, queues };
        let none: Headers<'_> = &[("content-length", "0")];
        for (service, target) in
            [(Service::Blob, "/box?restype=container"), (Service::Queue, "/jobs")]
        {
            assert_eq!(fixture.ask(service, ("PUT", target), none, "").await.status, 201);
        }
        fixture
    }

    /// Sends a signed request over a connection of its own, with the headers given and no others
    /// that tell of a body.
    async fn ask(
        &self,
        service: Service,
        (method, target): (&str, &str),
        more: Headers<'_>,
        body: &str,
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = format!("/{ACCOUNT}{path}");
        let date = lazuli_wire::date::rfc1123(self.clock.now());
        let version = VERSION.to_string();
        let own = [("host", "h"), ("x-ms-date", &*date), ("x-ms-version", &*version)];
        let mut headers = HeaderMap::new();
        for (name, value) in own.iter().chain(more) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let signable = Signable {
            method,
            path: &path,
            query,
            headers: &headers,
            service,
            account: ACCOUNT,
            version: VERSION,
        };
        let signature = sign_shared_key(&key(), Scheme::SharedKey, &signable);
        let mut request = format!("{method} {path}?{query} HTTP/1.1\r\n");
        for (name, value) in &headers {
            write!(request, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
        write!(request, "authorization: {signature}\r\n\r\n{body}").unwrap();
        let address = if service == Service::Queue { self.queues } else { self.blobs };
        Client::ask(address, &request).await
    }
}

/// Requests that bring a body, with the headers that they need.
const BRING_A_BODY: [(Service, &str, &str, Headers<'static>); 6] = [
    (Service::Blob, "PUT", "/box/b", &[("x-ms-blob-type", "BlockBlob")]),
    (Service::Blob, "PUT", "/box/b?comp=tags", &[]),
    (Service::Blob, "PUT", "/box/b?comp=block&blockid=YQ==", &[]),
    (Service::Blob, "PUT", "/box/b?comp=blocklist", &[]),
    (Service::Queue, "POST", "/jobs/messages", &[]),
    (Service::Queue, "PUT", "/?restype=service&comp=properties", &[]),
];

#[tokio::test]
async fn a_body_without_a_length_is_asked_for_its_length() {
    let fixture = Fixture::start().await;
    for (service, method, target, headers) in BRING_A_BODY {
        let answer = fixture.ask(service, (method, target), headers, "").await;
        let error = answer.header("x-ms-error-code");
        let wanted = (411, Some("MissingContentLengthHeader"));
        assert_eq!((answer.status, error), wanted, "{target}: {answer:?}");
    }
    let answer = fixture.ask(Service::Blob, ("GET", "/box/b"), &[], "").await;
    assert_eq!(answer.status, 404, "a blob was made: {answer:?}");
}

#[tokio::test]
async fn a_body_in_chunks_needs_no_length() {
    let fixture = Fixture::start().await;
    let text = "<QueueMessage><MessageText>hi</MessageText></QueueMessage>";
    let (tags, blocks) = ("<Tags><TagSet></TagSet></Tags>", "<BlockList></BlockList>");
    let settings = "<StorageServiceProperties></StorageServiceProperties>";
    let bodies =
        [("hello", 201), (tags, 204), ("hello", 201), (blocks, 201), (text, 201), (settings, 202)];
    for ((service, method, target, headers), (content, status)) in
        BRING_A_BODY.into_iter().zip(bodies)
    {
        let mut headers = headers.to_vec();
        headers.push(("transfer-encoding", "chunked"));
        let body = format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len());
        let answer = fixture.ask(service, (method, target), &headers, &body).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
}

//! Requests through the whole pipeline, on a store in memory with one public container.
//!
//! Requests are parted by lines `====`. The first line of each is `METHOD /path?query` below the
//! account, with `-` before it if nobody signs it; then come headers, an empty line and the body.
//! Whatever they ask, each is answered as the service answers: never with 500.
#![no_main]

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Uri};
use lazuli_api::{Accounts, Api, Body, FullBody, Request, Response, Spelling, UnknownVersions};
use lazuli_auth::{AccountKey, Scheme, Signable, sign_shared_key};
use lazuli_base::{ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::Engine;
use lazuli_fuzz::{first_line, headers, text};
use lazuli_model::{ApiVersion, ErrorCode, Service};
use lazuli_store::Store;
use lazuli_wire::date;
use libfuzzer_sys::fuzz_target;
use quick_xml::Reader;
use quick_xml::events::Event;
use tokio::runtime::{Builder, Runtime};

const ACCOUNT: &str = "devstoreaccount1";

/// 2025-10-09T08:53:20Z.
fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_760_000_000)
}

/// The most requests of one input.
const REQUESTS_MAX: usize = 8;

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// What every input begins with: a public container with a blob in it.
const BEGIN: [&str; 2] = [
    "PUT /box?restype=container\nx-ms-blob-public-access: container\n\n",
    "PUT /box/b\nx-ms-blob-type: BlockBlob\n\ncontent",
];

fuzz_target!(|data: &[u8]| {
    RUNTIME.with(|runtime| {
        let runtime = runtime
            .get_or_init(|| Builder::new_current_thread().enable_all().build().expect("starts"));
        runtime.block_on(run(data));
    });
});

async fn run(data: &[u8]) {
    let api = api();
    for request in BEGIN {
        let request = request_of(request.as_bytes()).expect("a request");
        assert_eq!(api.serve(request).await.0.status, 201);
    }
    for part in parts(data).into_iter().take(REQUESTS_MAX) {
        let Some(request) = request_of(part) else { continue };
        let is_head = request.method == Method::HEAD;
        let (response, _) = api.serve(request).await;
        check(response, is_head).await;
    }
}

fn api() -> Api {
    let engine = Engine::in_memory();
    let clock = Arc::new(ManualClock::new(now()));
    let entropy = Arc::new(SeededEntropy::new(7));
    let mut accounts = Accounts::default();
    accounts.insert(ACCOUNT, vec![key()]);
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, clock.clone(), entropy.clone());
    Api::new(store, Arc::new(accounts), clock, entropy, UnknownVersions::Serve)
}

fn key() -> AccountKey {
    AccountKey::new(b"the key of the account")
}

/// The bytes between lines `====`.
fn parts(mut data: &[u8]) -> Vec<&[u8]> {
    const MARK: &[u8] = b"\n====\n";
    let mut parts = Vec::new();
    while let Some(at) = data.windows(MARK.len()).position(|window| window == MARK) {
        parts.push(&data[..at]);
        data = &data[at + MARK.len()..];
    }
    parts.push(data);
    parts
}

/// The request that bytes say; `None` for what no HTTP parser would let through.
fn request_of(part: &[u8]) -> Option<Request> {
    let (line, rest) = first_line(part);
    let (line, is_signed) = match line.strip_prefix(b"-") {
        Some(line) => (line, false),
        None => (line, true),
    };
    let line = text(line);
    let (method, below) = line.split_once(' ')?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let uri: Uri = format!("/{ACCOUNT}{below}").parse().ok()?;
    let target = uri.path_and_query()?.as_str().to_owned();
    let (head, body) = match rest.strip_prefix(b"\n") {
        Some(body) => (&[][..], body),
        None => match rest.windows(2).position(|two| two == b"\n\n") {
            Some(end) => (&rest[..end], &rest[end + 2..]),
            None => (rest, &[][..]),
        },
    };
    let mut headers = headers(head);
    for (name, value) in [
        ("host", "127.0.0.1:10000".to_owned()),
        ("x-ms-version", "2025-11-05".to_owned()),
        ("x-ms-date", date::rfc1123(now())),
        ("content-length", body.len().to_string()),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_str(&value).ok()?);
    }
    if is_signed {
        let signature = signature(&method, &target, &headers);
        headers.insert("authorization", HeaderValue::from_str(&signature).ok()?);
    }
    Some(Request {
        service: Service::Blob,
        method,
        target,
        headers,
        spelling: Spelling::default(),
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        body: Box::new(FullBody::new(body.to_vec())),
    })
}

fn signature(method: &Method, target: &str, headers: &HeaderMap) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let version = headers.get("x-ms-version").and_then(|value| value.to_str().ok());
    let signable = Signable {
        method: method.as_str(),
        path,
        query,
        headers,
        service: Service::Blob,
        account: ACCOUNT,
        version: version.and_then(ApiVersion::parse).unwrap_or(ApiVersion::NEWEST),
    };
    sign_shared_key(&key(), Scheme::SharedKey, &signable)
}

/// What every answer has to be.
async fn check(response: Response, is_head: bool) {
    let status = response.status;
    assert!((200..=599).contains(&status) && status != 500, "{status} {:?}", response.headers);
    for name in ["x-ms-request-id", "x-ms-version"] {
        assert!(response.headers.contains_key(name), "{name} is missing");
    }
    let code = response.headers.get("x-ms-error-code").map(|code| text(code.as_bytes()));
    let body = bytes_of(response.body).await;
    assert_eq!(code.is_some(), status >= 300, "{status} {code:?}");
    if let Some(code) = code {
        assert!(ErrorCode::ALL.iter().any(|known| known.name() == code), "{code}");
        if is_head || status == 304 {
            assert!(body.is_empty(), "{status} has a body");
        } else {
            assert_eq!(code_of(&body), code);
        }
    }
}

/// The `Code` of an error document, which has to be well-formed to its end.
fn code_of(body: &[u8]) -> String {
    let mut reader = Reader::from_reader(body);
    let (mut path, mut code) = (Vec::new(), String::new());
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(start) => path.push(start.name().as_ref().to_owned()),
            Event::End(_) => drop(path.pop()),
            Event::Text(content) if path == ["Error", "Code"] => code += &*content,
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(path.is_empty(), "{path:?} does not end");
    code
}

async fn bytes_of(body: Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Full(bytes) => bytes.to_vec(),
        Body::Stream(mut stream) => {
            let mut bytes = Vec::new();
            while let Some(part) = stream.next().await {
                bytes.extend_from_slice(&part.expect("the store in memory does not fail"));
            }
            bytes
        }
    }
}

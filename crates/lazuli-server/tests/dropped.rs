//! A server that drops the entry of a write whose receipt a client has: nothing else shows it, and the
//! receipt proves it.
//!
//! Everything is real but the lie: the listener, a client that signs and keeps its receipts, the log
//! on disk, and the verifier that its readers have.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use lazuli_api::{Accounts, Api, Handler, UnknownVersions};
use lazuli_auth::AccountKey;
use lazuli_base::{SystemClock, SystemEntropy};
use lazuli_engine::Engine;
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::{Log, Parts};
use lazuli_model::Service;
use lazuli_server::{Limits, Listener, Metrics, Server};
use lazuli_store::Store;
use lazuli_testkit::{Client, Request, Response, Trust};
use lazuli_tlog::Policy;
use lazuli_verify::folder::Folder;
use lazuli_verify::promise;
use lazuli_verify::report::{Exit, Report};

const ACCOUNT: &str = "lazurite";
const KEY: &str = "YSBrZXk=";

/// A service on a socket, whose log has its public files in a folder.
struct Served {
    log: Log,
    server: Server,
    address: SocketAddr,
}

async fn serve(folder: &Path) -> Served {
    let engine = Engine::in_memory();
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let keys = Keys::open(None, Some("log.test"), &[ACCOUNT.to_owned()], &*entropy).unwrap();
    let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
    let store = Store::new(meta, extents, clock.clone(), entropy.clone());
    let parts = Parts {
        meta: Arc::clone(&engine.meta),
        clock: clock.clone(),
        keys,
        files: Some(folder.to_owned()),
        heads: HeadStore::open(None, "log.test").unwrap(),
        site: 1,
        config: [0; 32],
        witnesses: None,
        reads: store.oldest_read(),
    };
    let log = Log::open(parts).await.unwrap();
    engine.write_journal_with(Arc::clone(&log.ledger) as _);
    let store = store.with_reads_logged(log.ledger.halted());
    let mut accounts = Accounts::default();
    accounts.insert(ACCOUNT, vec![AccountKey::from_base64(KEY).unwrap()]);
    let versions = UnknownVersions::default();
    let api = Api::new(store, Arc::new(accounts), clock.clone(), entropy.clone(), versions);
    let metrics = Arc::new(Metrics::new(None));
    let parts = lazuli_server::Parts { limits: Limits::default(), metrics, clock, entropy };
    let server = Server::new(parts).unwrap();
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = listener.address();
    server.serve(listener, Service::Blob, Arc::new(api) as Arc<dyn Handler>);
    Served { log, server, address }
}

/// Sends a request on a connection of its own.
async fn send(address: SocketAddr, method: &'static str, path: &'static str) -> Response {
    let sent = tokio::task::spawn_blocking(move || {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let headers: &[_] = &[("x-ms-blob-type", "BlockBlob")];
        let body: &[u8] = if method == "PUT" && query.is_empty() { b"content" } else { b"" };
        let request = Request { method, path, query, headers, body };
        Client::of_account(address, ACCOUNT, KEY)?.send(&request)
    });
    sent.await.unwrap().unwrap()
}

/// The headers that a client keeps.
fn receipt_of(answer: &Response) -> String {
    let [receipt, opening] = ["x-lz-receipt", "x-lz-opening"].map(|name| answer.header(name));
    format!("x-lz-receipt: {receipt}\nx-lz-opening: {opening}\n")
}

/// Writes the entries of all closed segments beside the public files.
async fn export_segments(log: &Log, folder: &Path) {
    fs::create_dir_all(folder.join("seg")).unwrap();
    let mut n = 0;
    while let Some(segment) = log.admin.get(&format!("segment/{n}"), "test").await.unwrap() {
        fs::write(folder.join(format!("seg/{n:010}")), segment.body).unwrap();
        n += 1;
    }
    assert!(n > 1, "{n} segments");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_entry_is_proved_by_the_receipt_that_its_client_has() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Served { mut log, server, address } = serve(folder).await;
    log.sealer.tick().await;
    assert_eq!(send(address, "PUT", "/box?restype=container").await.status, 201);
    let policy = log.public.answer("policy").await.unwrap().body;
    let trust = Trust::new(&policy).unwrap();
    let mut receipts = Vec::new();
    for (name, path) in
        [("before", "/box/before"), ("dropped", "/box/dropped"), ("after", "/box/after")]
    {
        if name == "dropped" {
            log.ledger.drop_next();
        }
        let answer = send(address, "PUT", path).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let kept = trust.keep(&answer, name).expect("each receipt holds when it is given");
        receipts.push((name, receipt_of(&answer), kept));
    }
    // What was written is there, and the log goes on.
    let read = send(address, "GET", "/box/dropped").await;
    assert_eq!((read.status, &*read.text()), (200, "content"));
    log.sealer.tick().await;
    log.sealer.stop().await;
    export_segments(&log, folder).await;

    let policy = Policy::parse(&policy).unwrap();
    let mut report = Report::new();
    lazuli_verify::log::check(&Folder::new(folder), &policy, None, &mut report);
    assert_eq!(report.exit(), Exit::Verified, "the log alone is consistent: {report}");
    for (name, receipt, kept) in &receipts {
        let mut report = Report::new();
        promise::check(receipt, &policy, Some(&Folder::new(folder)), &mut report);
        let text = report.to_string();
        let path = Trust::proof_path(kept);
        let path = path.strip_prefix("/.lazuli/log/").unwrap();
        let is_proved = log.public.answer(path).await.is_some();
        if *name == "dropped" {
            assert_eq!((report.exit(), is_proved), (Exit::Contradiction, false), "{text}");
            assert!(text.contains("receipt not included"), "{text}");
            assert!(text.contains("transferable evidence"), "{text}");
        } else {
            assert_eq!((report.exit(), is_proved), (Exit::Verified, true), "{name}: {text}");
        }
    }
    server.stop(std::time::Duration::ZERO).await;
}

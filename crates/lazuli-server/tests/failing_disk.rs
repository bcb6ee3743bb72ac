//! The disk fails under the transparency log: the request is answered with an error and without a
//! receipt, nothing of what it asked for is visible, and nothing more is signed.
//!
//! The whole service runs without sockets, on a disk that fails when it is told to.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lazuli_api::{Accounts, Api, FullBody, Handler as _, Request, Response, UnknownVersions};
use lazuli_auth::{AccountKey, Scheme, Signable, sign_shared_key};
use lazuli_base::{Clock, ManualClock, SeededEntropy, Timestamp};
use lazuli_engine::disk::{Access, Disk, DiskFile, Space, SystemDisk};
use lazuli_engine::{Engine, JournalRow, KeyRange, Options, Row, Version};
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::{Log, Parts};
use lazuli_model::{ApiVersion, Service};
use lazuli_store::Store;

const ACCOUNT: &str = "lazurite";
const VERSION: ApiVersion = ApiVersion::new(2025, 11, 5);
const SOUND: u8 = 0;
const FAILS_TO_SYNC: u8 = 1;
const FAILS_TO_WRITE: u8 = 2;

/// The system's disk; the files of the log of rows fail as they are told.
#[derive(Clone, Debug, Default)]
struct FailingDisk {
    state: Arc<AtomicU8>,
}

#[derive(Debug)]
struct FailingFile {
    inner: Arc<dyn DiskFile>,
    state: Arc<AtomicU8>,
}

impl FailingDisk {
    fn wrap(&self, path: &Path, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let is_log = path.extension() == Some("wal".as_ref());
        let state = if is_log { Arc::clone(&self.state) } else { Arc::default() };
        Arc::new(FailingFile { inner, state })
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(path, SystemDisk.create(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(path, SystemDisk.open(path, access)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(dir)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(dir)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        SystemDisk.space(path)
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.file_len(path)
    }
}

/// `EIO`.
fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl DiskFile for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_cached_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // One write fails, and what takes it back does not.
        let (now, next) = (FAILS_TO_WRITE, SOUND);
        let fails = self.state.compare_exchange(now, next, Ordering::Relaxed, Ordering::Relaxed);
        if fails.is_ok() { Err(broken()) } else { self.inner.write_all_at(bytes, offset) }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.state.load(Ordering::Relaxed) {
            FAILS_TO_SYNC => Err(broken()),
            _ => self.inner.sync_data(),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.inner.reserve(len)
    }
}

/// A blob service with its log.
struct Blobs {
    engine: Engine,
    api: Api,
    log: Log,
    clock: Arc<ManualClock>,
    disk: FailingDisk,
}

/// What a store has: its rows but those of the log, and its journal.
type Contents = (Vec<Row>, Vec<JournalRow>);

fn open(dir: &Path, disk: &FailingDisk) -> Engine {
    let disk = Arc::new(disk.clone());
    Engine::open(Options { disk, reserve_bytes: 0, ..Options::new(dir.join("data")) }).unwrap()
}

async fn contents(engine: &Engine) -> Contents {
    let rows = engine.meta.scan(KeyRange { start: Bytes::new(), end: None }, 1000).await.unwrap();
    let rows = rows.into_iter().filter(|row| !row.key.starts_with(b"L")).collect();
    (rows, engine.meta.journal(Version(1), 1000).await.unwrap())
}

fn key() -> AccountKey {
    AccountKey::new(b"a key")
}

impl Blobs {
    async fn open(dir: &Path) -> Self {
        let disk = FailingDisk::default();
        let engine = open(dir, &disk);
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_795_507_200)));
        let entropy = Arc::new(SeededEntropy::new(7));
        let accounts = [ACCOUNT.to_owned()];
        let keys = Keys::open(None, Some("log.test"), &accounts, &*entropy).unwrap();
        let parts = Parts {
            meta: Arc::clone(&engine.meta),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            keys,
            files: None,
            heads: HeadStore::open(None, "log.test").unwrap(),
            site: 1,
            config: [0; 32],
            witnesses: None,
            reads: lazuli_base::Oldest::default(),
        };
        let log = Log::open(parts).await.unwrap();
        engine.write_journal_with(Arc::clone(&log.ledger) as _);
        let (meta, extents) = (Arc::clone(&engine.meta), Arc::clone(&engine.extents));
        let store = Store::new(meta, extents, clock.clone(), entropy.clone());
        let store = store.with_reads_logged(log.ledger.halted());
        let mut accounts = Accounts::default();
        accounts.insert(ACCOUNT, vec![key()]);
        let versions = UnknownVersions::default();
        let api = Api::new(store, Arc::new(accounts), clock.clone(), entropy, versions);
        let mut blobs = Self { engine, api, log, clock, disk };
        for (method, target, body) in
            [("PUT", "/box?restype=container", ""), ("PUT", "/box/kept", "content")]
        {
            let answer = blobs.send(method, target, &[], body).await;
            assert!(answer.status == 201 && has_receipt(&answer), "{target}: {}", answer.status);
        }
        blobs.tick().await;
        blobs
    }

    async fn tick(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.log.sealer.tick().await;
    }

    fn signed_size(&self) -> u64 {
        self.log.public.checkpoint().unwrap().checkpoint().head().size
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        more: &[(&'static str, &str)],
        body: &'static str,
    ) -> Response {
        let target = format!("/{ACCOUNT}{target}");
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let date = lazuli_wire::date::rfc1123(self.clock.now());
        let length = body.len().to_string();
        let version = VERSION.to_string();
        let mut headers = HeaderMap::new();
        let own = [
            ("host", "127.0.0.1"),
            ("content-length", length.as_str()),
            ("x-ms-date", date.as_str()),
            ("x-ms-version", version.as_str()),
            ("x-ms-blob-type", "BlockBlob"),
        ];
        for (name, value) in own.iter().chain(more) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let signable = Signable {
            method,
            path,
            query,
            headers: &headers,
            service: Service::Blob,
            account: ACCOUNT,
            version: VERSION,
        };
        let signature = sign_shared_key(&key(), Scheme::SharedKey, &signable);
        headers.insert("authorization", HeaderValue::from_str(&signature).unwrap());
        let request = Request {
            service: Service::Blob,
            method: method.parse::<Method>().unwrap(),
            target: target.clone(),
            spelling: lazuli_api::Spelling::default(),
            headers,
            remote: IpAddr::from([127, 0, 0, 1]),
            secure: false,
            body: Box::new(FullBody::new(body)),
        };
        self.api.handle(request).await.0
    }
}

fn has_receipt(answer: &Response) -> bool {
    answer.headers.contains_key("x-lz-receipt") || answer.headers.contains_key("x-lz-opening")
}

/// A request and its body.
type Asked = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

/// A write, a change of settings and a deletion; and a read that asks for a receipt.
const ASKED: [Asked; 4] = [
    ("PUT", "/box/new", &[], "more content"),
    ("PUT", "/box?restype=container&comp=metadata", &[("x-ms-meta-a", "b")], ""),
    ("DELETE", "/box/kept", &[], ""),
    ("GET", "/box/kept", &[("x-lz-receipt", "1")], ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_changes_nothing_and_gives_no_receipt() {
    for (method, target, headers, body) in ASKED {
        let dir = tempfile::tempdir().unwrap();
        let mut blobs = Blobs::open(dir.path()).await;
        let before = contents(&blobs.engine).await;
        let signed = blobs.signed_size();
        blobs.disk.state.store(FAILS_TO_SYNC, Ordering::Relaxed);
        let answer = blobs.send(method, target, headers, body).await;
        assert!(answer.status >= 500, "{method} {target}: {}", answer.status);
        assert!(!has_receipt(&answer), "{method} {target}");
        assert_eq!(contents(&blobs.engine).await, before, "{method} {target}");
        // What the disk holds is not known any more: it stays so when the disk works again.
        blobs.disk.state.store(SOUND, Ordering::Relaxed);
        let answer = blobs.send("PUT", "/box/later", &[], "later").await;
        assert!(answer.status >= 500 && !has_receipt(&answer), "{}", answer.status);
        blobs.tick().await;
        assert_eq!(blobs.signed_size(), signed, "nothing more is signed");
        assert_eq!(contents(&blobs.engine).await, before, "{method} {target}");
        let disk = blobs.disk.clone();
        drop(blobs);
        // The next start finds all of it, with its entry, or nothing.
        let found = contents(&open(dir.path(), &disk)).await;
        let entered = found.1.len() - before.1.len();
        assert!(entered <= 1, "{entered} commits");
        let is_read = method == "GET";
        assert_eq!(found.0 != before.0, entered == 1 && !is_read, "{method} {target}");
        assert_eq!(found.1[..before.1.len()], before.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_changes_nothing_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut blobs = Blobs::open(dir.path()).await;
    for (method, target, headers, body) in ASKED {
        let before = contents(&blobs.engine).await;
        blobs.disk.state.store(FAILS_TO_WRITE, Ordering::Relaxed);
        let answer = blobs.send(method, target, headers, body).await;
        assert!(answer.status >= 500, "{method} {target}: {}", answer.status);
        assert!(!has_receipt(&answer), "{method} {target}");
        assert_eq!(blobs.disk.state.load(Ordering::Relaxed), SOUND, "the fault was met");
        assert_eq!(contents(&blobs.engine).await, before, "{method} {target}");
        let name = format!("/box/after-{method}-{}", before.1.len());
        let answer = blobs.send("PUT", &name, &[], "after").await;
        assert!(answer.status == 201 && has_receipt(&answer), "{}", answer.status);
    }
    let signed = blobs.signed_size();
    blobs.tick().await;
    assert!(blobs.signed_size() > signed);
    assert_eq!(blobs.log.ledger.paused(), None);
}

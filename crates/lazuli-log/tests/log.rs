//! A log on a real store: receipts, restarts, and what happens when the past changes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, Oldest, SeededEntropy, Timestamp};
use lazuli_engine::{Commit, CommitError, Committed, Engine, Options};
use lazuli_evidence::{Draft, Group, Kind, Receipt, leaf_hash, receipt_text};
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::{Log, Parts};
use lazuli_tlog::{Hash, Policy, inclusion_root};

/// A store with its log.
struct Fixture {
    engine: Engine,
    log: Log,
    clock: Arc<ManualClock>,
    reads: Oldest,
    policy: Policy,
    origin: String,
}

impl Fixture {
    async fn open(dir: &Path) -> Self {
        let options = Options { reserve_bytes: 0, ..Options::new(dir.join("data")) };
        Self::on(Engine::open(options).unwrap(), dir, 1000).await
    }

    async fn on(engine: Engine, dir: &Path, second: i64) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(second)));
        let accounts = ["one".to_owned(), "two".to_owned()];
        let keys = dir.join("keys");
        let keys = Keys::open(Some(&keys), Some("log.test"), &accounts, &SeededEntropy::new(7));
        let keys = keys.unwrap();
        let policy = Policy::parse(keys.policy().as_bytes()).unwrap();
        let origin = keys.origin().to_owned();
        let reads = Oldest::default();
        let heads = HeadStore::open(Some(&dir.join("heads")), &origin).unwrap();
        let parts = Parts {
            meta: Arc::clone(&engine.meta),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            keys,
            files: Some(dir.join("log")),
            heads,
            site: 1,
            config: [0; 32],
            witnesses: None,
            reads: reads.clone(),
        };
        let log = Log::open(parts).await.unwrap();
        engine.write_journal_with(Arc::clone(&log.ledger) as _);
        Self { engine, log, clock, reads, policy, origin }
    }

    /// The window of the last gap that the log declares, in seconds since 1970.
    async fn gap(&self) -> Option<(f64, f64)> {
        let status = self.log.admin.get("status", "").await.unwrap().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
        let second = |name: &str| {
            let text = status["gap"][name].as_str()?;
            Some(lazuli_log::admin::parse_time(text).unwrap() as f64 / 1e3)
        };
        Some((second("from")?, second("to")?))
    }

    async fn commit(&self, account: &str, name: &str) -> Result<Committed, CommitError> {
        self.engine.meta.commit(commit(account, &[name])).await
    }

    async fn tick(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.log.sealer.tick().await;
    }
}

fn commit(account: &str, names: &[&str]) -> Commit {
    let mut commit = Commit::default();
    for name in names {
        let mut value = Vec::new();
        lazuli_evidence::cbor::Writer::new(&mut value).text(name);
        let draft = Draft::new(Kind::Write, "PutBlob", account, 5).with(Group::Object, &value);
        commit.entries.push(draft.encode());
        let name = name.to_owned().to_owned();
        commit.puts.push((Bytes::from(name), Bytes::from_static(b"value")));
    }
    commit
}

/// Checks a receipt by what it and its opening say alone; gives the entry's leaf hash.
fn check(receipt: &lazuli_engine::Receipt, fixture: &Fixture) -> (Receipt, Hash) {
    use base64::Engine as _;
    let opening = receipt.opening.as_ref().unwrap();
    let opening = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(opening).unwrap();
    let opening = lazuli_evidence::Opening::decode(&opening).unwrap();
    let leaf = Hash(leaf_hash(&opening.entry().encode()));
    let receipt = Receipt::from_header(&receipt.receipt).unwrap();
    let path: Vec<Hash> = receipt.path.iter().copied().map(Hash).collect();
    let root = inclusion_root(&path, leaf, receipt.index, receipt.size).unwrap();
    let text = receipt_text(&fixture.origin, receipt.seg, receipt.size, &root.0, receipt.t_ms);
    let key = fixture.policy.logs().iter().find(|key| key.id().0 == receipt.key_id).unwrap();
    key.verify(&text, &receipt.signature).unwrap();
    (receipt, leaf)
}

/// Checks that an upgraded receipt leads to its segment's leaf; gives the leaf.
fn included(extra: &[u8], receipt: &Receipt, leaf: Hash) -> Vec<u8> {
    let mut reader = lazuli_evidence::cbor::Reader::new(extra);
    reader.array(6).unwrap();
    assert_eq!(reader.uint(), Some(1));
    let (spine_leaf, entry) = (reader.bytes().unwrap(), reader.bytes().unwrap());
    assert_eq!(Hash(leaf_hash(entry)), leaf);
    assert_eq!(reader.uint(), Some(receipt.index));
    let size = reader.uint().unwrap();
    let path = Hash::read_all(reader.bytes().unwrap()).unwrap();
    let root = inclusion_root(&path, leaf, receipt.index, size).unwrap();
    let found = lazuli_evidence::spine::Leaf::decode(spine_leaf).unwrap();
    let lazuli_evidence::spine::Leaf::Segment(segment) = found else { panic!("no segment") };
    assert_eq!((segment.n, Hash(segment.root)), (receipt.seg, root));
    spine_leaf.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_hold_at_once_and_are_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open(dir.path()).await;
    let mut receipts = Vec::new();
    for index in 0..40 {
        let account = if index % 3 == 0 { "one" } else { "two" };
        let committed = fixture.commit(account, &format!("blob-{index}")).await.unwrap();
        let proof = committed.proof.unwrap().receipts();
        receipts.push(check(&proof[0], &fixture));
        if index % 15 == 14 {
            fixture.tick().await;
        }
    }
    let several = fixture.engine.meta.commit(commit("one", &["a", "b", "c"])).await.unwrap();
    let several = several.proof.unwrap().receipts();
    receipts.extend(several.iter().map(|receipt| check(receipt, &fixture)));
    fixture.tick().await;
    for (receipt, leaf) in receipts {
        let proof = fixture.log.public.upgrade((receipt.seg, receipt.index), None).await.unwrap();
        let extra = proof.extra.clone().unwrap();
        let spine_leaf = included(&extra, &receipt, leaf);
        proof.verify(lazuli_tlog::leaf_hash(&spine_leaf), &fixture.policy).unwrap();
    }
    assert!(fixture.log.public.upgrade((0, 99), None).await.is_none());
    assert!(fixture.log.public.upgrade((9, 0), None).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_shown_to_who_knows_the_entry() {
    let dir = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open(dir.path()).await;
    let committed = fixture.commit("one", "blob").await.unwrap();
    let (receipt, leaf) = check(&committed.proof.unwrap().receipts()[0], &fixture);
    fixture.commit("one", "another").await.unwrap();
    fixture.tick().await;
    let place = format!("proof/{}/{}", receipt.seg, receipt.index);
    let mut hex = String::new();
    for byte in leaf.0 {
        write!(hex, "{byte:02x}").unwrap();
    }
    let other = hex.replace(&hex[..1], if hex.starts_with('0') { "1" } else { "0" });
    let public = &fixture.log.public;
    assert!(public.answer(&format!("{place}/{hex}")).await.is_some());
    for unknown in [
        place.clone(),
        format!("{place}/"),
        format!("{place}/{other}"),
        format!("{place}/{}", &hex[2..]),
        format!("{place}/{hex}00"),
        format!("{}/{}/{hex}", receipt.seg, receipt.index),
        format!("proof/{}/{}/{hex}", receipt.seg, receipt.index + 1),
    ] {
        assert_eq!(public.answer(&unknown).await, None, "{unknown}");
    }
    let shown = fixture.log.admin.get(&place, "").await.unwrap();
    assert!(shown.is_some(), "whoever runs the server need not know the entry");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_goes_on_where_its_receipts_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut receipts = Vec::new();
    for round in 0..4_u64 {
        let mut fixture = Fixture::open(dir.path()).await;
        assert_eq!(fixture.log.ledger.paused(), None);
        for index in 0..10 {
            let committed = fixture.commit("one", &format!("{round}-{index}")).await.unwrap();
            receipts.push(check(&committed.proof.unwrap().receipts()[0], &fixture));
            if index == round + 3 {
                fixture.tick().await;
            }
        }
        // Dropped, not stopped: as a kill leaves it.
    }
    let mut fixture = Fixture::open(dir.path()).await;
    fixture.tick().await;
    for (receipt, leaf) in &receipts {
        let proof = fixture.log.public.upgrade((receipt.seg, receipt.index), None).await.unwrap();
        included(&proof.extra.unwrap(), receipt, *leaf);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_log_says_from_when_to_when_reads_may_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let open = |second| {
        let options = Options { reserve_bytes: 0, ..Options::new(dir.path().join("data")) };
        Fixture::on(Engine::open(options).unwrap(), dir.path(), second)
    };
    {
        let mut fixture = open(1000).await;
        assert_eq!(fixture.gap().await, None, "nothing was before");
        fixture.tick().await;
        // When the last segment is closed, a read waits that came before it was.
        fixture.reads.set(Some(1_001_250));
        fixture.tick().await;
    }
    {
        let mut fixture = open(1100).await;
        assert_eq!(fixture.gap().await, Some((1001.25, 1100.0)));
        fixture.tick().await;
        fixture.reads.set(Some(1_100_250));
        fixture.log.sealer.stop().await;
        fixture.engine.close().unwrap();
    }
    {
        let mut fixture = open(1200).await;
        assert_eq!(fixture.gap().await, Some((1100.25, 1200.0)), "a read still waited at the end");
        fixture.tick().await;
        fixture.log.sealer.stop().await;
        fixture.engine.close().unwrap();
    }
    {
        let fixture = open(1300).await;
        let before = Some((1100.25, 1200.0));
        assert_eq!(fixture.gap().await, before, "stopped in good order");
        // Killed before its first segment is closed.
    }
    assert_eq!(open(1400).await.gap().await, Some((1300.0, 1400.0)));
    assert_eq!(open(1500).await.gap().await, Some((1300.0, 1500.0)), "the first was not written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_takes_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let backup = dir.path().join("backup");
    {
        let mut fixture = Fixture::open(dir.path()).await;
        fixture.commit("one", "before").await.unwrap();
        fixture.tick().await;
        fixture.log.sealer.stop().await;
        fixture.engine.close().unwrap();
    }
    copy(&dir.path().join("data"), &backup);
    {
        let mut fixture = Fixture::open(dir.path()).await;
        fixture.commit("one", "after").await.unwrap();
        fixture.tick().await;
        fixture.log.sealer.stop().await;
        fixture.engine.close().unwrap();
    }
    std::fs::remove_dir_all(dir.path().join("data")).unwrap();
    copy(&backup, &dir.path().join("data"));
    let mut fixture = Fixture::open(dir.path()).await;
    assert!(fixture.log.ledger.paused().unwrap().starts_with("log-rollback"));
    assert!(fixture.log.ledger.halted().get(), "reads know before the first one is asked for");
    assert_eq!(fixture.commit("one", "more").await, Err(CommitError::NoJournal));
    // What was shown before still is, and nothing is signed.
    let shown = std::fs::read_to_string(dir.path().join("log/checkpoint")).unwrap();
    for _ in 0..2 {
        let answer = fixture.log.public.answer("checkpoint").await.unwrap();
        assert_eq!(answer.body, shown);
        let head = *fixture.log.public.checkpoint().unwrap().checkpoint().head();
        let width = u16::try_from(head.size).unwrap();
        let tile = fixture.log.public.answer(&format!("tile/0/000.p/{width}")).await.unwrap();
        let mut tree = lazuli_tlog::Frontier::new();
        for hash in Hash::read_all(&tile.body).unwrap() {
            tree.append(hash);
        }
        assert_eq!(tree.head(), head);
        let status = fixture.log.admin.get("status", "").await.unwrap().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
        assert_eq!(status["checkpoint"]["size"], head.size);
        assert!(status["checkpoint"]["time"].is_string(), "{status}");
        fixture.tick().await;
    }
    drop(fixture);
    // One that the log did not sign is not shown.
    let signer = lazuli_tlog::NoteSigner::from_seed("log.test".parse().unwrap(), &[1; 32]).unwrap();
    let head = lazuli_tlog::TreeHead { size: 1, root: Hash([1; 32]) };
    let forged = lazuli_tlog::Checkpoint::new("log.test", head).unwrap().sign(&[&signer]).unwrap();
    std::fs::write(dir.path().join("log/checkpoint"), forged.to_string()).unwrap();
    let fixture = Fixture::open(dir.path()).await;
    assert!(fixture.log.public.checkpoint().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_store_that_cannot_be_written_halts_the_log_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open(dir.path()).await;
    let halted = fixture.log.ledger.halted();
    fixture.tick().await;
    // The head is written beside its place first.
    let temporary = dir.path().join("heads.new");
    std::fs::create_dir(&temporary).unwrap();
    let committed = fixture.commit("one", "before").await.unwrap();
    let (receipt, leaf) = check(&committed.proof.unwrap().receipts()[0], &fixture);
    let signed = fixture.log.public.checkpoint();
    for _ in 0..3 {
        fixture.tick().await;
        assert!(halted.get() && fixture.log.ledger.paused().unwrap().contains("heads"));
        assert_eq!(fixture.commit("one", "during").await, Err(CommitError::NoJournal));
        assert_eq!(fixture.log.public.checkpoint(), signed, "nothing is signed meanwhile");
    }
    std::fs::remove_dir(&temporary).unwrap();
    fixture.tick().await;
    assert_eq!((halted.get(), fixture.log.ledger.paused()), (false, None));
    let proof = fixture.log.public.upgrade((receipt.seg, receipt.index), None).await.unwrap();
    included(&proof.extra.unwrap(), &receipt, leaf);
    let committed = fixture.commit("one", "after").await.unwrap();
    let (receipt, leaf) = check(&committed.proof.unwrap().receipts()[0], &fixture);
    fixture.tick().await;
    let proof = fixture.log.public.upgrade((receipt.seg, receipt.index), None).await.unwrap();
    included(&proof.extra.unwrap(), &receipt, leaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_was_moved_while_the_log_was_halted_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::open(dir.path()).await;
    fixture.tick().await;
    let (heads, temporary) = (dir.path().join("heads"), dir.path().join("heads.new"));
    let old = std::fs::read(&heads).unwrap();
    fixture.tick().await;
    std::fs::create_dir(&temporary).unwrap();
    fixture.tick().await;
    assert!(fixture.log.ledger.paused().unwrap().contains("heads"));
    std::fs::remove_dir(&temporary).unwrap();
    std::fs::write(&heads, old).unwrap();
    for _ in 0..2 {
        fixture.tick().await;
        assert!(fixture.log.ledger.paused().unwrap().starts_with("log-rollback"));
        assert_eq!(fixture.commit("one", "after").await, Err(CommitError::NoJournal));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_waited_when_the_log_was_halted_are_in_the_next_starts_gap() {
    let dir = tempfile::tempdir().unwrap();
    let open = |second| {
        let options = Options { reserve_bytes: 0, ..Options::new(dir.path().join("data")) };
        Fixture::on(Engine::open(options).unwrap(), dir.path(), second)
    };
    let temporary = dir.path().join("heads.new");
    {
        let mut fixture = open(1000).await;
        fixture.tick().await;
        fixture.reads.set(Some(1_001_250));
        std::fs::create_dir(&temporary).unwrap();
        fixture.tick().await;
        assert!(fixture.log.ledger.halted().get());
        fixture.log.sealer.stop().await;
        fixture.engine.close().unwrap();
    }
    std::fs::remove_dir(&temporary).unwrap();
    assert_eq!(open(1100).await.gap().await, Some((1001.25, 1100.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_tiles_are_made_anew_and_damaged_ones_are_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    {
        let mut fixture = Fixture::open(dir.path()).await;
        for _ in 0..5 {
            fixture.tick().await;
        }
    }
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    let mut fixture = Fixture::open(dir.path()).await;
    assert_eq!(fixture.log.ledger.paused(), None);
    let policy = std::fs::read(dir.path().join("log/policy")).unwrap();
    // Also under a log that runs.
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    fixture.tick().await;
    assert_eq!(std::fs::read(dir.path().join("log/policy")).unwrap(), policy);
    let head = *fixture.log.public.checkpoint().unwrap().checkpoint().head();
    let tile = dir.path().join(format!("log/tile/0/000.p/{}", head.size));
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    drop(fixture);
    let mut fixture = Fixture::open(dir.path()).await;
    fixture.tick().await;
    let now = *fixture.log.public.checkpoint().unwrap().checkpoint().head();
    assert!(now.size > head.size, "tiles that do not fit the leaves are made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_entered_and_nothing_happens() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::open(dir.path()).await;
    assert_eq!(fixture.commit("nobody", "blob").await, Err(CommitError::NoJournal));
    assert_eq!(fixture.engine.meta.get(b"blob").await.unwrap(), None);
    let mut mixed = commit("one", &["a"]);
    mixed.entries.extend(commit("nobody", &["b"]).entries);
    assert_eq!(fixture.engine.meta.commit(mixed).await, Err(CommitError::NoJournal));
    let committed = fixture.commit("one", "c").await.unwrap();
    let (receipt, _) = check(&committed.proof.unwrap().receipts()[0], &fixture);
    assert_eq!((receipt.index, receipt.size), (0, 1), "what was refused left no trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_of_any_load_leave_the_same_shape() {
    let mut shapes = Vec::new();
    for load in [0, 200] {
        let dir = tempfile::tempdir().unwrap();
        let mut fixture = Fixture::open(dir.path()).await;
        for second in 0..65 {
            for index in 0..load {
                fixture.commit("two", &format!("{second}-{index}")).await.unwrap();
            }
            fixture.tick().await;
        }
        let size = fixture.log.public.checkpoint().unwrap().checkpoint().head().size;
        let width = u16::try_from(size).unwrap();
        let bundle = fixture.log.public.answer(&format!("tile/entries/000.p/{width}")).await;
        let bundle = bundle.unwrap().body;
        let entries = lazuli_tlog::entries(&bundle, width).unwrap();
        let label = fixture.log.ledger.label("two").unwrap();
        assert!(!bundle.windows(32).any(|bytes| bytes == label));
        shapes.push(entries.iter().map(|entry| entry.len()).collect::<Vec<_>>());
    }
    assert_eq!(shapes[0], shapes[1]);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

//! The client against a witness in this process, honest or not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Mutex;

use lazuli_base::{ManualClock, Oldest, SeededEntropy, Timestamp};
use lazuli_engine::{Commit, Engine};
use lazuli_evidence::{Draft, Kind, Receipt};
use lazuli_tlog::key::{Algorithm, SEED_BYTES};
use lazuli_tlog::{Cosigner, Hash, TlogProof, TreeHead, verify_consistency};
use tokio::net::TcpListener;
use tokio::sync::Notify;

mod encrypted;

use super::*;
use crate::head_store::HeadStore;
use crate::{Log, Parts};

/// How a witness behaves that only looks like one.
#[derive(Clone, Copy, Debug)]
enum Mood {
    /// As the specification says.
    Honest,
    /// It cosigns another checkpoint.
    Wrong,
    /// It answers this.
    Fixed(&'static str),
    /// It never answers.
    Hanging,
}

/// A witness in this process.
struct Fake {
    cosigner: Cosigner,
    mood: Mutex<Mood>,
    newest: Mutex<TreeHead>,
    /// Somebody waits for an answer in vain.
    hanging: Notify,
}

impl Fake {
    async fn start(seed: u8) -> (Arc<Self>, String) {
        let name = format!("w{seed}.test");
        let name = name.parse().unwrap();
        let cosigner =
            Cosigner::from_seed(name, Algorithm::CosignatureV1, &[seed; SEED_BYTES]).unwrap();
        let newest = TreeHead { size: 0, root: Hash::of_empty_tree() };
        let mood = Mutex::new(Mood::Honest);
        let fake =
            Arc::new(Self { cosigner, mood, newest: Mutex::new(newest), hanging: Notify::new() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let line =
            format!("witness w{seed} {} http://{address}/prefix/\n", fake.cosigner.verifier());
        let serving = Arc::clone(&fake);
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if let Some(answer) = serving.answer(&request(&mut stream).await) {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                } else {
                    open.push(stream);
                }
            }
        });
        (fake, line)
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn answer(&self, request: &str) -> Option<String> {
        assert!(request.starts_with("POST /prefix/add-checkpoint HTTP/1.1\r\n"), "{request}");
        match *self.mood.lock().unwrap() {
            Mood::Honest => Some(self.honest(request)),
            Mood::Wrong => Some(reply(200, &self.cosign("other\n1\n", &Hash([1; 32])))),
            Mood::Fixed(answer) => Some(answer.to_owned()),
            Mood::Hanging => {
                self.hanging.notify_one();
                None
            }
        }
    }

    fn cosign(&self, begin: &str, root: &Hash) -> String {
        let checkpoint = format!("{begin}{root}\n").parse().unwrap();
        format!("{}\n", self.cosigner.cosign(&checkpoint, 1).unwrap())
    }

    fn honest(&self, request: &str) -> String {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let (head, note) = body.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let mut newest = self.newest.lock().unwrap();
        if old != newest.size {
            return reply(409, &format!("{}\n", newest.size));
        }
        let proof: Vec<Hash> = lines.map(|line| line.parse().unwrap()).collect();
        let signed = SignedCheckpoint::parse(note.as_bytes()).unwrap();
        assert_eq!(signed.note().signatures().len(), 1, "the log's signature alone is sent");
        if verify_consistency(&proof, &newest, signed.checkpoint().head()).is_err() {
            return reply(422, "");
        }
        *newest = *signed.checkpoint().head();
        let line = self.cosigner.cosign(signed.checkpoint(), 7).unwrap();
        // Signatures of keys that the policy does not name are left aside.
        let other: NoteLine = "\u{2014} other AAAAAAEC\n";
        reply(200, &format!("{other}{line}\n"))
    }
}

type NoteLine = &'static str;

fn reply(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        text.push_str(std::str::from_utf8(&part[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("Content-Length: ").nth(1).unwrap();
        if body.len().to_string() == length.lines().next().unwrap() {
            return text;
        }
    }
}

/// A log in memory that asks witnesses.
struct Fixture {
    engine: Engine,
    log: Log,
    clock: Arc<ManualClock>,
    clients: Vec<Client>,
}

impl Fixture {
    async fn open(policy: &str) -> Self {
        Self::with(Witnesses::parse(policy.as_bytes()).unwrap()).await
    }

    async fn with(witnesses: Witnesses) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1000)));
        let accounts = ["one".to_owned()];
        let keys = Keys::open(None, Some("log.test"), &accounts, &SeededEntropy::new(7)).unwrap();
        let engine = Engine::in_memory();
        let parts = Parts {
            meta: Arc::clone(&engine.meta),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            keys,
            files: None,
            heads: HeadStore::open(None, "log.test").unwrap(),
            site: 1,
            config: [0; 32],
            witnesses: Some(witnesses),
            reads: Oldest::default(),
        };
        let mut log = Log::open(parts).await.unwrap();
        let mut clients = std::mem::take(&mut log.sealer.clients);
        for client in &mut clients {
            client.pace.answer = Duration::from_mins(1);
        }
        Self { engine, log, clock, clients }
    }

    async fn tick(&mut self) -> SignedCheckpoint {
        self.clock.advance(Duration::from_secs(1));
        self.log.sealer.tick().await;
        self.log.public.checkpoint().unwrap()
    }

    /// Writes, and gives the place of the entry as its receipt tells it.
    async fn write(&self) -> (u64, u64) {
        let entries = vec![Draft::new(Kind::Write, "PutBlob", "one", 5).encode()];
        let commit = Commit { entries, ..Commit::default() };
        let proof = self.engine.meta.commit(commit).await.unwrap().proof.unwrap();
        let receipt = Receipt::from_header(&proof.receipt(0).unwrap().receipt).unwrap();
        (receipt.seg, receipt.index)
    }

    /// How many cosigned a checkpoint, and whether they are enough.
    async fn cosigned(&self, path: &str) -> (usize, bool) {
        let policy = self.log.public.answer("policy").await.unwrap().body;
        let policy = Policy::parse(&policy).unwrap();
        let signed = self.log.public.answer(path).await.unwrap().body;
        let found = policy.evaluate(&SignedCheckpoint::parse(&signed).unwrap()).unwrap();
        (found.cosigned.len(), found.has_quorum)
    }

    fn error(&self, witness: usize) -> String {
        self.log.stats.witnesses[witness].error().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cosignatures_come_one_by_one_until_there_is_a_quorum() {
    let (_, one) = Fake::start(1).await;
    let (_, two) = Fake::start(2).await;
    let policy = format!("# ours\nlog {}\n{one}{two}group g 2 w1 w2\nquorum g\n", other_log());
    let mut fixture = Fixture::open(&policy).await;
    let signed = fixture.tick().await;
    assert_eq!(fixture.cosigned("checkpoint").await, (0, false), "published at once");
    assert!(fixture.log.public.answer("witnessed").await.is_none());
    assert_eq!(fixture.clients[0].ask(&signed).await, Ok(Outcome::Cosigned));
    assert_eq!(fixture.cosigned("checkpoint").await, (1, false));
    // The second answers when there is a newer checkpoint already.
    let newer = fixture.tick().await;
    assert_eq!(fixture.clients[1].ask(&signed).await, Ok(Outcome::Cosigned));
    assert_eq!(fixture.cosigned("witnessed").await, (2, true));
    assert_eq!(fixture.cosigned("checkpoint").await, (0, false));
    let proof = fixture.log.public.upgrade((0, 0), None).await;
    assert!(proof.is_none(), "the segment is empty");
    for client in &mut fixture.clients {
        assert_eq!(client.ask(&newer).await, Ok(Outcome::Cosigned));
        assert_eq!(client.ask(&newer).await, Ok(Outcome::Cosigned), "again is no harm");
    }
    assert_eq!(fixture.cosigned("checkpoint").await, (2, true));
    let stats = &fixture.log.stats;
    let size = newer.checkpoint().head().size;
    assert_eq!(stats.witnessed_size.load(Ordering::Relaxed), size);
    assert_eq!(stats.witnesses.iter().map(|witness| stats.lag(witness)).max(), Some(0));
    assert_eq!(stats.witnesses[0].cosigned_ms.load(Ordering::Relaxed), 1_002_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn for_ten_minutes_without_an_answer_nothing_waits_and_after_them_all_is_made_up_for() {
    let (fake, one) = Fake::start(1).await;
    let mut fixture = Fixture::open(&format!("{one}quorum w1\n")).await;
    fixture.engine.write_journal_with(Arc::clone(&fixture.log.ledger) as _);
    let mut client = fixture.clients.pop().unwrap();
    client.pace.answer = Duration::from_hours(1);
    let before = fixture.write().await;
    let signed = fixture.tick().await;
    assert_eq!(client.ask(&signed).await, Ok(Outcome::Cosigned));
    let witnessed = signed.checkpoint().head().size;
    fake.set(Mood::Hanging);
    let mut places = Vec::new();
    {
        let signed = fixture.tick().await;
        let mut asking = Box::pin(client.ask(&signed));
        let outage = async {
            fake.hanging.notified().await;
            for second in 1..=600 {
                places.push(fixture.write().await);
                let size = fixture.tick().await.checkpoint().head().size;
                assert!(size > witnessed + second, "a checkpoint every second");
                let stats = &fixture.log.stats;
                assert_eq!(stats.is_unwitnessed(), size > witnessed + 10, "second {second}");
            }
        };
        // Whatever waited for the witness would wait for ever.
        tokio::select! {
            biased;
            answer = &mut asking => panic!("the witness answered: {answer:?}"),
            () = outage => {}
        }
    }
    assert_eq!(fixture.log.ledger.paused(), None);
    assert_eq!(fixture.cosigned("checkpoint").await, (0, false));
    let covered = |proof: TlogProof| proof.checkpoint.checkpoint().head().size;
    let proof = fixture.log.public.upgrade(before, None).await.unwrap();
    assert_eq!(covered(proof), witnessed, "what was witnessed stays so");
    let newest = fixture.log.public.checkpoint().unwrap();
    let size = newest.checkpoint().head().size;
    for place in &places {
        let proof = fixture.log.public.upgrade(*place, None).await.unwrap();
        assert_eq!(covered(proof), size);
    }
    fake.set(Mood::Honest);
    assert_eq!(client.ask(&newest).await, Ok(Outcome::Cosigned));
    assert!(!fixture.log.stats.is_unwitnessed());
    let policy = fixture.log.public.answer("policy").await.unwrap().body;
    let policy = Policy::parse(&policy).unwrap();
    for place in places {
        let proof = fixture.log.public.upgrade(place, None).await.unwrap();
        assert!(policy.evaluate(&proof.checkpoint).unwrap().has_quorum);
    }
}

/// A line of a log that is not this one.
fn other_log() -> String {
    let name = "other.test".parse().unwrap();
    lazuli_tlog::NoteSigner::from_seed(name, &[9; 32]).unwrap().verifier().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_knows_an_older_tree_gets_its_proof() {
    let (fake, one) = Fake::start(1).await;
    let mut fixture = Fixture::open(&format!("{one}quorum w1\n")).await;
    let first = fixture.tick().await;
    *fake.newest.lock().unwrap() = *first.checkpoint().head();
    for _ in 0..5 {
        fixture.tick().await;
    }
    let signed = fixture.tick().await;
    assert_eq!(fixture.clients[0].ask(&signed).await, Ok(Outcome::Elsewhere));
    assert_eq!(fixture.clients[0].ask(&signed).await, Ok(Outcome::Cosigned));
    let forked = TreeHead { root: Hash([1; 32]), ..*signed.checkpoint().head() };
    *fake.newest.lock().unwrap() = forked;
    let next = fixture.tick().await;
    assert_eq!(fixture.clients[0].ask(&next).await, Err(()));
    assert!(fixture.error(0).starts_with("422"), "{}", fixture.error(0));
    *fake.newest.lock().unwrap() = TreeHead { size: 1_000_000, ..forked };
    assert_eq!(fixture.clients[0].ask(&next).await, Err(()));
    assert!(fixture.error(0).contains("1000000 leaves"), "{}", fixture.error(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cosignature_is_not_published() {
    let (fake, one) = Fake::start(1).await;
    let mut fixture = Fixture::open(&format!("{one}quorum w1\n")).await;
    let signed = fixture.tick().await;
    let cases = [
        (Mood::Wrong, "no cosignature"),
        (Mood::Fixed("HTTP/1.1 200 OK\r\n\r\n"), "no cosignature"),
        (Mood::Fixed("HTTP/1.1 200 OK\r\n\r\n\u{2014} other AAAAAAEC\n"), "no cosignature"),
        (Mood::Fixed("HTTP/1.1 200 OK\r\n\r\n\u{2014} w1.test ????\n"), "no cosignature"),
        (Mood::Fixed("HTTP/1.1 404 Not Found\r\n\r\n"), "404: it does not know the log"),
        (Mood::Fixed("HTTP/1.1 409 Conflict\r\n\r\n0\n"), "409: it vouched for another tree"),
        (Mood::Fixed("HTTP/1.1 409 Conflict\r\n\r\nmany\n"), "409: it vouched for another tree"),
        (Mood::Fixed("HTTP/1.1 500 Oh\r\n\r\n"), "status 500"),
        (Mood::Fixed("SSH-2.0-nonsense\r\n"), "the answer is not HTTP"),
        (Mood::Fixed("HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"), "is too long"),
    ];
    for (mood, error) in cases {
        fake.set(mood);
        assert_eq!(fixture.clients[0].ask(&signed).await, Err(()), "{mood:?}");
        assert!(fixture.error(0).contains(error), "{mood:?}: {}", fixture.error(0));
    }
    assert_eq!(fixture.cosigned("checkpoint").await, (0, false));
    fake.set(Mood::Hanging);
    fixture.clients[0].pace.answer = Duration::from_millis(20);
    assert_eq!(fixture.clients[0].ask(&signed).await, Err(()));
    assert_eq!(fixture.error(0), "no answer in time");
    fake.set(Mood::Honest);
    fixture.clients[0].pace.answer = Duration::from_mins(1);
    assert_eq!(fixture.clients[0].ask(&signed).await, Ok(Outcome::Cosigned));
    assert_eq!(fixture.error(0), "", "it clears itself");
    let stats = &fixture.log.stats.witnesses[0];
    assert_eq!(stats.failures.load(Ordering::Relaxed), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_run_beside_the_sealer_and_ask_until_they_are_told() {
    let (_, one) = Fake::start(1).await;
    let mut fixture = Fixture::open(&format!("{one}quorum w1\n")).await;
    let mut clients = std::mem::take(&mut fixture.clients);
    clients[0].pace.least = Duration::ZERO;
    let asking = Asking::start(clients).unwrap();
    let mut changes = fixture.log.public.checkpoints().subscribe();
    for _ in 0..3 {
        let size = fixture.tick().await.checkpoint().head().size;
        let is_cosigned = |signed: &Option<SignedCheckpoint>| {
            signed.as_ref().is_some_and(|signed| {
                signed.checkpoint().head().size == size && signed.note().signatures().len() == 2
            })
        };
        changes.wait_for(is_cosigned).await.unwrap();
    }
    drop(asking);
}

#[test]
fn policies_keep_their_lines_and_bad_addresses_are_named() {
    let key = Cosigner::from_seed("w".parse().unwrap(), Algorithm::CosignatureV1, &[1; 32]);
    let line = format!("witness w {}", key.unwrap().verifier());
    let plain = Witnesses::parse(format!("{line}\nquorum none\n").as_bytes()).unwrap();
    assert_eq!(plain.reachable().count(), 0, "one without an address is not asked");
    let ftp = Witnesses::parse(format!("{line} ftp://w\nquorum w\n").as_bytes());
    assert_eq!(ftp.unwrap_err(), WitnessesError::Url("w".to_owned(), UrlError::Scheme));
    assert!(matches!(Witnesses::parse(b"x\n"), Err(WitnessesError::Policy(_))));
    let keys = Keys::open(None, Some("log.test"), &[], &SeededEntropy::new(7)).unwrap();
    let text = format!("# a remark\nlog {}\n\t{line} http://w\n\nquorum w\n", other_log());
    let policy = Witnesses::parse(text.as_bytes()).unwrap().policy(&keys);
    let mut lines = policy.lines();
    assert!(lines.next().unwrap().starts_with("log log.test+"));
    assert!(lines.next().unwrap().starts_with("log log.test/receipts+"));
    assert_eq!(lines.next().unwrap().trim(), format!("{line} http://w"));
    assert_eq!((lines.next(), lines.next()), (Some("quorum w"), None));
}

#[test]
fn pauses_grow_to_a_limit() {
    let seconds = |failures| Pace::DEFAULT.pause(failures).as_secs();
    assert_eq!([0, 1, 2, 5, 6, 99].map(seconds), [1, 2, 4, 32, 60, 60]);
}

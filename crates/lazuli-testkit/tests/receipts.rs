//! The promises of the transparency log, held against the real programs: the server, a witness and the
//! verifier, each a process of its own.
//!
//! The tests need what `cargo build --release -p lazuli -p lazuli-witness -p lazuli-verify` builds;
//! `cargo xtask test --only receipts` runs them.

#[path = "receipts/gaps.rs"]
mod gaps;
#[path = "receipts/parties.rs"]
mod parties;
#[path = "receipts/rollback.rs"]
mod rollback;
#[path = "receipts/shape.rs"]
mod shape;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lazuli_testkit::{ACCOUNT, Client, Kept, Server, Trust};
use lazuli_tlog::Hash;
use lazuli_tlog::policy::Policy;
use lazuli_verify::cbor::hex;
use lazuli_verify::promise;
use lazuli_verify::report::{Exit, Report};

use crate::parties::{
    Outcome, Witness, answer_of, ask, folder, log, logged, make_container, put, receipt_of, start,
    status, trust, verify, wait_for,
};

/// Clients that write at the same time.
const WRITERS: usize = 16;

/// What each of them writes.
const WRITES: usize = 625;

/// Clients that upgrade receipts at the same time.
const UPGRADERS: usize = 4;

/// A receipt that a client keeps as text, and what it says.
struct Receipt {
    text: String,
    kept: Kept,
}

impl Receipt {
    /// Where its proof is served.
    fn proof(&self) -> String {
        Trust::proof_path(&self.kept)
    }

    /// How the verifier ends when it is given the receipt with what is behind it.
    fn verified(&self, proof: &str, policy: &Policy) -> Report {
        let mut report = Report::new();
        promise::check(&format!("{}{proof}", self.text), policy, None, &mut report);
        report
    }
}

/// A server whose log a witness follows, and what its clients go by.
struct Watched {
    witness: Witness,
    server: Server,
    trust: Trust,
    /// The file of the policy, and what is in it.
    path: PathBuf,
    policy: Policy,
}

/// Starts a server with its data below `home`, and a witness that keeps its own in `folder`.
fn watched(folder: &Path, home: &Path) -> Outcome<Watched> {
    let mut witness = Witness::new(folder)?;
    let server = start(home, &witness.arguments())?;
    let path = folder.join("policy");
    let trust = trust(&server, &path)?;
    witness.start(&path)?;
    let policy = Policy::parse(&fs::read(&path)?)?;
    make_container(&mut Client::new(server.address())?, "box")?;
    Ok(Watched { witness, server, trust, path, policy })
}

/// Writes a blob and keeps the receipt.
fn written(client: &mut Client, trust: &Trust, name: &str) -> Outcome<Receipt> {
    let response = put(client, &format!("/box/{name}"), name.as_bytes())?;
    let kept = trust.keep(&response, name)?;
    Ok(Receipt { text: receipt_of(&response), kept })
}

/// Runs `work` on as many threads at once, and puts together what they give.
fn at_once<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Outcome<Vec<T>> + Sync,
) -> Outcome<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let at_work: Vec<_> = (0..threads).map(|index| scope.spawn(move || work(index))).collect();
        let mut all = Vec::new();
        for worker in at_work {
            all.extend(worker.join().map_err(|_| "a client panicked")??);
        }
        Ok(all)
    })
}

/// Waits until a receipt leads to a witnessed checkpoint.
fn witnessed(client: &mut Client, receipt: &Receipt, policy: &Policy) -> Outcome<()> {
    let what = format!("a witnessed proof of {:?}", receipt.kept);
    wait_for(&what, || {
        let answer = client.fetch(&receipt.proof())?;
        let found = answer.status == 200;
        Ok((found && receipt.verified(&answer.text(), policy).exit() == Exit::Verified)
            .then_some(()))
    })
}

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn ten_thousand_receipts_hold_at_once_and_lead_to_a_witness() -> Outcome<()> {
    let folder = folder("many")?;
    let Watched { server, trust, policy, witness: _witness, .. } = watched(&folder, &folder)?;
    let mut receipts = at_once(WRITERS, |writer| {
        let mut client = Client::new(server.address())?;
        let write = |index| written(&mut client, &trust, &format!("{writer}-{index}"));
        (0..WRITES).map(write).collect()
    })?;
    assert_eq!(receipts.len(), WRITERS * WRITES);
    for receipt in &receipts {
        let report = receipt.verified("", &policy);
        assert_eq!(report.exit(), Exit::Verified, "{report}");
    }
    receipts.sort_by_key(|receipt| (receipt.kept.segment, receipt.kept.index));
    let last = receipts.last().ok_or("no receipt")?;
    witnessed(&mut Client::new(server.address())?, last, &policy)?;
    let upgraded = at_once(UPGRADERS, |upgrader| {
        let mut client = Client::new(server.address())?;
        let part = receipts.len().div_ceil(UPGRADERS);
        let part = receipts.chunks(part).nth(upgrader).unwrap_or_default();
        let each = part.iter().map(|receipt| {
            let proof = client.fetch(&receipt.proof())?;
            let report = receipt.verified(&proof.text(), &policy);
            assert_eq!((proof.status, report.exit()), (200, Exit::Verified), "{report}");
            Ok((receipt.kept.segment, receipt.kept.index))
        });
        each.collect()
    })?;
    let places: std::collections::BTreeSet<_> = upgraded.iter().collect();
    assert_eq!(places.len(), WRITERS * WRITES, "two receipts have one entry");
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

/// Checkpoints that pass without a witness.
const UNWITNESSED: u64 = 20;

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn without_its_witness_the_server_goes_on_and_says_so() -> Outcome<()> {
    let folder = folder("outage")?;
    let Watched { mut witness, server, trust, path, policy } = watched(&folder, &folder)?;
    let mut client = Client::new(server.address())?;
    let before = written(&mut client, &trust, "before")?;
    witnessed(&mut client, &before, &policy)?;
    let unwitnessed = "\nlazuli_log_unwitnessed 1\n";
    assert!(!ask(&server, "/metrics")?.text().contains(unwitnessed));
    witness.stop()?;

    let size = || -> Outcome<u64> {
        let status = status(&server)?;
        Ok(status["checkpoint"]["size"].as_u64().unwrap_or(0))
    };
    let begin = size()?;
    let mut writes = 0_u64;
    let receipt = wait_for("checkpoints without a witness", || {
        // Fails if any write does.
        let receipt = written(&mut client, &trust, &format!("during-{writes}"))?;
        writes += 1;
        Ok((size()? >= begin + UNWITNESSED).then_some(receipt))
    })?;
    let proof = wait_for("a proof", || {
        Ok(Some(client.fetch(&receipt.proof())?).filter(|answer| answer.status == 200))
    })?;
    let file = folder.join("receipt");
    fs::write(&file, format!("{}{}", receipt.text, proof.text()))?;
    let (code, text) = verify("receipt", &[&file], &path)?;
    assert!(code == 3 && text.contains("UNWITNESSED"), "{code}: {text}");
    let (code, text) = log(&server, "status", &[])?;
    assert!(code == 0 && text.contains("UNWITNESSED"), "{code}: {text}");
    assert!(ask(&server, "/metrics")?.text().contains(unwitnessed));

    witness.start(&path)?;
    witnessed(&mut client, &receipt, &policy)?;
    let proof = client.fetch(&receipt.proof())?;
    fs::write(&file, format!("{}{}", receipt.text, proof.text()))?;
    assert_eq!(verify("receipt", &[&file], &path)?.0, 0);
    assert!(!log(&server, "status", &[])?.1.contains("UNWITNESSED"));
    assert!(!ask(&server, "/metrics")?.text().contains(unwitnessed));
    println!("{writes} writes while the witness was away, none refused");
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

/// The size of the largest checkpoint with a quorum that a server has.
fn witnessed_size(server: &Server) -> Outcome<u64> {
    Ok(status(server)?["witnessed"].as_u64().unwrap_or(0))
}

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn of_two_copies_with_one_key_the_witness_vouches_for_one() -> Outcome<()> {
    let folder = folder("fork")?;
    let (one, two) = (folder.join("one"), folder.join("two"));
    fs::create_dir_all(&one)?;
    let Watched { witness, server: first, trust: promise, path, policy } = watched(&folder, &one)?;
    let mut client = Client::new(first.address())?;
    let receipt = written(&mut client, &promise, "common")?;
    witnessed(&mut client, &receipt, &policy)?;
    first.stop()?;
    // Data, keys, head store and public files: all that there is.
    let mut copy = Command::new("cp");
    copy.arg("-a").args([&one, &two]);
    assert_eq!(answer_of(copy)?.0, 0);

    let first = start(&one, &witness.arguments())?;
    let mut client = Client::new(first.address())?;
    let receipt = written(&mut client, &promise, "first")?;
    witnessed(&mut client, &receipt, &policy)?;
    first.stop()?;

    let second = start(&two, &witness.arguments())?;
    let common = witnessed_size(&second)?;
    written(&mut Client::new(second.address())?, &promise, "second")?;
    let error = wait_for("the witness refuses the copy", || {
        let status = status(&second)?;
        let size = status["checkpoint"]["size"].as_u64().unwrap_or(0);
        let error = status["witnesses"][0]["error"].as_str().map(str::to_owned);
        Ok(error.filter(|_| size > common + 3))
    })?;
    assert_eq!(witnessed_size(&second)?, common, "the witness vouched for both: {error}");
    second.stop()?;

    let folders = [one.join("data.log"), two.join("data.log")];
    let (code, text) = verify("fork", &[&folders[0], &folders[1]], &path)?;
    assert!(code == 1 && text.contains("fork proof"), "{code}: {text}");
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

/// Opens the development account's entries into a bundle, and verifies it.
fn bundle(server: &Server, out: &Path, policy: &Path) -> Outcome<String> {
    let arguments = ["--account", ACCOUNT, "--out", &out.to_string_lossy()];
    let (code, text) = log(server, "entries", &arguments)?;
    assert_eq!(code, 0, "{text}");
    let (code, text) = verify("bundle", &[out], policy)?;
    assert_eq!(code, 0, "{text}");
    Ok(text)
}

/// Takes the first entry out of a bundle and seals it again, as a forger would: it is missed.
fn without_the_first_entry(bundle: &Path, policy: &Path) -> Outcome<()> {
    let entries = fs::read(bundle.join("data/entries"))?;
    let (length, _) = entries.split_first_chunk().ok_or("no entry")?;
    let end = 4 + u32::from_be_bytes(*length) as usize;
    let rest = entries.get(end..).ok_or("half an entry")?;
    fs::write(bundle.join("data/entries"), rest)?;
    let hash = |bytes: &[u8]| hex(Hash::of(&[bytes]).as_bytes());
    let manifest = fs::read_to_string(bundle.join("manifest-sha256.txt"))?;
    let sealed = manifest.replace(&hash(&entries), &hash(rest));
    fs::write(bundle.join("manifest-sha256.txt"), sealed)?;
    let (code, text) = verify("bundle", &[bundle], policy)?;
    assert!(code == 1 && text.contains(": seq gap 1: claimed to be there\n"), "{code}: {text}");
    Ok(())
}

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn a_bundle_proves_that_no_operator_looked_until_one_did() -> Outcome<()> {
    let folder = folder("operator")?;
    let path = folder.join("policy");
    let server = start(&folder, &logged())?;
    trust(&server, &path)?;
    let mut client = Client::new(server.address())?;
    make_container(&mut client, "box")?;
    put(&mut client, "/box/a", b"a")?;
    // The end of a server publishes the heads that completeness is proved with.
    server.stop()?;
    let server = start(&folder, &logged())?;
    let text = bundle(&server, &folder.join("first"), &path)?;
    assert!(text.contains("numbers 1 to 2 are all there: proved"), "{text}");
    assert!(text.contains("  operator access: none\n"), "{text}");
    assert!(text.contains(": begins with number 1, as claimed\n"), "{text}");
    without_the_first_entry(&folder.join("first"), &path)?;
    server.stop()?;
    let server = start(&folder, &logged())?;
    let text = bundle(&server, &folder.join("second"), &path)?;
    assert!(text.contains("numbers 1 to 3 are all there: proved"), "{text}");
    assert!(text.contains("  operator access: 1 entry, seq 3\n"), "{text}");
    server.stop()?;
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

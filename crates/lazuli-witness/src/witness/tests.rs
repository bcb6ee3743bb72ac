//! Tests of the decision, request by request.

use std::path::Path;

use lazuli_tlog::key::Algorithm;
use lazuli_tlog::note::parse_signatures;
use lazuli_tlog::{Checkpoint, MemoryTree, NoteSigner, SignedNote, VerifierKey, leaf_hash};
use tempfile::TempDir;

use super::*;

const NOW: u64 = 1_700_000_000;

fn log(name: &str) -> NoteSigner {
    NoteSigner::from_seed(name.parse().unwrap(), &[1; 32]).unwrap()
}

fn keys() -> Vec<Cosigner> {
    let key = |algorithm, seed| {
        Cosigner::from_seed("witness.example".parse().unwrap(), algorithm, &[seed; 32]).unwrap()
    };
    let second =
        if cfg!(feature = "ml-dsa") { Algorithm::MlDsa44 } else { Algorithm::CosignatureV1 };
    vec![key(Algorithm::CosignatureV1, 2), key(second, 3)]
}

fn tree(salt: &str) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend((0..20).map(|n| leaf_hash(format!("{salt}{n}").as_bytes())));
    tree
}

/// A body that leads from `old` to `new` in a tree of the log `origin`.
fn body(tree: &MemoryTree, origin: &str, old: u64, new: u64) -> String {
    let head = TreeHead { size: new, root: tree.root_at(new).unwrap() };
    let signed = Checkpoint::new(origin, head).unwrap().sign(&[&log(origin)]).unwrap();
    let proof = tree.consistency_proof(old, new).unwrap_or_default();
    let proof: Vec<String> = proof.iter().map(|hash| format!("{hash}\n")).collect();
    format!("old {old}\n{}\n{signed}", proof.concat())
}

fn witness_at(path: &Path) -> Witness {
    let logs = ["log.example", "other.example"].map(|name| log(name).verifier().to_string());
    let logs = Logs::parse(logs.iter().map(String::as_str)).unwrap();
    Witness::new(logs, keys(), Store::open(path).unwrap(), Box::new(|| Some(NOW)))
}

fn witness() -> (TempDir, Witness) {
    let folder = tempfile::tempdir().unwrap();
    let witness = witness_at(&folder.path().join("state"));
    (folder, witness)
}

fn status(witness: &Witness, body: &str) -> u16 {
    witness.add_checkpoint(body.as_bytes()).status()
}

#[test]
fn a_growing_log_is_cosigned_with_every_key() {
    let (_folder, witness) = witness();
    let tree = tree("");
    let verifiers: Vec<VerifierKey> = keys().iter().map(|key| key.verifier().clone()).collect();
    let mut old = 0;
    for new in [1, 1, 2, 7, 7, 8, 20] {
        let body = body(&tree, "log.example", old, new);
        let Answer::Good(lines) = witness.add_checkpoint(body.as_bytes()) else {
            panic!("{old} to {new}")
        };
        let text = body.split_once("\n\n").unwrap().1.split_once("\n\n").unwrap().0;
        let cosignatures = parse_signatures(lines.as_bytes()).unwrap();
        let note = SignedNote::new(&format!("{text}\n"), cosignatures).unwrap();
        let verified = note.verify(&verifiers).unwrap();
        let found: Vec<_> = verified.iter().map(|found| (found.key, found.timestamp)).collect();
        assert_eq!(found, [(0, Some(NOW)), (1, Some(NOW))]);
        old = new;
    }
}

#[test]
fn each_refusal_has_its_status() {
    let (_folder, witness) = witness();
    let (tree, other) = (tree(""), tree("fork"));
    assert_eq!(status(&witness, &body(&tree, "log.example", 0, 7)), 200);
    let good = body(&tree, "log.example", 7, 9);
    let hash = format!("{}\n", Hash([1; 32]));
    let forged = good.replace("\n9\n", "\n10\n");
    let stranger = body(&tree, "strange.example", 7, 9);
    let borrowed = good.replace("\u{2014} log.example", "\u{2014} other.example");
    let cases = [
        ("malformed", "old 7\n", 400),
        ("old above new", &body(&tree, "log.example", 9, 8), 400),
        ("unknown log", &stranger, 404),
        ("wrong signature", &forged, 403),
        ("no known signature", &borrowed, 403),
        ("old below newest", &body(&tree, "log.example", 6, 9), 409),
        ("old zero", &body(&tree, "log.example", 0, 9), 409),
        ("old above newest", &body(&tree, "log.example", 8, 9), 409),
        ("same size, other root", &body(&other, "log.example", 7, 7), 409),
        ("fork", &body(&other, "log.example", 7, 9), 422),
        ("no proof", &format!("old 7\n\n{}", good.split_once("\n\n").unwrap().1), 422),
        ("long proof", &good.replace("old 7\n", &format!("old 7\n{hash}")), 422),
        (
            "proof for nothing",
            &body(&tree, "log.example", 7, 7).replace("old 7\n", &format!("old 7\n{hash}")),
            422,
        ),
        (
            "proof from the empty tree",
            &body(&tree, "other.example", 0, 9).replace("old 0\n", &format!("old 0\n{hash}")),
            422,
        ),
        ("afterwards", &good, 200),
    ];
    for (what, body, expected) in cases {
        let answer = witness.add_checkpoint(body.as_bytes());
        assert_eq!(answer.status(), expected, "{what}");
        if expected == 409 {
            let parts = (answer.to_string(), answer.content_type());
            assert_eq!(parts, ("7\n".to_owned(), "text/x.tlog.size"), "{what}");
        }
    }
}

#[test]
fn the_empty_tree_has_one_root() {
    let (_folder, witness) = witness();
    let tree = tree("");
    let empty = body(&tree, "log.example", 0, 0);
    assert_eq!(status(&witness, &empty), 200);
    assert_eq!(status(&witness, &empty), 200);
    let head = TreeHead { size: 0, root: Hash([1; 32]) };
    let wrong = Checkpoint::new("log.example", head).unwrap();
    let wrong = wrong.sign(&[&log("log.example")]).unwrap();
    assert_eq!(status(&witness, &format!("old 0\n\n{wrong}")), 422);
    assert_eq!(status(&witness, &body(&tree, "log.example", 0, 5)), 200);
}

#[test]
fn logs_are_kept_apart_and_outlive_the_process() {
    let (folder, witness) = witness();
    let tree = tree("");
    assert_eq!(status(&witness, &body(&tree, "log.example", 0, 7)), 200);
    assert_eq!(status(&witness, &body(&tree, "other.example", 0, 3)), 200);
    drop(witness);
    let witness = witness_at(&folder.path().join("state"));
    let asked = |origin| witness.add_checkpoint(body(&tree, origin, 0, 9).as_bytes());
    assert_eq!(asked("log.example"), Answer::Conflict(7));
    assert_eq!(asked("other.example"), Answer::Conflict(3));
}

#[test]
fn the_newest_checkpoint_can_be_fetched_with_our_cosignatures() {
    let (_folder, witness) = witness();
    let tree = tree("");
    let hash = Hash::of(&[b"log.example"]);
    let hex = hash.0.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(witness.checkpoint(&hex), Answer::Unknown);
    // Signatures of strangers are not kept.
    let mut body = body(&tree, "log.example", 0, 7);
    body.push_str("\u{2014} stranger AAAAAAAA\n");
    assert_eq!(status(&witness, &body), 200);
    let Answer::Good(text) = witness.checkpoint(&hex) else { panic!("no checkpoint") };
    let signed = SignedCheckpoint::parse(text.as_bytes()).unwrap();
    let mut known: Vec<VerifierKey> = keys().iter().map(|key| key.verifier().clone()).collect();
    known.push(log("log.example").verifier().clone());
    assert_eq!(signed.note().verify(&known).map(|list| list.len()), Ok(3));
    assert_eq!(signed.note().signatures().len(), 3);
    for path in ["", "xyz", &hex.to_uppercase(), &hex[1..], &"é".repeat(32)] {
        assert_eq!(witness.checkpoint(path), Answer::Unknown, "{path}");
    }
}

#[test]
fn without_time_or_disk_nothing_is_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let mut witness = witness_at(&inner.join("state"));
    let tree = tree("");
    for no_time in [None, Some(0)] {
        witness.clock = Box::new(move || no_time);
        assert_eq!(status(&witness, &body(&tree, "log.example", 0, 7)), 500);
    }
    witness.clock = Box::new(|| Some(NOW));
    std::fs::remove_dir_all(&inner).unwrap();
    assert_eq!(status(&witness, &body(&tree, "log.example", 0, 7)), 500);
    // What was not made durable is not the newest either.
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(status(&witness, &body(&tree, "log.example", 0, 5)), 200);
}

#[test]
fn of_many_requests_at_once_one_wins() {
    let (_folder, witness) = witness();
    let trees: Vec<MemoryTree> = (0..8).map(|salt| tree(&format!("fork {salt} "))).collect();
    let statuses = std::thread::scope(|scope| {
        let witness = &witness;
        let ask = |tree| scope.spawn(move || status(witness, &body(tree, "log.example", 0, 9)));
        let threads: Vec<_> = trees.iter().map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 7);
}

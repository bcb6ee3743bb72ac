//! The evidence that other implementations are held against.
//!
//! `vectors.json` is written from a small log and checked by `conformance/tlog/evidence_check.py`,
//! which shares no code with this repository's crates. Bytes are texts that begin with `0x`. What
//! changes here without changing there is drift, and the other way about.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lazuli_evidence::heads::{self, Head};
use lazuli_evidence::spine::{count_commitment, count_salt};
use lazuli_evidence::{
    DayKeys, Digest, Group, Kind, Place, Record, Sealed, Upgrade, day_of, leaf_hash,
};
use lazuli_tlog::{Hash, TlogProof};
use lazuli_verify::cbor::hex;
use lazuli_verify::promise;
use lazuli_verify::report::{Exit, Report};
use serde_json::{Value, json};

use crate::builder::{Log, Logged, START_MS, files, label, policy_text, segment_tree, small};
use crate::bundle_builder::Bundle;
use crate::{bundle_report, bundles, policy};

fn bytes(bytes: &[u8]) -> Value {
    json!(format!("0x{}", hex(bytes)))
}

fn list<T: AsRef<[u8]>>(items: &[T]) -> Value {
    items.iter().map(|item| bytes(item.as_ref())).collect()
}

/// How an entry of `alpha` was sealed, and what the server stores of it.
fn seal(logged: &Logged) -> [Value; 3] {
    let entry = logged.entry();
    let place = Place { label: entry.label, boot: entry.boot, seq: entry.seq };
    let keys = DayKeys::derive(&[3; 32], day_of(entry.t_ms));
    let mut sealed = Sealed::new();
    sealed.seal(&keys, &place, &logged.values.each_ref().map(Vec::as_slice));
    let seal = json!({
        "kind": "seal", "name": entry.op, "good": true,
        "account": "alpha", "blind": bytes(&[9; 32]), "key": bytes(&[3; 32]),
        "boot": entry.boot, "seq": entry.seq, "t_ms": entry.t_ms, "free": ["t_ms"],
        "label": bytes(&entry.label), "sealed": list(&sealed.values()),
        "salts": list(&logged.salts), "values": list(&logged.values),
        "commitments": list(&logged.commitments), "fields_root": bytes(&entry.fields_root),
    });
    let items = json!([
        1,
        entry.kind.number(),
        entry.op,
        entry.site,
        entry.boot,
        entry.t_ms,
        bytes(&entry.label),
        entry.seq,
        bytes(&entry.prev),
        bytes(&entry.fields_root),
    ]);
    let hash = bytes(&leaf_hash(&logged.bytes));
    let entry = json!({
        "kind": "entry", "name": entry.op, "good": true,
        "items": items, "entry": bytes(&logged.bytes), "leaf_hash": hash,
    });
    let record = Record { seg: 300, index: 70_000, entry: &logged.bytes, sealed: sealed.values() };
    let record = json!({
        "kind": "record", "name": "stored", "good": true, "seg": 300, "index": 70_000,
        "entry": bytes(&logged.bytes), "sealed": list(&sealed.values()), "leaf_hash": hash,
        "record": bytes(&record.encode()),
    });
    [seal, entry, record]
}

/// The chain of an account, whole and with an entry missing.
fn chains(log: &Log, account: &str) -> [Value; 2] {
    let label = label(account);
    let mut entries: Vec<&[u8]> = Vec::new();
    for logged in log.segments.iter().flatten().filter(|logged| logged.entry().label == label) {
        entries.push(&logged.bytes);
    }
    let head = bytes(&log.accounts[&label].hash);
    let chain = |name: &str, entries: &[&[u8]], good: bool| {
        let entries = list(entries);
        json!({ "kind": "chain", "name": name, "good": good, "entries": entries, "head": head })
    };
    let whole = chain("whole", &entries, true);
    entries.remove(1);
    [whole, chain("without its second entry", &entries, false)]
}

fn segments(log: &Log) -> Vec<Value> {
    let mut vectors = Vec::new();
    for (n, entries) in log.segments.iter().enumerate() {
        let raw: Vec<&[u8]> = entries.iter().map(|logged| logged.bytes.as_slice()).collect();
        let file = lazuli_evidence::segment::encode(n as u64, &raw);
        let root = bytes(&segment_tree(entries).head().root.0);
        let name = format!("{} entries", entries.len());
        vectors.push(json!({
            "kind": "segment", "name": name, "good": true,
            "n": n, "file": bytes(&file), "root": root,
        }));
    }
    vectors
}

/// The leaves of the public log under their checkpoint; then with two of them in another order.
fn spines(log: &Log) -> [Value; 2] {
    let spine = |log: &Log, name: &str, good: bool| {
        json!({
            "kind": "spine", "name": name, "good": good, "policy": policy_text(),
            "leaves": list(&log.leaves), "checkpoint": log.checkpoint(&[1, 2]).to_string(),
        })
    };
    let good = spine(log, "whole", true);
    let mut other = small();
    other.leaves.swap(2, 3);
    other.tree = lazuli_tlog::MemoryTree::new();
    other.tree.extend(other.leaves.iter().map(|leaf| Hash(leaf_hash(leaf))));
    [good, spine(&other, "two segments in the wrong order", false)]
}

fn count() -> Value {
    let commitment = count_commitment(&count_salt(&[7; 32], 300), 12, 1000, 1011);
    json!({
        "kind": "count", "name": "twelve entries", "good": true, "secret": bytes(&[7; 32]),
        "n": 300, "count": 12, "first_version": 1000, "last_version": 1011,
        "commitment": bytes(&commitment),
    })
}

/// What a map says of accounts that are there, of one that is not, and lies about each.
fn heads() -> Vec<Value> {
    let head = |n: u8| Head { seq: u64::from(n) * 1000, hash: [n; 32] };
    let map: BTreeMap<Digest, Head> =
        (1..12).map(|n| (label(&format!("account{n}")), head(n))).collect();
    let root = heads::root(&map);
    let vector = |name: &str, account: &str, head: Option<Head>, good: bool| {
        let label = label(account);
        let proof = heads::prove(&map, &label);
        let mut written = Vec::new();
        proof.encode_into(&mut written);
        // A proof that an account is not there holds for its neighbours too.
        let free = if head.is_some() { json!([]) } else { json!(["label"]) };
        json!({
            "kind": "head", "name": name, "good": good, "free": free, "root": bytes(&root),
            "label": bytes(&label), "seq": head.map(|head| head.seq),
            "head": head.map(|head| bytes(&head.hash)), "proof": bytes(&written),
        })
    };
    vec![
        vector("there", "account3", Some(head(3)), true),
        vector("there with a later number", "account3", Some(head(4)), false),
        vector("denied", "account3", None, false),
        vector("not there", "nobody", None, true),
        vector("not there either", "no one", None, true),
        vector("invented", "nobody", Some(head(3)), false),
    ]
}

/// The verdict of this repository's verifier goes with what was saved.
fn saved(name: &str, file: &str) -> Value {
    let mut report = Report::new();
    promise::check(file, &policy(), None, &mut report);
    let good = report.exit() == Exit::Verified;
    let (headers, proof) = (file.contains("x-lz-"), file.contains("tlog-proof"));
    json!({
        "kind": "saved", "name": name, "good": good, "policy": policy_text(), "file": file,
        "parts": { "headers": headers, "proof": proof },
    })
}

fn receipts() -> Vec<Value> {
    let mut log = small();
    for account in ["beta", "gamma", "delta"] {
        log.add(account, Kind::Read, "GetBlob");
    }
    let logged = log.add("alpha", Kind::Delete, "DeleteBlob");
    let other = log.add("alpha", Kind::Write, "PutBlob");
    let receipt = format!("x-lz-receipt: {}\n", log.receipt(3).to_header());
    let opening = format!("x-lz-opening: {}\n", logged.opening());
    log.close();
    let proof = |index: u64, entry: &Logged, witnesses: &[u8]| {
        let (leaf, tree) = (log.segment_leaf[5], segment_tree(&log.segments[5]));
        let path = tree.inclusion_proof(index, tree.size()).unwrap();
        let path = path.into_iter().map(|hash| hash.0).collect();
        let (bytes, size) = (&log.leaves[leaf], tree.size());
        let upgrade = Upgrade { leaf: bytes, entry: &entry.bytes, index, size, path };
        let path = log.tree.inclusion_proof(leaf as u64, log.tree.size()).unwrap();
        let (extra, checkpoint) = (Some(upgrade.encode()), log.checkpoint(witnesses));
        TlogProof { extra, index: leaf as u64, path, checkpoint }.to_string()
    };
    let both = format!("{receipt}{opening}");
    let partly = |logged: &Logged| {
        let opening = logged.opening_without(&[Group::Client, Group::Object]);
        format!("{receipt}x-lz-opening: {opening}\n")
    };
    vec![
        saved("receipt and opening", &both),
        saved(
            "the opening of another entry",
            &format!("{receipt}x-lz-opening: {}\n", other.opening()),
        ),
        saved("receipt and an opening that seals groups", &partly(&logged)),
        saved("an opening that seals groups of another entry", &partly(&other)),
        saved("proof", &proof(3, &logged, &[1, 2])),
        saved("proof at another place", &proof(4, &logged, &[1, 2])),
        saved("proof without a quorum", &proof(3, &logged, &[1])),
        saved("receipt, opening and proof", &format!("{both}{}", proof(3, &logged, &[1, 2]))),
        saved("proof of another entry", &format!("{both}{}", proof(4, &other, &[1, 2]))),
    ]
}

/// A bundle as it lies in a folder, with the verdict of this repository's verifier.
fn bundle(name: &str, bundle: &Bundle<'_>) -> Value {
    let folder = tempfile::tempdir().unwrap();
    bundle.write(folder.path());
    let read = |path: String| {
        let content = bytes(&fs::read(folder.path().join(&path)).unwrap());
        (path, content)
    };
    let files: serde_json::Map<_, _> = files(folder.path()).into_iter().map(read).collect();
    let good = bundle_report(folder.path()).exit() == Exit::Verified;
    json!({
        "kind": "bundle", "name": name, "good": good, "policy": policy_text(), "files": files,
    })
}

fn all_bundles() -> Vec<Value> {
    let (log, other) = bundles::two_chains();
    let mut claimed = Bundle::new(&log, label("alpha"));
    let claim = |kind: &str| {
        let (from, to) = (START_MS + 1500, START_MS + 11_000);
        format!("absent {kind} {} {from} {to}\n", hex(&label("alpha")))
    };
    claimed.labels.insert(label("nobody"));
    claimed.claims = claim("operator");
    let mut vectors = vec![bundle("whole, with a claim", &claimed)];
    claimed.claims = claim("delete");
    vectors.push(bundle("a claim that does not hold", &claimed));
    let mut beginning = Bundle::new(&log, label("alpha"));
    beginning.claims = format!("from {} 1\n", hex(&label("alpha")));
    vectors.push(bundle("claimed from the beginning", &beginning));
    beginning.claims = format!("from {} 1\n", hex(&label("beta")));
    vectors.push(bundle("claimed from the beginning of another account", &beginning));
    let mut gap = Bundle::new(&log, label("alpha"));
    gap.left_out.push(4);
    vectors.push(bundle("an entry left out", &gap));
    let mut sealed = Bundle::new(&log, label("alpha"));
    sealed.opened.clear();
    vectors.push(bundle("whole and sealed", &sealed));
    vectors.push(bundle("another chain than the heads", &Bundle::new(&other, label("alpha"))));
    vectors
}

#[test]
fn the_vectors_are_up_to_date() {
    let log = small();
    let mut made = Vec::new();
    made.extend(seal(&log.segments[3][1]));
    made.extend(chains(&log, "alpha"));
    made.extend(segments(&log));
    made.extend(spines(&log));
    made.push(count());
    made.extend(heads());
    made.extend(receipts());
    made.extend(all_bundles());
    let verdicts = made.iter().map(|vector| vector["good"] == true);
    assert_eq!(verdicts.filter(|good| !good).count(), 14, "each way to be wrong is refused");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors.json");
    if std::env::var_os("LAZULI_BLESS").is_some() {
        // One vector a line, so that a change can be read.
        let lines: Vec<String> = made.iter().map(Value::to_string).collect();
        fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let written: Value = serde_json::from_str(&written).unwrap_or_default();
    assert!(
        written == Value::Array(made),
        "vectors.json differs from what the crates make: \
         LAZULI_BLESS=1 cargo test -p lazuli-verify --test it vectors"
    );
}

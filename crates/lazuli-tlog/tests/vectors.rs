//! The vectors that other implementations are held against say what this crate says.
//!
//! `vectors.json` and `vectors_ml_dsa.json` are made here and checked by
//! `conformance/tlog/tlog_check.py`, which shares no code with this crate. What changes here
//! without changing there is drift, and the other way about.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use lazuli_tlog::hash::{Hash, leaf_hash, node_hash};
use lazuli_tlog::key::{Algorithm, NoteSigner, VerifierKey};
use lazuli_tlog::{
    Checkpoint, Cosigner, MemoryTree, Node, Policy, SignedCheckpoint, SignedNote, Tile,
    TileBuilder, TlogProof, TreeHead, append_entry, consistency_proof, inclusion_proof,
    inclusion_root, root_at, verify_consistency, verify_inclusion,
};
use serde_json::{Value, json};

/// Sizes around the places where the shape of a tree changes.
const SIZES: [u64; 10] = [0, 1, 2, 3, 7, 8, 100, 255, 256, 700];

/// Sizes of trees of equal leaves that no computer holds.
const GIANTS: [u64; 3] = [(1 << 32) + 1, (1 << 62) + 12_345, (1 << 63) - 1];

/// The entry at an index of the tree of the vectors.
fn entry(index: u64) -> String {
    format!("entry {index}")
}

fn tree(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend((0..size).map(|index| leaf_hash(entry(index).as_bytes())));
    tree
}

/// The hashes of a tree whose leaves are all equal: one hash a level.
fn equal_leaves() -> impl FnMut(Node) -> Result<Hash, ()> {
    let mut levels = vec![leaf_hash(b"the same")];
    for level in 0..63 {
        let below = levels[level];
        levels.push(node_hash(&below, &below));
    }
    move |node: Node| Ok(levels[usize::from(node.level)])
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

/// An inclusion vector; the proof is spoilt in the ways that a verifier must notice.
fn inclusion(leaf: Hash, index: u64, head: TreeHead, proof: &[Hash]) -> Vec<Value> {
    let mut vectors = Vec::new();
    let mut add = |proof: &[Hash], index: u64| {
        let is_good = verify_inclusion(proof, leaf, index, &head).is_ok();
        vectors.push(json!({
            "leaf": leaf.to_string(), "index": index, "size": head.size,
            "root": head.root.to_string(), "proof": texts(proof), "good": is_good,
        }));
    };
    add(proof, index);
    add(proof, index + 1);
    add(&[proof, &[leaf]].concat(), index);
    if let Some((_, rest)) = proof.split_first() {
        add(rest, index);
    }
    vectors
}

fn consistency(old: TreeHead, new: TreeHead, proof: &[Hash]) -> Vec<Value> {
    let mut vectors = Vec::new();
    let mut add = |proof: &[Hash], old: TreeHead| {
        let is_good = verify_consistency(proof, &old, &new).is_ok();
        vectors.push(json!({
            "old": old.size, "old_root": old.root.to_string(), "new": new.size,
            "new_root": new.root.to_string(), "proof": texts(proof), "good": is_good,
        }));
    };
    add(proof, old);
    add(&[proof, &[new.root]].concat(), old);
    add(proof, TreeHead { root: leaf_hash(b"other"), ..old });
    if let Some((_, rest)) = proof.split_first() {
        add(rest, old);
    }
    vectors
}

fn small_proofs(tree: &MemoryTree) -> (Vec<Value>, Vec<Value>) {
    let head = |size| TreeHead { size, root: tree.root_at(size).unwrap() };
    let (mut inclusions, mut consistencies) = (Vec::new(), Vec::new());
    for size in SIZES {
        for index in [0, size / 2, size.saturating_sub(1)] {
            if index < size {
                let proof = tree.inclusion_proof(index, size).unwrap();
                let leaf = leaf_hash(entry(index).as_bytes());
                inclusions.extend(inclusion(leaf, index, head(size), &proof));
            }
        }
        for old in SIZES.into_iter().filter(|old| *old <= size) {
            let proof = tree.consistency_proof(old, size).unwrap();
            consistencies.extend(consistency(head(old), head(size), &proof));
        }
    }
    (inclusions, consistencies)
}

fn giant_proofs() -> (Vec<Value>, Vec<Value>) {
    let mut reader = equal_leaves();
    let leaf = leaf_hash(b"the same");
    let (mut inclusions, mut consistencies) = (Vec::new(), Vec::new());
    for size in GIANTS {
        let head = TreeHead { size, root: root_at(&mut reader, size).unwrap() };
        for index in [size / 3, size - 1] {
            let proof = inclusion_proof(&mut reader, index, size).unwrap();
            assert_eq!(inclusion_root(&proof, leaf, index, size), Ok(head.root));
            inclusions.extend(inclusion(leaf, index, head, &proof));
        }
        for old in [1 << 31, size / 3, size - 1] {
            let old_head = TreeHead { size: old, root: root_at(&mut reader, old).unwrap() };
            let proof = consistency_proof(&mut reader, old, size).unwrap();
            consistencies.extend(consistency(old_head, head, &proof));
        }
    }
    (inclusions, consistencies)
}

/// The hash of each tile of the tree of 66,000 leaves, full and partial.
fn tiles() -> Vec<Value> {
    let mut builder = TileBuilder::new();
    let mut tiles = Vec::new();
    for index in 0..66_000 {
        tiles.extend(builder.append(leaf_hash(entry(index).as_bytes())));
    }
    tiles.extend(builder.partial_tiles());
    let is_listed = |tile: &Tile| tile.level() > 0 || tile.index() < 2 || !tile.is_full();
    let tiles = tiles.into_iter().filter(|(tile, _)| is_listed(tile));
    let hash = |bytes: &[u8]| Hash::of(&[bytes]).to_string();
    tiles.map(|(tile, bytes)| json!({ "path": tile.path(), "sha256": hash(&bytes) })).collect()
}

fn tile_paths() -> Vec<Value> {
    let paths = [
        "tile/0/000",
        "tile/0/x001/x234/067",
        "tile/7/000.p/127",
        "tile/entries/273.p/112",
        "tile/0/999",
        "tile/0/x001/000.p/1",
        "tile/0/x000/001",
        "tile/0/1",
        "tile/00/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/../000",
        "tile/8/000",
        "tile/7/000",
        "tile/7/001.p/1",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/entries/",
        "tile/5/000/",
        "/tile/0/000",
        "tile/0/000.p/255",
    ];
    paths.map(|path| json!({ "path": path, "good": path.parse::<Tile>().is_ok() })).to_vec()
}

fn bundle() -> Value {
    let entries = ["", "one", "two words", &"x".repeat(300)];
    let mut bundle = Vec::new();
    for entry in entries {
        append_entry(&mut bundle, entry.as_bytes()).unwrap();
    }
    let mut hex = String::new();
    for byte in &bundle {
        let _ = write!(hex, "{byte:02x}");
    }
    json!({ "entries": entries, "hex": hex })
}

fn log() -> NoteSigner {
    NoteSigner::from_seed("log.example/spine".parse().unwrap(), &[1; 32]).unwrap()
}

fn witness(seed: u8, algorithm: Algorithm) -> Cosigner {
    let name = format!("witness.example/w{seed}").parse().unwrap();
    Cosigner::from_seed(name, algorithm, &[seed; 32]).unwrap()
}

/// A checkpoint signed by the log and cosigned by the witnesses with these seeds.
fn checkpoint(head: TreeHead, seeds: &[u8], algorithm: Algorithm) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(log().verifier().name().as_str(), head).unwrap();
    let mut signed = checkpoint.clone().sign(&[&log()]).unwrap();
    for seed in seeds {
        let time = 1_700_000_000 + u64::from(*seed);
        signed.add(witness(*seed, algorithm).cosign(&checkpoint, time).unwrap()).unwrap();
    }
    signed
}

/// A note vector: what verifying it with these keys gives, `null` if it must be refused.
fn note(text: &str, keys: &[VerifierKey]) -> Value {
    let verified = SignedNote::parse(text.as_bytes()).and_then(|note| note.verify(keys)).ok();
    let pairs = verified.map(|list| {
        list.iter().map(|found| json!([found.key, found.timestamp])).collect::<Vec<_>>()
    });
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    json!({ "note": text, "keys": keys, "verified": pairs })
}

fn notes(tree: &MemoryTree) -> Vec<Value> {
    let published = "This is an example message.\n\n\u{2014} example.com/foo \
        Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72Iney\
        aQM=\n";
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let published_key: VerifierKey = key.parse().unwrap();
    let text = checkpoint(tree.head(), &[2, 3], Algorithm::CosignatureV1).to_string();
    let keys = [
        log().verifier().clone(),
        witness(2, Algorithm::CosignatureV1).verifier().clone(),
        witness(3, Algorithm::CosignatureV1).verifier().clone(),
    ];
    let blank_lines = "first\n\nsecond\n";
    let blank_lines = SignedNote::new(blank_lines, vec![log().sign(blank_lines)]).unwrap();
    vec![
        note(published, std::slice::from_ref(&published_key)),
        note(&published.replace("example message", "Example message"), &[published_key]),
        note(&text, &keys),
        note(&text, &keys[..1]),
        note(&text, &[]),
        note(&text.replace("\n700\n", "\n701\n"), &keys),
        note(&blank_lines.to_string(), &keys),
        note("no signature\n", &keys),
    ]
}

/// Proofs in the text form, held against policies.
fn proofs(tree: &MemoryTree) -> Vec<Value> {
    let algorithm = Algorithm::CosignatureV1;
    let mut policy = format!("log {}\n", log().verifier());
    for seed in 2..=6 {
        let _ = writeln!(policy, "witness W{seed} {}", witness(seed, algorithm).verifier());
    }
    policy += "group pair 2 W2 W3 W4\ngroup one any W5 W6\ngroup both all pair one\nquorum both\n";
    let cases: [(u64, &[u8], &str); 5] = [
        (42, &[2, 3, 5], "entry 42"),
        (42, &[2, 3, 4], "entry 42"),
        (42, &[], "entry 42"),
        (42, &[2, 3, 5, 6, 4], "entry 43"),
        (699, &[9, 4, 2, 6], "entry 699"),
    ];
    let vector = |(index, seeds, entry): (u64, &[u8], &str)| {
        let proof = TlogProof {
            extra: seeds.is_empty().then(|| b"extra data".to_vec()),
            index,
            path: tree.inclusion_proof(index, 700).unwrap(),
            checkpoint: checkpoint(tree.head(), seeds, algorithm),
        };
        let text = proof.to_string();
        let read = TlogProof::parse(text.as_bytes()).unwrap();
        let parsed = Policy::parse(policy.as_bytes()).unwrap();
        let verdict = read.verify(leaf_hash(entry.as_bytes()), &parsed).ok();
        let has_quorum = verdict.map(|evaluation| evaluation.has_quorum);
        json!({ "policy": policy, "proof": text, "entry": entry, "quorum": has_quorum })
    };
    cases.map(vector).to_vec()
}

/// Compares with the file, or writes it anew.
fn check(name: &str, made: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("LAZULI_BLESS").is_some() {
        // One vector a line, so that a change can be read.
        let text = made.to_string().replace("},{", "},\n{").replace(":[{", ":[\n{") + "\n";
        std::fs::write(&path, text).expect("the vectors can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let written: Value = serde_json::from_str(&written).unwrap_or_default();
    assert!(
        written == *made,
        "{name} differs from what the crate makes: \
         LAZULI_BLESS=1 cargo test -p lazuli-tlog --all-features --test vectors"
    );
}

#[test]
fn the_vectors_are_up_to_date() {
    let tree = tree(700);
    let roots =
        SIZES.map(|size| json!({ "size": size, "root": tree.root_at(size).unwrap().to_string() }));
    let (small, giant) = (small_proofs(&tree), giant_proofs());
    let inclusions = [small.0, giant.0].concat();
    let consistencies = [small.1, giant.1].concat();
    let made = json!({
        "roots": roots,
        "inclusion": inclusions,
        "consistency": consistencies,
        "tiles": tiles(),
        "tile_paths": tile_paths(),
        "bundles": [bundle()],
        "notes": notes(&tree),
        "proofs": proofs(&tree),
    });
    check("vectors.json", &made);
}

#[test]
fn the_other_implementation_is_short_enough_to_be_read() {
    let path = "../../conformance/tlog/tlog_check.py";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    assert!(text.lines().count() <= 200, "{path} has {} lines", text.lines().count());
    // And it is all of it: hashes and signatures come from elsewhere, and nothing else does.
    let imports =
        text.lines().filter(|line| line.starts_with("import ") || line.starts_with("from "));
    let known = ["base64", "hashlib", "json", "re", "sys"].map(|name| format!("import {name}"));
    let is_known = |line: &&str| known.iter().any(|known| known == line);
    assert!(
        imports.filter(|line| !is_known(line)).all(|line| line.starts_with("from cryptography"))
    );
}

#[cfg(feature = "ml-dsa")]
#[test]
fn the_vectors_of_ml_dsa_are_up_to_date() {
    let text = checkpoint(tree(700).head(), &[7], Algorithm::MlDsa44).to_string();
    let keys = [log().verifier().clone(), witness(7, Algorithm::MlDsa44).verifier().clone()];
    let made = json!({ "notes": [
        note(&text, &keys),
        note(&text.replace("\n700\n", "\n701\n"), &keys[1..]),
    ] });
    check("vectors_ml_dsa.json", &made);
}

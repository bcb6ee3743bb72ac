//! Other people's implementations agree: `ct-merkle` on trees and proofs, `sigsum` on proofs,
//! checkpoints, cosignatures and quorums.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use lazuli_tlog::hash::{Hash, leaf_hash};
use lazuli_tlog::key::{Algorithm, NoteSigner, VerifierKey};
use lazuli_tlog::{
    Checkpoint, Cosigner, MemoryTree, Policy, SignedCheckpoint, TreeHead, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;
use sha2::Sha256;

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

/// The same entries in both trees.
fn trees(size: u64) -> (MemoryTree, Oracle) {
    let (mut tree, mut oracle) = (MemoryTree::new(), Oracle::new());
    for index in 0..size {
        let entry = index.to_be_bytes().to_vec();
        tree.append(leaf_hash(&entry));
        oracle.push(entry);
    }
    (tree, oracle)
}

fn bytes(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

proptest! {
    #[test]
    fn ct_merkle_has_the_same_roots_and_inclusion_proofs(size in 1_u64..600, seed: u64) {
        let (tree, oracle) = trees(size);
        let head = tree.head();
        let root = oracle.root();
        prop_assert_eq!(head.root.as_ref(), root.as_bytes().as_slice());
        let index = seed % size;
        let proof = tree.inclusion_proof(index, size).unwrap();
        let theirs = oracle.prove_inclusion(index as usize);
        prop_assert_eq!(bytes(&proof), theirs.as_bytes());
        let entry = index.to_be_bytes();
        let ours = InclusionProof::try_from_bytes(bytes(&proof)).unwrap();
        prop_assert!(root.verify_inclusion(&entry, index, &ours).is_ok());
        prop_assert!(verify_inclusion(&proof, leaf_hash(&entry), index, &head).is_ok());
    }

    #[test]
    fn ct_merkle_has_the_same_consistency_proofs(old in 1_u64..400, more in 0_u64..400) {
        let (tree, oracle) = trees(old + more);
        let (_, old_oracle) = trees(old);
        let proof = tree.consistency_proof(old, old + more).unwrap();
        let theirs = oracle.prove_consistency(more as usize);
        prop_assert_eq!(bytes(&proof), theirs.as_bytes());
        let ours = ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap();
        prop_assert!(oracle.root().verify_consistency(&old_oracle.root(), &ours).is_ok());
        let old_head = TreeHead { size: old, root: tree.root_at(old).unwrap() };
        prop_assert!(verify_consistency(&proof, &old_head, &tree.head()).is_ok());
    }

    #[test]
    fn both_verifiers_take_the_same_changed_proofs(
        size in 1_u64..80,
        index in 0_u64..90,
        change in 0_usize..4,
        place in 0_usize..8,
    ) {
        let (tree, oracle) = trees(size);
        let mut proof = tree.inclusion_proof(index % size, size).unwrap();
        match change {
            0 => {}
            1 => proof.truncate(place),
            2 => proof.push(Hash([place as u8; 32])),
            _ => if let Some(hash) = proof.get_mut(place) { hash.0[0] ^= 1 },
        }
        let entry = (index % size).to_be_bytes();
        let ours = verify_inclusion(&proof, leaf_hash(&entry), index, &tree.head());
        let theirs = InclusionProof::try_from_bytes(bytes(&proof))
            .is_ok_and(|proof| oracle.root().verify_inclusion(&entry, index, &proof).is_ok());
        prop_assert_eq!(ours.is_ok(), theirs);
    }

    #[test]
    fn sigsum_counts_the_same_quorums(
        thresholds in (1_usize..=3, 1_usize..=2, 1_usize..=2),
        cosigned in proptest::collection::btree_set(0_usize..5, 0..5),
    ) {
        let (first, second, both) = thresholds;
        let groups = format!(
            "group A {first} W0 W1 W2\ngroup B {second} W3 W4\ngroup C {both} A B\nquorum C\n"
        );
        let (mut ours, mut theirs) = (String::new(), String::new());
        for seed in 0..5 {
            let key = witness(seed);
            let _ = writeln!(ours, "witness W{seed} {}", key.verifier());
            let _ = writeln!(theirs, "witness W{seed} {}", hex(&key.verifier().public_key()));
        }
        let ours = Policy::parse((ours + &groups).as_bytes()).unwrap();
        let theirs = sigsum::Policy::parse(&(theirs + &groups)).unwrap();
        let hashes: Vec<sigsum::Hash> = cosigned
            .iter()
            .map(|place| sigsum::Hash::new(witness(*place as u8).verifier().public_key()))
            .collect();
        prop_assert_eq!(ours.has_quorum(cosigned), theirs.check_quorum(&hashes));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn witness(seed: u8) -> Cosigner {
    let name = format!("w{seed}").parse().unwrap();
    Cosigner::from_seed(name, Algorithm::CosignatureV1, &[seed + 50; 32]).unwrap()
}

/// A proof of Sigsum for a log of `size` leaves whose leaf `index` is a signed message.
fn sigsum_proof(size: u64, index: u64) -> (String, sigsum::Policy, [u8; 32], sigsum::Hash) {
    let submitter = NoteSigner::from_seed("submitter".parse().unwrap(), &[3; 32]).unwrap();
    let public = submitter.verifier().public_key();
    let message = sigsum::Hash::new(b"message");
    let checksum = sigsum::Hash::new(&message);
    let signed = [b"sigsum.org/v1/tree-leaf\0".as_slice(), checksum.as_ref()].concat();
    // The bytes that are signed are not text, so the key signs them without a note.
    let signature = ed25519_sign(&[3; 32], &signed);
    let leaf = [checksum.as_ref(), &signature, sigsum::Hash::new(&public).as_ref()].concat();
    let mut tree = MemoryTree::new();
    for place in 0..size {
        tree.append(if place == index { leaf_hash(&leaf) } else { leaf_hash(&[place as u8]) });
    }
    let log_seed = [4; 32];
    let log_key = NoteSigner::from_seed("x".parse().unwrap(), &log_seed).unwrap();
    let log_public = log_key.verifier().public_key();
    let log_hash = format!("{:x}", sigsum::Hash::new(&log_public));
    let name = format!("sigsum.org/v1/tree/{log_hash}");
    let log = NoteSigner::from_seed(name.parse().unwrap(), &log_seed).unwrap();
    let checkpoint = Checkpoint::new(&name, tree.head()).unwrap();
    let log_signature = log.sign(&checkpoint.to_string());
    let cosignature = witness(0).cosign(&checkpoint, 1_700_000_000).unwrap();
    let mut text = format!(
        "version=2\nlog={log_hash}\nleaf={:x} {}\n\nsize={size}\nroot_hash={}\nsignature={}\n\
         cosignature={:x} 1700000000 {}\n",
        sigsum::Hash::new(&public),
        hex(&signature),
        hex(tree.head().root.as_bytes()),
        hex(log_signature.bytes()),
        sigsum::Hash::new(witness(0).verifier().public_key()),
        hex(&cosignature.bytes()[8..]),
    );
    let _ = write!(text, "\nleaf_index={index}\n");
    for hash in tree.inclusion_proof(index, size).unwrap() {
        let _ = writeln!(text, "node_hash={}", hex(hash.as_bytes()));
    }
    let policy = format!(
        "log {}\nwitness W0 {}\nquorum W0\n",
        hex(&log_public),
        hex(&witness(0).verifier().public_key())
    );
    let submitter = public.try_into().unwrap();
    (text, sigsum::Policy::parse(&policy).unwrap(), submitter, message)
}

fn ed25519_sign(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    use ed25519_dalek::Signer as _;
    ed25519_dalek::SigningKey::from_bytes(seed).sign(message).to_bytes()
}

#[test]
fn sigsum_verifies_our_proofs_checkpoints_and_cosignatures() {
    for (size, index) in [(2, 1), (3, 2), (7, 6), (100, 0), (255, 128)] {
        let (text, policy, submitter, message) = sigsum_proof(size, index);
        let verify = |text: &str| {
            let signature = sigsum::SigsumSignature::from_ascii(text).unwrap();
            sigsum::verify(&message, &signature, &[submitter.into()], &policy).is_ok()
        };
        assert!(verify(&text), "{size} {index}");
        assert!(!verify(&text.replace(" 1700000000 ", " 1700000001 ")), "{size} {index}");
    }
}

/// A signature of a log and its witnesses that run in public, from the documentation of `sigsum`.
#[test]
fn a_checkpoint_of_a_public_log_and_its_witnesses_verifies() {
    let published = include_str!("sigsum.txt");
    let field = |name: &str| {
        let lines = published.lines().filter_map(|line| line.split_once('='));
        lines.filter(|(field, _)| *field == name).map(|(_, value)| value).collect::<Vec<_>>()
    };
    let one = |name: &str| field(name)[0];
    let policy = sigsum::Policy::builtin("sigsum-test-2025-3").unwrap();
    let log =
        policy.logs().find(|log| format!("{:x}", sigsum::Hash::new(&log.pubkey)) == one("log"));
    let log: [u8; 32] = log.unwrap().pubkey.into();
    let origin = format!("sigsum.org/v1/tree/{}", one("log"));
    let root = Hash(unhex(one("root_hash")).try_into().unwrap());
    let head = TreeHead { size: one("size").parse().unwrap(), root };
    let text = Checkpoint::new(&origin, head).unwrap().to_string();
    let key = VerifierKey::new(origin.parse().unwrap(), Algorithm::Ed25519, &log).unwrap();
    assert_eq!(key.verify(&text, &unhex(one("signature"))), Ok(None));
    let mut verified = 0;
    for line in field("cosignature") {
        let [hash, time, signature] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let hash: [u8; 32] = unhex(hash).try_into().unwrap();
        let Some(witness) = policy.get_witness_by_keyhash(&hash.into()) else { continue };
        let public: [u8; 32] = witness.pubkey.into();
        let name = witness.name.parse().unwrap();
        let key = VerifierKey::new(name, Algorithm::CosignatureV1, &public).unwrap();
        let time: u64 = time.parse().unwrap();
        let bytes = [time.to_be_bytes().as_slice(), &unhex(signature)].concat();
        assert_eq!(key.verify(&text, &bytes), Ok(Some(time)), "{}", witness.name);
        verified += 1;
    }
    assert!(verified >= 2, "only {verified} witnesses are known");
    let [key_hash, signature] = one("leaf").split(' ').collect::<Vec<_>>().try_into().unwrap();
    let checksum = sigsum::Hash::new(sigsum::Hash::new(b"Hello, Sigsum!\n"));
    let leaf = leaf_hash(&[checksum.as_ref(), &unhex(signature), &unhex(key_hash)].concat());
    let path: Vec<Hash> =
        field("node_hash").into_iter().map(|hash| Hash(unhex(hash).try_into().unwrap())).collect();
    let index = one("leaf_index").parse().unwrap();
    assert_eq!(verify_inclusion(&path, leaf, index, &head), Ok(()));
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

proptest! {
    #[test]
    fn parsers_never_panic_and_write_what_they_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&bytes);
        if let Ok(signed) = SignedCheckpoint::parse(&bytes) {
            prop_assert_eq!(signed.to_string().into_bytes(), bytes);
        }
    }
}

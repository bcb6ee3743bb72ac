//! Proofs of inclusion as text: what is read is written back byte for byte, and verifying it ends.
#![no_main]

use lazuli_tlog::{Policy, TlogProof, leaf_hash};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(proof) = TlogProof::parse(data) else { return };
    assert_eq!(proof.to_string().as_bytes(), data);
    assert!(proof.path.len() <= 63);
    let policy = Policy::parse(b"quorum none\n").expect("the smallest policy");
    assert!(proof.verify(leaf_hash(b"entry 42"), &policy).is_err(), "it lists no log");
});

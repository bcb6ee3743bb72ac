//! Proofs in trees: two sizes, two hashes, and the hashes of a proof, of which none may panic.
#![no_main]

use lazuli_tlog::{Hash, TreeHead, inclusion_root, verify_consistency, verify_inclusion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first_chunk::<8>() else { return };
    let Some((second, rest)) = rest.split_first_chunk::<8>() else { return };
    let (first, second) = (u64::from_le_bytes(*first), u64::from_le_bytes(*second));
    let whole = rest.len() - rest.len() % 32;
    let hashes = Hash::read_all(&rest[..whole]).expect("whole hashes");
    let [one, other, proof @ ..] = hashes.as_slice() else { return };
    let head = TreeHead { size: second, root: *other };
    let root = inclusion_root(proof, *one, first, second);
    assert_eq!(verify_inclusion(proof, *one, first, &head).is_ok(), root == Ok(*other));
    if root.is_ok() {
        assert!(proof.len() <= 64 && first < second);
    }
    let old = TreeHead { size: first, root: *one };
    if verify_consistency(proof, &old, &head).is_ok() {
        assert!(proof.len() <= 65 && first <= second);
        assert!(first != second || one == other);
    }
});

//! The verifier's reader of CBOR: what it takes has one form, and entries and leaves that both
//! sides read are read alike.
#![no_main]

use lazuli_evidence as evidence;
use lazuli_verify::cbor;
use lazuli_verify::entry::Entry;
use lazuli_verify::spine::Leaf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(shown) = cbor::show(data) {
        assert!(shown.len() <= 16 + data.len() * 10, "a value grows without bound");
    }
    if let Ok(entry) = Entry::parse(data) {
        assert_eq!(entry.leaf_hash().0, evidence::leaf_hash(data), "an entry has two forms");
        let theirs = evidence::Entry::decode(data).expect("the server reads it too");
        assert_eq!(theirs.encode(), data);
    }
    if Leaf::parse(data).is_ok() {
        let theirs = evidence::spine::Leaf::decode(data).expect("the server reads it too");
        assert_eq!(theirs.encode(), data);
    }
});

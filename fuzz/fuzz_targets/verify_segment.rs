//! Files of segments: what is read is written back byte for byte, and both sides read the same.
#![no_main]

use lazuli_evidence::segment;
use lazuli_verify::segment::{SegmentFile, root_over};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = SegmentFile::parse(data) else { return };
    assert_eq!(segment::encode(file.n, &file.entries), data);
    assert_eq!(segment::decode(data), Some((file.n, file.entries.clone())));
    let leaves = file.leaf_hashes();
    assert!(root_over(&leaves, leaves.len() as u64).is_some());
    assert!(root_over(&leaves, leaves.len() as u64 + 1).is_none());
});

//! Receipts, openings and saved files of them: nobody's signature verifies, and both sides read
//! the same.
#![no_main]

use lazuli_evidence as evidence;
use lazuli_fuzz::text;
use lazuli_tlog::Policy;
use lazuli_verify::promise;
use lazuli_verify::receipt::{Opening, Receipt};
use lazuli_verify::report::{Exit, Report};
use libfuzzer_sys::fuzz_target;

/// A key that nobody signs with here: the public one of
/// <https://www.rfc-editor.org/rfc/rfc8032.html#section-7.1>.
const POLICY: &[u8] = b"log log.example/site1/receipts+5f3d52c1+\
    AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\nquorum none\n";

fuzz_target!(|data: &[u8]| {
    if let Ok(receipt) = Receipt::parse(data) {
        let theirs = evidence::Receipt::decode(data).expect("the server reads it too");
        assert_eq!((theirs.seg, theirs.encode().as_slice()), (receipt.seg, data));
    }
    if let Ok(opening) = Opening::parse(data) {
        let theirs = evidence::Opening::decode(data).expect("the server reads it too");
        assert_eq!(theirs.entry().leaf_hash(), opening.entry.leaf_hash().0);
        assert_eq!(theirs.encode(), data);
    }
    let policy = Policy::parse(POLICY).expect("a policy");
    let mut report = Report::new();
    promise::check(&text(data), &policy, None, &mut report);
    assert_ne!(report.exit(), Exit::Verified, "a forged receipt was taken");
});

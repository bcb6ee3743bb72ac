//! Trust policies: whatever they say, all witnesses together are enough, and more never are less.
#![no_main]

use lazuli_tlog::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(policy) = Policy::parse(data) else { return };
    let everybody = 0..policy.witnesses().len();
    assert_eq!(policy.witnesses().len(), policy.witness_keys().len());
    assert!(policy.has_quorum(everybody.clone()));
    let some = everybody.clone().step_by(2);
    if policy.has_quorum([]) {
        assert!(policy.has_quorum(some.clone()));
    }
    if policy.has_quorum(some.clone().skip(1)) {
        assert!(policy.has_quorum(some));
    }
});

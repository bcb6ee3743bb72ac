//! The items of a bundle, and its claims: every length is bounded, and nothing is opened that was
//! not committed to.
#![no_main]

use lazuli_fuzz::text;
use lazuli_tlog::Hash;
use lazuli_verify::claims::Claim;
use lazuli_verify::items::{EntryItem, HeadItem, next_item};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (mut file, mut buffer) = (data, Vec::new());
    while let Ok(true) = next_item(&mut file, &mut buffer) {
        if let Ok(item) = EntryItem::parse(&buffer) {
            assert!(item.path.len() <= 63 && item.opened.len() <= 12);
            if item.check_opened().is_ok() {
                assert!(item.opened.is_empty() || item.commitments.is_some());
            }
        }
        if let Ok(item) = HeadItem::parse(&buffer) {
            let proves = item.proof.proves(&Hash([7; 32]), &item.label, item.head.as_ref());
            assert!(!proves, "a proof leads to a root that nobody made");
        }
    }
    Claim::parse(&text(data));
});

//! Block ids: an id has 1 to 64 bytes, and its text means the same id.
#![no_main]

use lazuli_fuzz::text;
use lazuli_model::block::BlockId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    let staged = BlockId::parse(&text);
    assert_eq!(staged.is_ok(), BlockId::parse_listed(&text).is_ok(), "one rule for both");
    if let Ok(id) = staged {
        assert!((1..=64).contains(&id.as_bytes().len()));
        assert_eq!(BlockId::parse(&id.to_text()).as_ref(), Ok(&id));
    }
});

//! Range headers, held against a length: eight bytes of length, then the header.
#![no_main]

use lazuli_fuzz::text;
use lazuli_model::range::ByteRange;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, header)) = data.split_first_chunk::<8>() else { return };
    let length = u64::from_le_bytes(*length);
    let Some(range) = ByteRange::parse(&text(header)) else { return };
    match range.resolve(length) {
        Ok(found) => {
            assert!(found.first == range.first && found.first <= found.last);
            assert!(found.last < length && found.len() <= length);
        }
        Err(_) => assert!(range.first >= length),
    }
});

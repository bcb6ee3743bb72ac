//! The body of Put Block List.
#![no_main]

use lazuli_wire::body::block_list;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(list) = block_list::read(data) {
        // An entry takes at least its two tags, so the answer cannot be larger than the question.
        assert!(list.len() <= data.len());
        assert!(list.iter().map(|(_, id)| id.len()).sum::<usize>() <= data.len());
    }
});

//! Continuation markers: a position survives, and a client's own text is refused or a position.
#![no_main]

use lazuli_fuzz::text;
use lazuli_wire::marker;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_eq!(marker::decode(&marker::encode(data)).as_deref(), Ok(data));
    let _ = marker::decode(&text(data));
});

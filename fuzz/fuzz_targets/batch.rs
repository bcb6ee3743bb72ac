//! A Blob Batch: the first line is the Content-Type, the rest the body.
#![no_main]

use lazuli_fuzz::{first_line, text};
use lazuli_wire::batch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (content_type, body) = first_line(data);
    if let Ok(requests) = batch::read(&text(content_type), body) {
        assert!(requests.len() <= 256, "a batch has at most 256 requests");
    }
});

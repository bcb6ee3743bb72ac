//! The URL of a copy's source: its parts are parts of what was sent.
#![no_main]

use lazuli_fuzz::text;
use lazuli_wire::copy_source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let url = text(data);
    if let Ok(source) = copy_source::parse("x-ms-copy-source", &url) {
        assert!(source.raw_path.starts_with('/') && !source.host.is_empty());
        for part in [source.host, source.raw_path, source.raw_query] {
            assert!(url.contains(part));
        }
    }
});

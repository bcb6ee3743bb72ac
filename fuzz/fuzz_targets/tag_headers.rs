//! The header `x-ms-tags`: what is taken keeps to the limits, and is taken again.
#![no_main]

use lazuli_fuzz::text;
use lazuli_model::tags::TagSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(tags) = TagSet::from_header(&text(data)) {
        assert!(tags.len() <= 10);
        let pairs = tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(TagSet::new(pairs).as_ref(), Ok(&tags));
    }
});

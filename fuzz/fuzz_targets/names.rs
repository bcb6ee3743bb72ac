//! Names of accounts, containers and blobs: what is taken is kept as it is, but for the backslash
//! in a blob's name, which becomes a slash.
#![no_main]

use lazuli_fuzz::text;
use lazuli_model::names::{BlobName, ContainerName, is_account_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    if let Ok(name) = ContainerName::parse(&text) {
        assert_eq!(name.as_str(), text);
        assert!(name.as_str().starts_with('$') || (3..=63).contains(&text.len()));
    }
    for in_root in [false, true] {
        if let Ok(name) = BlobName::parse(&text, in_root) {
            assert_eq!(name.as_str(), text.replace('\\', "/"));
            assert_eq!(BlobName::parse(name.as_str(), in_root).as_ref(), Ok(&name));
            assert!(!text.is_empty() && text.chars().count() <= 1024);
        }
    }
    assert!(!is_account_name(&text) || (3..=24).contains(&text.len()));
});

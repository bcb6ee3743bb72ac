//! The bodies of Set Container ACL, Set Blob Service Properties and Set Blob Tags, and the list of
//! pages that another server tells: what is read can be written, and what is written reads as the
//! same, or is written as the same again.
#![no_main]

use lazuli_model::ApiVersion;
use lazuli_wire::body::{page_list, service_properties, signed_identifiers, tags};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(policies) = signed_identifiers::read(data) {
        let written = signed_identifiers::write(&policies);
        let again = signed_identifiers::read(written.as_bytes()).expect("reads what it wrote");
        // Times get all their digits when they are written.
        assert_eq!(written, signed_identifiers::write(&again));
    }
    if let Ok(set) = tags::read(data) {
        let written = tags::write(&set);
        let again = tags::read(written.as_bytes()).expect("reads what it wrote");
        assert_eq!(set, again);
    }
    if let Ok((ranges, has_more)) = page_list::read(data) {
        let written = page_list::write(&ranges, Some(if has_more { "m" } else { "" }));
        let again = page_list::read(written.as_bytes()).expect("reads what it wrote");
        assert_eq!((ranges, has_more), again);
    }
    if let Ok(patch) = service_properties::read(data) {
        let mut properties = service_properties::ServiceProperties::default();
        properties.apply(patch);
        let written = service_properties::write(&properties, ApiVersion::NEWEST);
        let patch = service_properties::read(written.as_bytes()).expect("reads what it wrote");
        let mut again = service_properties::ServiceProperties::default();
        again.apply(patch);
        assert_eq!(written, service_properties::write(&again, ApiVersion::NEWEST));
    }
});

//! The values of the parameters of a shared access signature.
#![no_main]

use lazuli_auth::{
    AddressRange, Protocols, ResourceTypes, SasPermissions, Services, parse_iso8601,
};
use lazuli_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    let _ = format!("{:?} {:?}", Services::parse(&text), ResourceTypes::parse(&text));
    let _ = format!("{:?} {:?}", Protocols::parse(&text), SasPermissions::parse(&text));
    if let Some(range) = AddressRange::parse(&text) {
        // A range that names one address holds that address.
        if let Ok(address) = text.parse() {
            assert!(range.contains(address));
        }
    }
    let _ = parse_iso8601(&text);
});

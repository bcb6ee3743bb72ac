//! Dates of all kinds: what is read and written again means the same moment.
#![no_main]

use lazuli_fuzz::text;
use lazuli_wire::date;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    if let Some(moment) = date::parse_http_date(&text) {
        assert_eq!(
            date::parse_http_date(&date::rfc1123(moment)),
            Some(moment.truncate_to_second())
        );
    }
    if let Some(moment) = date::parse_iso7(&text) {
        assert_eq!(date::iso7(moment), text, "a snapshot has one spelling");
    }
    if let Some(moment) = date::parse_iso(&text) {
        assert_eq!(date::parse_iso7(&date::iso7(moment)), Some(moment));
    }
});

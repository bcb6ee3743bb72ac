//! Query strings and percent-encoding.
#![no_main]

use lazuli_fuzz::text;
use lazuli_wire::{Query, percent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    if let Ok(query) = Query::parse(&text) {
        for parameter in query.parameters() {
            let _ = format!("{parameter:?}");
        }
        for name in ["comp", "restype", "prefix", "snapshot", "timeout"] {
            assert_eq!(query.contains(name), query.get(name).is_some(), "{name}");
            let _ = (query.number(name), query.required(name), query.raw_value(name));
            let _ = query.list(name).count();
        }
    }
    let _ = (percent::decode_path(&text), percent::decode_query(&text));
    let encoded = percent::encode_component(&text).to_string();
    assert_eq!(percent::decode_path(&encoded).expect("decodes what it encoded"), text);
    assert_eq!(percent::decode_query(&encoded).expect("decodes what it encoded"), text);
    let encoded = percent::encode_path(&text).to_string();
    assert_eq!(percent::decode_path(&encoded).expect("decodes what it encoded"), text);
});

//! Bodies and addresses of the Table service: the first line is a Content-Type or an address, the
//! rest a batch or an entity. An entity that is read is written so that it is read again.
#![no_main]

use lazuli_base::Timestamp;
use lazuli_fuzz::{first_line, text};
use lazuli_model::entity::EntityKey;
use lazuli_wire::odata::changeset::{self, Batch};
use lazuli_wire::odata::entity_json::{self, Frame, ShownEntity};
use lazuli_wire::odata::format::Metadata;
use lazuli_wire::odata::{address, token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (line, body) = first_line(data);
    let line = text(line);
    let _ = (address::parse(&line), token::place(&line), token::if_match(&line));
    if let Ok(Batch::Changes(changes)) = changeset::read(&line, body) {
        assert!((1..=changeset::REQUESTS_MAX).contains(&changes.len()));
    }
    if let Ok(given) = entity_json::read(body) {
        let key = EntityKey::new("p", "r");
        let frame = Frame {
            metadata: Metadata::Minimal,
            endpoint: "http://h/a/",
            account: "a",
            table: "t",
            select: None,
        };
        let timestamp = Timestamp::from_unix_seconds(1_760_000_000);
        let shown = ShownEntity { key: &key, timestamp, properties: &given.properties };
        let written = frame.entity(&shown);
        let again = entity_json::read(written.as_bytes()).expect("what is written is read");
        let texts = |entity: &entity_json::GivenEntity| format!("{:?}", entity.properties);
        assert_eq!(texts(&again), texts(&given));
    }
});

//! Bodies and addresses of the Table service: the first line is a Content-Type or an address, the
//! rest a batch or an entity. An entity that is read is written so that it is read again, in JSON and
//! in Atom.
#![no_main]

use lazuli_base::Timestamp;
use lazuli_fuzz::{first_line, text};
use lazuli_model::entity::EntityKey;
use lazuli_wire::odata::changeset::{self, Batch};
use lazuli_wire::odata::entity_json::{self, Frame, GivenEntity, ShownEntity};
use lazuli_wire::odata::format::Metadata;
use lazuli_wire::odata::{address, atom, token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (line, body) = first_line(data);
    let line = text(line);
    let _ = (address::parse(&line), token::place(&line), token::if_match(&line));
    if let Ok(Batch::Changes(changes)) = changeset::read(&line, body) {
        assert!((1..=changeset::REQUESTS_MAX).contains(&changes.len()));
    }
    if let Ok(given) = entity_json::read(body) {
        let written = shown(&given, |frame, entity| frame.entity(entity));
        let again = entity_json::read(written.as_bytes()).expect("what is written is read");
        assert_eq!(texts(&again), texts(&given));
    }
    if let Ok(given) = atom::read(body) {
        let written = shown(&given, atom::entity);
        let again = atom::read(written.as_bytes()).expect("what is written is read");
        assert_eq!(texts(&again), texts(&given));
    }
    let _ = (entity_json::read_table(body), atom::read_table(body));
});

/// "Not a number" is not equal to itself, but its text is.
fn texts(entity: &GivenEntity) -> String {
    format!("{:?}", entity.properties)
}

fn shown(given: &GivenEntity, write: fn(&Frame<'_>, &ShownEntity<'_>) -> String) -> String {
    let key = EntityKey::new("p", "r");
    let frame = Frame {
        metadata: Metadata::Minimal,
        endpoint: "http://h/a/",
        account: "a",
        table: "t",
        select: None,
    };
    let timestamp = Timestamp::from_unix_seconds(1_760_000_000);
    write(&frame, &ShownEntity { key: &key, timestamp, properties: &given.properties })
}

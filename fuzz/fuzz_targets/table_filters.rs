//! Filters of tables: a first line that is an entity in JSON, then a filter. What the filter
//! matches lies within the bounds on keys that are read for it.
#![no_main]

use lazuli_base::Timestamp;
use lazuli_fuzz::{first_line, text};
use lazuli_model::edm::compare_ordinal;
use lazuli_model::entity::EntityKey;
use lazuli_model::filter::{Bounds, EntityRecord};
use lazuli_wire::odata::{entity_json, filter};
use libfuzzer_sys::fuzz_target;

fn within(bounds: &Bounds, text: &str) -> bool {
    bounds.first.as_ref().is_none_or(|first| compare_ordinal(first, text).is_le())
        && bounds.last.as_ref().is_none_or(|last| compare_ordinal(text, last).is_le())
}

fuzz_target!(|data: &[u8]| {
    let (entity, filter) = first_line(data);
    let given = entity_json::read(entity).unwrap_or_default();
    let Ok(filter) = filter::parse(&text(filter)) else { return };
    let key = EntityKey {
        partition: given.partition.unwrap_or_default(),
        row: given.row.unwrap_or_default(),
    };
    let timestamp = Timestamp::from_unix_seconds(1_760_000_000);
    let record = EntityRecord { key: &key, timestamp, properties: &given.properties };
    if filter.matches(&record) {
        let reach = filter.reach();
        assert!(within(&reach.partition, &key.partition) && within(&reach.row, &key.row));
    }
});

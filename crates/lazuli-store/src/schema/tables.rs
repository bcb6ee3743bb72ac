//! The keys of tables and entities.

use std::borrow::Cow;

use bytes::Bytes;
use lazuli_engine::KeyRange;
use lazuli_model::entity::EntityKey;
use serde::{Deserialize, Serialize};

use super::key;

/// Identifies a table for as long as it exists; a table made anew has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableId(pub u64);

/// The key of a table's row; `folded` is its name in lower case.
pub fn table(account: &str, folded: &str) -> Bytes {
    key(b'T', &[account.as_bytes(), &[0], folded.as_bytes()])
}

/// An account's tables.
pub fn tables(account: &str) -> KeyRange {
    KeyRange::prefix(table(account, ""))
}

/// The key of an entity's row.
pub fn entity(table: TableId, at: &EntityKey) -> Bytes {
    let id = table.0.to_be_bytes();
    key(b'e', &[&id, &in_key_order(&at.partition), &[0], &in_key_order(&at.row)])
}

/// A table's entities.
pub fn entities(table: TableId) -> KeyRange {
    KeyRange::prefix(key(b'e', &[&table.0.to_be_bytes()]))
}

/// The first key after all entities of a partition, and before those of the next one.
pub fn after_partition(table: TableId, partition: &str) -> Bytes {
    key(b'e', &[&table.0.to_be_bytes(), &in_key_order(partition), &[1]])
}

/// The table's id and the entity's key in the key of an entity's row.
pub fn entity_parts(key: &[u8]) -> Option<(TableId, EntityKey)> {
    let id = TableId(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?));
    let rest = key.get(9..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    let (partition, row) =
        (from_key_order(rest.get(..end)?)?, from_key_order(rest.get(end + 1..)?)?);
    Some((id, EntityKey { partition, row }))
}

/// The bytes of a text in the order of its UTF-16 code units.
fn in_key_order(text: &str) -> Cow<'_, [u8]> {
    let last = |byte: &u8| matches!(byte, 0xee | 0xef);
    if !text.as_bytes().iter().any(last) {
        return Cow::Borrowed(text.as_bytes());
    }
    text.bytes().map(|byte| if last(&byte) { byte + 7 } else { byte }).collect()
}

fn from_key_order(bytes: &[u8]) -> Option<String> {
    let byte = |&byte: &u8| if matches!(byte, 0xf5 | 0xf6) { byte - 7 } else { byte };
    String::from_utf8(bytes.iter().map(byte).collect()).ok()
}

#[cfg(test)]
mod tests {
    use lazuli_model::entity::EntityKey;

    use super::{TableId, after_partition, entities, entity, entity_parts};

    #[test]
    fn entity_keys_sort_by_code_units() {
        let id = TableId(7);
        let texts = [
            "",
            "a",
            "a b",
            "aa",
            "b",
            "\u{d7ff}",
            "\u{10000}",
            "\u{10ffff}",
            "\u{e000}",
            "\u{ffff}",
        ];
        let mut before = entities(id).start;
        for partition in texts {
            for row in texts {
                let at = EntityKey::new(partition, row);
                let key = entity(id, &at);
                assert!(before < key, "{at:?}");
                assert_eq!(entity_parts(&key), Some((id, at)));
                before = key;
            }
            let after = after_partition(id, partition);
            assert!(before < after);
            before = after;
        }
        assert!(before < entities(TableId(8)).start);
    }
}

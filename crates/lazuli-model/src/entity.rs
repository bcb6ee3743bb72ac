//! Entities: their keys, their properties, and the limits of both.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model>

use std::cmp::Ordering;
use std::collections::HashSet;

use lazuli_base::Timestamp;

use crate::edm::{EdmValue, compare_ordinal, utf16_bytes};
use crate::{ErrorCode, Refusal};

/// The longest partition or row key, in bytes of UTF-16.
pub const KEY_BYTES_MAX: usize = 1024;
/// The most properties of an entity besides its keys and its time of change.
pub const PROPERTIES_MAX: usize = 252;
/// The longest name of a property, in characters.
pub const PROPERTY_NAME_CHARS_MAX: usize = 255;
/// The longest text or run of bytes in a property, in bytes; text counts as UTF-16.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// The largest entity, in bytes as the service counts them.
pub const ENTITY_BYTES_MAX: usize = 1024 * 1024;

/// The names of the properties every entity has.
pub const SYSTEM_PROPERTIES: [&str; 3] = ["PartitionKey", "RowKey", "Timestamp"];

/// What identifies an entity in its table. Not checked: a key that could not be stored names nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntityKey {
    /// The partition key.
    pub partition: String,
    /// The row key.
    pub row: String,
}

impl EntityKey {
    /// A key of these two parts.
    pub fn new(partition: impl Into<String>, row: impl Into<String>) -> Self {
        Self { partition: partition.into(), row: row.into() }
    }

    /// Checks that an entity may be stored under the key.
    ///
    /// `KeyValueTooLarge` for a part of more than 1 KiB in UTF-16, `OutOfRangeInput` for slashes,
    /// `#`, `?` and control characters.
    pub fn check(&self) -> Result<(), Refusal> {
        for part in [&self.partition, &self.row] {
            if utf16_bytes(part) > KEY_BYTES_MAX {
                return Err(ErrorCode::KeyValueTooLarge.into());
            }
            if part.chars().any(|c| matches!(c, '/' | '\\' | '#' | '?') || c.is_control()) {
                return Err(ErrorCode::OutOfRangeInput.into());
            }
        }
        Ok(())
    }

    /// How URLs and journals write the key: `(PartitionKey='p',RowKey='r')`, quotes doubled.
    pub fn predicate(&self) -> String {
        let quoted = |text: &str| text.replace('\'', "''");
        format!("(PartitionKey='{}',RowKey='{}')", quoted(&self.partition), quoted(&self.row))
    }
}

/// A part of a table's keys in their order: where it begins and where it ends, both included.
/// Without a row key it begins with the first entity of its partition, or ends with the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySpan {
    /// Where it begins.
    pub first: Option<(String, Option<String>)>,
    /// Where it ends.
    pub last: Option<(String, Option<String>)>,
}

impl KeySpan {
    /// Whether the key is within.
    pub fn contains(&self, key: &EntityKey) -> bool {
        let compare = |(partition, row): &(String, Option<String>)| {
            let order = compare_ordinal(&key.partition, partition);
            order.then(row.as_ref().map_or(Ordering::Equal, |row| compare_ordinal(&key.row, row)))
        };
        self.first.as_ref().is_none_or(|first| compare(first).is_ge())
            && self.last.as_ref().is_none_or(|last| compare(last).is_le())
    }
}

/// What `If-Match` asks of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// That it is there.
    Any,
    /// That it was last changed then; with `None`, what no entity can satisfy.
    Changed(Option<Timestamp>),
}

/// The properties of an entity besides its keys and its time of change, in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties(Vec<(String, EdmValue)>);

impl Properties {
    /// Properties that are known to keep the limits.
    pub const fn trusted(properties: Vec<(String, EdmValue)>) -> Self {
        Self(properties)
    }

    /// Checks the names, their number and the size of each value.
    ///
    /// `TooManyProperties`, `PropertyNameTooLong`, `PropertyNameInvalid`, `PropertyValueTooLarge`,
    /// `DuplicatePropertiesSpecified`.
    pub fn new(properties: Vec<(String, EdmValue)>) -> Result<Self, Refusal> {
        if properties.len() > PROPERTIES_MAX {
            return Err(ErrorCode::TooManyProperties.into());
        }
        let mut names = HashSet::with_capacity(properties.len());
        for (name, value) in &properties {
            check_name(name)?;
            let bytes = match value {
                EdmValue::String(text) => utf16_bytes(text),
                EdmValue::Binary(bytes) => bytes.len(),
                _ => 0,
            };
            if bytes > VALUE_BYTES_MAX {
                return Err(ErrorCode::PropertyValueTooLarge.into());
            }
            if !names.insert(name.as_str()) {
                return Err(ErrorCode::DuplicatePropertiesSpecified.into());
            }
        }
        Ok(Self(properties))
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&EdmValue> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value)
    }

    /// All properties, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &EdmValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// All properties, in order.
    pub fn as_slice(&self) -> &[(String, EdmValue)] {
        &self.0
    }

    /// These properties, and of `earlier` those that these do not have: what a merge leaves.
    ///
    /// `TooManyProperties` if they are too many together.
    pub fn merged_into(&self, earlier: &Self) -> Result<Self, Refusal> {
        let mut merged = earlier.0.clone();
        for (name, value) in &self.0 {
            match merged.iter_mut().find(|(have, _)| have == name) {
                Some((_, old)) => *old = value.clone(),
                None => merged.push((name.clone(), value.clone())),
            }
        }
        if merged.len() > PROPERTIES_MAX {
            return Err(ErrorCode::TooManyProperties.into());
        }
        Ok(Self(merged))
    }

    /// Checks the size of the whole entity, by the service's own count.
    ///
    /// `EntityTooLarge` above 1 MiB.
    pub fn check_size(&self, key: &EntityKey) -> Result<(), Refusal> {
        let property =
            |(name, value): (&str, &EdmValue)| 8 + utf16_bytes(name) + value.size_bytes();
        let keys = 4 + utf16_bytes(&key.partition) + utf16_bytes(&key.row);
        if keys + self.iter().map(property).sum::<usize>() > ENTITY_BYTES_MAX {
            return Err(ErrorCode::EntityTooLarge.into());
        }
        Ok(())
    }
}

/// Checks a property's name: an identifier of at most 255 characters.
fn check_name(name: &str) -> Result<(), Refusal> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c == '_' || c.is_alphabetic());
    let rest = chars.all(|c| c == '_' || c.is_alphanumeric());
    if name.chars().count() > PROPERTY_NAME_CHARS_MAX {
        return Err(ErrorCode::PropertyNameTooLong.into());
    }
    if first && rest { Ok(()) } else { Err(ErrorCode::PropertyNameInvalid.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<impl std::fmt::Debug, Refusal>) -> ErrorCode {
        result.unwrap_err().code()
    }

    #[test]
    fn keys_have_a_length_and_characters() {
        EntityKey::new("", "ä b'c").check().unwrap();
        EntityKey::new("k".repeat(512), "").check().unwrap();
        let long = EntityKey::new("k".repeat(513), "");
        assert_eq!(code(long.check()), ErrorCode::KeyValueTooLarge);
        for bad in ["/", "\\", "#", "?", "\0", "\u{7f}", "\u{9f}"] {
            let key = EntityKey::new("p", bad);
            assert_eq!(code(key.check()), ErrorCode::OutOfRangeInput, "{bad:?}");
        }
        assert_eq!(EntityKey::new("O'B", "r").predicate(), "(PartitionKey='O''B',RowKey='r')");
    }

    #[test]
    fn properties_keep_their_limits() {
        let of = |name: &str, value: EdmValue| Properties::new(vec![(name.to_owned(), value)]);
        let one = || EdmValue::Int32(1);
        of("_a1", one()).unwrap();
        for bad in ["", "1a", "a-b", "a b"] {
            assert_eq!(code(of(bad, one())), ErrorCode::PropertyNameInvalid, "{bad}");
        }
        assert_eq!(code(of(&"n".repeat(256), one())), ErrorCode::PropertyNameTooLong);
        of("s", EdmValue::String("x".repeat(32 * 1024))).unwrap();
        let long = EdmValue::String("x".repeat(32 * 1024 + 1));
        assert_eq!(code(of("s", long)), ErrorCode::PropertyValueTooLarge);
        let long = EdmValue::Binary(vec![0; VALUE_BYTES_MAX + 1]);
        assert_eq!(code(of("b", long)), ErrorCode::PropertyValueTooLarge);
        let many = |count: usize| (0..count).map(|n| (format!("p{n}"), one())).collect();
        Properties::new(many(252)).unwrap();
        assert_eq!(code(Properties::new(many(253))), ErrorCode::TooManyProperties);
        let twice = vec![("a".to_owned(), one()), ("a".to_owned(), one())];
        assert_eq!(code(Properties::new(twice)), ErrorCode::DuplicatePropertiesSpecified);
    }

    #[test]
    fn merging_keeps_what_is_not_named() {
        let of = |pairs: &[(&str, i32)]| {
            let own = |(name, n): &(&str, i32)| ((*name).to_owned(), EdmValue::Int32(*n));
            Properties::trusted(pairs.iter().map(own).collect())
        };
        let merged = of(&[("b", 3), ("c", 4)]).merged_into(&of(&[("a", 1), ("b", 2)])).unwrap();
        assert_eq!(merged, of(&[("a", 1), ("b", 3), ("c", 4)]));
        let large = Properties::trusted(
            (0..20).map(|n| (format!("p{n}"), EdmValue::Binary(vec![0; 60_000]))).collect(),
        );
        assert_eq!(code(large.check_size(&EntityKey::default())), ErrorCode::EntityTooLarge);
    }
}

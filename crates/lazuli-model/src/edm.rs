//! The values of table properties: the eight types of the Entity Data Model that tables have.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model>

use std::cmp::Ordering;

use lazuli_base::Timestamp;
use serde::{Deserialize, Serialize};

/// The first moment a property can hold: 1601-01-01T00:00:00Z.
pub const FIRST_MOMENT: Timestamp = Timestamp::from_ticks(504_911_232_000_000_000);

/// The type of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdmType {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A floating-point number of 64 bits.
    Double,
    /// A moment in UTC.
    DateTime,
    /// A globally unique identifier.
    Guid,
    /// Bytes.
    Binary,
}

impl EdmType {
    /// Every type.
    pub const ALL: [Self; 8] = [
        Self::String,
        Self::Boolean,
        Self::Int32,
        Self::Int64,
        Self::Double,
        Self::DateTime,
        Self::Guid,
        Self::Binary,
    ];

    /// The name in annotations, such as `Edm.Int64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "Edm.String",
            Self::Boolean => "Edm.Boolean",
            Self::Int32 => "Edm.Int32",
            Self::Int64 => "Edm.Int64",
            Self::Double => "Edm.Double",
            Self::DateTime => "Edm.DateTime",
            Self::Guid => "Edm.Guid",
            Self::Binary => "Edm.Binary",
        }
    }

    /// The type of this name; `None` for a type that tables do not have.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|edm| edm.name() == name)
    }
}

/// A property's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EdmValue {
    /// Text.
    String(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Int32(i32),
    /// A whole number of 64 bits.
    Int64(i64),
    /// A floating-point number, infinities and "not a number" included; zero is never negative.
    Double(f64),
    /// A moment, from 1601 on.
    DateTime(Timestamp),
    /// An identifier, its bytes in the order they are printed.
    Guid([u8; 16]),
    /// Bytes.
    Binary(Vec<u8>),
}

impl EdmValue {
    /// A floating-point value; a negative zero becomes zero, as the service stores it.
    pub fn double(value: f64) -> Self {
        Self::Double(if value == 0.0 { 0.0 } else { value })
    }

    /// A moment; `None` before 1601.
    pub fn moment(at: Timestamp) -> Option<Self> {
        (at >= FIRST_MOMENT).then_some(Self::DateTime(at))
    }

    /// Its type.
    pub const fn edm_type(&self) -> EdmType {
        match self {
            Self::String(_) => EdmType::String,
            Self::Boolean(_) => EdmType::Boolean,
            Self::Int32(_) => EdmType::Int32,
            Self::Int64(_) => EdmType::Int64,
            Self::Double(_) => EdmType::Double,
            Self::DateTime(_) => EdmType::DateTime,
            Self::Guid(_) => EdmType::Guid,
            Self::Binary(_) => EdmType::Binary,
        }
    }

    /// The bytes the service counts for it: text in UTF-16, and four bytes before what has a length.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::String(text) => 4 + utf16_bytes(text),
            Self::Boolean(_) => 1,
            Self::Int32(_) => 4,
            Self::Int64(_) | Self::Double(_) | Self::DateTime(_) => 8,
            Self::Guid(_) => 16,
            Self::Binary(bytes) => 4 + bytes.len(),
        }
    }

    /// How it compares with another value: `None` for values of types that do not compare, and for
    /// "not a number". Numbers of different types compare by what they are worth.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::String(a), Self::String(b)) => Some(compare_ordinal(a, b)),
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            (Self::DateTime(a), Self::DateTime(b)) => Some(a.cmp(b)),
            (Self::Guid(a), Self::Guid(b)) => Some(a.cmp(b)),
            (Self::Binary(a), Self::Binary(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Double(a), b) => Some(compare_whole(b.whole()?, *a)?.reverse()),
            (a, Self::Double(b)) => compare_whole(a.whole()?, *b),
            (a, b) => Some(a.whole()?.cmp(&b.whole()?)),
        }
    }

    const fn whole(&self) -> Option<i64> {
        match self {
            Self::Int32(value) => Some(*value as i64),
            Self::Int64(value) => Some(*value),
            _ => None,
        }
    }
}

/// Compares a whole number with a floating-point one by what they are worth, without rounding.
fn compare_whole(whole: i64, double: f64) -> Option<Ordering> {
    /// 2 to the 63rd: the first number above all of 64 bits.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        None
    } else if double >= ABOVE {
        Some(Ordering::Less)
    } else if double < -ABOVE {
        Some(Ordering::Greater)
    } else {
        // In this range truncation is exact.
        let truncated = double.trunc();
        let order = whole.cmp(&(truncated as i64));
        let fraction = double - truncated;
        Some(order.then(0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
    }
}

/// Compares texts by their UTF-16 code units: the order of keys and of comparisons in filters.
pub fn compare_ordinal(a: &str, b: &str) -> Ordering {
    // UTF-8 has the same order, but for the first bytes of U+E000 to U+FFFF: what comes after those
    // has smaller surrogates. Texts are long at times, and are not taken apart for this.
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a == b {
        return Ordering::Equal;
    }
    let place = |byte: u8| if matches!(byte, 0xee | 0xef) { byte + 7 } else { byte };
    match a.iter().zip(b).find(|(a, b)| a != b) {
        Some((a, b)) => place(*a).cmp(&place(*b)),
        None => a.len().cmp(&b.len()),
    }
}

/// How many bytes a text has in UTF-16.
pub fn utf16_bytes(text: &str) -> usize {
    text.encode_utf16().count() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_what_they_are_worth() {
        let big = i64::MAX - 1;
        for (a, b, order) in [
            (EdmValue::Int32(1), EdmValue::Int64(1), Some(Ordering::Equal)),
            (EdmValue::Int32(1), EdmValue::Double(1.5), Some(Ordering::Less)),
            (EdmValue::Int32(-1), EdmValue::Double(-1.5), Some(Ordering::Greater)),
            (EdmValue::Int64(big), EdmValue::Double(big as f64), Some(Ordering::Less)),
            (EdmValue::Int64(i64::MIN), EdmValue::Double(-9.3e18), Some(Ordering::Greater)),
            (EdmValue::Double(f64::INFINITY), EdmValue::Int64(1), Some(Ordering::Greater)),
            (EdmValue::Double(f64::NAN), EdmValue::Int64(1), None),
            (EdmValue::Double(f64::NAN), EdmValue::Double(f64::NAN), None),
            (EdmValue::String("1".into()), EdmValue::Int32(1), None),
            (EdmValue::Boolean(true), EdmValue::Int32(1), None),
        ] {
            assert_eq!(a.compare(&b), order, "{a:?} {b:?}");
            assert_eq!(b.compare(&a), order.map(Ordering::reverse), "{b:?} {a:?}");
        }
        assert_eq!(EdmValue::double(-0.0), EdmValue::Double(0.0));
        assert!(EdmValue::moment(Timestamp::from_ticks(FIRST_MOMENT.ticks() - 1)).is_none());
    }

    #[test]
    fn text_compares_by_code_units() {
        // The surrogates of what is beyond the basic plane come before its last characters.
        assert_eq!(compare_ordinal("\u{1f600}", "\u{e000}"), Ordering::Less);
        assert_eq!(compare_ordinal("a", "B"), Ordering::Greater);
        assert_eq!(compare_ordinal("a", "aa"), Ordering::Less);
        let texts = [
            "",
            "a",
            "ab",
            "\u{7f}",
            "\u{80}",
            "\u{7ff}",
            "\u{800}",
            "\u{d7ff}",
            "\u{e000}",
            "\u{efff}",
            "\u{f000}",
            "\u{ffff}",
            "\u{10000}",
            "\u{10ffff}",
            "\u{e000}a",
            "a\u{10000}",
            "a\u{ffff}",
        ];
        for a in texts {
            for b in texts {
                let wanted = a.encode_utf16().cmp(b.encode_utf16());
                assert_eq!(compare_ordinal(a, b), wanted, "{a:?} {b:?}");
            }
        }
    }
}

//! Filters of table queries as a tree: what they match, and which keys they cannot match.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities>

use std::borrow::Cow;
use std::cmp::Ordering;

use lazuli_base::Timestamp;

use crate::edm::{EdmValue, compare_ordinal};
use crate::entity::{EntityKey, Properties};

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

impl Comparison {
    /// The operator of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            _ => return None,
        })
    }

    /// The operator with its sides exchanged.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            other => other,
        }
    }

    /// Whether two values in this order satisfy it.
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }
}

/// A side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// The value of the property of this name.
    Property(String),
    /// This value.
    Constant(EdmValue),
}

impl Operand {
    /// What it stands for in a record.
    fn of<'a>(&'a self, record: &'a dyn Record) -> Option<Cow<'a, EdmValue>> {
        match self {
            Self::Property(name) => record.value(name),
            Self::Constant(value) => Some(Cow::Borrowed(value)),
        }
    }
}

/// A filter. How deep it is nested is bounded by whoever makes one: it is evaluated by recursion.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Two sides that compare so. A property that an entity lacks matches nothing, and neither do
    /// sides whose types do not compare.
    Compare(Operand, Comparison, Operand),
    /// A property, or a constant, that is `true`.
    Truth(Operand),
    /// All of these.
    And(Vec<Filter>),
    /// Any of these.
    Or(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>),
}

/// What a filter asks of.
pub trait Record {
    /// The value of a property; `None` if there is none.
    fn value(&self, name: &str) -> Option<Cow<'_, EdmValue>>;
}

/// An entity as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct EntityRecord<'a> {
    /// Its key.
    pub key: &'a EntityKey,
    /// When it was changed.
    pub timestamp: Timestamp,
    /// Its other properties.
    pub properties: &'a Properties,
}

impl Record for EntityRecord<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, EdmValue>> {
        match name {
            "PartitionKey" => Some(Cow::Owned(EdmValue::String(self.key.partition.clone()))),
            "RowKey" => Some(Cow::Owned(EdmValue::String(self.key.row.clone()))),
            "Timestamp" => Some(Cow::Owned(EdmValue::DateTime(self.timestamp))),
            other => self.properties.get(other).map(Cow::Borrowed),
        }
    }
}

impl Filter {
    /// Whether a record matches.
    pub fn matches(&self, record: &dyn Record) -> bool {
        match self {
            Self::Compare(left, comparison, right) => match (left.of(record), right.of(record)) {
                (Some(left), Some(right)) => {
                    left.compare(&right).is_some_and(|order| comparison.holds(order))
                }
                _ => false,
            },
            Self::Truth(operand) => {
                operand.of(record).is_some_and(|value| *value == EdmValue::Boolean(true))
            }
            Self::And(parts) => parts.iter().all(|part| part.matches(record)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(record)),
            Self::Not(part) => !part.matches(record),
        }
    }

    /// How many comparisons it has: what it costs to hold it against a record.
    pub fn comparisons(&self) -> usize {
        match self {
            Self::Compare(..) | Self::Truth(_) => 1,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::comparisons).sum(),
            Self::Not(part) => part.comparisons(),
        }
    }

    /// Keys outside of which nothing matches.
    pub fn reach(&self) -> Reach {
        match self {
            Self::Compare(Operand::Property(name), comparison, Operand::Constant(value)) => {
                Reach::of(name, *comparison, value)
            }
            Self::Compare(Operand::Constant(value), comparison, Operand::Property(name)) => {
                Reach::of(name, comparison.mirrored(), value)
            }
            Self::And(parts) => {
                parts.iter().map(Self::reach).fold(Reach::default(), |a, b| a.intersected(&b))
            }
            Self::Or(parts) => {
                let mut reaches = parts.iter().map(Self::reach);
                let first = reaches.next().unwrap_or_default();
                reaches.fold(first, |a, b| a.united(&b))
            }
            Self::Compare(..) | Self::Truth(_) | Self::Not(_) => Reach::default(),
        }
    }
}

/// Bounds of a text, both inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// No smaller than this; any if `None`.
    pub first: Option<String>,
    /// No greater than this; any if `None`.
    pub last: Option<String>,
}

impl Bounds {
    fn of(comparison: Comparison, value: &str) -> Self {
        let value = Some(value.to_owned());
        match comparison {
            Comparison::Equal => Self { first: value.clone(), last: value },
            Comparison::Greater | Comparison::GreaterOrEqual => Self { first: value, last: None },
            Comparison::Less | Comparison::LessOrEqual => Self { first: None, last: value },
            Comparison::NotEqual => Self::default(),
        }
    }

    /// The only text within, if there is just one.
    pub fn exact(&self) -> Option<&str> {
        self.first.as_deref().filter(|_| self.first == self.last)
    }

    /// Whether nothing is within.
    pub fn is_empty(&self) -> bool {
        match (&self.first, &self.last) {
            (Some(first), Some(last)) => compare_ordinal(first, last).is_gt(),
            _ => false,
        }
    }

    fn intersected(&self, other: &Self) -> Self {
        Self {
            first: pick(self.first.as_ref(), other.first.as_ref(), Ordering::Greater, true),
            last: pick(self.last.as_ref(), other.last.as_ref(), Ordering::Less, true),
        }
    }

    fn united(&self, other: &Self) -> Self {
        Self {
            first: pick(self.first.as_ref(), other.first.as_ref(), Ordering::Less, false),
            last: pick(self.last.as_ref(), other.last.as_ref(), Ordering::Greater, false),
        }
    }
}

/// Of two bounds the one that is in this order to the other; with one missing, the other one if it
/// `narrows`, and none if not.
fn pick(a: Option<&String>, b: Option<&String>, wanted: Ordering, narrows: bool) -> Option<String> {
    match (a, b) {
        (Some(a), Some(b)) if compare_ordinal(a, b) == wanted => Some(a.clone()),
        (Some(_), Some(b)) => Some(b.clone()),
        (one, None) | (None, one) if narrows => one.cloned(),
        _ => None,
    }
}

/// The partition keys and row keys that a filter may match: it matches nothing outside of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Of the partition key.
    pub partition: Bounds,
    /// Of the row key.
    pub row: Bounds,
}

impl Reach {
    fn of(name: &str, comparison: Comparison, value: &EdmValue) -> Self {
        let mut reach = Self::default();
        if let EdmValue::String(text) = value {
            match name {
                "PartitionKey" => reach.partition = Bounds::of(comparison, text),
                "RowKey" => reach.row = Bounds::of(comparison, text),
                _ => {}
            }
        }
        reach
    }

    /// Whether nothing can match.
    pub fn is_empty(&self) -> bool {
        self.partition.is_empty() || self.row.is_empty()
    }

    /// What two filters reach that both have to match.
    #[must_use]
    pub fn intersected(&self, other: &Self) -> Self {
        Self {
            partition: self.partition.intersected(&other.partition),
            row: self.row.intersected(&other.row),
        }
    }

    /// What two filters reach of which one has to match.
    fn united(self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self;
        }
        Self {
            partition: self.partition.united(&other.partition),
            row: self.row.united(&other.row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(name: &str, comparison: Comparison, text: &str) -> Filter {
        let (name, value) = (name.to_owned(), EdmValue::String(text.to_owned()));
        Filter::Compare(Operand::Property(name), comparison, Operand::Constant(value))
    }

    fn bounds(first: Option<&str>, last: Option<&str>) -> Bounds {
        Bounds { first: first.map(str::to_owned), last: last.map(str::to_owned) }
    }

    #[test]
    fn bounds_follow_and_and_or() {
        use Comparison::{Equal, GreaterOrEqual, Less};
        let prefix = Filter::And(vec![
            compare("PartitionKey", Equal, "p"),
            compare("RowKey", GreaterOrEqual, "a"),
            compare("RowKey", Less, "b"),
            compare("Other", Equal, "x"),
        ]);
        let reach = prefix.reach();
        assert_eq!(reach.partition.exact(), Some("p"));
        assert_eq!(reach.row, bounds(Some("a"), Some("b")));
        let either = Filter::Or(vec![prefix.clone(), compare("PartitionKey", Equal, "q")]);
        assert_eq!(either.reach().partition, bounds(Some("p"), Some("q")));
        assert_eq!(either.reach().row, Bounds::default());
        let never = Filter::And(vec![
            compare("PartitionKey", Equal, "p"),
            compare("PartitionKey", Equal, "q"),
        ]);
        assert!(never.reach().is_empty());
        assert_eq!(Filter::Or(vec![never, prefix.clone()]).reach(), prefix.reach());
        assert_eq!(Filter::Not(Box::new(prefix)).reach(), Reach::default());
    }

    #[test]
    fn what_is_missing_or_of_another_type_does_not_match() {
        let (key, properties) = (EntityKey::new("p", "r"), Properties::default());
        let record = EntityRecord {
            key: &key,
            timestamp: Timestamp::from_unix_seconds(0),
            properties: &properties,
        };
        assert!(compare("PartitionKey", Comparison::Equal, "p").matches(&record));
        let missing = compare("Absent", Comparison::NotEqual, "p");
        assert!(!missing.matches(&record));
        assert!(Filter::Not(Box::new(missing)).matches(&record));
        assert!(!compare("Timestamp", Comparison::NotEqual, "p").matches(&record));
    }
}

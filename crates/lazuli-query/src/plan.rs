//! What a query's text says: the columns it names, what it selects, and which records.

use crate::aggregate::Aggregate;
use crate::expr::Expr;

/// A query that was read, not yet held against a blob.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where in each JSON value the records are.
    pub(crate) table: Vec<Step>,
    /// The columns that expressions name, each once.
    pub(crate) columns: Vec<Vec<Step>>,
    /// What is answered.
    pub(crate) select: Select,
    /// Which records count; all of them for `None`.
    pub(crate) filter: Option<Expr>,
    /// The most records of the answer.
    pub(crate) limit: Option<u64>,
    /// The number of words and signs of the query: what a record costs, about.
    pub(crate) tokens: usize,
}

/// What a query selects.
#[derive(Debug)]
pub(crate) enum Select {
    /// Each record as it is.
    All,
    /// The values of expressions.
    Items(Vec<Item>),
    /// One record about all of them.
    Aggregates(Vec<(Aggregate, String)>),
    /// The sizes of pieces of at least so many bytes, cut between records.
    Split(u64),
}

/// A selected expression and the name of its column.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) expr: Expr,
    pub(crate) name: String,
}

/// One step on the way into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member of an object; a name without quotes is meant in any case.
    Name { name: String, quoted: bool },
    /// An item of a list, counted from 0.
    Index(usize),
    /// Each item of a list.
    Each,
}

impl Step {
    /// Whether a member of this name is meant.
    pub(crate) fn names(&self, member: &str) -> bool {
        match self {
            Self::Name { name, quoted: true } => name == member,
            Self::Name { name, quoted: false } => name.eq_ignore_ascii_case(member),
            Self::Index(_) | Self::Each => false,
        }
    }

    /// The number of the column that `_1` and its kin mean, counted from 0.
    pub(crate) fn ordinal(&self) -> Option<usize> {
        let Self::Name { name, quoted: false } = self else { return None };
        let number: usize = name.strip_prefix('_')?.parse().ok()?;
        number.checked_sub(1)
    }
}

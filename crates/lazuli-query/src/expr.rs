//! Expressions: a tree over column numbers, and its value for a record.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::functions::{self, Function};
use crate::moment::Part;
use crate::pattern::Pattern;
use crate::value::{CONVERSION, DIVISION, Fault, Kind, Number, OVERFLOW, Value, compare};

/// A record whose columns an expression reads.
pub(crate) trait Row {
    /// The column of this number among those that the query names.
    fn column(&self, column: usize) -> Result<Value<'_>, Fault>;
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Literal(Value<'static>),
    /// A column, by its number among those that the query names.
    Column(usize),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Between {
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    In {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Like {
        operand: Box<Expr>,
        pattern: Pattern,
        negated: bool,
    },
    Is {
        test: Test,
        operand: Box<Expr>,
        negated: bool,
    },
    Cast(Kind, Box<Expr>),
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    NullIf(Box<Expr>, Box<Expr>),
    Call(Function, Vec<Expr>),
    DateAdd(Part, Box<Expr>, Box<Expr>),
    DateDiff(Part, Box<Expr>, Box<Expr>),
    Extract(Part, Box<Expr>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

/// An operation on numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// What IS asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Null,
    Missing,
    True,
    False,
}

/// A condition as a value.
fn told(truth: Option<bool>, negated: bool) -> Value<'static> {
    truth.map_or(Value::Null, |truth| Value::Bool(truth != negated))
}

impl Expr {
    /// The value for a record.
    pub(crate) fn eval<'v, R: Row>(&'v self, row: &'v R) -> Result<Value<'v>, Fault> {
        match self {
            Self::Literal(value) => Ok(borrow(value)),
            Self::Column(column) => row.column(*column),
            Self::Not(operand) => Ok(told(operand.eval(row)?.truth()?, true)),
            Self::Negate(operand) => match operand.eval(row)?.number()? {
                None => Ok(Value::Null),
                Some(Number::Int(value)) => value.checked_neg().map(Value::Int).ok_or(OVERFLOW),
                Some(Number::Float(value)) => Ok(Value::Float(-value)),
            },
            Self::And(terms) => Ok(told(all(terms, row, false)?, false)),
            Self::Or(terms) => Ok(told(all(terms, row, true)?, false)),
            Self::Compare(comparison, left, right) => {
                let order = compare(&left.eval(row)?, &right.eval(row)?)?;
                Ok(told(order.map(|order| comparison.holds(order)), false))
            }
            Self::Arithmetic(operation, left, right) => {
                operation.apply(&left.eval(row)?, &right.eval(row)?)
            }
            Self::Between { operand, low, high, negated } => {
                let operand = operand.eval(row)?;
                let low = compare(&operand, &low.eval(row)?)?.map(Ordering::is_ge);
                let high = compare(&operand, &high.eval(row)?)?.map(Ordering::is_le);
                Ok(told(both(low, high), *negated))
            }
            Self::In { operand, list, negated } => {
                let operand = operand.eval(row)?;
                Ok(told(is_in(&operand, list, row)?, *negated))
            }
            Self::Like { operand, pattern, negated } => {
                let text = operand.eval(row)?.into_text();
                Ok(told(text.map(|text| pattern.matches(&text)), *negated))
            }
            Self::Is { test, operand, negated } => {
                let found = test.holds(&operand.eval(row)?)?;
                Ok(Value::Bool(found != *negated))
            }
            Self::Cast(kind, operand) => operand.eval(row)?.cast(*kind),
            Self::Case { operand, branches, otherwise } => {
                case((operand.as_deref(), branches, otherwise.as_deref()), row)
            }
            Self::Coalesce(list) => {
                for item in list {
                    let value = item.eval(row)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            Self::NullIf(left, right) => {
                let left = left.eval(row)?;
                let equal = compare(&left, &right.eval(row)?)? == Some(Ordering::Equal);
                Ok(if equal { Value::Null } else { left })
            }
            Self::Call(function, arguments) => functions::call(*function, arguments, row),
            Self::DateAdd(part, count, time) => {
                match (count.eval(row)?.int()?, time.eval(row)?.time()?) {
                    (Some(count), Some(time)) => {
                        time.add(*part, count).map(Value::Time).ok_or(OVERFLOW)
                    }
                    _ => Ok(Value::Null),
                }
            }
            Self::DateDiff(part, from, to) => {
                match (from.eval(row)?.time()?, to.eval(row)?.time()?) {
                    (Some(from), Some(to)) => from.until(to, *part).map(Value::Int).ok_or(OVERFLOW),
                    _ => Ok(Value::Null),
                }
            }
            Self::Extract(part, time) => {
                let time = time.eval(row)?.time()?;
                Ok(time.map_or(Value::Null, |time| Value::Int(time.part(*part))))
            }
        }
    }

    /// Whether a record is one that the condition asks for.
    pub(crate) fn holds<R: Row>(&self, row: &R) -> Result<bool, Fault> {
        Ok(self.eval(row)?.truth()? == Some(true))
    }
}

/// A literal, lent instead of copied.
fn borrow<'v>(value: &'v Value<'static>) -> Value<'v> {
    match value {
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
        other => other.clone(),
    }
}

/// AND of the terms, or OR for `decided` true: the first term that decides ends it, and one that
/// is neither true nor false leaves it open.
fn all<R: Row>(terms: &[Expr], row: &R, decided: bool) -> Result<Option<bool>, Fault> {
    let mut outcome = Some(!decided);
    for term in terms {
        match term.eval(row)?.truth()? {
            Some(truth) if truth == decided => return Ok(Some(decided)),
            Some(_) => {}
            None => outcome = None,
        }
    }
    Ok(outcome)
}

fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn is_in<R: Row>(operand: &Value<'_>, list: &[Expr], row: &R) -> Result<Option<bool>, Fault> {
    let mut outcome = Some(false);
    for item in list {
        match compare(operand, &item.eval(row)?)? {
            Some(Ordering::Equal) => return Ok(Some(true)),
            Some(_) => {}
            None => outcome = None,
        }
    }
    Ok(outcome)
}

type Branches<'e> = (Option<&'e Expr>, &'e [(Expr, Expr)], Option<&'e Expr>);

fn case<'v, R: Row>(parts: Branches<'v>, row: &'v R) -> Result<Value<'v>, Fault> {
    let (operand, branches, otherwise) = parts;
    let operand = operand.map(|operand| operand.eval(row)).transpose()?;
    for (condition, result) in branches {
        let chosen = match &operand {
            Some(operand) => compare(operand, &condition.eval(row)?)? == Some(Ordering::Equal),
            None => condition.holds(row)?,
        };
        if chosen {
            return result.eval(row);
        }
    }
    otherwise.map_or(Ok(Value::Null), |otherwise| otherwise.eval(row))
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::NotEq => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::LtEq => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::GtEq => order.is_ge(),
        }
    }
}

impl Test {
    fn holds(self, value: &Value<'_>) -> Result<bool, Fault> {
        Ok(match self {
            Self::Null => value.is_null(),
            Self::Missing => matches!(value, Value::Missing),
            Self::True => value.truth()? == Some(true),
            Self::False => value.truth()? == Some(false),
        })
    }
}

impl Arithmetic {
    fn apply<'v>(self, left: &Value<'_>, right: &Value<'_>) -> Result<Value<'v>, Fault> {
        if left.is_null() || right.is_null() {
            return Ok(Value::Null);
        }
        if let (Value::Time(time), Self::Add | Self::Subtract) = (left, self) {
            let days = right.int()?.ok_or(CONVERSION)?;
            let days = if self == Self::Add { Some(days) } else { days.checked_neg() };
            let moved = days.and_then(|days| time.add(Part::Day, days));
            return moved.map(Value::Time).ok_or(OVERFLOW);
        }
        match (left.number()?, right.number()?) {
            (Some(Number::Int(left)), Some(Number::Int(right))) => {
                self.whole(left, right).map(Value::Int)
            }
            (Some(left), Some(right)) => {
                self.fractional(left.float(), right.float()).map(Value::Float)
            }
            _ => Ok(Value::Null),
        }
    }

    fn whole(self, left: i64, right: i64) -> Result<i64, Fault> {
        let divides = matches!(self, Self::Divide | Self::Remainder);
        if divides && right == 0 {
            return Err(DIVISION);
        }
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
        }
        .ok_or(OVERFLOW)
    }

    fn fractional(self, left: f64, right: f64) -> Result<f64, Fault> {
        let value = match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide | Self::Remainder if right == 0.0 => return Err(DIVISION),
            Self::Divide => left / right,
            Self::Remainder => left % right,
        };
        if value.is_finite() { Ok(value) } else { Err(OVERFLOW) }
    }
}

//! Aggregates: one value about all records that a condition lets through.

use std::cmp::Ordering;

use crate::expr::{Expr, Row};
use crate::value::{Fault, Number, Value, compare};

/// An aggregate of an expression.
#[derive(Debug)]
pub(crate) struct Aggregate {
    kind: AggregateKind,
    operand: Option<Expr>,
    count: u64,
    whole: i128,
    fractional: f64,
    is_whole: bool,
    best: Option<Value<'static>>,
}

/// What is told about the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateKind {
    Count,
    Sum,
    Average,
    Min,
    Max,
}

impl AggregateKind {
    /// The aggregate of this name, in upper case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "COUNT" => Self::Count,
            "SUM" => Self::Sum,
            "AVG" | "AVERAGE" => Self::Average,
            "MIN" => Self::Min,
            "MAX" => Self::Max,
            _ => return None,
        })
    }
}

impl Aggregate {
    /// An aggregate that has seen nothing; without an operand it counts records.
    pub(crate) fn new(kind: AggregateKind, operand: Option<Expr>) -> Self {
        Self { kind, operand, count: 0, whole: 0, fractional: 0.0, is_whole: true, best: None }
    }

    /// Takes a record into account.
    pub(crate) fn add<R: Row>(&mut self, row: &R) -> Result<(), Fault> {
        let Some(operand) = &self.operand else {
            self.count += 1;
            return Ok(());
        };
        let value = operand.eval(row)?;
        if value.is_null() {
            return Ok(());
        }
        match self.kind {
            AggregateKind::Count => {}
            AggregateKind::Sum | AggregateKind::Average => match value.number()? {
                Some(Number::Int(value)) => self.whole += i128::from(value),
                Some(Number::Float(value)) => {
                    self.fractional += value;
                    self.is_whole = false;
                }
                None => {}
            },
            AggregateKind::Min | AggregateKind::Max => {
                let wanted = match self.kind {
                    AggregateKind::Min => Ordering::Less,
                    _ => Ordering::Greater,
                };
                let better = match &self.best {
                    None => true,
                    Some(best) => compare(&value, best)? == Some(wanted),
                };
                if better {
                    self.best = Some(value.into_owned());
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// The value after all records; a whole sum that 64 bits cannot hold is told as a fraction.
    pub(crate) fn value(&self) -> Value<'static> {
        let sum = self.whole as f64 + self.fractional;
        match self.kind {
            AggregateKind::Count => Value::Int(i64::try_from(self.count).unwrap_or(i64::MAX)),
            AggregateKind::Min | AggregateKind::Max => self.best.clone().unwrap_or(Value::Null),
            _ if self.count == 0 => Value::Null,
            AggregateKind::Average => Value::Float(sum / self.count as f64),
            AggregateKind::Sum => match i64::try_from(self.whole) {
                Ok(whole) if self.is_whole => Value::Int(whole),
                _ => Value::Float(sum),
            },
        }
    }
}

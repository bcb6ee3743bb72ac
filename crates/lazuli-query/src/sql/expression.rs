//! Expressions of the parser become the crate's own, over numbered columns.

use std::borrow::Cow;

use lazuli_model::Refusal;
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr as Parsed, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, InTarget, Subscript, TrimWhereField, UnaryOperator,
    Value as ParsedValue,
};

use super::{refused, syntax};
use crate::aggregate::AggregateKind;
use crate::expr::{Arithmetic, Comparison, Expr, Test};
use crate::functions::Function;
use crate::moment::{Moment, Part};
use crate::pattern::Pattern;
use crate::plan::Step;
use crate::value::{Kind, Value};

/// The deepest tree. AND and OR of many terms are one level.
const DEPTH_MAX: usize = 64;

/// The longest pattern of LIKE, in bytes.
const PATTERN_BYTES_MAX: usize = 1024;

/// The names an expression may use, and the columns that were named so far.
pub(super) struct Names {
    alias: Option<String>,
    now: Option<Moment>,
    pub(super) columns: Vec<Vec<Step>>,
}

/// The arguments of a call: expressions, or a star.
enum Arguments<'p> {
    Star,
    List(Vec<&'p Parsed>),
}

impl Names {
    pub(super) fn new(alias: Option<String>, now: Option<Moment>) -> Self {
        Self { alias, now, columns: Vec::new() }
    }

    /// The name of a selected column that has no alias.
    pub(super) fn column_name(&self, expr: &Expr, index: usize) -> String {
        if let Expr::Column(column) = expr
            && let Some(Step::Name { name, .. }) =
                self.columns.get(*column).and_then(|path| path.last())
        {
            return name.clone();
        }
        format!("_{}", index + 1)
    }

    /// An aggregate and its operand, if the expression is one.
    pub(super) fn aggregate(
        &mut self,
        parsed: &Parsed,
    ) -> Result<Option<(AggregateKind, Option<Expr>)>, Refusal> {
        let Some((name, arguments)) = call(parsed)? else { return Ok(None) };
        let Some(kind) = AggregateKind::parse(&name) else { return Ok(None) };
        match arguments {
            Arguments::Star if kind == AggregateKind::Count => Ok(Some((kind, None))),
            Arguments::List(list) if list.len() == 1 => {
                let operand = self.expression(list[0])?;
                // COUNT of something that is always there counts records.
                Ok(Some((kind, Some(operand))))
            }
            _ => Err(refused(format!("{name} needs one argument."))),
        }
    }

    /// The expression over numbered columns.
    pub(super) fn expression(&mut self, parsed: &Parsed) -> Result<Expr, Refusal> {
        self.at(parsed, DEPTH_MAX)
    }

    fn boxed(&mut self, parsed: &Parsed, left: usize) -> Result<Box<Expr>, Refusal> {
        self.at(parsed, left).map(Box::new)
    }

    fn list<'p>(
        &mut self,
        parsed: impl IntoIterator<Item = &'p Parsed>,
        left: usize,
    ) -> Result<Vec<Expr>, Refusal> {
        parsed.into_iter().map(|item| self.at(item, left)).collect()
    }

    fn at(&mut self, parsed: &Parsed, left: usize) -> Result<Expr, Refusal> {
        let left = left
            .checked_sub(1)
            .ok_or_else(|| refused("The query expression is nested too deeply."))?;
        match parsed {
            Parsed::Nested(inner) => self.at(inner, left),
            Parsed::Value(value) => literal(&value.value),
            Parsed::Identifier(name) => Ok(self.column(vec![name_step(name)])),
            Parsed::CompoundIdentifier(names) => {
                Ok(self.column(names.iter().map(name_step).collect()))
            }
            Parsed::CompoundFieldAccess { root, access_chain } => {
                let path = path(root, access_chain)?;
                Ok(self.column(path))
            }
            Parsed::UnaryOp { op, expr } => self.unary(*op, expr, left),
            Parsed::BinaryOp { op, .. } => self.binary(parsed, op, left),
            Parsed::Between { .. } | Parsed::In { .. } | Parsed::Like { .. } => {
                self.predicate(parsed, left)
            }
            Parsed::IsNull(inner) => self.is(Test::Null, inner, (false, left)),
            Parsed::IsNotNull(inner) => self.is(Test::Null, inner, (true, left)),
            Parsed::IsUnknown(inner) => self.is(Test::Missing, inner, (false, left)),
            Parsed::IsNotUnknown(inner) => self.is(Test::Missing, inner, (true, left)),
            Parsed::IsTrue(inner) => self.is(Test::True, inner, (false, left)),
            Parsed::IsNotTrue(inner) => self.is(Test::True, inner, (true, left)),
            Parsed::IsFalse(inner) => self.is(Test::False, inner, (false, left)),
            Parsed::IsNotFalse(inner) => self.is(Test::False, inner, (true, left)),
            Parsed::Cast { kind: CastKind::Cast, expr, data_type, format: None } => {
                Ok(Expr::Cast(cast_kind(data_type)?, self.boxed(expr, left)?))
            }
            Parsed::Case { .. } => self.case(parsed, left),
            Parsed::Extract { field, expr, .. } => {
                let part = part(&field.to_string())?;
                Ok(Expr::Extract(part, self.boxed(expr, left)?))
            }
            Parsed::Substring { expr, substring_from, substring_for, .. } => {
                let mut parts = vec![&**expr];
                parts.extend(substring_from.as_deref());
                parts.extend(substring_for.as_deref());
                self.function(Function::Substring, ("SUBSTRING", &parts), left)
            }
            Parsed::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let mut parts = vec![&**expr];
                parts.extend(trim_what.as_deref());
                let function = match trim_where {
                    None | Some(TrimWhereField::Both) => Function::TrimBoth,
                    Some(TrimWhereField::Leading) => Function::TrimLeading,
                    Some(TrimWhereField::Trailing) => Function::TrimTrailing,
                };
                self.function(function, ("TRIM", &parts), left)
            }
            Parsed::Function(_) => self.call(parsed, left),
            other => Err(syntax(format!("{other} is not of the dialect"))),
        }
    }

    /// The number of a column; a path that begins with the table's name goes on without it.
    fn column(&mut self, mut path: Vec<Step>) -> Expr {
        let is_table = path.first().is_some_and(|first| {
            first.names("BlobStorage")
                || self.alias.as_deref().is_some_and(|alias| first.names(alias))
        });
        if path.len() > 1 && is_table {
            path.remove(0);
        }
        let known = self.columns.iter().position(|column| *column == path);
        let index = known.unwrap_or_else(|| {
            self.columns.push(path);
            self.columns.len() - 1
        });
        Expr::Column(index)
    }

    fn unary(&mut self, op: UnaryOperator, expr: &Parsed, left: usize) -> Result<Expr, Refusal> {
        let operand = self.at(expr, left)?;
        Ok(match (op, operand) {
            (UnaryOperator::Plus, operand) => operand,
            (UnaryOperator::Minus, Expr::Literal(Value::Int(value))) => {
                Expr::Literal(value.checked_neg().map_or(Value::Null, Value::Int))
            }
            // The least whole number is read as the number above the greatest, and negated.
            (UnaryOperator::Minus, Expr::Literal(Value::Float(value))) => {
                Expr::Literal(Value::Float(-value))
            }
            (UnaryOperator::Minus, operand) => Expr::Negate(Box::new(operand)),
            (UnaryOperator::Not, operand) => Expr::Not(Box::new(operand)),
            (op, _) => return Err(syntax(format!("{op} is not of the dialect"))),
        })
    }

    fn binary(
        &mut self,
        parsed: &Parsed,
        op: &BinaryOperator,
        left: usize,
    ) -> Result<Expr, Refusal> {
        if matches!(op, BinaryOperator::And | BinaryOperator::Or) {
            let terms = self.list(chain(parsed, op), left)?;
            let is_and = matches!(op, BinaryOperator::And);
            return Ok(if is_and { Expr::And(terms) } else { Expr::Or(terms) });
        }
        let Parsed::BinaryOp { left: first, right: second, .. } = parsed else {
            return Err(syntax("no operator"));
        };
        let first = self.boxed(first, left)?;
        let second = self.boxed(second, left)?;
        if let Some(comparison) = comparison(op) {
            return Ok(Expr::Compare(comparison, first, second));
        }
        let arithmetic = match op {
            BinaryOperator::Plus => Arithmetic::Add,
            BinaryOperator::Minus => Arithmetic::Subtract,
            BinaryOperator::Multiply => Arithmetic::Multiply,
            BinaryOperator::Divide => Arithmetic::Divide,
            BinaryOperator::Modulo => Arithmetic::Remainder,
            _ => return Err(syntax(format!("{op} is not of the dialect"))),
        };
        Ok(Expr::Arithmetic(arithmetic, first, second))
    }

    fn predicate(&mut self, parsed: &Parsed, left: usize) -> Result<Expr, Refusal> {
        match parsed {
            Parsed::Between { expr, negated, low, high } => Ok(Expr::Between {
                operand: self.boxed(expr, left)?,
                low: self.boxed(low, left)?,
                high: self.boxed(high, left)?,
                negated: *negated,
            }),
            Parsed::In { expr, target: InTarget::List(list), negated, global: false } => {
                Ok(Expr::In {
                    operand: self.boxed(expr, left)?,
                    list: self.list(list, left)?,
                    negated: *negated,
                })
            }
            Parsed::Like { negated, any: false, expr, pattern, escape_char } => {
                let escape = match escape_char.as_deref().map(text_literal) {
                    None => None,
                    Some(Some(text)) if text.len() == 1 => text.bytes().next(),
                    Some(_) => return Err(refused("ESCAPE needs one character.")),
                };
                let pattern = text_literal(pattern)
                    .filter(|pattern| pattern.len() <= PATTERN_BYTES_MAX)
                    .and_then(|pattern| Pattern::new(pattern.as_bytes(), escape))
                    .ok_or_else(|| refused("LIKE needs a pattern of at most 1024 bytes."))?;
                let operand = self.boxed(expr, left)?;
                Ok(Expr::Like { operand, pattern, negated: *negated })
            }
            other => Err(syntax(format!("{other} is not of the dialect"))),
        }
    }

    fn is(
        &mut self,
        test: Test,
        inner: &Parsed,
        (negated, left): (bool, usize),
    ) -> Result<Expr, Refusal> {
        Ok(Expr::Is { test, operand: self.boxed(inner, left)?, negated })
    }

    fn case(&mut self, parsed: &Parsed, left: usize) -> Result<Expr, Refusal> {
        let Parsed::Case { operand, conditions, else_result, .. } = parsed else {
            return Err(syntax("no CASE"));
        };
        let operand = operand.as_deref().map(|operand| self.boxed(operand, left)).transpose()?;
        let branches = conditions
            .iter()
            .map(|when| Ok((self.at(&when.condition, left)?, self.at(&when.result, left)?)))
            .collect::<Result<Vec<_>, Refusal>>()?;
        let otherwise =
            else_result.as_deref().map(|otherwise| self.boxed(otherwise, left)).transpose()?;
        Ok(Expr::Case { operand, branches, otherwise })
    }

    fn function(
        &mut self,
        function: Function,
        (name, arguments): (&str, &[&Parsed]),
        left: usize,
    ) -> Result<Expr, Refusal> {
        let (least, most) = function.arguments();
        if !(least..=most).contains(&arguments.len()) {
            return Err(wrong_arguments(name));
        }
        Ok(Expr::Call(function, self.list(arguments.iter().copied(), left)?))
    }

    fn call(&mut self, parsed: &Parsed, left: usize) -> Result<Expr, Refusal> {
        let Some((name, Arguments::List(arguments))) = call(parsed)? else {
            return Err(syntax(format!("{parsed} is not of the dialect")));
        };
        let function = match name.as_str() {
            "CHAR_LENGTH" | "CHARACTER_LENGTH" => Function::Length,
            "LOWER" => Function::Lower,
            "UPPER" => Function::Upper,
            "TO_STRING" => Function::ToString,
            "TO_TIMESTAMP" => Function::ToTimestamp,
            _ => return self.special(&name, &arguments, left),
        };
        self.function(function, (&name, &arguments), left)
    }

    /// Calls that are more than a function of their arguments' values.
    fn special(&mut self, name: &str, arguments: &[&Parsed], left: usize) -> Result<Expr, Refusal> {
        match (name, arguments) {
            ("UTCNOW", []) => Ok(Expr::Literal(self.now.map_or(Value::Null, Value::Time))),
            ("COALESCE", [_, ..]) => {
                Ok(Expr::Coalesce(self.list(arguments.iter().copied(), left)?))
            }
            ("NULLIF", [first, second]) => {
                Ok(Expr::NullIf(self.boxed(first, left)?, self.boxed(second, left)?))
            }
            ("DATE_ADD", [name, count, time]) => {
                let part = date_part(name)?;
                Ok(Expr::DateAdd(part, self.boxed(count, left)?, self.boxed(time, left)?))
            }
            ("DATE_DIFF", [name, from, to]) => {
                let part = date_part(name)?;
                Ok(Expr::DateDiff(part, self.boxed(from, left)?, self.boxed(to, left)?))
            }
            ("UTCNOW" | "COALESCE" | "NULLIF" | "DATE_ADD" | "DATE_DIFF", _) => {
                Err(wrong_arguments(name))
            }
            _ if AggregateKind::parse(name).is_some() => {
                Err(refused("An aggregate cannot be part of an expression."))
            }
            _ => Err(refused(format!("The function {name} is not supported."))),
        }
    }
}

fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Eq,
        BinaryOperator::NotEq => Comparison::NotEq,
        BinaryOperator::Lt => Comparison::Lt,
        BinaryOperator::LtEq => Comparison::LtEq,
        BinaryOperator::Gt => Comparison::Gt,
        BinaryOperator::GtEq => Comparison::GtEq,
        _ => return None,
    })
}

fn wrong_arguments(name: &str) -> Refusal {
    refused(format!("The number of arguments of {name} is wrong."))
}

/// The terms of `a op b op c`, without recursion: there may be many.
fn chain<'p>(parsed: &'p Parsed, op: &BinaryOperator) -> Vec<&'p Parsed> {
    let mut terms = Vec::new();
    let mut rest = parsed;
    while let Parsed::BinaryOp { left, op: found, right } = rest
        && found == op
    {
        terms.push(&**right);
        rest = left;
    }
    terms.push(rest);
    terms.reverse();
    terms
}

/// The name of a call, in upper case, and its arguments; `None` if it is no call.
fn call(parsed: &Parsed) -> Result<Option<(String, Arguments<'_>)>, Refusal> {
    let Parsed::Function(function) = parsed else { return Ok(None) };
    let plain = function.over.is_none()
        && function.filter.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && !function.uses_odbc_syntax
        && matches!(function.parameters, FunctionArguments::None);
    let list = match &function.args {
        FunctionArguments::List(list)
            if plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() =>
        {
            list
        }
        _ => return Err(syntax(format!("{function} is not of the dialect"))),
    };
    let name = function.name.to_string().to_ascii_uppercase();
    if matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]) {
        return Ok(Some((name, Arguments::Star)));
    }
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => Err(syntax(format!("{other} is not of the dialect"))),
    });
    Ok(Some((name, Arguments::List(arguments.collect::<Result<_, _>>()?))))
}

fn name_step(name: &Ident) -> Step {
    Step::Name { name: name.value.clone(), quoted: name.quote_style.is_some() }
}

/// The path of `a.b[0].c`.
fn path(root: &Parsed, chain: &[AccessExpr]) -> Result<Vec<Step>, Refusal> {
    let mut steps = match root {
        Parsed::Identifier(name) => vec![name_step(name)],
        Parsed::CompoundIdentifier(names) => names.iter().map(name_step).collect(),
        other => return Err(syntax(format!("{other} has no members"))),
    };
    for access in chain {
        steps.push(match access {
            AccessExpr::Dot(Parsed::Identifier(name)) => name_step(name),
            AccessExpr::Subscript(Subscript::Index { index: Parsed::Value(value) }) => {
                match &value.value {
                    ParsedValue::Number(number, false) => {
                        Step::Index(number.parse().map_err(|_| syntax("an index is not whole"))?)
                    }
                    other => return Err(syntax(format!("{other} is no index"))),
                }
            }
            other => return Err(syntax(format!("{other} is not of the dialect"))),
        });
    }
    Ok(steps)
}

fn literal(value: &ParsedValue) -> Result<Expr, Refusal> {
    Ok(Expr::Literal(match value {
        ParsedValue::Number(number, false) => match number.parse() {
            Ok(whole) => Value::Int(whole),
            Err(_) => match number.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => return Err(syntax("a number is out of range")),
            },
        },
        ParsedValue::SingleQuotedString(text) => Value::Text(Cow::Owned(text.clone().into_bytes())),
        ParsedValue::Boolean(value) => Value::Bool(*value),
        ParsedValue::Null => Value::Null,
        other => return Err(syntax(format!("{other} is not of the dialect"))),
    }))
}

fn text_literal(parsed: &Parsed) -> Option<&str> {
    match parsed {
        Parsed::Value(value) => match &value.value {
            ParsedValue::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The part of a date that is named as text or as a word.
fn date_part(parsed: &Parsed) -> Result<Part, Refusal> {
    let name = match parsed {
        Parsed::Identifier(name) => Some(name.value.as_str()),
        other => text_literal(other),
    };
    let part = part(name.unwrap_or_default())?;
    match part {
        Part::OffsetHour | Part::OffsetMinute => Err(no_part()),
        part => Ok(part),
    }
}

fn part(name: &str) -> Result<Part, Refusal> {
    Part::parse(name).ok_or_else(no_part)
}

fn no_part() -> Refusal {
    refused("The part of a date is not one of the supported ones.")
}

/// The kind of a CAST. The documented names come first, then those that SQL has for the same.
fn cast_kind(data_type: &DataType) -> Result<Kind, Refusal> {
    Ok(match data_type.to_string().to_ascii_uppercase().as_str() {
        "INT" | "INTEGER" | "BIGINT" => Kind::Int,
        "FLOAT" | "DOUBLE" | "DOUBLE PRECISION" | "REAL" => Kind::Float,
        "STRING" | "VARCHAR" | "NVARCHAR" | "TEXT" => Kind::Text,
        "TIMESTAMP" | "DATETIME" => Kind::Time,
        "BOOLEAN" | "BOOL" | "BIT" => Kind::Bool,
        _ => return Err(refused("CAST needs INT, FLOAT, STRING, TIMESTAMP or BOOLEAN.")),
    })
}

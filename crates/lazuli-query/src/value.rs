//! Values of expressions, and how one kind becomes another.
//!
//! Everything in delimited text is a string until something asks for another kind: a cast, an
//! operator whose other side is of that kind, or a function.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::json::{self, Json};
use crate::moment::Moment;

/// A value, perhaps borrowed from the record it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'r> {
    /// A member that a JSON object does not have.
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Text, which is UTF-8 if the blob is.
    Text(Cow<'r, [u8]>),
    Time(Moment),
    /// A list or an object.
    Json(&'r Json<'r>),
}

/// A kind of value that a cast can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Float,
    Text,
    Time,
}

/// Why a record gives no result. The query goes on with the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The error's name, as clients see it.
    pub(crate) name: &'static str,
    /// The error's description, as clients see it.
    pub(crate) description: Cow<'static, str>,
}

impl Fault {
    pub(crate) const fn new(name: &'static str, description: &'static str) -> Self {
        Self { name, description: Cow::Borrowed(description) }
    }
}

/// A value that cannot become what an operator needs.
pub(crate) const CONVERSION: Fault =
    Fault::new("InvalidTypeConversion", "Invalid type conversion.");

/// A result that its kind cannot hold.
pub(crate) const OVERFLOW: Fault = Fault::new("ArithmeticOverflow", "Arithmetic overflow.");

/// A division by zero.
pub(crate) const DIVISION: Fault = Fault::new("DivideByZero", "Division by zero.");

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(crate) fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// The number that a text is, white space around it aside.
pub(crate) fn parse_number(text: &[u8]) -> Option<Number> {
    let text = text.trim_ascii();
    if let Some(value) = parse_int(text) {
        return Some(Number::Int(value));
    }
    // Names like `inf` are numbers to the library and text to everybody else.
    let first = text.iter().find(|byte| !b"+-.".contains(byte))?;
    if !first.is_ascii_digit() {
        return None;
    }
    let value: f64 = str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(Number::Float(value))
}

/// The whole number that a text is; `None` for one that 64 bits cannot hold.
fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

fn parse_bool(text: &[u8]) -> Option<bool> {
    let text = text.trim_ascii();
    if text.eq_ignore_ascii_case(b"true") || text == b"1" {
        return Some(true);
    }
    (text.eq_ignore_ascii_case(b"false") || text == b"0").then_some(false)
}

impl<'r> Value<'r> {
    /// A text of its own.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into().into_bytes()))
    }

    /// Whether there is no value.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    /// The value as a condition; `None` is neither true nor false.
    pub(crate) fn truth(&self) -> Result<Option<bool>, Fault> {
        match self {
            Self::Missing | Self::Null => Ok(None),
            Self::Bool(value) => Ok(Some(*value)),
            Self::Text(text) => parse_bool(text).map(Some).ok_or(CONVERSION),
            _ => Err(CONVERSION),
        }
    }

    /// The value as a number; `None` if there is none.
    pub(crate) fn number(&self) -> Result<Option<Number>, Fault> {
        match self {
            Self::Missing | Self::Null => Ok(None),
            Self::Int(value) => Ok(Some(Number::Int(*value))),
            Self::Float(value) => Ok(Some(Number::Float(*value))),
            Self::Bool(value) => Ok(Some(Number::Int(i64::from(*value)))),
            Self::Text(text) => parse_number(text).map(Some).ok_or(CONVERSION),
            Self::Time(_) | Self::Json(_) => Err(CONVERSION),
        }
    }

    /// The value as a whole number.
    pub(crate) fn int(&self) -> Result<Option<i64>, Fault> {
        match self.number()? {
            None => Ok(None),
            Some(Number::Int(value)) => Ok(Some(value)),
            Some(Number::Float(_)) => Err(CONVERSION),
        }
    }

    /// The value as a point in time.
    pub(crate) fn time(&self) -> Result<Option<Moment>, Fault> {
        match self {
            Self::Missing | Self::Null => Ok(None),
            Self::Time(value) => Ok(Some(*value)),
            Self::Text(text) => Moment::parse(text).map(Some).ok_or(CONVERSION),
            _ => Err(CONVERSION),
        }
    }

    /// The value as text.
    pub(crate) fn into_text(self) -> Option<Cow<'r, [u8]>> {
        match self {
            Self::Missing | Self::Null => None,
            Self::Text(text) => Some(text),
            other => {
                let mut out = Vec::new();
                other.write_plain(&mut out);
                Some(Cow::Owned(out))
            }
        }
    }

    /// Adds the value to `out` as it stands in delimited text, quotes aside.
    pub(crate) fn write_plain(&self, out: &mut Vec<u8>) {
        match self {
            Self::Missing | Self::Null => {}
            Self::Text(text) => out.extend_from_slice(text),
            Self::Time(value) => out.extend_from_slice(value.to_iso().as_bytes()),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Float(value) => write_float(*value, out),
            Self::Json(value) => value.write(out),
        }
    }

    /// Adds the value to `out` as JSON.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Missing | Self::Null => out.extend_from_slice(b"null"),
            Self::Text(text) => json::write_text(text, out),
            Self::Time(value) => json::write_text(value.to_iso().as_bytes(), out),
            other => other.write_plain(out),
        }
    }

    /// The value as another kind.
    pub(crate) fn cast(self, kind: Kind) -> Result<Self, Fault> {
        if self.is_null() {
            return Ok(Value::Null);
        }
        Ok(match (kind, self) {
            (Kind::Text, value) => value.into_text().map_or(Value::Null, Value::Text),
            (Kind::Bool, Value::Int(value)) => Value::Bool(value != 0),
            (Kind::Bool, Value::Float(value)) => Value::Bool(value != 0.0),
            (Kind::Bool, value) => value.truth()?.map_or(Value::Null, Value::Bool),
            (Kind::Int, Value::Float(value)) => Value::Int(truncate(value)?),
            (Kind::Int, value) => value.int()?.map_or(Value::Null, Value::Int),
            (Kind::Float, value) => {
                value.number()?.map_or(Value::Null, |number| Value::Float(number.float()))
            }
            (Kind::Time, value) => value.time()?.map_or(Value::Null, Value::Time),
        })
    }

    /// The value without what it borrows.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Missing => Value::Missing,
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Time(value) => Value::Time(value),
            Self::Json(_) => self
                .into_text()
                .map_or(Value::Null, |text| Value::Text(Cow::Owned(text.into_owned()))),
        }
    }
}

/// The whole part of a number.
fn truncate(value: f64) -> Result<i64, Fault> {
    let value = value.trunc();
    // The first bound is a number of 64 bits, the second is the first that is none.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { Ok(value as i64) } else { Err(OVERFLOW) }
}

fn write_float(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    let text = if size != 0.0 && !(1e-5..1e16).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    };
    out.extend_from_slice(text.as_bytes());
}

/// How two values compare; `None` if one of them is no value.
///
/// Text beside another kind becomes that kind.
pub(crate) fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, Fault> {
    use Value::{Bool, Json, Missing, Null, Text, Time};
    match (left, right) {
        (Missing | Null, _) | (_, Missing | Null) => Ok(None),
        (Text(left), Text(right)) => Ok(Some(left.as_ref().cmp(right.as_ref()))),
        (Json(_), _) | (_, Json(_)) => Err(CONVERSION),
        (Time(_), _) | (_, Time(_)) => match (left.time()?, right.time()?) {
            (Some(left), Some(right)) => Ok(left.partial_cmp(&right)),
            _ => Ok(None),
        },
        (Bool(_), _) | (_, Bool(_)) => match (left.truth()?, right.truth()?) {
            (Some(left), Some(right)) => Ok(Some(left.cmp(&right))),
            _ => Ok(None),
        },
        _ => match (left.number()?, right.number()?) {
            (Some(Number::Int(left)), Some(Number::Int(right))) => Ok(Some(left.cmp(&right))),
            (Some(left), Some(right)) => Ok(left.float().partial_cmp(&right.float())),
            _ => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(value.as_bytes()))
    }

    #[test]
    fn texts_are_numbers_where_they_look_like_them() {
        for (sent, number) in [
            ("1", Some(Number::Int(1))),
            (" -7 ", Some(Number::Int(-7))),
            ("+7", Some(Number::Int(7))),
            ("9223372036854775807", Some(Number::Int(i64::MAX))),
            ("-9223372036854775808", Some(Number::Int(i64::MIN))),
            ("9223372036854775808", Some(Number::Float(9_223_372_036_854_775_808.0))),
            ("1.5", Some(Number::Float(1.5))),
            (".5", Some(Number::Float(0.5))),
            ("1e3", Some(Number::Float(1000.0))),
            ("", None),
            ("-", None),
            ("inf", None),
            ("nan", None),
            ("1e999", None),
            ("0x10", None),
            ("1 2", None),
        ] {
            assert_eq!(parse_number(sent.as_bytes()), number, "{sent}");
        }
    }

    #[test]
    fn kinds_meet_in_comparisons() {
        let time = text("2020-01-01").cast(Kind::Time).unwrap();
        for (left, right, order) in [
            (text("10"), text("9"), Some(Ordering::Less)),
            (text("10"), Value::Int(9), Some(Ordering::Greater)),
            (Value::Float(1.5), text("1.5"), Some(Ordering::Equal)),
            (Value::Int(2), Value::Float(1.5), Some(Ordering::Greater)),
            (text("TRUE"), Value::Bool(true), Some(Ordering::Equal)),
            (time.clone(), text("2019"), Some(Ordering::Greater)),
            (Value::Null, Value::Int(1), None),
            (Value::Int(1), Value::Missing, None),
        ] {
            assert_eq!(compare(&left, &right), Ok(order), "{left:?} {right:?}");
        }
        for (left, right) in [
            (text("x"), Value::Int(1)),
            (text("x"), Value::Bool(true)),
            (text("x"), time.clone()),
            (Value::Int(2), Value::Bool(true)),
            (Value::Int(2), time),
            (Value::Json(&Json::Null), Value::Int(1)),
        ] {
            assert_eq!(compare(&left, &right), Err(CONVERSION), "{left:?} {right:?}");
        }
    }

    #[test]
    fn casts_follow_the_documented_kinds() {
        for (value, kind, expected) in [
            (text("12"), Kind::Int, Ok("12")),
            (text("12.5"), Kind::Int, Err(CONVERSION)),
            (Value::Float(12.9), Kind::Int, Ok("12")),
            (Value::Float(-12.9), Kind::Int, Ok("-12")),
            (Value::Float(1e30), Kind::Int, Err(OVERFLOW)),
            (Value::Bool(true), Kind::Int, Ok("1")),
            (text("12"), Kind::Float, Ok("12")),
            (text("1e30"), Kind::Float, Ok("1e30")),
            (text("0.00000001"), Kind::Float, Ok("1e-8")),
            (text("yes"), Kind::Bool, Err(CONVERSION)),
            (text("false"), Kind::Bool, Ok("false")),
            (Value::Int(3), Kind::Bool, Ok("true")),
            (Value::Float(0.0), Kind::Bool, Ok("false")),
            (Value::Int(3), Kind::Text, Ok("3")),
            (text("2020-02"), Kind::Time, Ok("2020-02-01T00:00:00Z")),
            (Value::Int(3), Kind::Time, Err(CONVERSION)),
            (Value::Missing, Kind::Int, Ok("")),
        ] {
            let shown = format!("{value:?} as {kind:?}");
            let found = value.cast(kind).map(|value| {
                let mut out = Vec::new();
                value.write_plain(&mut out);
                String::from_utf8(out).unwrap()
            });
            assert_eq!(found, expected.map(str::to_owned), "{shown}");
        }
    }
}

//! The functions of the dialect that work on text and on points in time.

use std::borrow::Cow;

use crate::expr::{Expr, Row};
use crate::value::{CONVERSION, Fault, Kind, Value};

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Length,
    Lower,
    Upper,
    Substring,
    TrimBoth,
    TrimLeading,
    TrimTrailing,
    ToString,
    ToTimestamp,
}

impl Function {
    /// The least and the most arguments.
    pub(crate) fn arguments(self) -> (usize, usize) {
        match self {
            Self::Length | Self::Lower | Self::Upper | Self::ToTimestamp => (1, 1),
            Self::TrimBoth | Self::TrimLeading | Self::TrimTrailing => (1, 2),
            Self::Substring => (2, 3),
            Self::ToString => (2, 2),
        }
    }
}

/// The value of a call, whose number of arguments was checked when the query was read. A call with
/// an argument that is no value is no value.
pub(crate) fn call<'v, R: Row>(
    function: Function,
    arguments: &'v [Expr],
    row: &'v R,
) -> Result<Value<'v>, Fault> {
    let mut values = [Value::Null, Value::Null, Value::Null];
    for (value, argument) in values.iter_mut().zip(arguments) {
        *value = argument.eval(row)?;
        if value.is_null() {
            return Ok(Value::Null);
        }
    }
    let [first, second, third] = values;
    match function {
        Function::ToTimestamp => first.cast(Kind::Time),
        Function::ToString => {
            let pattern = second.into_text().unwrap_or_default();
            let pattern = str::from_utf8(&pattern).map_err(|_| CONVERSION)?;
            let time = first.time()?.ok_or(CONVERSION)?;
            time.format(pattern).map(Value::text).ok_or(CONVERSION)
        }
        Function::Length => {
            let text = first.into_text().unwrap_or_default();
            Ok(Value::Int(characters(&text) as i64))
        }
        Function::Lower => Ok(cased(first, str::to_lowercase, <[u8]>::to_ascii_lowercase)),
        Function::Upper => Ok(cased(first, str::to_uppercase, <[u8]>::to_ascii_uppercase)),
        Function::Substring => {
            let text = first.into_text().unwrap_or_default();
            let start = second.int()?.unwrap_or(0);
            Ok(Value::Text(substring(text, start, third.int()?)))
        }
        Function::TrimBoth | Function::TrimLeading | Function::TrimTrailing => {
            let what = second.into_text().unwrap_or(Cow::Borrowed(b" "));
            let text = first.into_text().unwrap_or_default();
            let leading = function != Function::TrimTrailing;
            Ok(Value::Text(trim(text, &what, leading, function != Function::TrimLeading)))
        }
    }
}

/// The number of characters; what is not UTF-8 counts byte by byte.
fn characters(text: &[u8]) -> usize {
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

fn cased(value: Value<'_>, unicode: fn(&str) -> String, ascii: fn(&[u8]) -> Vec<u8>) -> Value<'_> {
    let text = value.into_text().unwrap_or_default();
    match str::from_utf8(&text) {
        Ok(text) => Value::text(unicode(text)),
        Err(_) => Value::Text(Cow::Owned(ascii(&text))),
    }
}

/// The text from the character `start`, counted from 0 as Azure's example counts, and at most
/// `length` characters of it. What would lie before the first character counts as well.
fn substring(text: Cow<'_, [u8]>, start: i64, length: Option<i64>) -> Cow<'_, [u8]> {
    let end = length.map_or(i64::MAX, |length| start.saturating_add(length.max(0)));
    let start = start.max(0);
    let (mut from, mut to) = (text.len(), text.len());
    let mut number = 0;
    let mut at = 0;
    while at < text.len() {
        if number == start {
            from = at;
        }
        if number >= end {
            to = at;
            break;
        }
        at += 1;
        while text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) {
            at += 1;
        }
        number += 1;
    }
    cut(text, from.min(to), to)
}

/// Takes the characters of `what` from the ends of a text.
fn trim<'v>(text: Cow<'v, [u8]>, what: &[u8], leading: bool, trailing: bool) -> Cow<'v, [u8]> {
    let valid = (str::from_utf8(&text), str::from_utf8(what));
    let (from, to) = if let (Ok(whole), Ok(what)) = valid {
        let rest = if leading { whole.trim_start_matches(|c| what.contains(c)) } else { whole };
        let from = whole.len() - rest.len();
        let rest = if trailing { rest.trim_end_matches(|c| what.contains(c)) } else { rest };
        (from, from + rest.len())
    } else {
        let kept = |byte: &u8| !what.contains(byte);
        let from = if leading { text.iter().position(kept).unwrap_or(text.len()) } else { 0 };
        let to = text.iter().rposition(kept).map_or(from, |last| last + 1);
        (from, if trailing { to } else { text.len() })
    };
    cut(text, from, to)
}

fn cut(text: Cow<'_, [u8]>, from: usize, to: usize) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(mut text) => {
            text.truncate(to);
            text.drain(..from);
            Cow::Owned(text)
        }
    }
}

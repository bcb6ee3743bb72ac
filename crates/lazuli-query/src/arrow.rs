//! Answers as an Apache Arrow stream, in the columns that the request's schema names.
//!
//! The fields of the schema stand for the selected columns in their order. A row is put together
//! first and added as a whole, so that one with a value of the wrong kind leaves nothing behind.

use std::borrow::Cow;
use std::ops::Range;

use lazuli_wire::arrow::{self, Table};

use crate::delimited::ORDINAL;
use crate::json::Json;
use crate::request::{ArrowField, ArrowKind};
use crate::value::{CONVERSION, Fault, Kind, OVERFLOW, Value};
use crate::values::to_value;

/// Rows on their way into batches.
pub(crate) struct Batches {
    fields: Vec<ArrowField>,
    table: Table,
    /// The row that was begun.
    row: Vec<Cell>,
    texts: String,
    /// About the bytes of the table.
    held: usize,
}

/// A value of the kind of its column.
enum Cell {
    Null,
    Whole(i64),
    Flag(bool),
    Millis(i64),
    /// A part of the texts.
    Text(Range<usize>),
    Double(f64),
    Decimal(i128),
}

impl Batches {
    /// Batches of these columns.
    pub(crate) fn new(fields: &[ArrowField]) -> Self {
        let columns = fields.iter().map(|field| {
            let kind = match field.kind {
                ArrowKind::Int64 => arrow::Kind::Whole,
                ArrowKind::Bool => arrow::Kind::Flag,
                ArrowKind::Timestamp => arrow::Kind::Millis,
                ArrowKind::Text => arrow::Kind::Text,
                ArrowKind::Double => arrow::Kind::Double,
                ArrowKind::Decimal { precision, scale } => {
                    arrow::Kind::Decimal { precision, scale }
                }
            };
            (field.name.clone(), kind)
        });
        Self {
            table: Table::new(columns),
            fields: fields.to_vec(),
            row: Vec::new(),
            texts: String::new(),
            held: 0,
        }
    }

    /// The bytes of rows that are not in a batch, about.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Writes the schema.
    pub(crate) fn write_schema(&self, out: &mut Vec<u8>) {
        self.table.write_schema(&[], out);
    }

    /// Writes the rows, if there are any.
    pub(crate) fn write_batch(&mut self, out: &mut Vec<u8>) {
        if self.table.rows() > 0 {
            self.table.write_batch(out);
            self.held = 0;
        }
    }

    /// Writes the rows and the end of the stream.
    pub(crate) fn write_end(&mut self, out: &mut Vec<u8>) {
        self.write_batch(out);
        arrow::write_end(out);
    }

    /// Begins a row; what there is of another that was not ended is forgotten.
    pub(crate) fn begin_row(&mut self) {
        self.row.clear();
        self.texts.clear();
    }

    /// Adds the next value of the row; one more than the schema has is left out.
    ///
    /// A fault for a value that does not become what its column holds.
    pub(crate) fn add(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        if let Some(field) = self.fields.get(self.row.len()) {
            let cell = to_cell(value, field.kind, &mut self.texts)?;
            self.row.push(cell);
        }
        Ok(())
    }

    /// Adds an object as a row: the members that have the names of the columns.
    pub(crate) fn add_object(&mut self, members: &[(Cow<'_, str>, Json<'_>)]) -> Result<(), Fault> {
        self.begin_row();
        for field in &self.fields {
            let member = members.iter().find(|(name, _)| *name == field.name);
            let value = member.map_or(Value::Missing, |(_, value)| to_value(value));
            self.row.push(to_cell(&value, field.kind, &mut self.texts)?);
        }
        self.end_row()
    }

    /// Ends the row.
    ///
    /// A fault for a row that has not all columns.
    pub(crate) fn end_row(&mut self) -> Result<(), Fault> {
        if self.row.len() < self.fields.len() {
            return Err(ORDINAL);
        }
        for (field, cell) in self.fields.iter().zip(self.row.drain(..)) {
            let table = &mut self.table;
            match (field.kind, cell) {
                (_, Cell::Whole(value)) => table.whole(Some(value)),
                (_, Cell::Flag(value)) => table.flag(Some(value)),
                (_, Cell::Millis(value)) => table.moment(Some(value)),
                (_, Cell::Double(value)) => table.double(Some(value)),
                (_, Cell::Decimal(value)) => table.decimal(Some(value)),
                (_, Cell::Text(range)) => table.text(self.texts.get(range)),
                (ArrowKind::Bool, Cell::Null) => table.flag(None),
                (ArrowKind::Text, Cell::Null) => table.text(None),
                (_, Cell::Null) => table.whole(None),
            }
        }
        self.table.end_row();
        self.held += 16 * self.fields.len() + self.texts.len();
        Ok(())
    }
}

/// The value as a column of a kind holds it. A text that is empty is no value to any kind but text:
/// delimited text has no other way to say so.
fn to_cell(value: &Value<'_>, kind: ArrowKind, texts: &mut String) -> Result<Cell, Fault> {
    let is_blank = matches!(value, Value::Text(text) if text.is_empty());
    if value.is_null() || (is_blank && kind != ArrowKind::Text) {
        return Ok(Cell::Null);
    }
    let cast = |kind| value.clone().cast(kind);
    Ok(match kind {
        ArrowKind::Int64 => cast(Kind::Int)?.int()?.map_or(Cell::Null, Cell::Whole),
        ArrowKind::Bool => cast(Kind::Bool)?.truth()?.map_or(Cell::Null, Cell::Flag),
        ArrowKind::Timestamp => {
            let moment = value.time()?.ok_or(CONVERSION)?;
            Cell::Millis(moment.to_unix_millis().ok_or(OVERFLOW)?)
        }
        ArrowKind::Text => {
            let text = value.clone().into_text().unwrap_or_default();
            let start = texts.len();
            texts.push_str(&String::from_utf8_lossy(&text));
            Cell::Text(start..texts.len())
        }
        ArrowKind::Double => {
            value.number()?.map_or(Cell::Null, |number| Cell::Double(number.float()))
        }
        ArrowKind::Decimal { precision, scale } => {
            let mut text = Vec::new();
            match value {
                Value::Int(_) | Value::Float(_) | Value::Text(_) => value.write_plain(&mut text),
                _ => return Err(CONVERSION),
            }
            Cell::Decimal(decimal(text.trim_ascii(), precision, scale)?)
        }
    })
}

/// The largest exponent that is looked at: any larger one makes a number too large, or nothing.
const EXPONENT_MAX: i32 = 1_000;

/// The number that a text is, in units of the last of `scale` digits after the point. Further digits
/// are rounded, halves away from zero.
fn decimal(text: &[u8], precision: u8, scale: u8) -> Result<i128, Fault> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    };
    let (digits, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let whole = point.unwrap_or(digits.len());
    let mut value = 0_i128;
    // Where the digit stands: 0 for the last that counts, and -1 for the one that rounds.
    let mut place = i64::from(exponent) + i64::from(scale) + whole as i64 - 1;
    let mut seen = false;
    for byte in digits.iter().enumerate().filter(|(at, _)| Some(*at) != point).map(|(_, b)| *b) {
        if !byte.is_ascii_digit() {
            return Err(CONVERSION);
        }
        seen = true;
        let digit = i128::from(byte - b'0');
        if place >= 0 {
            value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(OVERFLOW)?;
        } else if place == -1 && digit >= 5 {
            value += 1;
        }
        place -= 1;
    }
    if !seen {
        return Err(CONVERSION);
    }
    for _ in 0..=place {
        if value == 0 {
            break;
        }
        value = value.checked_mul(10).ok_or(OVERFLOW)?;
    }
    if value >= 10_i128.pow(u32::from(precision)) {
        return Err(OVERFLOW);
    }
    Ok(if is_negative { -value } else { value })
}

fn exponent(text: &[u8]) -> Result<i32, Fault> {
    let value: i32 =
        str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(CONVERSION)?;
    Ok(value.clamp(-EXPONENT_MAX, EXPONENT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        for (text, precision, scale, expected) in [
            ("300.4", 5, 2, Ok(30_040)),
            ("-0.005", 4, 2, Ok(-1)),
            ("0.0049", 4, 2, Ok(0)),
            ("9.995", 3, 2, Err(OVERFLOW)),
            ("99", 4, 2, Ok(9_900)),
            ("100", 4, 2, Err(OVERFLOW)),
            (".5", 2, 1, Ok(5)),
            ("5.", 2, 1, Ok(50)),
            ("1.25e1", 4, 2, Ok(1_250)),
            ("125e-2", 4, 2, Ok(125)),
            ("1e-30", 4, 2, Ok(0)),
            ("0e999999", 4, 2, Ok(0)),
            ("1e999999", 38, 2, Err(OVERFLOW)),
            ("99999999999999999999999999999999999999", 38, 0, Ok(10_i128.pow(38) - 1)),
            ("", 4, 2, Err(CONVERSION)),
            ("-", 4, 2, Err(CONVERSION)),
            (".", 4, 2, Err(CONVERSION)),
            ("1.2.3", 4, 2, Err(CONVERSION)),
            ("x", 4, 2, Err(CONVERSION)),
            ("1e", 4, 2, Err(CONVERSION)),
            ("inf", 4, 2, Err(CONVERSION)),
        ] {
            assert_eq!(decimal(text.as_bytes(), precision, scale), expected, "{text}");
        }
    }
}

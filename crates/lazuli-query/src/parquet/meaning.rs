//! What a value of a column is to an expression.
//!
//! <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md>

use std::borrow::Cow;

use super::column::Raw;
use super::footer::{Column, Meaning, Physical};
use crate::moment::Moment;
use crate::value::{CONVERSION, Fault, Value, parse_number};

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The Julian day of 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;

/// A value as expressions see it.
///
/// A time outside of what a calendar holds is a fault of its record.
pub(super) fn to_value<'c>(raw: Raw<'c>, column: &Column) -> Result<Value<'c>, Fault> {
    let value = match (column.meaning, raw) {
        (_, Raw::Null) => Value::Null,
        (_, Raw::Flag(flag)) => Value::Bool(flag),
        (_, Raw::Float(value)) => Value::Float(value),
        (Meaning::Unsigned(32), Raw::Whole(value)) => Value::Int(i64::from(value as u32)),
        (Meaning::Unsigned(_), Raw::Whole(value)) => {
            let value = value as u64;
            i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)
        }
        (Meaning::Decimal(scale), Raw::Whole(value)) => decimal(i128::from(value), scale),
        (Meaning::Decimal(scale), Raw::Bytes(bytes)) => big_endian(bytes)
            .map_or(Value::Float(wide(bytes, scale)), |value| decimal(value, scale)),
        (Meaning::Date, Raw::Whole(days)) => moment(days.saturating_mul(SECONDS_PER_DAY), 0)?,
        (Meaning::Timestamp(unit), Raw::Whole(value)) => {
            let nanos = value.rem_euclid(unit) * (NANOS_PER_SECOND / unit);
            moment(value.div_euclid(unit), nanos)?
        }
        (Meaning::Time(unit), Raw::Whole(value)) => time_of_day(value, unit),
        (_, Raw::Whole(value)) => Value::Int(value),
        (Meaning::Uuid, Raw::Bytes(bytes)) => uuid(bytes),
        (Meaning::Half, Raw::Bytes([low, high])) => {
            Value::Float(half(u16::from_le_bytes([*low, *high])))
        }
        (_, Raw::Bytes(bytes)) if column.physical == Physical::Int96 => julian(bytes)?,
        (_, Raw::Bytes(bytes)) => Value::Text(Cow::Borrowed(bytes)),
    };
    Ok(value)
}

fn moment(seconds: i64, nanos: i64) -> Result<Value<'static>, Fault> {
    Moment::from_unix(seconds, nanos as i32).map(Value::Time).ok_or(CONVERSION)
}

/// Nanoseconds of a day and the day, as older writers have them.
fn julian(bytes: &[u8]) -> Result<Value<'static>, Fault> {
    let (Some(nanos), Some(day)) = (bytes.first_chunk(), bytes.last_chunk()) else {
        return Err(CONVERSION);
    };
    let (nanos, day) = (i64::from_le_bytes(*nanos), i64::from(i32::from_le_bytes(*day)));
    let seconds = (day - JULIAN_1970) * SECONDS_PER_DAY + nanos.div_euclid(NANOS_PER_SECOND);
    moment(seconds, nanos.rem_euclid(NANOS_PER_SECOND))
}

fn time_of_day(value: i64, unit: i64) -> Value<'static> {
    let (seconds, part) = (value.div_euclid(unit), value.rem_euclid(unit));
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if part != 0 {
        let digits = format!("{:09}", part * (NANOS_PER_SECOND / unit));
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    Value::text(text)
}

fn uuid(bytes: &[u8]) -> Value<'static> {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    Value::text(text)
}

/// A number of 16 bits: a sign, five bits of exponent and ten of fraction.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let size = match bits >> 10 & 0x1f {
        0 => fraction * (-24_f64).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * (f64::from(exponent) - 25.0).exp2(),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The whole number that bytes are, the highest first; `None` for one of more than 128 bits.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let (first, rest) = bytes.split_first()?;
    if rest.len() > 15 {
        return None;
    }
    let start = i128::from(*first as i8);
    Some(rest.iter().fold(start, |value, byte| value << 8 | i128::from(*byte)))
}

/// About the number that is too large for [`big_endian`].
fn wide(bytes: &[u8], scale: i32) -> f64 {
    let Some((first, rest)) = bytes.split_first() else { return 0.0 };
    let start = f64::from(*first as i8);
    let value = rest.iter().fold(start, |value, byte| value * 256.0 + f64::from(*byte));
    value / 10_f64.powi(scale)
}

/// A number of so many digits after the point: whole if there are none, or else the nearest
/// fraction.
fn decimal(value: i128, scale: i32) -> Value<'static> {
    if scale == 0
        && let Ok(whole) = i64::try_from(value)
    {
        return Value::Int(whole);
    }
    // Reading the digits rounds once; a division would round twice.
    let text = format!("{value}e-{scale}");
    match parse_number(text.as_bytes()) {
        Some(number) => Value::Float(number.float()),
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: Raw<'_>, physical: Physical, meaning: Meaning) -> String {
        let path = vec!["c".into()];
        let column = Column { path, physical, meaning, defined: 1, is_repeated: false };
        let mut out = Vec::new();
        match to_value(raw, &column) {
            Ok(value) => value.write_plain(&mut out),
            Err(fault) => out.extend_from_slice(fault.name.as_bytes()),
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_what_their_columns_say() {
        use Meaning::{Date, Decimal, Half, Plain, Time, Timestamp, Unsigned, Uuid};
        use Physical::{Bytes, Fixed, Float, Int32, Int64, Int96};
        let mut old = 3_600_000_000_001_i64.to_le_bytes().to_vec();
        old.extend(2_440_589_i32.to_le_bytes());
        let all = [0xff_u8; 17];
        let mut wide = vec![1];
        wide.extend([0; 16]);
        let id: Vec<u8> = (0..16).collect();
        for (raw, physical, meaning, expected) in [
            (Raw::Null, Int32, Date, ""),
            (Raw::Whole(-1), Int32, Unsigned(32), "4294967295"),
            (Raw::Whole(-1), Int64, Unsigned(64), "1.8446744073709552e19"),
            (Raw::Whole(7), Int64, Unsigned(64), "7"),
            (Raw::Whole(-12_345), Int64, Decimal(2), "-123.45"),
            (Raw::Whole(12_345), Int32, Decimal(0), "12345"),
            (Raw::Bytes(&[0xff, 0x38]), Bytes, Decimal(1), "-20"),
            (Raw::Bytes(&[]), Bytes, Decimal(1), "0"),
            (Raw::Bytes(&wide), Fixed(17), Decimal(0), "3.402823669209385e38"),
            (Raw::Bytes(&all[..16]), Fixed(16), Decimal(0), "-1"),
            (Raw::Whole(18_262), Int32, Date, "2020-01-01T00:00:00Z"),
            (Raw::Whole(-1), Int64, Timestamp(1_000), "1969-12-31T23:59:59.999Z"),
            (Raw::Whole(1_500_000), Int64, Timestamp(1_000_000), "1970-01-01T00:00:01.5Z"),
            (Raw::Whole(i64::MAX), Int64, Timestamp(1_000), "InvalidTypeConversion"),
            (Raw::Whole(i64::MAX), Int32, Date, "InvalidTypeConversion"),
            (Raw::Whole(3_661_250), Int32, Time(1_000), "01:01:01.25"),
            (Raw::Whole(60_000_000), Int64, Time(1_000_000), "00:01:00"),
            (Raw::Bytes(&old), Int96, Plain, "1970-01-02T01:00:00.000000001Z"),
            (Raw::Bytes(&id), Fixed(16), Uuid, "00010203-0405-0607-0809-0a0b0c0d0e0f"),
            (Raw::Bytes(&[0, 0xc1]), Fixed(2), Half, "-2.5"),
            (Raw::Bytes(&[1, 0]), Fixed(2), Half, "5.960464477539063e-8"),
            (Raw::Bytes(b"x"), Bytes, Plain, "x"),
            (Raw::Float(0.5), Float, Plain, "0.5"),
            (Raw::Flag(true), Physical::Boolean, Plain, "true"),
        ] {
            assert_eq!(shown(raw, physical, meaning), expected, "{raw:?} {meaning:?}");
        }
    }
}

//! The texts of values: as JSON and Atom write them, and as filters and keys quote them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lazuli_model::edm::{EdmType, EdmValue};

use crate::date;

/// The value that a text stands for in JSON and Atom, where its type is annotated; `None` if it
/// does not parse.
pub fn parse(edm: EdmType, text: &str) -> Option<EdmValue> {
    Some(match edm {
        EdmType::String => EdmValue::String(text.to_owned()),
        EdmType::Boolean => EdmValue::Boolean(match text {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        EdmType::Int32 => EdmValue::Int32(text.parse().ok()?),
        EdmType::Int64 => EdmValue::Int64(text.parse().ok()?),
        EdmType::Double => double(text)?,
        EdmType::DateTime => moment(text)?,
        EdmType::Guid => EdmValue::Guid(guid(text)?),
        EdmType::Binary => EdmValue::Binary(BASE64.decode(text).ok()?),
    })
}

/// A floating-point number; `None` for one that is too large, and for what JSON has no digits for
/// but by its three names.
pub fn double(text: &str) -> Option<EdmValue> {
    match text {
        "NaN" => return Some(EdmValue::Double(f64::NAN)),
        "Infinity" | "INF" => return Some(EdmValue::Double(f64::INFINITY)),
        "-Infinity" | "-INF" => return Some(EdmValue::Double(f64::NEG_INFINITY)),
        _ => {}
    }
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let value: f64 = text.parse().ok().filter(|_| digits)?;
    value.is_finite().then(|| EdmValue::double(value))
}

/// A moment; one without a time zone is in UTC.
pub fn moment(text: &str) -> Option<EdmValue> {
    let at = date::parse_iso(text).or_else(|| date::parse_iso(&format!("{text}Z")))?;
    EdmValue::moment(at)
}

/// A globally unique identifier, with its hyphens, in any case.
pub fn guid(text: &str) -> Option<[u8; 16]> {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let bytes = text.as_bytes();
    if bytes.len() != 36 || HYPHENS.iter().any(|at| bytes.get(*at) != Some(&b'-')) {
        return None;
    }
    let mut digits = bytes.iter().filter(|byte| **byte != b'-');
    let mut value = [0; 16];
    for byte in &mut value {
        let mut digit = || char::from(*digits.next()?).to_digit(16);
        *byte = (digit()? * 16 + digit()?) as u8;
    }
    // With too many hyphens there are too few digits.
    digits.next().is_none().then_some(value)
}

/// The bytes in hexadecimal digits.
pub fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| Some((digit(*high)? * 16 + digit(*low)?) as u8)).collect()
}

/// Appends the text of a value, as it stands between quotation marks or as a bare JSON number.
pub fn push(out: &mut String, value: &EdmValue) {
    // Writing to a String cannot fail.
    let _ = match value {
        EdmValue::String(text) => out.write_str(text),
        EdmValue::Boolean(value) => write!(out, "{value}"),
        EdmValue::Int32(value) => write!(out, "{value}"),
        EdmValue::Int64(value) => write!(out, "{value}"),
        EdmValue::Double(value) => return push_double(out, *value),
        EdmValue::DateTime(at) => return date::push_iso7(out, *at),
        EdmValue::Guid(bytes) => return push_guid(out, bytes),
        EdmValue::Binary(bytes) => return BASE64.encode_string(bytes, out),
    };
}

fn push_double(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        // The shortest digits that are read back as this number, with a point or an exponent.
        let _ = write!(out, "{value:?}");
    }
}

fn push_guid(out: &mut String, bytes: &[u8; 16]) {
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: &EdmValue) -> String {
        let mut out = String::new();
        push(&mut out, value);
        out
    }

    #[test]
    fn texts_are_those_of_the_service() {
        for (edm, given, shown) in [
            (EdmType::Double, "1", "1.0"),
            (EdmType::Double, "-0.0", "0.0"),
            (EdmType::Double, "1.797693134862315e308", "1.797693134862315e308"),
            (EdmType::Double, "INF", "Infinity"),
            (EdmType::Double, "NaN", "NaN"),
            (EdmType::Int64, "-9223372036854775808", "-9223372036854775808"),
            (EdmType::DateTime, "2024-05-01T10:11:12", "2024-05-01T10:11:12.0000000Z"),
            (EdmType::DateTime, "2024-05-01T10:11:12.1234567Z", "2024-05-01T10:11:12.1234567Z"),
            (
                EdmType::Guid,
                "C9DA6455-213D-42C9-9A79-3E9149A57833",
                "c9da6455-213d-42c9-9a79-3e9149a57833",
            ),
            (EdmType::Binary, "AAE=", "AAE="),
        ] {
            assert_eq!(text(&parse(edm, given).unwrap()), shown, "{given}");
        }
        for (edm, bad) in [
            (EdmType::Int32, "2147483648"),
            (EdmType::Int64, "1.0"),
            (EdmType::Double, "1.8e308"),
            (EdmType::Double, "infinity"),
            (EdmType::Double, ""),
            (EdmType::DateTime, "1600-12-31T23:59:59Z"),
            (EdmType::DateTime, "soon"),
            (EdmType::Guid, "c9da6455213d42c99a793e9149a57833"),
            (EdmType::Guid, "--------------------------------c9da"),
            (EdmType::Binary, "AAE"),
            (EdmType::Boolean, "yes"),
        ] {
            assert_eq!(parse(edm, bad), None, "{bad}");
        }
        assert_eq!(hexadecimal("00fF"), Some(vec![0, 255]));
        assert_eq!((hexadecimal("0"), hexadecimal("0g")), (None, None));
    }

    proptest! {
        #[test]
        fn every_double_is_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let shown = text(&EdmValue::double(value));
            let Some(EdmValue::Double(again)) = double(&shown) else {
                return Err(TestCaseError::fail(shown));
            };
            // Adding zero makes a negative zero positive, as the service does.
            let same = again.to_bits() == (value + 0.0).to_bits();
            prop_assert!(same || (again.is_nan() && value.is_nan()), "{shown}");
        }

        #[test]
        fn every_identifier_is_read_back(bytes: [u8; 16], text_of in "[0-9a-f-]{30,40}") {
            prop_assert_eq!(guid(&text(&EdmValue::Guid(bytes))), Some(bytes));
            let _ = guid(&text_of);
        }
    }
}

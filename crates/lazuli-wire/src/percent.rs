//! Percent-encoding of paths and query values (RFC 3986), decoded exactly once.
//!
//! `+` is a plus sign in a path; in a query value it is a space, as the service reads it.

use std::borrow::Cow;

use lazuli_model::{ErrorCode, Refusal};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// All but the characters a path may hold as they are.
const PATH: &AsciiSet = &COMPONENT
    .remove(b'/')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Decodes a path or one of its segments; `+` stays a plus sign.
///
/// `InvalidUri` when an escape is incomplete or the bytes are not UTF-8.
pub fn decode_path(raw: &str) -> Result<Cow<'_, str>, Refusal> {
    if raw.contains('%') { decode(raw.as_bytes()).map(Cow::Owned) } else { Ok(Cow::Borrowed(raw)) }
}

/// Decodes a query name or value; `+` becomes a space.
///
/// `InvalidUri` when an escape is incomplete or the bytes are not UTF-8.
pub fn decode_query(raw: &str) -> Result<Cow<'_, str>, Refusal> {
    if !raw.contains(['%', '+']) {
        return Ok(Cow::Borrowed(raw));
    }
    decode(raw.replace('+', " ").as_bytes()).map(Cow::Owned)
}

fn decode(raw: &[u8]) -> Result<String, Refusal> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let high = bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
            let low = bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else {
                return Err(Refusal::new(ErrorCode::InvalidUri).with_cause("incomplete escape"));
            };
            decoded.push((high * 16 + low) as u8);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded)
        .map_err(|_| Refusal::new(ErrorCode::InvalidUri).with_cause("escapes are not UTF-8"))
}

/// Encodes everything but unreserved characters: for a query name or value, or one path segment.
pub fn encode_component(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, COMPONENT)
}

/// Encodes what a path may not hold as it is; `/` stays.
pub fn encode_path(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, PATH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plus_is_a_space_in_queries_only() {
        assert_eq!(decode_path("a+b%2Bc").unwrap(), "a+b+c");
        assert_eq!(decode_query("a+b%2Bc").unwrap(), "a b+c");
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode_path("%2525%C3%A9").unwrap(), "%25é");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for raw in ["%", "%4", "%zz", "%+1", "%ff", "%C3"] {
            assert_eq!(decode_path(raw).unwrap_err().code(), ErrorCode::InvalidUri, "{raw}");
            assert_eq!(decode_query(raw).unwrap_err().code(), ErrorCode::InvalidUri, "{raw}");
        }
    }

    #[test]
    fn a_path_keeps_its_slashes() {
        assert_eq!(encode_path("a b/c%é").to_string(), "a%20b/c%25%C3%A9");
        assert_eq!(encode_component("a b/c&d").to_string(), "a%20b%2Fc%26d");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            let path = encode_path(&text).to_string();
            let query = encode_component(&text).to_string();
            prop_assert_eq!(decode_path(&path).unwrap(), &*text);
            prop_assert_eq!(decode_query(&query).unwrap(), &*text);
        }

        #[test]
        fn no_text_panics(text in "[%+0-9a-fé]{0,20}") {
            let _ = (decode_path(&text), decode_query(&text));
        }
    }
}

//! Typed readers of request headers.
//!
//! A header that is sent with an empty value counts as not sent wherever it has a type other than
//! text. A single-valued header that is sent twice is refused: two readers of the same request
//! must never see two different values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use lazuli_base::Timestamp;
use lazuli_model::{ErrorCode, Refusal};

use crate::date::parse_http_date;

/// The values of the header `name`, which is in lower case, in the order they were sent.
///
/// A request has few headers: comparing their names one by one costs less than hashing `name` does,
/// and most of what is looked for is not there.
pub fn all<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h HeaderValue> {
    debug_assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name}");
    headers.iter().filter(move |(other, _)| other.as_str() == name).map(|(_, value)| value)
}

/// The first value of the header `name`, as [`all`] finds it.
pub fn first<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h HeaderValue> {
    all(headers, name).next()
}

/// The text of a header, trimmed; `InvalidHeaderValue` if it is not UTF-8 or sent twice.
pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = all(headers, name);
    let Some(value) = values.next() else { return Ok(None) };
    let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if let Some(second) = values.next() {
        let both = format!("{},{}", lossy(value.as_bytes()), lossy(second.as_bytes()));
        return Err(Refusal::header_value(name, both));
    }
    match str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(Refusal::header_value(name, lossy(value.as_bytes()))),
    }
}

/// The text of a header that is not empty.
pub fn non_empty<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    Ok(text(headers, name)?.filter(|value| !value.is_empty()))
}

/// The text of a header that must be there and not be empty: else `MissingRequiredHeader`.
pub fn required<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refusal> {
    non_empty(headers, name)?.ok_or_else(|| Refusal::missing_header(name))
}

/// `true` or `false`, in any case.
pub fn boolean(headers: &HeaderMap, name: &str) -> Result<Option<bool>, Refusal> {
    parsed(headers, name, |value| {
        if value.eq_ignore_ascii_case("true") {
            Some(true)
        } else {
            value.eq_ignore_ascii_case("false").then_some(false)
        }
    })
}

/// A decimal number without a sign.
pub fn unsigned(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Refusal> {
    parsed(headers, name, |value| {
        value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten()
    })
}

/// A decimal number with an optional sign.
pub fn signed(headers: &HeaderMap, name: &str) -> Result<Option<i64>, Refusal> {
    parsed(headers, name, |value| value.parse().ok())
}

/// A date in one of the HTTP forms.
pub fn date(headers: &HeaderMap, name: &str) -> Result<Option<Timestamp>, Refusal> {
    parsed(headers, name, parse_http_date)
}

/// Base64 of exactly `N` bytes.
pub fn base64<const N: usize>(headers: &HeaderMap, name: &str) -> Result<Option<[u8; N]>, Refusal> {
    parsed(headers, name, |value| STANDARD.decode(value).ok()?.try_into().ok())
}

/// An MD5 in the form of `Content-MD5`; `InvalidMd5` if it is not Base64 of sixteen bytes.
pub fn md5(headers: &HeaderMap, name: &str) -> Result<Option<[u8; 16]>, Refusal> {
    match base64(headers, name) {
        Err(_) => {
            let value = first(headers, name).map(HeaderValue::as_bytes).unwrap_or_default();
            Err(Refusal::new(ErrorCode::InvalidMd5)
                .with_detail("HeaderName", name)
                .with_detail("HeaderValue", String::from_utf8_lossy(value)))
        }
        md5 => md5,
    }
}

/// A CRC-64 in the form of `x-ms-content-crc64`.
///
/// `InvalidHeaderValue` if it is not Base64 of eight bytes at least; `Crc64Mismatch` if it has
/// more, for then no checksum equals it.
pub fn crc64(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(value) = non_empty(headers, name)? else { return Ok(None) };
    let bytes = STANDARD.decode(value).map_err(|_| Refusal::header_value(name, value))?;
    if bytes.len() > 8 {
        return Err(Refusal::new(ErrorCode::Crc64Mismatch).with_detail("UserSpecifiedCrc", value));
    }
    match bytes.try_into() {
        Ok(bytes) => Ok(Some(u64::from_le_bytes(bytes))),
        Err(_) => Err(Refusal::header_value(name, value)),
    }
}

/// The checksums a body must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyChecksums {
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// `x-ms-content-crc64`.
    pub crc64: Option<u64>,
}

/// The checksums sent for the request's body; `BothCrc64AndMd5HeaderPresent` if there are two.
pub fn body_checksums(headers: &HeaderMap) -> Result<BodyChecksums, Refusal> {
    let checksums = BodyChecksums {
        md5: md5(headers, "content-md5")?,
        crc64: crc64(headers, "x-ms-content-crc64")?,
    };
    if checksums.md5.is_some() && checksums.crc64.is_some() {
        return Err(Refusal::new(ErrorCode::BothCrc64AndMd5HeaderPresent));
    }
    Ok(checksums)
}

/// `Content-Length`.
pub fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    unsigned(headers, "content-length")
}

fn parsed<T>(
    headers: &HeaderMap,
    name: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(value) = non_empty(headers, name)? else { return Ok(None) };
    parse(value).map(Some).ok_or_else(|| Refusal::header_value(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn map(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> ErrorCode {
        result.unwrap_err().code()
    }

    #[test]
    fn text_is_utf8_sent_once() {
        let headers =
            map(&[("a", "é ".as_bytes()), ("b", b"\xff"), ("c", b"1"), ("c", b"2"), ("d", b"")]);
        assert_eq!(text(&headers, "a"), Ok(Some("é")));
        assert_eq!(text(&headers, "d"), Ok(Some("")));
        assert_eq!(text(&headers, "e"), Ok(None));
        assert_eq!(code(text(&headers, "b")), ErrorCode::InvalidHeaderValue);
        let twice = text(&headers, "c").unwrap_err();
        assert_eq!(twice.details()[1], ("HeaderValue", "1,2".to_owned()));
        assert_eq!(code(required(&headers, "d")), ErrorCode::MissingRequiredHeader);
    }

    #[test]
    fn typed_values() {
        let headers = map(&[
            ("yes", b"True"),
            ("n", b"18446744073709551615"),
            ("minus", b"-5"),
            ("plus", b"+5"),
            ("when", b"Sun, 06 Nov 1994 08:49:37 GMT"),
            ("word", b"maybe"),
        ]);
        assert_eq!(boolean(&headers, "yes"), Ok(Some(true)));
        assert_eq!(unsigned(&headers, "n"), Ok(Some(u64::MAX)));
        assert_eq!(signed(&headers, "minus"), Ok(Some(-5)));
        assert_eq!(date(&headers, "when").unwrap().unwrap().unix_seconds(), 784_111_777);
        assert_eq!(code(unsigned(&headers, "plus")), ErrorCode::InvalidHeaderValue);
        for result in [boolean(&headers, "word").map(|_| ()), date(&headers, "word").map(|_| ())] {
            assert_eq!(result.unwrap_err().details()[1], ("HeaderValue", "maybe".to_owned()));
        }
    }

    #[test]
    fn checksums_have_their_own_refusals() {
        let headers = map(&[
            ("short", b"AAAA"),
            ("crc", b"vo7q9sPVKY0="),
            ("long", b"AAAAAAAAAAAAAAAA"),
            ("content-md5", b"1B2M2Y8AsgTpgAmY7PhCfg=="),
        ]);
        assert_eq!(code(md5(&headers, "short")), ErrorCode::InvalidMd5);
        assert_eq!(crc64(&headers, "crc"), Ok(Some(0x8D29_D5C3_F6EA_8EBE)));
        assert_eq!(code(crc64(&headers, "short")), ErrorCode::InvalidHeaderValue);
        assert_eq!(code(crc64(&headers, "long")), ErrorCode::Crc64Mismatch);
        assert_eq!(body_checksums(&headers).unwrap().md5, Some(crate::md5::checksum(b"")));
        let both = map(&[
            ("content-md5", b"1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("x-ms-content-crc64", b"vo7q9sPVKY0="),
        ]);
        assert_eq!(code(body_checksums(&both)), ErrorCode::BothCrc64AndMd5HeaderPresent);
    }

    proptest! {
        #[test]
        fn no_value_panics(bytes in any::<Vec<u8>>()) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.insert("a", value);
            }
            let _ = (text(&headers, "a"), boolean(&headers, "a"), unsigned(&headers, "a"));
            let _ = (signed(&headers, "a"), date(&headers, "a"), md5(&headers, "a"));
            let _ = (crc64(&headers, "a"), base64::<4>(&headers, "a"));
        }
    }
}

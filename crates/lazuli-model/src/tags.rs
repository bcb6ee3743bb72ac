//! Index tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tags>

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Refusal};

/// Most tags of a blob.
const TAGS_MAX: usize = 10;
/// Most characters of a key.
pub const KEY_CHARACTERS_MAX: usize = 128;
/// Most characters of a value.
pub const VALUE_CHARACTERS_MAX: usize = 256;

/// A blob's tags, ordered by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagSet(Vec<(String, String)>);

impl TagSet {
    /// Checks tags: at most ten, keys of 1 to 128 and values of 0 to 256 allowed characters, no key
    /// twice.
    ///
    /// `TagsTooLarge`, `EmptyTagName`, `InvalidTags` or `DuplicateTagNames`.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Refusal> {
        let mut tags: Vec<(String, String)> = pairs.into_iter().take(TAGS_MAX + 1).collect();
        if tags.len() > TAGS_MAX {
            return Err(ErrorCode::TagsTooLarge.into());
        }
        for (key, value) in &tags {
            if key.is_empty() {
                return Err(ErrorCode::EmptyTagName.into());
            }
            if key.len() > KEY_CHARACTERS_MAX || value.len() > VALUE_CHARACTERS_MAX {
                return Err(ErrorCode::TagsTooLarge.into());
            }
            if !key.chars().chain(value.chars()).all(is_tag_character) {
                return Err(ErrorCode::InvalidTags.into());
            }
        }
        tags.sort();
        if tags.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
            return Err(ErrorCode::DuplicateTagNames.into());
        }
        Ok(Self(tags))
    }

    /// Parses `x-ms-tags`: `key=value` joined by `&`, percent-encoded, a plus for a space.
    pub fn from_header(header: &str) -> Result<Self, Refusal> {
        let invalid = || Refusal::new(ErrorCode::InvalidTags);
        let mut pairs = Vec::new();
        for pair in header.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(key).zip(decode(value)).ok_or_else(invalid)?;
            if pairs.len() > TAGS_MAX {
                break;
            }
            pairs.push(decoded);
        }
        Self::new(pairs)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Letters, digits, space and `+ - . / : = _`.
pub(crate) fn is_tag_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '+' | '-' | '.' | '/' | ':' | '=' | '_')
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                (digit(rest.next())? * 16 + digit(rest.next())?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_form() {
        let tags = TagSet::from_header("b=2&a%20x=1+y&c=").unwrap();
        let pairs: Vec<_> = tags.iter().collect();
        assert_eq!(pairs, [("a x", "1 y"), ("b", "2"), ("c", "")]);
        let code = |text: &str| TagSet::from_header(text).unwrap_err().code();
        assert_eq!(code("a=1&a=2"), ErrorCode::DuplicateTagNames);
        assert_eq!(code("=1"), ErrorCode::EmptyTagName);
        assert_eq!(code("a=%zz"), ErrorCode::InvalidTags);
        assert_eq!(code("a=%3B"), ErrorCode::InvalidTags);
        let eleven = (0..11).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
        assert_eq!(code(&eleven), ErrorCode::TagsTooLarge);
        assert_eq!(code(&format!("a={}", "v".repeat(257))), ErrorCode::TagsTooLarge);
    }

    proptest! {
        #[test]
        fn headers_never_panic(text in "\\PC{0,80}") {
            if let Ok(tags) = TagSet::from_header(&text) {
                prop_assert!(tags.len() <= TAGS_MAX);
            }
        }
    }
}

//! User metadata: names and values that travel as `x-ms-meta-*` headers.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources>

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Refusal};

/// Most bytes of all names and values together.
const METADATA_BYTES_MAX: usize = 8 * 1024;

/// The metadata of a container or blob, in the order it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata(Vec<(String, String)>);

impl Metadata {
    /// Whether both have the same names, letter case aside, with the same values, in any order.
    pub fn is_same(&self, other: &Self) -> bool {
        // No two names of one are alike.
        let is_in = |(name, value): &(String, String)| {
            let mut pairs = other.0.iter();
            pairs.any(|(theirs, other)| theirs.eq_ignore_ascii_case(name) && other == value)
        };
        self.0.len() == other.0.len() && self.0.iter().all(is_in)
    }

    /// Checks names and values: each name an identifier, no two alike but for case, 8 KiB in all.
    ///
    /// `EmptyMetadataKey`, `InvalidMetadata` or `MetadataTooLarge`.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, Refusal>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut kept: Vec<(String, String)> = Vec::new();
        let mut bytes = 0;
        for (name, value) in pairs {
            let (name, value): (String, String) = (name.into(), value.into());
            if name.is_empty() {
                return Err(ErrorCode::EmptyMetadataKey.into());
            }
            let repeated = kept.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name));
            if !is_identifier(&name) || repeated {
                return Err(ErrorCode::InvalidMetadata.into());
            }
            bytes += name.len() + value.len();
            if bytes > METADATA_BYTES_MAX {
                return Err(ErrorCode::MetadataTooLarge.into());
            }
            kept.push((name, value.trim().to_owned()));
        }
        Ok(Self(kept))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Names follow the rule of C# identifiers, in the characters a header name can have.
fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_rules() {
        let code = |pairs: &[(&str, &str)]| {
            Metadata::new(pairs.iter().copied()).map_err(|refusal| refusal.code())
        };
        assert!(code(&[("a_B1", "x"), ("_b", "")]).is_ok());
        assert_eq!(code(&[("", "x")]), Err(ErrorCode::EmptyMetadataKey));
        assert_eq!(code(&[("1a", "x")]), Err(ErrorCode::InvalidMetadata));
        assert_eq!(code(&[("a-b", "x")]), Err(ErrorCode::InvalidMetadata));
        assert_eq!(code(&[("a", "x"), ("A", "y")]), Err(ErrorCode::InvalidMetadata));
        let big = "v".repeat(8 * 1024);
        assert_eq!(code(&[("a", &big)]), Err(ErrorCode::MetadataTooLarge));
    }
}

//! Names of containers, blobs, queues and tables, checked once where they enter.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>

use std::fmt;

use crate::{ErrorCode, Refusal};

/// Containers whose names the general rule would refuse.
const SPECIAL_CONTAINERS: [&str; 4] = ["$root", "$web", "$logs", "$blobchangefeed"];

/// Most characters (UTF-16 code units, as the service counts) of a blob name.
const BLOB_NAME_UNITS_MAX: usize = 1024;

/// Most path segments of a blob name.
const BLOB_NAME_SEGMENTS_MAX: usize = 254;

/// A container's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName(String);

impl ContainerName {
    /// Checks a name: 3 to 63 lower-case letters, digits and single hyphens, a letter or digit at
    /// both ends; or one of the service's own containers.
    ///
    /// `OutOfRangeInput` for a wrong length, `InvalidResourceName` for wrong characters.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        if SPECIAL_CONTAINERS.contains(&name) {
            return Ok(Self(name.to_owned()));
        }
        check_label(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root container, whose blobs are addressed without naming it.
    pub fn is_root(&self) -> bool {
        self.0 == "$root"
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks a name of 3 to 63 lower-case letters, digits and single hyphens, with a letter or digit at
/// both ends.
fn check_label(name: &str) -> Result<(), Refusal> {
    if !(3..=63).contains(&name.chars().count()) {
        return Err(name_length());
    }
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let well_formed = name.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    if !well_formed {
        return Err(ErrorCode::InvalidResourceName.into());
    }
    Ok(())
}

/// A queue's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(String);

impl QueueName {
    /// Checks a name: 3 to 63 lower-case letters, digits and single hyphens, a letter or digit at
    /// both ends.
    ///
    /// `OutOfRangeInput` for a wrong length, `InvalidResourceName` for wrong characters.
    ///
    /// <https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata>
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        check_label(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table's name, in the case it was given in. Names compare without regard to case.
#[derive(Clone, Debug)]
pub struct TableName(String);

impl TableName {
    /// Checks a name: a letter, then 2 to 62 letters and digits; `tables` is taken.
    ///
    /// `OutOfRangeInput` for a wrong length, `InvalidResourceName` for wrong characters.
    ///
    /// <https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#table-names>
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        if !(3..=63).contains(&name.chars().count()) {
            return Err(name_length());
        }
        let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !name.eq_ignore_ascii_case("tables");
        if !well_formed {
            return Err(ErrorCode::InvalidResourceName.into());
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in lower case: what names compare by.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// A blob's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(String);

impl BlobName {
    /// Checks a name: 1 to 1,024 characters in at most 254 segments, no control characters; a
    /// backslash becomes a slash, and a blob of the root container has none.
    ///
    /// `OutOfRangeInput` for a wrong length, `InvalidResourceName` for wrong characters,
    /// `InvalidUri` for an empty name.
    pub fn parse(name: &str, in_root: bool) -> Result<Self, Refusal> {
        if name.is_empty() {
            return Err(ErrorCode::InvalidUri.into());
        }
        if name.encode_utf16().count() > BLOB_NAME_UNITS_MAX {
            return Err(name_length());
        }
        if name.chars().any(|c| c.is_control() && !matches!(c, '\u{80}'..='\u{9f}')) {
            return Err(ErrorCode::InvalidResourceName.into());
        }
        let name = name.replace('\\', "/");
        if name.split('/').count() > BLOB_NAME_SEGMENTS_MAX || (in_root && name.contains('/')) {
            return Err(ErrorCode::InvalidResourceName.into());
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks an account's name: 3 to 24 lower-case letters and digits.
///
/// <https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name>
pub fn is_account_name(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn name_length() -> Refusal {
    Refusal::new(ErrorCode::OutOfRangeInput)
        .with_message("The specified resource name length is not within the permissible limits.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names() {
        for good in ["abc", "a1-b2", "$root", "$web", &"a".repeat(63)] {
            assert!(ContainerName::parse(good).is_ok(), "{good}");
        }
        let code = |name: &str| ContainerName::parse(name).unwrap_err().code();
        for bad in ["Abc", "a--b", "-ab", "ab-", "a_b", "a.b", "$rooty", "äbc"] {
            assert_eq!(code(bad), ErrorCode::InvalidResourceName, "{bad}");
        }
        for bad in ["", "ab", &"a".repeat(64)] {
            assert_eq!(code(bad), ErrorCode::OutOfRangeInput, "{bad}");
        }
    }

    #[test]
    fn queue_names() {
        assert!(QueueName::parse("a1-b2").is_ok());
        for bad in ["$root", "$logs", "Abc", "a--b", "-ab", "ab-"] {
            assert_eq!(QueueName::parse(bad).unwrap_err().code(), ErrorCode::InvalidResourceName);
        }
        assert_eq!(QueueName::parse("ab").unwrap_err().code(), ErrorCode::OutOfRangeInput);
    }

    #[test]
    fn blob_names() {
        assert_eq!(BlobName::parse("a\\b", false).unwrap().as_str(), "a/b");
        assert!(BlobName::parse(&"ü".repeat(1024), false).is_ok());
        assert!(BlobName::parse(&"😀".repeat(513), false).is_err());
        assert!(BlobName::parse("a/b", true).is_err());
        assert!(BlobName::parse("a\0b", false).is_err());
        assert!(BlobName::parse(&"a/".repeat(254), false).is_err());
        assert!(BlobName::parse("", false).is_err());
    }
}

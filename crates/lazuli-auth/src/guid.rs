//! GUIDs: what principals and tenants are named by.

use std::fmt;
use std::str::FromStr;

/// A GUID in its usual form, in lower case: so two that mean the same are equal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(Box<str>);

/// A text that is no GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGuid;

impl fmt::Display for NoGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no GUID such as 11059fcc-5514-4800-b5f8-49808b9cfab6")
    }
}

impl std::error::Error for NoGuid {}

impl FromStr for Guid {
    type Err = NoGuid;

    fn from_str(text: &str) -> Result<Self, NoGuid> {
        let fits = |(place, byte): (usize, u8)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        if text.len() == 36 && text.bytes().enumerate().all(fits) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Err(NoGuid)
    }
}

impl Guid {
    /// The 36 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_and_no_other() {
        let lower = "11059fcc-5514-4800-b5f8-49808b9cfab6";
        assert_eq!(lower.to_uppercase().parse::<Guid>(), lower.parse());
        assert_eq!(lower.parse::<Guid>().unwrap().as_str(), lower);
        for bad in [
            "",
            "key1",
            "11059fcc55144800b5f849808b9cfab6",
            "{11059fcc-5514-4800-b5f8-49808b9cfab6}",
            "11059fcc-5514-4800-b5f8-49808b9cfab",
            "11059fcc-5514-4800-b5f8-49808b9cfabg",
            "11059fcc-5514-4800-b5f8-49808b9cfa\u{e9}",
            "11059fcc5-514-4800-b5f8-49808b9cfab6",
        ] {
            assert_eq!(bad.parse::<Guid>(), Err(NoGuid), "{bad}");
        }
    }
}

//! Service versions: the value of `x-ms-version`, of a SAS token's `sv` and of `api-version`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A service version: a date such as `2026-10-06`, compared as a date.
///
/// <https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services>
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ApiVersion(u32);

impl ApiVersion {
    /// The newest published version this server knows; newer ones are served as this one.
    pub const NEWEST: Self = Self::new(2026, 10, 6);
    /// The oldest version accepted.
    pub const OLDEST: Self = Self::new(2009, 7, 17);

    /// The version published on a date; for constants.
    pub const fn new(year: u32, month: u32, day: u32) -> Self {
        Self(year * 10_000 + month * 100 + day)
    }

    /// Parses `YYYY-MM-DD`; `None` for anything else, including impossible months and days.
    pub fn parse(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
            return None;
        }
        let number = |part: &str| {
            part.bytes().all(|c| c.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
        };
        let (year, month, day) =
            (number(text.get(..4)?)?, number(text.get(5..7)?)?, number(text.get(8..)?)?);
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then(|| Self::new(year, month, day))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl fmt::Debug for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_dates_only() {
        assert_eq!(ApiVersion::parse("2026-10-06"), Some(ApiVersion::NEWEST));
        for bad in
            ["", "2026-10-6", "2026-13-01", "2026-00-01", "2026/10/06", "latest", "2026-10-0é"]
        {
            assert_eq!(ApiVersion::parse(bad), None, "{bad}");
        }
        assert_eq!(ApiVersion::parse("2015-02-21").unwrap().to_string(), "2015-02-21");
    }
}

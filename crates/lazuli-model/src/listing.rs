//! What listings can be asked for.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs#uri-parameters>

use crate::{ErrorCode, Refusal};

/// Most items of a page.
pub const RESULTS_MAX: u32 = 5000;

/// Parses `maxresults`: at least 1; without it, or with more than 5,000, the page has 5,000 items.
///
/// `OutOfRangeQueryParameterValue` for zero or less, and for what is no number.
pub fn max_results(text: Option<&str>) -> Result<u32, Refusal> {
    let Some(text) = text else { return Ok(RESULTS_MAX) };
    match text.trim().parse::<i64>() {
        Ok(number @ 1..) => Ok(number.min(i64::from(RESULTS_MAX)) as u32),
        _ => Err(Refusal::new(ErrorCode::OutOfRangeQueryParameterValue)
            .with_detail("QueryParameterName", "maxresults")
            .with_detail("QueryParameterValue", text)
            .with_detail("MinimumAllowed", "1")
            .with_detail("MaximumAllowed", RESULTS_MAX.to_string())),
    }
}

/// What a listing of blobs includes besides the blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobInclude {
    /// Snapshots.
    pub snapshots: bool,
    /// Metadata.
    pub metadata: bool,
    /// Names with uncommitted blocks only.
    pub uncommitted: bool,
    /// Copy properties.
    pub copy: bool,
    /// Tags.
    pub tags: bool,
}

impl BlobInclude {
    /// Parses the `include` parameter, a list separated by commas.
    ///
    /// Deleted blobs, versions and the like may be asked for: there are none.
    /// `InvalidQueryParameterValue` for anything unknown.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut include = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item.to_ascii_lowercase().as_str() {
                "snapshots" => include.snapshots = true,
                "metadata" => include.metadata = true,
                "uncommittedblobs" => include.uncommitted = true,
                "copy" => include.copy = true,
                "tags" => include.tags = true,
                "deleted"
                | "versions"
                | "deletedwithversions"
                | "immutabilitypolicy"
                | "legalhold"
                | "permissions" => {}
                _ => {
                    let reason = "The value is not supported.";
                    return Err(Refusal::query_value("include", item, reason));
                }
            }
        }
        Ok(include)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_1_to_5000_items() {
        assert_eq!(max_results(None).unwrap(), 5000);
        assert_eq!(max_results(Some("7")).unwrap(), 7);
        assert_eq!(max_results(Some("5001")).unwrap(), 5000);
        for bad in ["0", "-1", "x", ""] {
            let code = max_results(Some(bad)).unwrap_err().code();
            assert_eq!(code, ErrorCode::OutOfRangeQueryParameterValue, "{bad}");
        }
    }

    #[test]
    fn include_lists() {
        let include = BlobInclude::parse("Metadata, snapshots,deleted,").unwrap();
        assert!(include.metadata && include.snapshots && !include.tags);
        assert!(BlobInclude::parse("everything").is_err());
    }
}

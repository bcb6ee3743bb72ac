//! Byte ranges of reads.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations>

use crate::{ErrorCode, Refusal};

/// A range as a request gives it, not yet held against a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub first: u64,
    /// Last byte; `None` for the end of the content.
    pub last: Option<u64>,
}

/// A range that lies inside content of a known length. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedRange {
    /// First byte.
    pub first: u64,
    /// Last byte, inclusive.
    pub last: u64,
}

impl ByteRange {
    /// Parses `bytes=A-B` and `bytes=A-`. Anything else (several ranges, suffixes, garbage) is no
    /// range: the service answers with the whole content then.
    pub fn parse(header: &str) -> Option<Self> {
        let spec = header.trim();
        let (unit, range) = spec.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.split_once('-')?;
        let first = number(first)?;
        let last = match last.trim() {
            "" => None,
            last => Some(number(last)?),
        };
        (last.is_none_or(|last| last >= first)).then_some(Self { first, last })
    }

    /// The part of `length` bytes that the range covers.
    ///
    /// `InvalidRange` (416) with `Content-Range: bytes */LENGTH` if it begins behind the end.
    pub fn resolve(self, length: u64) -> Result<ResolvedRange, Refusal> {
        if self.first >= length {
            return Err(Refusal::new(ErrorCode::InvalidRange)
                .with_header("content-range", format!("bytes */{length}")));
        }
        let end = length - 1;
        Ok(ResolvedRange { first: self.first, last: self.last.map_or(end, |last| last.min(end)) })
    }
}

impl ResolvedRange {
    /// Bytes in the range.
    pub const fn len(self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether the range is empty; it never is.
    pub const fn is_empty(self) -> bool {
        false
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        let range = |first, last| Some(ByteRange { first, last });
        assert_eq!(ByteRange::parse("bytes=0-4"), range(0, Some(4)));
        assert_eq!(ByteRange::parse("bytes=7-"), range(7, None));
        for ignored in
            ["bytes=-5", "bytes=5-4", "bytes=0-1,3-4", "0-4", "", "bytes=a-b", "items=0-1"]
        {
            assert_eq!(ByteRange::parse(ignored), None, "{ignored}");
        }
    }

    #[test]
    fn resolution() {
        let range = ByteRange::parse("bytes=2-100").unwrap();
        assert_eq!(range.resolve(5).unwrap(), ResolvedRange { first: 2, last: 4 });
        let refusal = range.resolve(2).unwrap_err();
        assert_eq!(refusal.status(), 416);
        assert_eq!(refusal.headers(), [("content-range", "bytes */2".to_owned())]);
        assert!(ByteRange::parse("bytes=0-").unwrap().resolve(0).is_err());
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_inside(text in "\\PC{0,40}", length in any::<u64>()) {
            if let Some(Ok(range)) = ByteRange::parse(&text).map(|range| range.resolve(length)) {
                prop_assert!(range.first <= range.last && range.last < length);
            }
        }
    }
}

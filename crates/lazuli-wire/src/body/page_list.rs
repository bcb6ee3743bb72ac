//! The result of Get Page Ranges.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-page-ranges>

use crate::xml::XmlWriter;

/// A range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageListRange {
    /// First byte.
    pub start: u64,
    /// Last byte, inclusive.
    pub end: u64,
    /// Whether it was cleared since the snapshot that is compared with.
    pub cleared: bool,
}

/// Writes a list of ranges. `next_marker` is `None` where the version knows no markers, and empty
/// where there is no more.
pub fn write(ranges: &[PageListRange], next_marker: Option<&str>) -> String {
    let mut xml = XmlWriter::document(128 + ranges.len() * 64);
    xml.open("PageList");
    for range in ranges {
        let name = if range.cleared { "ClearRange" } else { "PageRange" };
        xml.open(name);
        xml.number("Start", range.start);
        xml.number("End", range.end);
        xml.close(name);
    }
    if let Some(marker) = next_marker {
        xml.element("NextMarker", marker);
    }
    xml.close("PageList");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_ranges_in_order() {
        let ranges = [
            PageListRange { start: 0, end: 511, cleared: false },
            PageListRange { start: 1024, end: 2047, cleared: true },
        ];
        assert_eq!(
            write(&ranges, None),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><PageList>\
             <PageRange><Start>0</Start><End>511</End></PageRange>\
             <ClearRange><Start>1024</Start><End>2047</End></ClearRange></PageList>"
        );
        assert!(write(&[], Some("")).ends_with("<PageList><NextMarker /></PageList>"));
        assert!(write(&[], Some("m")).contains("<NextMarker>m</NextMarker>"));
    }
}

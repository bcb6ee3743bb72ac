//! The result of Get Page Ranges.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-page-ranges>

use lazuli_model::Refusal;

use super::bounded;
use crate::xml::{XmlLimits, XmlReader, XmlWriter, missing_node, node_value};

/// The longest list that is read: that of a server which does not tell it in parts.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most elements of one.
const ELEMENTS_MAX: usize = 1_000_000;

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

/// Reads a list: its ranges, in the order they are told, and whether there are more.
pub fn read(body: &[u8]) -> Result<(Vec<PageListRange>, bool), Refusal> {
    let limits = XmlLimits { elements_max: ELEMENTS_MAX, ..XmlLimits::default() };
    let mut xml = XmlReader::open(bounded(body, BODY_BYTES_MAX)?, "PageList", limits)?;
    let (mut ranges, mut has_more) = (Vec::new(), false);
    while let Some(name) = xml.child(&["PageRange", "ClearRange", "NextMarker"])? {
        if name == "NextMarker" {
            has_more = !xml.text(name)?.is_empty();
            continue;
        }
        let (mut start, mut end) = (None, None);
        while let Some(name) = xml.child(&["Start", "End"])? {
            let field = if name == "Start" { &mut start } else { &mut end };
            *field = Some(offset(&mut xml, name)?);
        }
        ranges.push(PageListRange {
            start: start.ok_or_else(|| missing_node("Start"))?,
            end: end.ok_or_else(|| missing_node("End"))?,
            cleared: name == "ClearRange",
        });
    }
    xml.finish()?;
    Ok((ranges, has_more))
}

/// The offset that is the current element's text.
fn offset(xml: &mut XmlReader<'_>, name: &'static str) -> Result<u64, Refusal> {
    let text = xml.text(name)?;
    let value = text.trim();
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().ok()).flatten().ok_or_else(|| node_value(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_model::ErrorCode;
    use proptest::prelude::*;

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

    #[test]
    fn what_is_no_list_is_refused() {
        let range = |inner: &str| format!("<PageList><PageRange>{inner}</PageRange></PageList>");
        for (body, code) in [
            (range("<Start>0</Start>"), ErrorCode::MissingRequiredXmlNode),
            (range("<Start>0</Start><End>-1</End>"), ErrorCode::InvalidXmlNodeValue),
            (range("<Start>99999999999999999999</Start>"), ErrorCode::InvalidXmlNodeValue),
            (range("<Start></Start>"), ErrorCode::InvalidXmlNodeValue),
            ("<PageList><Page/></PageList>".to_owned(), ErrorCode::UnsupportedXmlNode),
            ("<PageList>".to_owned(), ErrorCode::InvalidXmlDocument),
            ("\0\0\0".to_owned(), ErrorCode::InvalidXmlDocument),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
        assert_eq!(read(b"<PageList/>").unwrap(), (Vec::new(), false));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            told in proptest::collection::vec(any::<(u64, u64, bool)>(), 0..20), more in any::<bool>(),
        ) {
            let ranges: Vec<PageListRange> = told
                .into_iter()
                .map(|(start, end, cleared)| PageListRange { start, end, cleared })
                .collect();
            let written = write(&ranges, Some(if more { "m" } else { "" }));
            prop_assert_eq!(read(written.as_bytes()).unwrap(), (ranges, more));
        }
    }
}

//! Blob tags as XML: the body of Set Blob Tags and the result of Get Blob Tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tags>

use lazuli_model::Refusal;

use super::{Pairs, bounded, write_tags};
use crate::xml::{XmlLimits, XmlReader, XmlWriter, missing_node};

/// The longest body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Reads keys and values, in order. Their number, characters and lengths are not looked at: the
/// same rules hold for tags that come in a header.
pub fn read(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let mut xml = XmlReader::open(bounded(body, BODY_BYTES_MAX)?, "Tags", XmlLimits::default())?;
    let mut tags = Vec::new();
    let mut has_set = false;
    while xml.child(&["TagSet"])?.is_some() {
        has_set = true;
        while xml.child(&["Tag"])?.is_some() {
            let (mut key, mut value) = (None, None);
            while let Some(name) = xml.child(&["Key", "Value"])? {
                let field = if name == "Key" { &mut key } else { &mut value };
                *field = Some(xml.text(name)?);
            }
            tags.push((
                key.ok_or_else(|| missing_node("Key"))?,
                value.ok_or_else(|| missing_node("Value"))?,
            ));
        }
    }
    xml.finish()?;
    if has_set { Ok(tags) } else { Err(missing_node("TagSet")) }
}

/// Writes the result of Get Blob Tags.
pub fn write(tags: &dyn Pairs) -> String {
    let mut xml = XmlWriter::document(512);
    write_tags(&mut xml, tags);
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_model::ErrorCode;
    use proptest::prelude::*;

    #[test]
    fn keys_and_values_are_needed() {
        for (body, code) in [
            ("<Tags/>", ErrorCode::MissingRequiredXmlNode),
            (
                "<Tags><TagSet><Tag><Key>k</Key></Tag></TagSet></Tags>",
                ErrorCode::MissingRequiredXmlNode,
            ),
            (
                "<Tags><TagSet><Tag><Value>k</Value></Tag></TagSet></Tags>",
                ErrorCode::MissingRequiredXmlNode,
            ),
            ("<Tags><TagSet><Key>k</Key></TagSet></Tags>", ErrorCode::UnsupportedXmlNode),
            ("<Tags><TagSet>", ErrorCode::InvalidXmlDocument),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
        assert_eq!(read(b"<Tags><TagSet/></Tags>").unwrap(), []);
    }

    #[test]
    fn the_result_has_the_documented_form() {
        assert_eq!(
            write(&vec![("a", "1"), ("b", "")]),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet><Tag><Key>a</Key>\
             <Value>1</Value></Tag><Tag><Key>b</Key><Value /></Tag></TagSet></Tags>"
        );
    }

    proptest! {
        #[test]
        fn tags_round_trip(
            tags in proptest::collection::vec(("[ -~é]{0,8}", "[ -~é]{0,8}"), 0..12),
        ) {
            prop_assert_eq!(read(write(&tags).as_bytes()).unwrap(), tags);
        }

        #[test]
        fn no_bytes_panic(
            bytes in any::<Vec<u8>>(),
            near in "(</?(Tags|TagSet|Tag|Key|Value)>|[a ]){0,12}",
        ) {
            let _ = (read(&bytes), read(near.as_bytes()));
        }
    }
}

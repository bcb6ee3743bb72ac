//! The body of Put Message and Update Message.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-message#request-body>
//!
//! The text is what XML says it is: references resolved, line ends as line feeds, white space kept.

use lazuli_model::{ErrorCode, Refusal};

use super::bounded;
use crate::xml::{XmlLimits, XmlReader, missing_node};

/// The longest text of a message, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest body, in bytes, as the service tells it in `MaxLimit`: a text of which many characters
/// are written as references has to be shorter.
pub const BODY_BYTES_MAX: usize = 131_584;

/// Reads a message's text, which may be empty. Its length is left to the caller: the limit depends
/// on the version.
///
/// `InvalidXmlDocument` for what is not well formed or has two texts; `MissingRequiredXmlNode`
/// without a text; `UnsupportedXmlNode` for any other element.
pub fn read(body: &[u8]) -> Result<String, Refusal> {
    let body = bounded(body, BODY_BYTES_MAX)?;
    let limits = XmlLimits { elements_max: 3, text_bytes_max: BODY_BYTES_MAX };
    let mut xml = XmlReader::open(body, "QueueMessage", limits)?;
    let mut found = None;
    while let Some(name) = xml.child(&["MessageText"])? {
        if found.replace(xml.text(name)?).is_some() {
            return Err(Refusal::new(ErrorCode::InvalidXmlDocument).with_cause("two texts"));
        }
    }
    xml.finish()?;
    found.ok_or_else(|| missing_node("MessageText"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{XmlWriter, is_legal};
    use proptest::prelude::*;

    fn message(text: &str) -> String {
        format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>")
    }

    #[test]
    fn the_text_is_what_xml_says() {
        for (text, read_as) in [
            ("", ""),
            (" a \n\t", " a \n\t"),
            ("&lt;a&gt;&amp;&quot;&apos;&#13;&#x1F600;", "<a>&\"'\r\u{1f600}"),
            ("a<![CDATA[<b>&amp;]]>c", "a<b>&amp;c"),
            ("a<!-- not said -->b", "ab"),
        ] {
            assert_eq!(read(message(text).as_bytes()).unwrap(), read_as, "{text}");
        }
        let declared =
            format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{}", message("a"));
        assert_eq!(read(declared.as_bytes()).unwrap(), "a");
        assert_eq!(read(b"<QueueMessage><MessageText/></QueueMessage>").unwrap(), "");
    }

    #[test]
    fn a_text_may_be_twice_as_long_as_it_is_written() {
        let body = message(&"&gt;a".repeat(TEXT_BYTES_MAX / 4));
        assert_eq!(read(body.as_bytes()).unwrap().len(), TEXT_BYTES_MAX / 2);
        let body = message(&"a".repeat(TEXT_BYTES_MAX));
        assert_eq!(read(body.as_bytes()).unwrap().len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn anything_else_is_refused() {
        let entities = "<!DOCTYPE a [<!ENTITY b \"c\">]>";
        let long = message(&"a".repeat(BODY_BYTES_MAX));
        for (body, code) in [
            ("", ErrorCode::InvalidXmlDocument),
            ("text", ErrorCode::InvalidXmlDocument),
            ("<QueueMessage>", ErrorCode::InvalidXmlDocument),
            ("<Message><MessageText>a</MessageText></Message>", ErrorCode::InvalidXmlDocument),
            ("<QueueMessage>a</QueueMessage>", ErrorCode::InvalidXmlDocument),
            ("<QueueMessage/>", ErrorCode::MissingRequiredXmlNode),
            ("<QueueMessage><Text>a</Text></QueueMessage>", ErrorCode::UnsupportedXmlNode),
            (&message("<a/>"), ErrorCode::InvalidXmlDocument),
            (&message("&b;"), ErrorCode::InvalidXmlDocument),
            (&message("&#1;"), ErrorCode::InvalidXmlDocument),
            (&message("&#xFFFF;"), ErrorCode::InvalidXmlDocument),
            (&message("\u{1}"), ErrorCode::InvalidXmlDocument),
            (&format!("{entities}{}", message("&b;")), ErrorCode::InvalidXmlDocument),
            (&format!("{}{}", message("a"), message("b")), ErrorCode::InvalidXmlDocument),
            (&long, ErrorCode::InvalidXmlDocument),
            (
                "<QueueMessage><MessageText>a</MessageText><MessageText/></QueueMessage>",
                ErrorCode::InvalidXmlDocument,
            ),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().code(), code, "{body:.200}");
        }
        assert!(read(b"<QueueMessage><MessageText>\xff</MessageText></QueueMessage>").is_err());
    }

    proptest! {
        #[test]
        fn texts_round_trip(text in any::<String>()) {
            let text: String = text.chars().filter(|c| is_legal(*c)).collect();
            let mut xml = XmlWriter::document(64);
            xml.open("QueueMessage");
            xml.element("MessageText", &text);
            xml.close("QueueMessage");
            prop_assert_eq!(read(xml.finish().as_bytes()).unwrap(), text);
        }

        #[test]
        fn no_bytes_panic(
            bytes in any::<Vec<u8>>(),
            near in "(</?(QueueMessage|MessageText)>|[a &;#x<!\\[]){0,12}",
        ) {
            let _ = (read(&bytes), read(near.as_bytes()));
        }
    }
}

//! A bounded pull reader of the small XML documents that clients send.
//!
//! It keeps nothing but the place it is at: depth, number of elements and length of a text are
//! bounded, document type declarations and entities other than the five predefined ones are
//! refused, and so nothing a body says can make it cost more than its own length.

use lazuli_model::{ErrorCode, Refusal};
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::is_legal;

/// The deepest nesting of elements.
const DEPTH_MAX: usize = 16;

/// The most attributes of an element that is read with them.
const ATTRIBUTES_MAX: usize = 16;

/// What a document may cost.
#[derive(Clone, Copy, Debug)]
pub struct XmlLimits {
    /// The most elements.
    pub elements_max: usize,
    /// The longest text of one element, in bytes.
    pub text_bytes_max: usize,
}

impl Default for XmlLimits {
    /// Enough for every body but a block list.
    fn default() -> Self {
        Self { elements_max: 1_000, text_bytes_max: 8 * 1024 }
    }
}

/// An element whose name the reader of a document does not know beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlElement {
    /// Its name, without the prefix that stands for its namespace.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl XmlElement {
    /// An attribute by its name without a prefix, as it is written: references in it stay.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn read(start: &BytesStart<'_>) -> Result<Self, Refusal> {
        let local = |name: quick_xml::name::QName<'_>| {
            name.0.rsplit(':').next().unwrap_or_default().to_owned()
        };
        let mut attributes = Vec::new();
        let mut found = start.attributes();
        // Whether one comes twice does not matter here, and would cost more the more there are.
        found.with_checks(false);
        for attribute in found {
            let attribute = attribute.map_err(malformed)?;
            if attributes.len() == ATTRIBUTES_MAX {
                return Err(malformed("too many attributes"));
            }
            attributes.push((local(attribute.key), attribute.value.into_owned()));
        }
        Ok(Self { name: local(start.name()), attributes })
    }
}

/// A reader at some place of a document.
pub struct XmlReader<'a> {
    reader: Reader<&'a [u8]>,
    limits: XmlLimits,
    elements: usize,
    depth: usize,
}

fn malformed(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InvalidXmlDocument).with_cause(why)
}

/// `InvalidXmlNodeValue` for the element `name` that holds `value`.
pub(crate) fn node_value(name: &str, value: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidXmlNodeValue)
        .with_detail("XmlNodeName", name)
        .with_detail("XmlNodeValue", value)
}

/// `MissingRequiredXmlNode` for the element `name`.
pub(crate) fn missing_node(name: &str) -> Refusal {
    Refusal::new(ErrorCode::MissingRequiredXmlNode).with_detail("XmlNodeName", name)
}

impl<'a> XmlReader<'a> {
    /// Opens a document whose outermost element is `root`; a byte order mark is skipped.
    ///
    /// `InvalidXmlDocument` for anything else.
    pub fn open(body: &'a [u8], root: &'static str, limits: XmlLimits) -> Result<Self, Refusal> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let body = str::from_utf8(body).map_err(malformed)?;
        let mut reader = Reader::from_str(body);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        let mut reader = Self { reader, limits, elements: 0, depth: 0 };
        match reader.child(&[root]) {
            Ok(Some(_)) => Ok(reader),
            Ok(None) => Err(malformed("no element")),
            Err(refusal) => Err(malformed(refusal)),
        }
    }

    /// Enters the next child of the current element and names it; at the current element's end,
    /// leaves it and answers `None`.
    ///
    /// `UnsupportedXmlNode` for a child that is not in `known`.
    pub fn child(&mut self, known: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
        let Some(start) = self.start()? else { return Ok(None) };
        let name = start.name();
        let name: &str = name.as_ref();
        known.iter().find(|known| **known == name).copied().map(Some).ok_or_else(|| {
            Refusal::new(ErrorCode::UnsupportedXmlNode).with_detail("XmlNodeName", name)
        })
    }

    /// The same for a child of any name.
    pub fn any_child(&mut self) -> Result<Option<XmlElement>, Refusal> {
        self.start()?.map(|start| XmlElement::read(&start)).transpose()
    }

    /// Leaves the current element, whatever is in it.
    ///
    /// `InvalidXmlDocument` for what is not well formed.
    pub fn skip(&mut self) -> Result<(), Refusal> {
        let around = self.depth.saturating_sub(1);
        while self.depth > around {
            match self.reader.read_event().map_err(malformed)? {
                Event::Start(_) => self.enter()?,
                Event::End(_) => self.depth = self.depth.saturating_sub(1),
                Event::Eof => return Err(malformed("it ends early")),
                Event::Decl(_) | Event::DocType(_) => return Err(malformed("a declaration")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts an element that begins.
    fn enter(&mut self) -> Result<(), Refusal> {
        self.elements += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX || self.elements > self.limits.elements_max {
            return Err(malformed("too many or too deep elements"));
        }
        Ok(())
    }

    /// Enters the next child of the current element; at that one's end, leaves it.
    fn start(&mut self) -> Result<Option<BytesStart<'a>>, Refusal> {
        loop {
            match self.reader.read_event().map_err(malformed)? {
                Event::Start(start) => {
                    self.enter()?;
                    return Ok(Some(start));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(None);
                }
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(declaration) if self.elements == 0 => {
                    let encoding = declaration.encoding().transpose().map_err(malformed)?;
                    if !encoding.is_none_or(|name| name.eq_ignore_ascii_case("utf-8")) {
                        return Err(malformed("not UTF-8"));
                    }
                }
                Event::Eof => return Err(malformed("it ends early")),
                _ => return Err(malformed("text or a declaration between elements")),
            }
        }
    }

    /// The text of the current element, which is left.
    ///
    /// `InvalidXmlNodeValue` when it is too long; `InvalidXmlDocument` when it holds elements.
    pub fn text(&mut self, name: &'static str) -> Result<String, Refusal> {
        let mut text = String::new();
        loop {
            match self.reader.read_event().map_err(malformed)? {
                Event::Text(part) => self.append(name, &mut text, &part.xml10_content())?,
                Event::CData(part) => self.append(name, &mut text, &part.xml10_content())?,
                Event::GeneralRef(entity) => {
                    let c = resolve(&entity)?;
                    self.append(name, &mut text, c.encode_utf8(&mut [0; 4]))?;
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(text);
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return Err(malformed("it ends early")),
                _ => return Err(malformed("an element where text belongs")),
            }
        }
    }

    /// A text that is `true` or `false`, in any case; else `InvalidXmlNodeValue`.
    pub fn boolean(&mut self, name: &'static str) -> Result<bool, Refusal> {
        let text = self.text(name)?;
        match text.trim() {
            value if value.eq_ignore_ascii_case("true") => Ok(true),
            value if value.eq_ignore_ascii_case("false") => Ok(false),
            value => Err(node_value(name, value)),
        }
    }

    /// A text that is a number without a sign; else `InvalidXmlNodeValue`.
    pub fn number(&mut self, name: &'static str) -> Result<u32, Refusal> {
        let text = self.text(name)?;
        let value = text.trim();
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| value.parse().ok()).flatten().ok_or_else(|| node_value(name, value))
    }

    /// Makes sure that nothing follows the outermost element, which has been left.
    pub fn finish(mut self) -> Result<(), Refusal> {
        loop {
            match self.reader.read_event().map_err(malformed)? {
                Event::Eof if self.depth == 0 => return Ok(()),
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                Event::Comment(_) | Event::PI(_) => {}
                _ => return Err(malformed("something follows the outermost element")),
            }
        }
    }

    fn append(&self, name: &'static str, text: &mut String, part: &str) -> Result<(), Refusal> {
        if text.len() + part.len() > self.limits.text_bytes_max {
            return Err(node_value(name, "").with_cause("the text is too long"));
        }
        if !part.chars().all(is_legal) {
            return Err(malformed("a character that XML cannot hold"));
        }
        text.push_str(part);
        Ok(())
    }
}

fn resolve(entity: &BytesRef<'_>) -> Result<char, Refusal> {
    if let Some(c) = entity.resolve_char_ref().map_err(malformed)? {
        return Ok(c);
    }
    match &**entity {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(malformed("an entity that is not predefined")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::XmlWriter;
    use proptest::prelude::*;

    const LIMITS: XmlLimits = XmlLimits { elements_max: 8, text_bytes_max: 16 };

    fn one(body: &str) -> Result<String, Refusal> {
        let mut xml = XmlReader::open(body.as_bytes(), "R", LIMITS)?;
        let mut text = String::new();
        while xml.child(&["T"])?.is_some() {
            text = xml.text("T")?;
        }
        xml.finish()?;
        Ok(text)
    }

    #[test]
    fn reads_text_in_all_its_forms() {
        for body in [
            "<R><T>a&amp;b&#x63;</T></R>",
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <R>\n <T>a<![CDATA[&]]>bc</T>\n</R>\n",
            "<!-- x --><R xmlns=\"urn:x\"><T xml:space='preserve'>a<!-- y -->&#38;bc</T></R>",
        ] {
            assert_eq!(one(body).unwrap(), "a&bc", "{body}");
        }
        assert_eq!(one("<R/>").unwrap(), "");
        assert_eq!(one("<R><T/></R>").unwrap(), "");
        assert_eq!(one("<R><T> a\r\nb </T></R>").unwrap(), " a\nb ");
    }

    #[test]
    fn refuses_what_is_not_well_formed_or_not_plain() {
        for body in [
            "",
            "R",
            "<R>",
            "<R></Q>",
            "<Q/>",
            "<R><T></R></T>",
            "<R/><R/>",
            "<R/>x",
            "<R>x</R>",
            "<R><T><T/></T></R>",
            "<R><T>&x;</T></R>",
            "<R><T>&#0;</T></R>",
            "<R><T>&#xFFFE;</T></R>",
            "<!DOCTYPE R [<!ENTITY x \"y\">]><R><T>&x;</T></R>",
            "<R><T>\u{1}</T></R>",
            "<R><T>&amp</T></R>",
            "<?xml version=\"1.0\" encoding=\"utf-16\"?><R/>",
            "<R/><?xml version=\"1.0\"?>",
            "<R><T>&#xD800;</T></R>",
        ] {
            assert_eq!(one(body).unwrap_err().code(), ErrorCode::InvalidXmlDocument, "{body}");
        }
        let limits = XmlLimits::default();
        assert!(XmlReader::open(b"\xff\xfe<\0R\0", "R", limits).is_err());
    }

    #[test]
    fn bounds_and_unknown_elements_are_named() {
        assert_eq!(one("<R><U/></R>").unwrap_err().code(), ErrorCode::UnsupportedXmlNode);
        let long = format!("<R><T>{}</T></R>", "x".repeat(17));
        assert_eq!(one(&long).unwrap_err().code(), ErrorCode::InvalidXmlNodeValue);
        assert!(one(&format!("<R>{}</R>", "<T/>".repeat(7))).is_ok());
        let many = format!("<R>{}</R>", "<T/>".repeat(8));
        assert_eq!(one(&many).unwrap_err().code(), ErrorCode::InvalidXmlDocument);
        let deep = "<R>".repeat(17);
        let mut xml = XmlReader::open(
            deep.as_bytes(),
            "R",
            XmlLimits { elements_max: 99, text_bytes_max: 9 },
        )
        .unwrap();
        for _ in 1..DEPTH_MAX {
            assert_eq!(xml.child(&["R"]), Ok(Some("R")));
        }
        assert!(xml.child(&["R"]).is_err());
    }

    #[test]
    fn elements_of_any_name_are_read_and_skipped() {
        let body = "<R><a:x m:y='1' z='&lt;'/><skipped>t<u>&amp;</u></skipped><b>t</b></R>";
        let mut xml = XmlReader::open(body.as_bytes(), "R", LIMITS).unwrap();
        let first = xml.any_child().unwrap().unwrap();
        assert_eq!((first.name.as_str(), first.attribute("y")), ("x", Some("1")));
        assert_eq!((first.attribute("z"), first.attribute("m:y")), (Some("&lt;"), None));
        assert_eq!(xml.text("x").unwrap(), "");
        assert_eq!(xml.any_child().unwrap().unwrap().name, "skipped");
        xml.skip().unwrap();
        assert_eq!(xml.any_child().unwrap().unwrap().name, "b");
        assert_eq!(xml.text("b").unwrap(), "t");
        assert_eq!(xml.any_child().unwrap(), None);
        xml.finish().unwrap();
        for bad in [
            format!("<R><a {}/></R>", "b='' ".repeat(17)),
            "<R><a b=c/></R>".to_owned(),
            "<R><a>".to_owned(),
            format!("<R><a>{}", "<b>".repeat(20)),
        ] {
            let mut xml = XmlReader::open(bad.as_bytes(), "R", LIMITS).unwrap();
            assert!(xml.any_child().and_then(|_| xml.skip()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), near in "[<>/RT!?&;#x\\[\\] a'\"=-]{0,40}") {
            let _ = XmlReader::open(&bytes, "R", LIMITS).map(|mut xml| xml.child(&["T"]));
            let _ = one(&near);
            let _ = one(&format!("<R><T>{near}</T></R>"));
        }

        #[test]
        fn what_is_written_is_read(text in any::<String>()) {
            let mut xml = XmlWriter::document(0);
            xml.open("R");
            xml.element("T", &text);
            xml.close("R");
            let limits = XmlLimits { elements_max: 2, text_bytes_max: usize::MAX };
            let body = xml.finish();
            let mut xml = XmlReader::open(body.as_bytes(), "R", limits).unwrap();
            prop_assert_eq!(xml.child(&["T"]), Ok(Some("T")));
            let expected: String =
                text.chars().map(|c| if is_legal(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(xml.text("T").unwrap(), expected);
        }
    }
}

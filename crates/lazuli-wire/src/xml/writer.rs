//! A writer of XML text.
//!
//! Text that needs no escape, which is nearly all, is found so by one pass over its bytes and
//! copied whole. Characters that XML 1.0 cannot hold become U+FFFD, except where a listing marks
//! them as encoded: see [`XmlWriter::name`].

use std::fmt::Write as _;

use lazuli_base::Timestamp;

use super::is_legal;
use crate::date::{push_iso7, push_rfc1123};
use crate::percent::encode_path;

/// XML in the making.
#[derive(Clone, Debug, Default)]
pub struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// A document that begins with the XML declaration.
    pub fn document(capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity);
        out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        Self { out }
    }

    /// Starts an element.
    pub fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Starts an element with attributes, given as name and value.
    pub fn open_with(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            self.text(value);
            self.out.push('"');
        }
        self.out.push('>');
    }

    /// Ends an element.
    pub fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An element without content, as the service writes it: `<Name />`.
    pub fn empty(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(" />");
    }

    /// An element that holds `text`; `<Name />` when the text is empty.
    pub fn element(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return self.empty(name);
        }
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// An element if there is something for it to hold.
    pub fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.element(name, text);
        }
    }

    /// An element that holds a number.
    pub fn number(&mut self, name: &str, value: u64) {
        self.open(name);
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
        self.close(name);
    }

    /// An element that holds `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.element(name, if value { "true" } else { "false" });
    }

    /// An element that holds a date in RFC 1123 form.
    pub fn rfc1123(&mut self, name: &str, at: Timestamp) {
        self.open(name);
        push_rfc1123(&mut self.out, at);
        self.close(name);
    }

    /// An element that holds a date in ISO 8601 form with seven digits.
    pub fn iso7(&mut self, name: &str, at: Timestamp) {
        self.open(name);
        push_iso7(&mut self.out, at);
        self.close(name);
    }

    /// An element that holds the name of a blob or a part of one. A name that XML cannot hold is
    /// percent-encoded, and the element says so with `Encoded="true"`.
    ///
    /// <https://learn.microsoft.com/rest/api/storageservices/list-blobs>
    pub fn name(&mut self, element: &str, name: &str) {
        if is_plain(name) || name.chars().all(is_legal) {
            return self.element(element, name);
        }
        self.open_with(element, &[("Encoded", "true")]);
        let encoded = encode_path(name).to_string();
        self.text(&encoded);
        self.close(element);
    }

    /// The same for versions that know no encoded names: what XML cannot hold is written all the
    /// same, as a character reference, so that a client fails rather than reads another name.
    pub fn legacy_name(&mut self, element: &str, name: &str) {
        if is_plain(name) || name.chars().all(is_legal) {
            return self.element(element, name);
        }
        self.open(element);
        for c in name.chars() {
            if is_legal(c) {
                self.text(c.encode_utf8(&mut [0; 4]));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(self.out, "&#x{:X};", u32::from(c));
            }
        }
        self.close(element);
    }

    /// Character data, escaped.
    pub fn text(&mut self, text: &str) {
        if is_plain(text) {
            return self.out.push_str(text);
        }
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                // A parser would turn it into a line feed.
                '\r' => self.out.push_str("&#xD;"),
                c if is_legal(c) => self.out.push(c),
                _ => self.out.push('\u{fffd}'),
            }
        }
    }

    /// Markup as it is: for a part that another writer made.
    pub fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// The buffer itself, for writers that format straight into it; what they append is not
    /// escaped.
    pub(crate) fn buffer(&mut self) -> &mut String {
        &mut self.out
    }

    /// The length of what was written, in bytes.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.out
    }
}

/// Whether `text` stands for itself in character data and in attributes.
fn is_plain(text: &str) -> bool {
    // 0xEF begins, among others, U+FFFE and U+FFFF in UTF-8.
    text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// The bytes that stand for themselves.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = byte >= 0x20 && !matches!(byte, 0x22 | 0x26 | 0x3c | 0x3e | 0xef);
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_attributes() {
        let mut xml = XmlWriter::document(64);
        xml.open_with("A", &[("b", "\"x\" & <y>")]);
        xml.element("C", "1 < 2");
        xml.element("D", "");
        xml.optional("E", None);
        xml.number("F", 7);
        xml.boolean("G", true);
        xml.close("A");
        assert_eq!(
            xml.finish(),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><A b=\"&quot;x&quot; &amp; &lt;y&gt;\">\
             <C>1 &lt; 2</C><D /><F>7</F><G>true</G></A>"
        );
    }

    #[test]
    fn text_keeps_its_line_ends_and_loses_what_xml_cannot_hold() {
        let mut xml = XmlWriter::default();
        xml.text("a\r\n\tb\u{1}\u{fffe}\u{ffee}é");
        assert_eq!(xml.finish(), "a&#xD;\n\tb\u{fffd}\u{fffd}\u{ffee}é");
    }

    #[test]
    fn a_name_xml_cannot_hold_is_encoded() {
        let mut xml = XmlWriter::default();
        xml.name("Name", "plain%é\u{ffee}");
        xml.name("Name", "a\u{1}%é&b\u{ffff}\u{fffe}c\u{fffd}");
        assert_eq!(
            xml.finish(),
            "<Name>plain%é\u{ffee}</Name>\
             <Name Encoded=\"true\">a%01%25%C3%A9&amp;b%EF%BF%BF%EF%BF%BEc%EF%BF%BD</Name>"
        );
    }
}

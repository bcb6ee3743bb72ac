//! The XML bodies of the services, one file each.
//!
//! A reader takes the whole body, which its caller has bounded by the `BODY_BYTES_MAX` beside it;
//! a writer produces the document that the service answers with.

pub mod block_list;
pub mod filter_blobs;
pub mod list_blobs;
pub mod list_blobs_arrow;
pub mod list_containers;
pub mod list_queues;
pub mod page_list;
pub mod queue_message;
pub mod queue_messages;
pub mod service_properties;
pub mod session;
pub mod signed_identifiers;
pub mod stats;
pub mod tags;
pub mod user_delegation_key;

use std::fmt::{Display, Write as _};

use lazuli_model::{ErrorCode, Refusal};

use crate::xml::XmlWriter;

/// Names with values, wherever a caller keeps them: metadata and tags.
pub trait Pairs {
    /// Calls `each` with every name and value, in order.
    fn each(&self, each: &mut dyn FnMut(&str, &str));
}

impl<K: AsRef<str>, V: AsRef<str>> Pairs for [(K, V)] {
    fn each(&self, each: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self {
            each(name.as_ref(), value.as_ref());
        }
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Pairs for Vec<(K, V)> {
    fn each(&self, each: &mut dyn FnMut(&str, &str)) {
        self.as_slice().each(each);
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Pairs for std::collections::BTreeMap<K, V> {
    fn each(&self, each: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self {
            each(name.as_ref(), value.as_ref());
        }
    }
}

impl Pairs for lazuli_model::metadata::Metadata {
    fn each(&self, each: &mut dyn FnMut(&str, &str)) {
        self.iter().for_each(|(name, value)| each(name, value));
    }
}

impl Pairs for lazuli_model::tags::TagSet {
    fn each(&self, each: &mut dyn FnMut(&str, &str)) {
        self.iter().for_each(|(key, value)| each(key, value));
    }
}

/// `<Metadata>`, each name an element; a name that cannot be one is told as text.
pub(crate) fn write_metadata(xml: &mut XmlWriter, metadata: &dyn Pairs) {
    let start = xml.len();
    xml.open("Metadata");
    let filled = xml.len();
    metadata.each(&mut |name, value| {
        if is_element_name(name) {
            xml.element(name, value);
        } else {
            xml.element("x-ms-invalid-name", name);
        }
    });
    if xml.len() == filled {
        xml.buffer().truncate(start);
        xml.empty("Metadata");
    } else {
        xml.close("Metadata");
    }
}

/// `<Tags><TagSet>`, each tag with its key and value.
pub(crate) fn write_tags(xml: &mut XmlWriter, tags: &dyn Pairs) {
    xml.open("Tags");
    xml.open("TagSet");
    tags.each(&mut |key, value| {
        xml.open("Tag");
        xml.element("Key", key);
        xml.element("Value", value);
        xml.close("Tag");
    });
    xml.close("TagSet");
    xml.close("Tags");
}

/// An element that holds what `value` displays as, which needs no escape, without quotation marks.
pub(crate) fn write_unquoted(xml: &mut XmlWriter, name: &str, value: &dyn Display) {
    xml.open(name);
    let start = xml.len();
    let out = xml.buffer();
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
    if out.get(start..).is_some_and(|text| text.starts_with('"')) {
        out.remove(start);
    }
    if out.len() > start && out.ends_with('"') {
        out.pop();
    }
    xml.close(name);
}

/// `InvalidXmlDocument` for a body longer than it may be.
pub(crate) fn bounded(body: &[u8], bytes_max: usize) -> Result<&[u8], Refusal> {
    if body.len() > bytes_max {
        return Err(Refusal::new(ErrorCode::InvalidXmlDocument).with_cause("the body is too long"));
    }
    Ok(body)
}

fn is_element_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

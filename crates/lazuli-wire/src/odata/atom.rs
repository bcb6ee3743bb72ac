//! Entities and tables in Atom, for versions before 2015-12-11.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations>
//!
//! Of an entry that is read only the properties in its content count: title, author, links and what
//! else Atom asks for say nothing of an entity. Elements are told by their place and their names
//! without prefixes.

use lazuli_base::Timestamp;
use lazuli_model::edm::{EdmType, EdmValue};
use lazuli_model::entity::Properties;
use lazuli_model::{ErrorCode, Refusal};

use super::entity_json::{Frame, GivenEntity, ShownEntity, entity_path};
use super::{literal, token};
use crate::xml::{XmlLimits, XmlReader, XmlWriter, is_legal};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const DATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices";
const METADATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata";
const SCHEME: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/scheme";

/// The most elements of an entry: an entity has at most 255 properties, and that it has too many is
/// better said in those words.
const ELEMENTS_MAX: usize = 1000;

/// A property as an entry has it.
struct Given {
    name: String,
    /// The name of its type; text if it is not told.
    edm: Option<String>,
    /// Its text; `None` for a null.
    text: Option<String>,
}

fn bad_value(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InvalidInput)
        .with_message("An error occurred while processing this request.")
        .with_cause(why)
}

/// The properties in the content of an entry.
fn properties(body: &[u8]) -> Result<Vec<Given>, Refusal> {
    let limits = XmlLimits { elements_max: ELEMENTS_MAX, text_bytes_max: body.len() };
    let mut xml = XmlReader::open(body, "entry", limits)?;
    let mut found = Vec::new();
    while let Some(part) = xml.any_child()? {
        if part.name != "content" {
            xml.skip()?;
            continue;
        }
        while let Some(part) = xml.any_child()? {
            if part.name != "properties" {
                xml.skip()?;
                continue;
            }
            while let Some(property) = xml.any_child()? {
                let is_null = matches!(property.attribute("null"), Some("true" | "1"));
                let edm = property.attribute("type").map(str::to_owned);
                let text = xml.text("properties")?;
                found.push(Given { name: property.name, edm, text: (!is_null).then_some(text) });
            }
        }
    }
    xml.finish()?;
    Ok(found)
}

/// Reads an entity.
///
/// `InvalidInput` for what is no entry or has a value that is not of its type; the codes of
/// [`Properties::new`].
pub fn read(body: &[u8]) -> Result<GivenEntity, Refusal> {
    let mut entity = GivenEntity::default();
    let mut values = Vec::new();
    for Given { name, edm, text } in properties(body).map_err(bad_value)? {
        // The time of change is the server's.
        let Some(text) = text.filter(|_| name != "Timestamp") else { continue };
        let place = match name.as_str() {
            "PartitionKey" => &mut entity.partition,
            "RowKey" => &mut entity.row,
            _ => {
                values.push((name, value(edm.as_deref(), &text)?));
                continue;
            }
        };
        if edm.is_some_and(|edm| edm != EdmType::String.name()) {
            return Err(bad_value("a key is no text"));
        }
        if place.replace(text).is_some() {
            return Err(ErrorCode::DuplicatePropertiesSpecified.into());
        }
    }
    entity.properties = Properties::new(values)?;
    Ok(entity)
}

/// The value of a text of this type.
fn value(edm: Option<&str>, text: &str) -> Result<EdmValue, Refusal> {
    let edm = edm.unwrap_or(EdmType::String.name());
    let edm = EdmType::parse(edm).ok_or_else(|| bad_value("a type is none of tables"))?;
    let text = if edm == EdmType::String { text } else { text.trim() };
    literal::parse(edm, text).ok_or_else(|| bad_value("a value does not have its type"))
}

/// Reads the name in the body of Create Table.
///
/// `InvalidInput` for what is no entry, `PropertiesNeedValue` if it has no name.
pub fn read_table(body: &[u8]) -> Result<String, Refusal> {
    let mut found = properties(body).map_err(bad_value)?.into_iter();
    let name = found.find(|property| property.name == "TableName").and_then(|name| name.text);
    name.ok_or_else(|| ErrorCode::PropertiesNeedValue.into())
}

/// A page of entries in the making.
#[derive(Debug)]
pub struct Feed<'a> {
    frame: Frame<'a>,
    xml: XmlWriter,
    /// The moment that is told of what has none of its own.
    now: Timestamp,
}

impl<'a> Feed<'a> {
    /// Begins a page of a table's entities, or of tables if the frame names none.
    pub fn begin(frame: Frame<'a>, now: Timestamp) -> Self {
        let mut xml = XmlWriter::document(1024);
        let title = if frame.table.is_empty() { "Tables" } else { frame.table };
        xml.open_with("feed", &namespaces(frame.endpoint));
        xml.open_with("title", &[("type", "text")]);
        xml.text(title);
        xml.close("title");
        xml.element("id", &format!("{}{title}", frame.endpoint));
        xml.iso7("updated", now);
        link(&mut xml, "self", (title, title));
        Self { frame, xml, now }
    }

    /// Adds an entity.
    pub fn entity(&mut self, entity: &ShownEntity<'_>) {
        let etag = token::etag(entity.timestamp);
        self.xml.open_with("entry", &[("m:etag", &etag)]);
        entity_entry(&mut self.xml, &self.frame, entity);
    }

    /// Adds a table.
    pub fn table(&mut self, name: &str) {
        self.xml.open("entry");
        table_entry(&mut self.xml, &self.frame, (name, self.now));
    }

    /// Ends the page.
    pub fn finish(mut self) -> String {
        self.xml.close("feed");
        self.xml.finish()
    }
}

/// One entity by itself.
pub fn entity(frame: &Frame<'_>, entity: &ShownEntity<'_>) -> String {
    let mut xml = XmlWriter::document(1024);
    let etag = token::etag(entity.timestamp);
    let [base, data, metadata, atom] = namespaces(frame.endpoint);
    xml.open_with("entry", &[base, data, metadata, ("m:etag", &etag), atom]);
    entity_entry(&mut xml, frame, entity);
    xml.finish()
}

/// One table by itself: the one that the frame names.
pub fn table(frame: &Frame<'_>, now: Timestamp) -> String {
    let mut xml = XmlWriter::document(1024);
    xml.open_with("entry", &namespaces(frame.endpoint));
    table_entry(&mut xml, frame, (frame.table, now));
    xml.finish()
}

fn namespaces(endpoint: &str) -> [(&str, &str); 4] {
    [("xml:base", endpoint), ("xmlns:d", DATA), ("xmlns:m", METADATA), ("xmlns", ATOM)]
}

fn link(xml: &mut XmlWriter, rel: &str, (title, href): (&str, &str)) {
    xml.open_with("link", &[("rel", rel), ("title", title), ("href", href)]);
    xml.close("link");
}

/// What an entry is of.
struct Subject<'a> {
    /// Its path below the account.
    path: String,
    /// What the path begins with: a table, or `Tables`.
    set: &'a str,
    updated: Timestamp,
}

/// Writes what follows the opening of an entry, and its end.
fn entry(
    xml: &mut XmlWriter,
    frame: &Frame<'_>,
    subject: &Subject<'_>,
    content: impl FnOnce(&mut XmlWriter),
) {
    xml.element("id", &format!("{}{}", frame.endpoint, subject.path));
    xml.open_with("title", &[("type", "text")]);
    xml.close("title");
    xml.iso7("updated", subject.updated);
    xml.open("author");
    xml.empty("name");
    xml.close("author");
    link(xml, "edit", (subject.set, &subject.path));
    let term = format!("{}.{}", frame.account, subject.set);
    xml.open_with("category", &[("term", &term), ("scheme", SCHEME)]);
    xml.close("category");
    xml.open_with("content", &[("type", "application/xml")]);
    xml.open("m:properties");
    content(xml);
    xml.close("m:properties");
    xml.close("content");
    xml.close("entry");
}

fn table_entry(xml: &mut XmlWriter, frame: &Frame<'_>, (name, updated): (&str, Timestamp)) {
    let subject = Subject { path: format!("Tables('{name}')"), set: "Tables", updated };
    entry(xml, frame, &subject, |xml| xml.element("d:TableName", name));
}

fn entity_entry(xml: &mut XmlWriter, frame: &Frame<'_>, entity: &ShownEntity<'_>) {
    let ShownEntity { key, timestamp, properties } = entity;
    let path = entity_path(frame.table, key);
    let subject = Subject { path, set: frame.table, updated: *timestamp };
    let shown = |name: &str| frame.select.is_none_or(|names| names.iter().any(|own| own == name));
    entry(xml, frame, &subject, |xml| {
        for (name, text) in [("PartitionKey", &key.partition), ("RowKey", &key.row)] {
            if shown(name) {
                property(xml, name, &EdmValue::String(text.clone()));
            }
        }
        if shown("Timestamp") {
            property(xml, "Timestamp", &EdmValue::DateTime(*timestamp));
        }
        for (name, value) in properties.iter().filter(|(name, _)| shown(name)) {
            property(xml, name, value);
        }
        // What was asked for and is not there.
        for name in frame.select.unwrap_or_default() {
            let own = ["PartitionKey", "RowKey", "Timestamp"].contains(&name.as_str());
            if !own && properties.get(name).is_none() && is_name(name) {
                let element = format!("d:{name}");
                xml.open_with(&element, &[("m:null", "true")]);
                xml.close(&element);
            }
        }
    });
}

/// Whether a property can be named so, and an element, too.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_alphanumeric())
}

fn property(xml: &mut XmlWriter, name: &str, value: &EdmValue) {
    let element = format!("d:{name}");
    let edm = value.edm_type();
    if let EdmValue::String(text) = value {
        // A reader may drop blanks round a text, but not where it is told to keep them.
        let blank = |c: Option<char>| c.is_some_and(char::is_whitespace);
        if blank(text.chars().next()) || blank(text.chars().last()) {
            xml.open_with(&element, &[("xml:space", "preserve")]);
        } else {
            xml.open(&element);
        }
        push_text(xml, text);
    } else {
        xml.open_with(&element, &[("m:type", edm.name())]);
        let mut text = String::new();
        match value {
            // XML has its own names of the infinite.
            EdmValue::Double(value) if value.is_infinite() => {
                text.push_str(if *value > 0.0 { "INF" } else { "-INF" });
            }
            _ => literal::push(&mut text, value),
        }
        xml.text(&text);
    }
    xml.close(&element);
}

/// Text; what XML cannot hold is written all the same, so that a client fails rather than reads
/// another text.
fn push_text(xml: &mut XmlWriter, text: &str) {
    if text.chars().all(is_legal) {
        return xml.text(text);
    }
    for c in text.chars() {
        if is_legal(c) {
            xml.text(c.encode_utf8(&mut [0; 4]));
        } else {
            xml.raw(&format!("&#x{:X};", u32::from(c)));
        }
    }
}

#[cfg(test)]
mod tests;

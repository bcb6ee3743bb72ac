//! Entities and tables in JSON, with as much metadata as was asked for.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations#json-format-applicationjson-versions-2013-08-15-and-later>

use lazuli_base::Timestamp;
use lazuli_model::edm::{EdmType, EdmValue};
use lazuli_model::entity::{EntityKey, Properties};
use lazuli_model::{ErrorCode, Refusal};

use super::format::Metadata;
use super::json::{self, JsonValue, push_string};
use super::{literal, token};
use crate::date::push_iso7;
use crate::percent::encode_component;

/// An entity as a request brings it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenEntity {
    /// Its partition key, if it is told.
    pub partition: Option<String>,
    /// Its row key, if it is told.
    pub row: Option<String>,
    /// Its properties, but for those that are `null`.
    pub properties: Properties,
}

/// Reads an entity.
///
/// `InvalidInput` for what is no flat object of values that their types have; the codes of
/// [`Properties::new`].
pub fn read(body: &[u8]) -> Result<GivenEntity, Refusal> {
    let members = json::object(body)?;
    let mut types: Vec<(&str, &str)> = Vec::new();
    for (name, value) in &members {
        if let Some(property) = name.strip_suffix("@odata.type")
            && let JsonValue::String(edm) = value
        {
            types.push((property, edm));
        }
    }
    let mut given = GivenEntity::default();
    let mut properties = Vec::new();
    for (name, value) in &members {
        // Annotations and what this server itself says of an entity.
        if name.contains('@') || name.starts_with("odata.") || name == "Timestamp" {
            continue;
        }
        let edm = types.iter().find(|(property, _)| property == name).map(|(_, edm)| *edm);
        let place = match name.as_str() {
            "PartitionKey" => &mut given.partition,
            "RowKey" => &mut given.row,
            _ => {
                if let Some(value) = read_value(value, edm)? {
                    properties.push((name.clone(), value));
                }
                continue;
            }
        };
        match value {
            JsonValue::Null => {}
            JsonValue::String(text) if place.is_none() => *place = Some(text.clone()),
            JsonValue::String(_) => return Err(ErrorCode::DuplicatePropertiesSpecified.into()),
            _ => return Err(bad_value("a key is no text")),
        }
    }
    given.properties = Properties::new(properties)?;
    Ok(given)
}

/// Reads the name in the body of Create Table.
///
/// `InvalidInput` for what is no object, `PropertiesNeedValue` if it has no name.
pub fn read_table(body: &[u8]) -> Result<String, Refusal> {
    let mut members = json::object(body)?.into_iter();
    match members.find(|(name, _)| name == "TableName") {
        Some((_, JsonValue::String(name))) => Ok(name),
        Some(_) => Err(bad_value("the name of a table is no text")),
        None => Err(ErrorCode::PropertiesNeedValue.into()),
    }
}

fn bad_value(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidInput)
        .with_message("An error occurred while processing this request.")
        .with_cause(why)
}

/// The value of a property; `None` for `null`.
fn read_value(value: &JsonValue, edm: Option<&str>) -> Result<Option<EdmValue>, Refusal> {
    let edm = match edm {
        Some("Edm.Null") => return Ok(None),
        Some(name) => {
            Some(EdmType::parse(name).ok_or_else(|| bad_value("a type is none of tables"))?)
        }
        None => None,
    };
    let parsed = match (value, edm) {
        (JsonValue::Null, _) => return Ok(None),
        (JsonValue::String(text), edm) => literal::parse(edm.unwrap_or(EdmType::String), text),
        (JsonValue::Boolean(value), None | Some(EdmType::Boolean)) => {
            Some(EdmValue::Boolean(*value))
        }
        (JsonValue::Number(text), None) => {
            let edm = if text.contains(['.', 'e', 'E']) { EdmType::Double } else { EdmType::Int32 };
            literal::parse(edm, text)
        }
        (
            JsonValue::Number(text),
            Some(edm @ (EdmType::Int32 | EdmType::Int64 | EdmType::Double)),
        ) => literal::parse(edm, text),
        _ => None,
    };
    parsed.map(Some).ok_or_else(|| bad_value("a value does not have its type"))
}

/// An entity to be written.
#[derive(Clone, Copy, Debug)]
pub struct ShownEntity<'a> {
    /// Its key.
    pub key: &'a EntityKey,
    /// When it was changed.
    pub timestamp: Timestamp,
    /// Its other properties.
    pub properties: &'a Properties,
}

/// How answers are written: the format, and where they come from.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// How much metadata there is.
    pub metadata: Metadata,
    /// The base of URLs, with a trailing slash.
    pub endpoint: &'a str,
    /// The account.
    pub account: &'a str,
    /// The table, in the case it was made with.
    pub table: &'a str,
    /// The properties that are shown; all if `None`.
    pub select: Option<&'a [String]>,
}

impl Frame<'_> {
    /// One entity by itself.
    pub fn entity(&self, entity: &ShownEntity<'_>) -> String {
        let mut out = String::with_capacity(256);
        out.push('{');
        self.head(&mut out, self.table, true);
        self.members(&mut out, entity);
        out.push('}');
        out
    }

    /// The beginning of a page of entities; [`Frame::item`] and [`Frame::finish`] go on.
    pub fn begin(&self) -> String {
        let mut out = String::with_capacity(1024);
        out.push('{');
        self.head(&mut out, self.table, false);
        comma(&mut out);
        out.push_str("\"value\":[");
        out
    }

    /// Adds an entity to a page.
    pub fn item(&self, out: &mut String, entity: &ShownEntity<'_>) {
        if !out.ends_with('[') {
            out.push(',');
        }
        out.push('{');
        self.members(out, entity);
        out.push('}');
    }

    /// Ends a page.
    pub fn finish(mut out: String) -> String {
        out.push_str("]}");
        out
    }

    /// One table by itself.
    pub fn table(&self) -> String {
        let mut out = String::with_capacity(128);
        out.push('{');
        self.head(&mut out, "Tables", true);
        self.table_members(&mut out, self.table);
        out.push('}');
        out
    }

    /// A page of tables.
    pub fn tables<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> String {
        let mut out = String::with_capacity(1024);
        out.push('{');
        self.head(&mut out, "Tables", false);
        comma(&mut out);
        out.push_str("\"value\":[");
        for name in names {
            if !out.ends_with('[') {
                out.push(',');
            }
            out.push('{');
            self.table_members(&mut out, name);
            out.push('}');
        }
        Self::finish(out)
    }

    fn head(&self, out: &mut String, of: &str, element: bool) {
        if self.metadata != Metadata::None {
            let element = if element { "/@Element" } else { "" };
            text(out, "odata.metadata", &format!("{}$metadata#{of}{element}", self.endpoint));
        }
    }

    fn table_members(&self, out: &mut String, name: &str) {
        if self.metadata == Metadata::Full {
            let own = format!("Tables('{name}')");
            text(out, "odata.type", &format!("{}.Tables", self.account));
            text(out, "odata.id", &format!("{}{own}", self.endpoint));
            text(out, "odata.editLink", &own);
        }
        text(out, "TableName", name);
    }

    fn members(&self, out: &mut String, entity: &ShownEntity<'_>) {
        if self.metadata == Metadata::Full {
            let own = entity_path(self.table, entity.key);
            text(out, "odata.type", &format!("{}.{}", self.account, self.table));
            text(out, "odata.id", &format!("{}{own}", self.endpoint));
        }
        if self.metadata != Metadata::None {
            text(out, "odata.etag", &token::etag(entity.timestamp));
        }
        if self.metadata == Metadata::Full {
            text(out, "odata.editLink", &entity_path(self.table, entity.key));
        }
        let shown = |name: &str| self.select.is_none_or(|names| names.iter().any(|n| n == name));
        if shown("PartitionKey") {
            text(out, "PartitionKey", &entity.key.partition);
        }
        if shown("RowKey") {
            text(out, "RowKey", &entity.key.row);
        }
        if shown("Timestamp") {
            if self.metadata == Metadata::Full {
                text(out, "Timestamp@odata.type", EdmType::DateTime.name());
            }
            name(out, "Timestamp");
            out.push('"');
            push_iso7(out, entity.timestamp);
            out.push('"');
        }
        for (name, value) in entity.properties.iter().filter(|(name, _)| shown(name)) {
            self.property(out, name, value);
        }
    }

    fn property(&self, out: &mut String, property: &str, value: &EdmValue) {
        // What a JSON value does not tell by itself.
        let annotated = match value {
            EdmValue::Double(value) => !value.is_finite(),
            other => {
                !matches!(other.edm_type(), EdmType::String | EdmType::Boolean | EdmType::Int32)
            }
        };
        if annotated && self.metadata != Metadata::None {
            text(out, &format!("{property}@odata.type"), value.edm_type().name());
        }
        name(out, property);
        match value {
            EdmValue::String(text) => push_string(out, text),
            EdmValue::Boolean(_) | EdmValue::Int32(_) => literal::push(out, value),
            EdmValue::Double(value) if value.is_finite() => {
                literal::push(out, &EdmValue::Double(*value));
            }
            other => {
                out.push('"');
                literal::push(out, other);
                out.push('"');
            }
        }
    }
}

/// The path of an entity below the account: keys quoted and encoded.
pub fn entity_path(table: &str, key: &EntityKey) -> String {
    let quoted = |text: &str| encode_component(&text.replace('\'', "''")).to_string();
    format!("{table}(PartitionKey='{}',RowKey='{}')", quoted(&key.partition), quoted(&key.row))
}

fn comma(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

fn name(out: &mut String, name: &str) {
    comma(out);
    push_string(out, name);
    out.push(':');
}

fn text(out: &mut String, member: &str, value: &str) {
    name(out, member);
    push_string(out, value);
}

#[cfg(test)]
mod tests;

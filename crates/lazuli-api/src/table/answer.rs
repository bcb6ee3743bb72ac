//! What requests to the Table service ask of answers, and the answers.

use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::entity::Entity;
use lazuli_store::entity_query::{EntityPage, PAGE_MAX};
use lazuli_wire::odata::atom::Feed;
use lazuli_wire::odata::entity_json::{Frame, GivenEntity, ShownEntity};
use lazuli_wire::odata::format::{Format, Metadata};
use lazuli_wire::odata::{atom, entity_json, format as formats};

use crate::call::Call;
use crate::reply::Reply;

/// Request headers that every operation on tables and entities reads.
pub(crate) const REQUEST: &[&str] =
    &["accept", "dataserviceversion", "maxdataserviceversion", "x-http-method"];
/// Request headers of an operation with a body.
pub(crate) const BODY: &[&str] = &["content-type"];
/// Response headers that every operation on tables and entities sets.
pub(crate) const HEADERS: &[&str] =
    &["cache-control", "x-content-type-options", "dataserviceversion"];
/// Response headers of what was made.
pub(crate) const CREATED: &[&str] = &["preference-applied", "location", "dataserviceid"];

/// The longest body of an entity: its text may be longer than what the service counts of it.
pub(crate) const BODY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Most properties that `$select` may name.
const SELECTED_MAX: usize = 255;

/// JSON, as the body of a request.
pub(crate) const JSON: Format = Format::Json(Metadata::Minimal);

/// What a client wants back of what it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    /// It does not say: the content.
    Unsaid,
    /// The content.
    Content,
    /// No content.
    NoContent,
}

impl Preference {
    /// Whether the content is answered.
    pub(crate) const fn wants_content(self) -> bool {
        !matches!(self, Self::NoContent)
    }

    /// The preference in a header, if it names one.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        match text.map(str::trim) {
            Some("return-no-content" | "return=minimal") => Self::NoContent,
            Some("return-content" | "return=representation") => Self::Content,
            _ => Self::Unsaid,
        }
    }

    /// The value of `Preference-Applied`, if there is one.
    pub(crate) const fn applied(self) -> Option<&'static str> {
        match self {
            Self::Unsaid => None,
            Self::Content => Some("return-content"),
            Self::NoContent => Some("return-no-content"),
        }
    }
}

/// The format of the answer.
pub(crate) fn format(call: &Call<'_>) -> Result<Format, Refusal> {
    formats::negotiate(call.header("accept")?, call.query("$format"), call.version())
}

/// The format of the request's body.
pub(crate) fn body_format(call: &Call<'_>) -> Result<Format, Refusal> {
    formats::of_body(call.header("content-type")?, call.version())
}

/// Reads an entity.
pub(crate) fn read_entity(format: Format, body: &[u8]) -> Result<GivenEntity, Refusal> {
    match format {
        Format::Atom => atom::read(body),
        Format::Json(_) => entity_json::read(body),
    }
}

/// Reads the name of a table to be made.
pub(crate) fn read_table(format: Format, body: &[u8]) -> Result<String, Refusal> {
    match format {
        Format::Atom => atom::read_table(body),
        Format::Json(_) => entity_json::read_table(body),
    }
}

/// `$top`: `InvalidInput` for what is no number from 1 to 1,000.
pub(crate) fn top(call: &Call<'_>) -> Result<usize, Refusal> {
    let Some(text) = call.query("$top") else { return Ok(PAGE_MAX) };
    let number = text.parse().ok().filter(|number| (1..=PAGE_MAX).contains(number));
    number.ok_or_else(|| {
        Refusal::new(ErrorCode::InvalidInput).with_cause(format_args!("$top is `{text}`"))
    })
}

/// Options of OData that change what a query answers, and that the service does not have.
const MISSING_OPTIONS: &[&str] = &["$orderby", "$skip", "$expand", "$inlinecount", "$count"];

/// Refuses options that would not be heeded: their answer would be taken for what it is not.
///
/// `NotImplemented`.
pub(crate) fn refuse_missing_options(call: &Call<'_>) -> Result<(), Refusal> {
    match MISSING_OPTIONS.iter().find(|name| call.head.query.contains(name)) {
        Some(name) => Err(Refusal::new(ErrorCode::NotImplemented)
            .with_cause(format_args!("the query has `{name}`"))),
        None => Ok(()),
    }
}

/// `$select`: the properties that are wanted; all if `None`.
pub(crate) fn select(call: &Call<'_>) -> Result<Option<Vec<String>>, Refusal> {
    let Some(text) = call.query("$select") else { return Ok(None) };
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.len() > SELECTED_MAX {
        return Err(Refusal::new(ErrorCode::InvalidInput).with_cause("$select is too long"));
    }
    Ok((!names.iter().any(|name| name == "*")).then_some(names))
}

/// What the client wants back.
pub(crate) fn preference(call: &Call<'_>) -> Result<Preference, Refusal> {
    Ok(Preference::parse(call.header("prefer")?))
}

/// An answer with the headers that all have.
pub(crate) fn reply(call: &Call<'_>, status: u16) -> Reply {
    let changes = !call.spec.is_read();
    Reply::new(status)
        .fixed("cache-control", "no-cache")
        .fixed("x-content-type-options", "nosniff")
        .fixed("dataserviceversion", if changes && status == 204 { "1.0;" } else { "3.0;" })
}

/// The answer to what was made at `url`; its content is still to be added if it is wanted.
pub(crate) fn created(call: &Call<'_>, preference: Preference, url: &str) -> Reply {
    let status = if preference.wants_content() { 201 } else { 204 };
    let reply = reply(call, status)
        .fixed("dataserviceversion", "3.0;")
        .optional("preference-applied", preference.applied())
        .header("location", url);
    if preference.wants_content() { reply } else { reply.header("dataserviceid", url) }
}

fn frame<'a>(
    call: &'a Call<'_>,
    format: Format,
    (table, select): (&'a str, Option<&'a [String]>),
) -> Frame<'a> {
    let metadata = match format {
        Format::Json(metadata) => metadata,
        Format::Atom => Metadata::Minimal,
    };
    let endpoint = &call.head.address.endpoint;
    Frame { metadata, endpoint, account: call.account(), table, select }
}

fn shown(entity: &Entity) -> ShownEntity<'_> {
    let Entity { key, timestamp, properties } = entity;
    ShownEntity { key, timestamp: *timestamp, properties }
}

fn body(reply: Reply, format: Format, feed: bool, text: String) -> Reply {
    let reply = match format {
        // Clients of Atom may know no later one.
        Format::Atom => reply.fixed("dataserviceversion", "1.0;"),
        Format::Json(_) => reply,
    };
    reply.fixed("content-type", format.content_type(feed)).full(text)
}

/// Answers with a page of entities.
pub(crate) fn entities(
    call: &Call<'_>,
    reply: Reply,
    (format, select): (Format, Option<&[String]>),
    page: &EntityPage,
) -> Reply {
    let frame = frame(call, format, (&page.table, select));
    let text = match format {
        Format::Atom => {
            let mut feed = Feed::begin(frame, call.head.now);
            for entity in &page.items {
                feed.entity(&shown(entity));
            }
            feed.finish()
        }
        Format::Json(_) => {
            let mut text = frame.begin();
            page.items.iter().for_each(|entity| frame.item(&mut text, &shown(entity)));
            Frame::finish(text)
        }
    };
    body(reply, format, true, text)
}

/// Answers with an entity.
pub(crate) fn entity(
    call: &Call<'_>,
    reply: Reply,
    (format, select): (Format, Option<&[String]>),
    (table, entity): (&str, &Entity),
) -> Reply {
    let text = entity_text(call, (format, select), (table, &shown(entity)));
    body(reply, format, false, text)
}

/// An entity by itself, as an answer has it.
pub(crate) fn entity_text(
    call: &Call<'_>,
    (format, select): (Format, Option<&[String]>),
    (table, entity): (&str, &ShownEntity<'_>),
) -> String {
    let frame = frame(call, format, (table, select));
    match format {
        Format::Atom => atom::entity(&frame, entity),
        Format::Json(_) => frame.entity(entity),
    }
}

/// Answers with a page of tables.
pub(crate) fn tables(call: &Call<'_>, reply: Reply, format: Format, names: &[&str]) -> Reply {
    let frame = frame(call, format, ("", None));
    let text = match format {
        Format::Atom => {
            let mut feed = Feed::begin(frame, call.head.now);
            for name in names {
                feed.table(name);
            }
            feed.finish()
        }
        Format::Json(_) => frame.tables(names.iter().copied()),
    };
    body(reply, format, true, text)
}

/// Answers with a table.
pub(crate) fn table(call: &Call<'_>, reply: Reply, format: Format, name: &str) -> Reply {
    let frame = frame(call, format, (name, None));
    let text = match format {
        Format::Atom => atom::table(&frame, call.head.now),
        Format::Json(_) => frame.table(),
    };
    body(reply, format, false, text)
}

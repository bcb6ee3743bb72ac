//! Entity Group Transactions: changes of up to a hundred entities of one partition, all or none.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions>
//!
//! The request as a whole is signed; its parts carry no authorisation of their own. Whatever is
//! wrong with a part is answered with status 202 and that one part.

use http::{Method, StatusCode};
use lazuli_auth::Permission;
use lazuli_base::Timestamp;
use lazuli_evidence::{OPENING_HEADER, RECEIPT_HEADER};
use lazuli_model::entity::IfMatch;
use lazuli_model::names::TableName;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::entity::{Action, Change, Changed, Failed};
use lazuli_wire::odata::changeset::{self, AnswerWriter, Batch, SubRequest};
use lazuli_wire::odata::entity_json::{ShownEntity, entity_path};
use lazuli_wire::odata::format::{self, Format, Metadata};
use lazuli_wire::odata::token;
use lazuli_wire::query::Query;
use lazuli_wire::{error_body as bodies, headers};

use crate::address::{self, Resource};
use crate::call::{Call, Head};
use crate::message::{Body, FullBody};
use crate::reply::Reply;
use crate::spec::{Effect, Level, Spec, Status};
use crate::table::answer::{self, Preference};
use crate::table::{change, query_entities};
use crate::{access, table};

/// Entity Group Transaction.
pub static SPEC: Spec = Spec {
    name: "EntityGroupTransaction",
    title: "Entity Group Transaction",
    rows: &[],
    page: "https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions",
    level: Level::Batch,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[],
    access: access::ENTITY_TRANSACTION,
    query: &["timeout"],
    headers: &[answer::REQUEST, answer::BODY],
    success: &[202],
    response: &[answer::HEADERS, &["content-type"]],
    status: Status::Built,
};

/// A part of a transaction, understood.
struct Part {
    table: TableName,
    preference: Preference,
    format: Format,
    content_id: Option<String>,
}

/// A transaction that happened.
struct Done {
    parts: Vec<Part>,
    changes: Vec<Change>,
    made: Changed,
}

/// Makes all changes of the body, or answers its query.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let content_type = call.required_header("content-type")?;
    let body = call.read_announced_body(changeset::BODY_BYTES_MAX as u64).await?;
    let id = call.api.entropy.uuid();
    let answer = match changeset::read(content_type, &body) {
        Ok(Batch::Changes(requests)) => match changes(&call, &requests).await {
            Ok(Done { parts, changes, made }) => {
                let mut answer = AnswerWriter::new(&id, true);
                for (index, told) in parts.iter().zip(&changes).enumerate() {
                    success(&call, &mut answer, told, (&made, index));
                }
                answer
            }
            Err(Failed { index, refusal }) => {
                let answer = AnswerWriter::new(&id, true);
                failure(&call, answer, (Some(index), requests.get(index)), &refusal)
            }
        },
        Ok(Batch::Query(request)) => {
            let answer = AnswerWriter::new(&id, false);
            match query(&call, &request).await {
                Ok(reply) => query_answer(answer, reply),
                Err(refusal) => failure(&call, answer, (None, Some(&request)), &refusal),
            }
        }
        Err(refusal) if refusal.code() == ErrorCode::InvalidInput => {
            failure(&call, AnswerWriter::new(&id, true), (None, None), &refusal)
        }
        Err(refusal) => return Err(refusal),
    };
    let reply = answer::reply(&call, 202).header("content-type", answer.content_type());
    Ok(reply.full(answer.finish()))
}

async fn changes(call: &Call<'_>, requests: &[SubRequest]) -> Result<Done, Failed> {
    let mut parts: Vec<Part> = Vec::with_capacity(requests.len());
    let mut changes = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        let failed = |refusal| Failed { index, refusal };
        let (part, change) = part(call, request).map_err(failed)?;
        if parts.first().is_some_and(|first| first.table.folded() != part.table.folded()) {
            return Err(failed(ErrorCode::CommandsInBatchActOnDifferentPartitions.into()));
        }
        parts.push(part);
        changes.push(change);
    }
    let Some(table) = parts.first().map(|first| first.table.clone()) else {
        return Err(Failed { index: 0, refusal: ErrorCode::InvalidInput.into() });
    };
    let made = call.store().change_entities(call.account(), &table, &changes).await?;
    Ok(Done { parts, changes, made })
}

/// Understands a part, and holds it against what the caller may do.
fn part(call: &Call<'_>, request: &SubRequest) -> Result<(Part, Change), Refusal> {
    let text = |name| headers::text(&request.headers, name);
    let method = table::method(call.head.service, &request.method, &request.headers)?;
    let resource = resource(call, request)?;
    let condition = text("if-match")?.map(token::if_match).transpose()?;
    let (name, key) = match &resource {
        Resource::Table(table) => (table, None),
        Resource::Entity(entity) => (&entity.table, Some(&entity.key)),
        _ => return Err(ErrorCode::InvalidInput.into()),
    };
    let (action, needed) = action(&method, key.is_some(), condition)?;
    needed.iter().try_for_each(|needed| call.granted.require_on(name, *needed))?;
    let table = TableName::parse(name)?;
    let kind = format::of_body(text("content-type")?, call.version())?;
    let change = change::of(action, key, (kind, &request.body))?;
    call.granted.require_entity(table.as_str(), &change.key)?;
    let format = format::negotiate(text("accept")?, None, call.version())?;
    let preference = Preference::parse(text("prefer")?);
    let content_id = request.content_id.clone();
    Ok((Part { table, preference, format, content_id }, change))
}

/// What a part does, and what a token must permit for it.
fn action(
    method: &Method,
    addresses_entity: bool,
    condition: Option<IfMatch>,
) -> Result<(Action, &'static [Permission]), Refusal> {
    const UPSERT: &[Permission] = &[Permission::Add, Permission::Update];
    Ok(match (method.as_str(), addresses_entity, condition) {
        ("POST", false, _) => (Action::Insert, &[Permission::Add]),
        ("PUT", true, Some(condition)) => (Action::Update(condition), &[Permission::Update]),
        ("PUT", true, None) => (Action::InsertOrReplace, UPSERT),
        ("PATCH", true, Some(condition)) => (Action::Merge(condition), &[Permission::Update]),
        ("PATCH", true, None) => (Action::InsertOrMerge, UPSERT),
        ("DELETE", true, Some(condition)) => (Action::Delete(condition), &[Permission::Delete]),
        ("DELETE", true, None) => {
            let missing = Refusal::new(ErrorCode::MissingRequiredHeader);
            return Err(missing.with_detail("HeaderName", "If-Match"));
        }
        _ => return Err(ErrorCode::InvalidInput.into()),
    })
}

/// What a part addresses: in the account of the request around it.
fn resource(call: &Call<'_>, request: &SubRequest) -> Result<Resource, Refusal> {
    let host = headers::text(&request.headers, "host")?;
    let host = host.map_or_else(|| headers::text(call.head.headers, "host"), |host| Ok(Some(host)));
    let is_account = |name: &str| call.api.accounts.contains(name);
    let address = address::resolve(&request.target, host?, call.head.secure, is_account)?;
    if address.account != call.account() {
        return Err(ErrorCode::InvalidInput.into());
    }
    Resource::of(call.head.service, &address, None)
}

/// Answers the query that a batch has instead of changes.
async fn query(call: &Call<'_>, request: &SubRequest) -> Result<Reply, Refusal> {
    if request.method != Method::GET {
        return Err(ErrorCode::InvalidInput.into());
    }
    let host = headers::text(call.head.headers, "host")?;
    let is_account = |name: &str| call.api.accounts.contains(name);
    let address = address::resolve(&request.target, host, call.head.secure, is_account)?;
    let resource = resource(call, request)?;
    let query = Query::parse(address.query)?;
    call.granted.require_on(resource.names().0.unwrap_or_default(), Permission::Read)?;
    if let (Some((own, _)), (Some(table), _)) = (call.granted.table(), resource.names())
        && !own.eq_ignore_ascii_case(table)
    {
        return Err(ErrorCode::AuthorizationFailure.into());
    }
    let spec = match &resource {
        Resource::Table(_) => &query_entities::SPEC,
        Resource::Entity(_) => &query_entities::ONE,
        _ => return Err(ErrorCode::InvalidInput.into()),
    };
    let head = Head {
        method: &request.method,
        sent: &request.method,
        address,
        resource,
        query,
        headers: &request.headers,
        ..call.head.clone()
    };
    let mut body = FullBody::new(Vec::new());
    let granted = (call.granted.clone(), call.store());
    let part = Call::new(call.api, spec, &head, granted, &mut body);
    match head.resource {
        Resource::Entity(_) => query_entities::handle_one(part).await,
        _ => query_entities::handle(part).await,
    }
}

fn query_answer(mut answer: AnswerWriter, reply: Reply) -> AnswerWriter {
    let status = StatusCode::from_u16(reply.status).unwrap_or_default();
    let lines = reply.headers.iter();
    let lines: Vec<(&str, &str)> =
        lines.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let body = match reply.body {
        Body::Full(bytes) => bytes,
        Body::Empty | Body::Stream(_) => bytes::Bytes::new(),
    };
    answer.part(None, status, &lines, &body);
    answer
}

fn success(
    call: &Call<'_>,
    answer: &mut AnswerWriter,
    (part, change): (&Part, &Change),
    (made, index): (&Changed, usize),
) {
    let timestamp = made.at.get(index).copied().unwrap_or_default();
    let receipt = made.receipt(index);
    let inserts = change.action == Action::Insert;
    // Clients of Atom are older than preferences, and want to see what they made.
    let wanted = match part.preference {
        Preference::Unsaid => part.format == Format::Atom,
        said => said.wants_content(),
    };
    let with_content = inserts && wanted;
    let etag = token::etag(timestamp);
    let path = entity_path(&made.table, &change.key);
    let url = format!("{}{path}", call.head.address.endpoint);
    let mut lines = vec![("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache")];
    if inserts {
        if let Some(applied) = part.preference.applied() {
            lines.push(("Preference-Applied", applied));
        }
        let version = if part.format == Format::Atom { "1.0;" } else { "3.0;" };
        lines.extend([
            ("DataServiceVersion", version),
            ("Location", &url),
            ("DataServiceId", &url),
        ]);
    } else {
        lines.push(("DataServiceVersion", "1.0;"));
    }
    if !matches!(change.action, Action::Delete(_)) {
        lines.push(("ETag", &etag));
    }
    // As the parts of a batch of blobs: who changed what can prove each change by itself.
    if let Some(receipt) = &receipt {
        lines.push((RECEIPT_HEADER, &receipt.receipt));
        lines.extend(receipt.opening.as_deref().map(|opening| (OPENING_HEADER, opening)));
    }
    let (mut status, mut body) = (StatusCode::NO_CONTENT, String::new());
    if with_content {
        status = StatusCode::CREATED;
        lines.push(("Content-Type", part.format.content_type(false)));
        body = shown(call, (part, change), (&made.table, timestamp));
    }
    answer.part(part.content_id.as_deref(), status, &lines, body.as_bytes());
}

fn shown(
    call: &Call<'_>,
    (part, change): (&Part, &Change),
    (table, timestamp): (&str, Timestamp),
) -> String {
    let Change { key, properties, .. } = change;
    let entity = ShownEntity { key, timestamp, properties };
    answer::entity_text(call, (part.format, None), (table, &entity))
}

/// Whether a part asks for Atom.
fn asks_for_atom(call: &Call<'_>, request: &SubRequest) -> bool {
    let accept = headers::text(&request.headers, "accept").unwrap_or_default();
    format::negotiate(accept, None, call.version()) == Ok(Format::Atom)
}

/// The answer of a batch that did not happen: one part, which names the request at fault.
fn failure(
    call: &Call<'_>,
    mut answer: AnswerWriter,
    (index, request): (Option<usize>, Option<&SubRequest>),
    refusal: &Refusal,
) -> AnswerWriter {
    let in_atom = request.is_some_and(|request| asks_for_atom(call, request));
    let content_id = request.and_then(|request| request.content_id.as_deref());
    let message = match index {
        Some(index) => format!("{index}:{}", refusal.message()),
        None => refusal.message().to_owned(),
    };
    let told = refusal.clone().with_message(message);
    let (id, now) = (call.head.request_id, call.head.now);
    let (kind, version, body) = if in_atom {
        (bodies::XML_CONTENT_TYPE, "1.0;", bodies::odata_xml(&told, id, now))
    } else {
        let kind = Format::Json(Metadata::Minimal).content_type(false);
        (kind, "3.0;", bodies::odata_json(&told, id, now))
    };
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let lines = [
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-cache"),
        ("DataServiceVersion", version),
        ("Content-Type", kind),
    ];
    answer.part(content_id, status, &lines, body.as_bytes());
    answer
}

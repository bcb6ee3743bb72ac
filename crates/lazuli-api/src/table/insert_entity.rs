//! Insert Entity.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/insert-entity>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::entity::{Action, Entity, Made};
use lazuli_wire::odata::entity_json::entity_path;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::table::{answer, change};

/// Insert Entity.
pub static SPEC: Spec = Spec {
    name: "InsertEntity",
    title: "Insert Entity",
    rows: &["Table_InsertEntity"],
    page: "https://learn.microsoft.com/rest/api/storageservices/insert-entity",
    level: Level::Table,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::ENTITY_ADD,
    query: &["$format", "timeout"],
    headers: &[answer::REQUEST, answer::BODY, &["prefer"]],
    success: &[201, 204],
    response: &[answer::HEADERS, answer::CREATED, &["content-type", "etag"]],
    status: Status::Built,
};

/// Adds the entity that the body is.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let format = answer::format(&call)?;
    let preference = answer::preference(&call)?;
    let kind = answer::body_format(&call)?;
    let table = call.table()?;
    let body = call.read_announced_body(answer::BODY_BYTES_MAX).await?;
    let change = change::of(Action::Insert, None, (kind, &body))?;
    call.granted.require_entity(table.as_str(), &change.key)?;
    let made = call.store().change_entity(call.account(), &table, &change).await?;
    let Made { table, at: timestamp } = made;
    let path = entity_path(&table, &change.key);
    let url = format!("{}{path}", call.head.address.endpoint);
    let reply = answer::created(&call, preference, &url);
    let reply = reply.header("etag", lazuli_wire::odata::token::etag(timestamp));
    if !preference.wants_content() {
        return Ok(reply);
    }
    let entity = Entity { key: change.key, timestamp, properties: change.properties };
    Ok(answer::entity(&call, reply, (format, None), (&table, &entity)))
}

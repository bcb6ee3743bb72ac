//! Query Entities: a page of those that match a filter, or one by its key.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/query-entities>

use http::Method;
use lazuli_model::Refusal;
use lazuli_model::entity::{EntityKey, KeySpan};
use lazuli_store::entity_query::EntityQuery;
use lazuli_wire::odata::{filter, token};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::table::answer;

/// Query Entities.
pub static SPEC: Spec = Spec {
    name: "QueryEntities",
    title: "Query Entities",
    rows: &["Table_QueryEntities"],
    page: "https://learn.microsoft.com/rest/api/storageservices/query-entities",
    level: Level::Table,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::NoQuery("comp")],
    access: access::ENTITY_READ,
    query: &["$format", "$top", "$select", "$filter", "timeout", "nextpartitionkey", "nextrowkey"],
    headers: &[answer::REQUEST],
    success: &[200],
    response: &[
        answer::HEADERS,
        &["content-type", "x-ms-continuation-nextpartitionkey", "x-ms-continuation-nextrowkey"],
    ],
    status: Status::Built,
};

/// Gives a page of the entities that match.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    answer::refuse_missing_options(&call)?;
    let format = answer::format(&call)?;
    let max = answer::top(&call)?;
    let select = answer::select(&call)?;
    let filter = call.query("$filter").map(filter::parse).transpose()?;
    let from = from(&call)?;
    let whole = KeySpan::default();
    let span = call.granted.table().map_or(&whole, |(_, span)| span);
    let query = EntityQuery { filter: filter.as_ref(), span, from: from.as_ref(), max };
    let page = call.store().query_entities(call.account(), &call.table()?, &query).await?;
    let next = page.next.as_ref();
    let token = |part: &String| token::continuation(part);
    let reply = answer::reply(&call, 200)
        .optional("x-ms-continuation-nextpartitionkey", next.map(|key| token(&key.partition)))
        .optional("x-ms-continuation-nextrowkey", next.map(|key| token(&key.row)));
    Ok(answer::entities(&call, reply, (format, select.as_deref()), &page))
}

/// Where the page begins. Without a row key it begins with the partition.
fn from(call: &Call<'_>) -> Result<Option<EntityKey>, Refusal> {
    let place = |name| call.query(name).map(token::place).transpose();
    let (partition, row) = (place("nextpartitionkey")?, place("nextrowkey")?);
    Ok(partition.map(|partition| EntityKey { partition, row: row.unwrap_or_default() }))
}

/// Query Entities (one entity).
pub static ONE: Spec = Spec {
    name: "GetEntity",
    title: "Query Entities (one entity)",
    rows: &["Table_QueryEntitiesWithPartitionAndRowKey"],
    page: "https://learn.microsoft.com/rest/api/storageservices/query-entities",
    level: Level::Entity,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[],
    access: access::ENTITY_READ,
    query: &["$format", "$select", "$filter", "timeout"],
    headers: &[answer::REQUEST],
    success: &[200],
    response: &[answer::HEADERS, &["content-type", "etag"]],
    status: Status::Built,
};

/// Gives the entity of the key.
pub async fn handle_one(call: Call<'_>) -> Result<Reply, Refusal> {
    answer::refuse_missing_options(&call)?;
    let format = answer::format(&call)?;
    let select = answer::select(&call)?;
    let (table, key) = (call.table()?, call.entity_key()?);
    let (table, entity) = call.store().get_entity(call.account(), &table, key).await?;
    let reply = answer::reply(&call, 200).header("etag", token::etag(entity.timestamp));
    Ok(answer::entity(&call, reply, (format, select.as_deref()), (&table, &entity)))
}

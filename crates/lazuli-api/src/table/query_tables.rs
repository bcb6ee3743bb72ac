//! Query Tables: all tables of an account, or one by its name.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/query-tables>

use http::Method;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_wire::odata::{filter, token};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Spec, Status};
use crate::table::answer;

/// Query Tables.
pub static SPEC: Spec = Spec {
    name: "QueryTables",
    title: "Query Tables",
    rows: &["Table_Query"],
    page: "https://learn.microsoft.com/rest/api/storageservices/query-tables",
    level: Level::Tables,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[],
    access: access::TABLES_LIST,
    query: &["$format", "$top", "$select", "$filter", "nexttablename"],
    headers: &[answer::REQUEST],
    success: &[200],
    response: &[answer::HEADERS, &["content-type", "x-ms-continuation-nexttablename"]],
    status: Status::Built,
};

/// Lists a page of the account's tables.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    answer::refuse_missing_options(&call)?;
    let format = answer::format(&call)?;
    let max = answer::top(&call)?;
    let filter = call.query("$filter").map(filter::parse).transpose()?;
    let from = call.query("nexttablename").map(token::place).transpose()?;
    let page = call.store().list_tables(call.account(), from.as_deref(), (filter.as_ref(), max));
    let page = page.await?;
    let names: Vec<&str> = page.items.iter().map(|table| table.name.as_str()).collect();
    let next = page.next.map(|next| token::continuation(&String::from_utf8_lossy(&next)));
    let reply = answer::reply(&call, 200).optional("x-ms-continuation-nexttablename", next);
    Ok(answer::tables(&call, reply, format, &names))
}

/// Query Tables (one table).
pub static NAMED: Spec = Spec {
    name: "GetTable",
    title: "Query Tables (one table)",
    rows: &[],
    page: "https://learn.microsoft.com/rest/api/storageservices/query-tables",
    level: Level::NamedTable,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[],
    access: access::TABLES_LIST,
    query: &["$format"],
    headers: &[answer::REQUEST],
    success: &[200],
    response: &[answer::HEADERS, &["content-type"]],
    status: Status::Built,
};

/// Tells one table.
pub async fn handle_named(call: Call<'_>) -> Result<Reply, Refusal> {
    answer::refuse_missing_options(&call)?;
    let format = answer::format(&call)?;
    let table = call.store().find_table(call.account(), call.table()?.as_str()).await?;
    let table = table.ok_or_else(|| Refusal::new(ErrorCode::ResourceNotFound))?;
    Ok(answer::table(&call, answer::reply(&call, 200), format, &table.name))
}

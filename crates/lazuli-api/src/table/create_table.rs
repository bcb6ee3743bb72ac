//! Create Table.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-table>

use http::Method;
use lazuli_model::Refusal;
use lazuli_model::names::TableName;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Spec, Status};
use crate::table::answer;

/// Create Table.
pub static SPEC: Spec = Spec {
    name: "CreateTable",
    title: "Create Table",
    rows: &["Table_Create"],
    page: "https://learn.microsoft.com/rest/api/storageservices/create-table",
    level: Level::Tables,
    methods: &[Method::POST],
    effect: Effect::Changes,
    selectors: &[],
    access: access::TABLE_CREATE,
    query: &["$format"],
    headers: &[answer::REQUEST, answer::BODY, &["prefer"]],
    success: &[201, 204],
    response: &[answer::HEADERS, answer::CREATED, &["content-type"]],
    status: Status::Built,
};

/// Makes the table that the body names.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let format = answer::format(&call)?;
    let preference = answer::preference(&call)?;
    let kind = answer::body_format(&call)?;
    let body = call.read_announced_body(answer::BODY_BYTES_MAX).await?;
    let table = TableName::parse(&answer::read_table(kind, &body)?)?;
    call.store().create_table(call.account(), &table).await?;
    let url = format!("{}Tables('{}')", call.head.address.endpoint, table.as_str());
    let reply = answer::created(&call, preference, &url);
    Ok(if preference.wants_content() {
        answer::table(&call, reply, format, table.as_str())
    } else {
        reply
    })
}

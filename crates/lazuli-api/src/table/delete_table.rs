//! Delete Table.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delete-table>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Spec, Status};
use crate::table::answer;

/// Delete Table.
pub static SPEC: Spec = Spec {
    name: "DeleteTable",
    title: "Delete Table",
    rows: &["Table_Delete"],
    page: "https://learn.microsoft.com/rest/api/storageservices/delete-table",
    level: Level::NamedTable,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[],
    access: access::TABLE_DELETE,
    query: &[],
    headers: &[answer::REQUEST],
    success: &[204],
    response: &[answer::HEADERS],
    status: Status::Built,
};

/// Deletes the table and everything in it.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    call.store().delete_table(call.account(), &call.table()?).await?;
    Ok(answer::reply(&call, 204))
}

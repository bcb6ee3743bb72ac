//! Get Table ACL.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-table-acl>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::signed_identifiers;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Get Table ACL.
pub static SPEC: Spec = Spec {
    name: "GetTableAcl",
    title: "Get Table ACL",
    rows: &["Table_GetAccessPolicy"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-table-acl",
    level: Level::Table,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "acl")],
    access: access::TABLE_GET_ACL,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Tells the stored access policies.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let row = call.store().get_table(call.account(), &call.table()?).await?;
    Ok(Reply::new(200).xml(signed_identifiers::write(&row.policies)))
}

//! Delete Entity.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delete-entity1>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::entity::Action;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Spec, Status};
use crate::table::{answer, change};

/// Delete Entity.
pub static SPEC: Spec = Spec {
    name: "DeleteEntity",
    title: "Delete Entity",
    rows: &["Table_DeleteEntity"],
    page: "https://learn.microsoft.com/rest/api/storageservices/delete-entity1",
    level: Level::Entity,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[],
    access: access::ENTITY_DELETE,
    query: &["$format", "timeout"],
    headers: &[answer::REQUEST, &["if-match"]],
    success: &[204],
    response: &[answer::HEADERS],
    status: Status::Built,
};

/// Removes the entity, which must be there.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let condition = change::condition(&call)?;
    change::one(call, Action::Delete(condition)).await
}

//! Update Entity.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/update-entity2>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::entity::Action;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::table::{answer, change};

/// Update Entity.
pub static SPEC: Spec = Spec {
    name: "UpdateEntity",
    title: "Update Entity",
    rows: &["Table_UpdateEntity"],
    page: "https://learn.microsoft.com/rest/api/storageservices/update-entity2",
    level: Level::Entity,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::HasHeader("if-match")],
    access: access::ENTITY_UPDATE,
    query: &["$format", "timeout"],
    headers: &[answer::REQUEST, answer::BODY],
    success: &[204],
    response: &[answer::HEADERS, &["etag"]],
    status: Status::Built,
};

/// Replaces the entity, which must be there.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let condition = change::condition(&call)?;
    change::one(call, Action::Update(condition)).await
}

//! Merge Entity.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/merge-entity>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::entity::Action;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::table::{answer, change};

/// Merge Entity.
pub static SPEC: Spec = Spec {
    name: "MergeEntity",
    title: "Merge Entity",
    rows: &["Table_MergeEntity"],
    page: "https://learn.microsoft.com/rest/api/storageservices/merge-entity",
    level: Level::Entity,
    methods: &[Method::PATCH],
    effect: Effect::Changes,
    selectors: &[Selector::HasHeader("if-match")],
    access: access::ENTITY_UPDATE,
    query: &["$format", "timeout"],
    headers: &[answer::REQUEST, answer::BODY],
    success: &[204],
    response: &[answer::HEADERS, &["etag"]],
    status: Status::Built,
};

/// Adds or replaces properties of the entity, which must be there.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let condition = change::condition(&call)?;
    change::one(call, Action::Merge(condition)).await
}

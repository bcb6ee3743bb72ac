//! Insert Or Replace Entity.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/insert-or-replace-entity>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::entity::Action;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::table::{answer, change};

/// Insert Or Replace Entity.
pub static SPEC: Spec = Spec {
    name: "InsertOrReplaceEntity",
    title: "Insert Or Replace Entity",
    rows: &["Table_UpdateEntity"],
    page: "https://learn.microsoft.com/rest/api/storageservices/insert-or-replace-entity",
    level: Level::Entity,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::NoHeader("if-match")],
    access: access::ENTITY_UPSERT,
    query: &["$format", "timeout"],
    headers: &[answer::REQUEST, answer::BODY],
    success: &[204],
    response: &[answer::HEADERS, &["etag"]],
    status: Status::Built,
};

/// Makes or replaces the entity.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    change::one(call, Action::InsertOrReplace).await
}

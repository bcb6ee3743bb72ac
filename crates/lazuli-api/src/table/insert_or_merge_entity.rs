//! Insert Or Merge Entity.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/insert-or-merge-entity>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::entity::Action;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};
use crate::table::{answer, change};

/// Insert Or Merge Entity.
pub static SPEC: Spec = Spec {
    name: "InsertOrMergeEntity",
    title: "Insert Or Merge Entity",
    rows: &["Table_MergeEntity"],
    page: "https://learn.microsoft.com/rest/api/storageservices/insert-or-merge-entity",
    level: Level::Entity,
    methods: &[Method::PATCH],
    effect: Effect::Changes,
    selectors: &[Selector::NoHeader("if-match")],
    access: access::ENTITY_UPSERT,
    query: &["$format", "timeout"],
    headers: &[answer::REQUEST, answer::BODY],
    success: &[204],
    response: &[answer::HEADERS, &["etag"]],
    status: Status::Built,
};

/// Makes the entity, or adds or replaces properties of it.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    change::one(call, Action::InsertOrMerge).await
}

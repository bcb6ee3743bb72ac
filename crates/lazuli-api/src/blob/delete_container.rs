//! Delete Container.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delete-container>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, LEASE, Level, Selector, Spec, Status};

/// Delete Container.
pub static SPEC: Spec = Spec {
    name: "DeleteContainer",
    title: "Delete Container",
    rows: &["Container_Delete"],
    page: "https://learn.microsoft.com/rest/api/storageservices/delete-container",
    level: Level::Container,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::NoQuery("comp")],
    access: access::CONTAINER_DELETE,
    query: &["timeout"],
    headers: &[LEASE, &["if-modified-since", "if-unmodified-since"]],
    success: &[202],
    response: &[],
    status: Status::Built,
};

/// Deletes the container and everything in it.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let asked = call.asked()?;
    let terms = (&asked.conditions, asked.lease.as_ref());
    call.store().delete_container(call.account(), container.as_str(), terms.0, terms.1).await?;
    Ok(Reply::new(202))
}

//! Set Container Metadata.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-container-metadata>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status};

/// Set Container Metadata.
pub static SPEC: Spec = Spec {
    name: "SetContainerMetadata",
    title: "Set Container Metadata",
    rows: &["Container_SetMetadata"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-container-metadata",
    level: Level::Container,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "metadata")],
    access: access::CONTAINER_WRITE,
    query: &["timeout"],
    headers: &[METADATA, LEASE, &["if-modified-since"]],
    success: &[200],
    response: &[ENTITY],
    status: Status::Built,
};

/// Replaces the metadata.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let asked = call.asked()?;
    let metadata = call.metadata()?;
    let terms = (&asked.conditions, asked.lease.as_ref());
    let written = call
        .store()
        .set_container_metadata(call.account(), container.as_str(), terms, &metadata)
        .await?;
    Ok(Reply::new(200).entity(written.etag, written.modified))
}

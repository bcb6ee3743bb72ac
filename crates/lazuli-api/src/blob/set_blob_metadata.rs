//! Set Blob Metadata.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-metadata>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{
    CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status,
};

/// Set Blob Metadata.
pub static SPEC: Spec = Spec {
    name: "SetBlobMetadata",
    title: "Set Blob Metadata",
    rows: &["Blob_SetMetadata"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-metadata",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "metadata")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, METADATA, LEASE],
    success: &[200],
    response: &[ENTITY, ENCRYPTED],
    status: Status::Built,
};

/// Replaces the metadata.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let metadata = call.metadata()?;
    let path = call.path(container.as_str(), blob.as_str());
    let written = call.store().set_blob_metadata(&path, &asked.terms(&call), &metadata).await?;
    Ok(Reply::new(200).entity(written.etag, written.modified).encrypted())
}

//! Get Blob Metadata.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob-metadata>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status};

/// Get Blob Metadata.
pub static SPEC: Spec = Spec {
    name: "GetBlobMetadata",
    title: "Get Blob Metadata",
    rows: &[],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-blob-metadata",
    level: Level::Blob,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "metadata")],
    access: access::BLOB_READ,
    query: &["timeout", "snapshot"],
    headers: &[CONDITIONS, LEASE],
    success: &[200],
    response: &[ENTITY, METADATA],
    status: Status::Built,
};

/// Tells the metadata.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let path = call.path(container.as_str(), blob.as_str());
    let opened = call.store().open_blob(&path, call.snapshot()?, &asked.terms(&call)).await?;
    let row = &opened.row;
    Ok(Reply::new(200).entity(row.etag, row.modified).metadata(&row.metadata))
}

//! Snapshot Blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/snapshot-blob>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::date;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{
    CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status,
};

/// Snapshot Blob.
pub static SPEC: Spec = Spec {
    name: "SnapshotBlob",
    title: "Snapshot Blob",
    rows: &["Blob_CreateSnapshot"],
    page: "https://learn.microsoft.com/rest/api/storageservices/snapshot-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "snapshot")],
    access: access::BLOB_CREATE,
    query: &["timeout"],
    headers: &[CONDITIONS, METADATA, LEASE],
    success: &[201],
    response: &[ENTITY, ENCRYPTED, &["x-ms-snapshot"]],
    status: Status::Built,
};

/// Takes a snapshot.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let metadata = call.metadata()?;
    let path = call.path(container.as_str(), blob.as_str());
    let (taken, written) =
        call.store().snapshot_blob(&path, &asked.terms(&call), &metadata).await?;
    Ok(Reply::new(201)
        .entity(written.etag, written.modified)
        .header("x-ms-snapshot", date::iso7(taken))
        .encrypted())
}

//! Incremental Copy Blob: a page blob's next snapshot, as a snapshot of another blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/incremental-copy-blob>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::pages::IncrementalSource;

use crate::access;
use crate::call::Call;
use crate::copy_source::OwnAccount;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, Level, Selector, Spec, Status};

/// Incremental Copy Blob.
pub static SPEC: Spec = Spec {
    name: "IncrementalCopyBlob",
    title: "Incremental Copy Blob",
    rows: &["PageBlob_CopyIncremental"],
    page: "https://learn.microsoft.com/rest/api/storageservices/incremental-copy-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "incrementalcopy")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, &["x-ms-copy-source"]],
    success: &[202],
    response: &[ENTITY, &["x-ms-copy-id", "x-ms-copy-status"]],
    status: Status::Built,
};

/// Copies the snapshot.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let from = call.copy_source(OwnAccount::Suffices).await?;
    let source = IncrementalSource { path: from.path(), snapshot: from.snapshot, url: &from.url };
    let path = call.path(container.as_str(), blob.as_str());
    let (written, id) = call.store().incremental_copy(&path, &asked.terms(&call), &source).await?;
    Ok(Reply::new(202)
        .entity(written.etag, written.modified)
        .header("x-ms-copy-id", id)
        .fixed("x-ms-copy-status", "success"))
}

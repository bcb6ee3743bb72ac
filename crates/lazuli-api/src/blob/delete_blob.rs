//! Delete Blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delete-blob>

use http::Method;
use lazuli_auth::Permission;
use lazuli_model::Refusal;
use lazuli_store::change::DeleteScope;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, Effect, LEASE, Level, Selector, Spec, Status};

/// Delete Blob.
pub static SPEC: Spec = Spec {
    name: "DeleteBlob",
    title: "Delete Blob",
    rows: &["Blob_Delete"],
    page: "https://learn.microsoft.com/rest/api/storageservices/delete-blob",
    level: Level::Blob,
    methods: &[Method::DELETE],
    effect: Effect::Changes,
    selectors: &[Selector::NoQuery("comp")],
    access: access::BLOB_DELETE,
    query: &["timeout", "snapshot", "versionid", "deletetype"],
    headers: &[
        CONDITIONS,
        LEASE,
        &[
            "x-ms-delete-snapshots",
            "x-ms-access-tier-if-modified-since",
            "x-ms-access-tier-if-unmodified-since",
        ],
    ],
    success: &[202],
    response: &[&["x-ms-delete-type-permanent"]],
    status: Status::Built,
};

/// Deletes the blob, its snapshots, or both.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    call.granted.require(Permission::Delete)?;
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let snapshot = call.snapshot()?;
    let scope = match call.header("x-ms-delete-snapshots")? {
        None => DeleteScope::Alone,
        Some(text) if snapshot.is_some() => {
            return Err(Refusal::header_value("x-ms-delete-snapshots", text));
        }
        Some(text) if text.eq_ignore_ascii_case("include") => DeleteScope::WithSnapshots,
        Some(text) if text.eq_ignore_ascii_case("only") => DeleteScope::SnapshotsOnly,
        Some(text) => return Err(Refusal::header_value("x-ms-delete-snapshots", text)),
    };
    let path = call.path(container.as_str(), blob.as_str());
    call.store().delete_blob(&path, snapshot, &asked.terms(&call), scope).await?;
    Ok(Reply::new(202).fixed("x-ms-delete-type-permanent", "true"))
}

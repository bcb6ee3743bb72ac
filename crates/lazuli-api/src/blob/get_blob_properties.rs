//! Get Blob Properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob-properties>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::properties::{archive_status, md5_text};
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status};

/// Get Blob Properties.
pub static SPEC: Spec = Spec {
    name: "GetBlobProperties",
    title: "Get Blob Properties",
    rows: &["Blob_GetProperties"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-blob-properties",
    level: Level::Blob,
    methods: &[Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::NoQuery("comp")],
    access: access::BLOB_READ,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[CONDITIONS, LEASE],
    success: &[200],
    response: &[
        ENTITY,
        METADATA,
        &[
            "x-ms-creation-time",
            "x-ms-blob-type",
            "x-ms-blob-committed-block-count",
            "x-ms-blob-sealed",
            "x-ms-blob-sequence-number",
            "x-ms-incremental-copy",
            "x-ms-copy-destination-snapshot",
            "x-ms-copy-completion-time",
            "x-ms-copy-status-description",
            "x-ms-copy-id",
            "x-ms-copy-progress",
            "x-ms-copy-source",
            "x-ms-copy-status",
            "x-ms-lease-duration",
            "x-ms-lease-state",
            "x-ms-lease-status",
            "content-length",
            "content-type",
            "content-md5",
            "content-encoding",
            "content-disposition",
            "content-language",
            "cache-control",
            "accept-ranges",
            "x-ms-server-encrypted",
            "x-ms-access-tier",
            "x-ms-access-tier-inferred",
            "x-ms-archive-status",
            "x-ms-access-tier-change-time",
            "x-ms-tag-count",
            "x-ms-rehydrate-priority",
        ],
    ],
    status: Status::Built,
};

/// Tells properties and metadata.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let snapshot = call.snapshot()?;
    let path = call.path(container.as_str(), blob.as_str());
    let opened = call.store().open_blob(&path, snapshot, &asked.terms(&call)).await?;
    let row = &opened.row;
    let reply = Reply::new(200)
        .blob(row, opened.now, &call.granted, snapshot.is_some())
        .tier(row)
        .header("content-length", row.length)
        .optional("content-md5", row.content.md5.as_ref().map(md5_text))
        .optional("x-ms-archive-status", archive_status(row));
    let priority = row.rehydrating.map(|(_, priority)| priority.name());
    Ok(reply.optional("x-ms-rehydrate-priority", priority))
}

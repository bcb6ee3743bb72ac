//! Get Blob Tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob-tags>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::tags;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, LEASE, Level, Selector, Spec, Status};

/// Get Blob Tags.
pub static SPEC: Spec = Spec {
    name: "GetBlobTags",
    title: "Get Blob Tags",
    rows: &["Blob_GetTags"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-blob-tags",
    level: Level::Blob,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "tags")],
    access: access::BLOB_TAGS_READ,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[
        LEASE,
        &[
            "x-ms-if-tags",
            "x-ms-blob-if-modified-since",
            "x-ms-blob-if-unmodified-since",
            "x-ms-blob-if-match",
            "x-ms-blob-if-none-match",
        ],
    ],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Tells the tags.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked_of_tags()?;
    let path = call.path(container.as_str(), blob.as_str());
    let opened = call.store().open_blob(&path, call.snapshot()?, &asked.terms(&call)).await?;
    Ok(Reply::new(200).xml(tags::write(&opened.row.tags)))
}

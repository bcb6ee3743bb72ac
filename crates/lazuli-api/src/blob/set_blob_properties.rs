//! Set Blob Properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-properties>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{BLOB_CONTENT, CONDITIONS, ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Set Blob Properties.
pub static SPEC: Spec = Spec {
    name: "SetBlobProperties",
    title: "Set Blob Properties",
    rows: &["Blob_SetHttpHeaders"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-properties",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::Query("comp", "properties"),
        Selector::NoHeader("x-ms-blob-content-length"),
        Selector::NoHeader("x-ms-sequence-number-action"),
    ],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, BLOB_CONTENT, LEASE],
    success: &[200],
    response: &[ENTITY, &["x-ms-blob-sequence-number"]],
    status: Status::Built,
};

/// Replaces the content properties: one that is not sent is cleared.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let content = call.content(false)?;
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    let (written, sequence) = call.store().set_blob_properties(&path, &terms, &content).await?;
    Ok(Reply::new(200)
        .entity(written.etag, written.modified)
        .optional("x-ms-blob-sequence-number", sequence))
}

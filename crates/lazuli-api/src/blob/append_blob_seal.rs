//! Append Blob Seal: an append blob takes no more blocks.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/append-blob-seal>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Append Blob Seal.
pub static SPEC: Spec = Spec {
    name: "AppendBlobSeal",
    title: "Append Blob Seal",
    rows: &["AppendBlob_Seal"],
    page: "https://learn.microsoft.com/rest/api/storageservices/append-blob-seal",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "seal")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[
        LEASE,
        &[
            "if-modified-since",
            "if-unmodified-since",
            "if-match",
            "if-none-match",
            "x-ms-blob-condition-appendpos",
        ],
    ],
    success: &[200],
    response: &[ENTITY, &["x-ms-blob-sealed"]],
    status: Status::Built,
};

/// Seals the blob.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let position = call.number_header("x-ms-blob-condition-appendpos")?;
    let path = call.path(container.as_str(), blob.as_str());
    let sealed = call.store().seal_append_blob(&path, &asked.terms(&call), position).await?;
    Ok(Reply::new(200).entity(sealed.etag, sealed.modified).fixed("x-ms-blob-sealed", "true"))
}

//! Put Blob (append blob): an empty blob that blocks are appended to.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob>

use http::Method;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::put::NewBlob;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{
    BLOB_CONTENT, CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec,
    Status,
};

/// Put Blob (append blob).
pub static SPEC: Spec = Spec {
    name: "PutAppendBlob",
    title: "Put Blob (append blob)",
    rows: &["AppendBlob_Create"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::NoQuery("comp"),
        Selector::NoHeader("x-ms-copy-source"),
        Selector::Header("x-ms-blob-type", "AppendBlob"),
    ],
    access: access::BLOB_CREATE,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        BLOB_CONTENT,
        METADATA,
        LEASE,
        &["x-ms-tags", "content-type", "content-encoding", "content-language", "cache-control"],
    ],
    success: &[201],
    response: &[ENTITY, ENCRYPTED, &["content-md5"]],
    status: Status::Built,
};

/// Makes or overwrites the blob.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    match call.announced() {
        Some(0) => {}
        Some(bytes) => return Err(Refusal::header_value("Content-Length", bytes.to_string())),
        None => return Err(ErrorCode::MissingContentLengthHeader.into()),
    }
    let new = NewBlob {
        content: call.content(true)?,
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier: None,
        copy: None,
    };
    let path = call.path(container.as_str(), blob.as_str());
    let written = call.store().create_append_blob(&path, &asked.terms(&call), &new).await?;
    Ok(Reply::new(201).entity(written.etag, written.modified).encrypted())
}

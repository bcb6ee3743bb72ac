//! Append Block From URL: adds a range of another blob to the end of an append blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/append-block-from-url>

use http::Method;
use lazuli_model::{Refusal, limits};
use lazuli_store::payload::Placement;

use crate::access;
use crate::blob::append_block::{APPEND_CONDITIONS, APPENDED, append_terms};
use crate::call::Call;
use crate::reply::Reply;
use crate::source_range::SourceTerms;
use crate::spec::{
    CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, SOURCE_CONDITIONS, Selector, Spec, Status,
};

/// Append Block From URL.
pub static SPEC: Spec = Spec {
    name: "AppendBlockFromUrl",
    title: "Append Block From URL",
    rows: &["AppendBlob_AppendBlockFromUrl"],
    page: "https://learn.microsoft.com/rest/api/storageservices/append-block-from-url",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "appendblock"), Selector::HasHeader("x-ms-copy-source")],
    access: access::BLOB_APPEND,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        SOURCE_CONDITIONS,
        LEASE,
        APPEND_CONDITIONS,
        &[
            "x-ms-source-content-md5",
            "x-ms-copy-source-authorization",
            "x-ms-file-request-intent",
            "content-md5",
            "x-ms-source-content-crc64",
            "x-ms-source-range",
        ],
    ],
    success: &[201],
    response: &[ENTITY, ENCRYPTED, APPENDED, &["content-md5", "x-ms-content-crc64"]],
    status: Status::Built,
};

/// Appends the block.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, at) = (call.asked()?, append_terms(&call)?);
    let terms = SourceTerms {
        bytes_max: limits::append_block_bytes_max(call.version()),
        placement: Placement::Anywhere,
    };
    let brought = call.bring_range(terms).await?;
    let path = call.path(container.as_str(), blob.as_str());
    let block = (at, brought.payload.clone());
    let appended =
        call.store().append_block("AppendBlockFromUrl", &path, &asked.terms(&call), block).await?;
    Ok(Reply::new(201).appended(&appended).brought(&brought).encrypted())
}

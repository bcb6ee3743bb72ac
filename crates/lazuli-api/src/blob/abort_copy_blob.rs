//! Abort Copy Blob: ends a copy from another server and leaves its destination empty. Copies on
//! this server are complete when they are answered, so there is none of them to abort.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob>

use http::Method;
use lazuli_model::{ErrorCode, Refusal};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, LEASE, Level, Selector, Spec, Status};

/// Abort Copy Blob.
pub static SPEC: Spec = Spec {
    name: "AbortCopyBlob",
    title: "Abort Copy Blob",
    rows: &["Blob_AbortCopyFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "copy")],
    access: access::BLOB_WRITE,
    query: &["copyid", "timeout"],
    headers: &[LEASE, &["x-ms-copy-action"]],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Aborts the copy.
///
/// `NoPendingCopyOperation`, or `CopyIdMismatch` if another one is under way.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let action = call.required_header("x-ms-copy-action")?;
    if !action.eq_ignore_ascii_case("abort") {
        return Err(Refusal::header_value("x-ms-copy-action", action));
    }
    let id = call.query("copyid").ok_or_else(|| {
        Refusal::new(ErrorCode::MissingRequiredQueryParameter)
            .with_detail("QueryParameterName", "copyid")
    })?;
    let asked = call.asked()?;
    let path = call.path(container.as_str(), blob.as_str());
    call.store().abort_copy(&path, &asked.terms(&call), id).await?;
    Ok(Reply::new(204))
}

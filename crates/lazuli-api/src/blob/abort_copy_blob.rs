//! Abort Copy Blob: copies complete when they are asked for, so there is none to abort.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob>

use http::Method;
use lazuli_model::{ErrorCode, Refusal};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{LEASE, Level, Selector, Spec, Status};

/// Abort Copy Blob.
pub static SPEC: Spec = Spec {
    name: "AbortCopyBlob",
    title: "Abort Copy Blob",
    rows: &["Blob_AbortCopyFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    selectors: &[Selector::Query("comp", "copy")],
    access: access::BLOB_WRITE,
    query: &["copyid", "timeout"],
    headers: &[LEASE, &["x-ms-copy-action"]],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Refuses: there is no pending copy.
///
/// `NoPendingCopyOperation`, or what is wrong with the request before that.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let action = call.required_header("x-ms-copy-action")?;
    if !action.eq_ignore_ascii_case("abort") {
        return Err(Refusal::header_value("x-ms-copy-action", action));
    }
    if call.query("copyid").is_none() {
        return Err(Refusal::new(ErrorCode::MissingRequiredQueryParameter)
            .with_detail("QueryParameterName", "copyid"));
    }
    let asked = call.asked()?;
    let path = call.path(container.as_str(), blob.as_str());
    call.store().open_blob(&path, None, &asked.terms(&call)).await?;
    Err(ErrorCode::NoPendingCopyOperation.into())
}

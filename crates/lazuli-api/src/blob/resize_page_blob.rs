//! Set Blob Properties (resize): makes a page blob longer or shorter.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-properties>

use http::Method;
use lazuli_model::Refusal;
use lazuli_store::pages::PageChange;

use crate::access;
use crate::blob::put_page_blob::page_blob_length;
use crate::blob::set_page_blob_sequence_number::sequence_action;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Set Blob Properties (resize).
pub static SPEC: Spec = Spec {
    name: "ResizePageBlob",
    title: "Set Blob Properties (resize)",
    rows: &["PageBlob_Resize"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-properties",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::Query("comp", "properties"),
        Selector::HasHeader("x-ms-blob-content-length"),
    ],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, LEASE, &["x-ms-sequence-number-action", "x-ms-blob-sequence-number"]],
    success: &[200],
    response: &[ENTITY, &["x-ms-blob-sequence-number"]],
    status: Status::Built,
};

/// Changes the length, and the sequence number if that is asked for, too.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let change = PageChange { length: page_blob_length(&call)?, sequence: sequence_action(&call)? };
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    let changed = call.store().change_page_blob(SPEC.name, &path, &terms, change).await?;
    Ok(Reply::new(200).pages_put(&changed))
}

//! Set Blob Tier.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tier>

use http::Method;
use lazuli_model::Refusal;
use lazuli_model::tier::AccessTier;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, LEASE, Level, Selector, Spec, Status};

/// Set Blob Tier.
pub static SPEC: Spec = Spec {
    name: "SetBlobTier",
    title: "Set Blob Tier",
    rows: &["Blob_SetTier"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-tier",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "tier")],
    access: access::BLOB_WRITE,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[LEASE, &["x-ms-access-tier", "x-ms-if-tags", "x-ms-rehydrate-priority"]],
    success: &[200, 202],
    response: &[],
    status: Status::Built,
};

/// Sets the tier: 200 if the change is made, 202 if the blob is to be rehydrated first.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let tier = AccessTier::parse(call.required_header("x-ms-access-tier")?, call.version())?;
    let retiering = call.retiering(tier)?;
    let path = call.path(container.as_str(), blob.as_str());
    let pending = call
        .store()
        .set_blob_tier(&path, call.snapshot()?, &asked.terms(&call), &retiering)
        .await?;
    Ok(Reply::new(if pending { 202 } else { 200 }))
}

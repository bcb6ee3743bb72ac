//! Get Blob Service Properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob-service-properties>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::service_properties;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Get Blob Service Properties.
pub static SPEC: Spec = Spec {
    name: "GetBlobServiceProperties",
    title: "Get Blob Service Properties",
    rows: &["Service_GetProperties"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-blob-service-properties",
    level: Level::Account,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "service"), Selector::Query("comp", "properties")],
    access: access::BLOB_SERVICE_READ,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Tells the settings.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let properties = call.store().service_properties(call.head.service, call.account()).await?;
    Ok(Reply::new(200).xml(service_properties::write(&properties, call.version())))
}

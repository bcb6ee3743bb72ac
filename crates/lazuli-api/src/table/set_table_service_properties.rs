//! Set Table Service Properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-table-service-properties>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::service_properties;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Level, Selector, Spec, Status};

/// Set Table Service Properties.
pub static SPEC: Spec = Spec {
    name: "SetTableServiceProperties",
    title: "Set Table Service Properties",
    rows: &["Service_SetProperties"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-table-service-properties",
    level: Level::Account,
    methods: &[Method::PUT],
    selectors: &[Selector::Query("restype", "service"), Selector::Query("comp", "properties")],
    access: access::SERVICE_WRITE,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[202],
    response: &[],
    status: Status::Built,
};

/// Changes the settings the body has.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let body = call.read_body(service_properties::BODY_BYTES_MAX as u64).await?;
    let patch = service_properties::read(&body)?;
    let service = (call.head.service, call.account());
    call.store().set_service_properties(service, SPEC.name, &patch).await?;
    Ok(Reply::new(202))
}

//! Set Queue Service Properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-queue-service-properties>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::service;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Set Queue Service Properties.
pub static SPEC: Spec = Spec {
    name: "SetQueueServiceProperties",
    title: "Set Queue Service Properties",
    rows: &["Service_SetProperties"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-queue-service-properties",
    level: Level::Account,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "service"), Selector::Query("comp", "properties")],
    access: access::QUEUE_SERVICE_WRITE,
    query: &["timeout"],
    headers: &[&["content-type"]],
    success: &[202],
    response: &[],
    status: Status::Built,
};

/// Changes the settings the body has.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    service::set_properties(call).await
}

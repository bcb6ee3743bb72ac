//! Get Table Service Stats: how far the secondary location is.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-table-service-stats>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::service;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Get Table Service Stats.
pub static SPEC: Spec = Spec {
    name: "GetTableServiceStats",
    title: "Get Table Service Stats",
    rows: &["Service_GetStatistics"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-table-service-stats",
    level: Level::Account,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "service"), Selector::Query("comp", "stats")],
    access: access::TABLE_SERVICE_READ,
    query: &["timeout"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Tells that the secondary, which is this store, is live: it is asked on the secondary's name.
#[allow(clippy::unused_async, reason = "every handler is awaited alike")]
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    service::stats(&call)
}

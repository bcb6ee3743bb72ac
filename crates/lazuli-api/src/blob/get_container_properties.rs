//! Get Container Properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-container-properties>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status};

/// Get Container Properties.
pub static SPEC: Spec = Spec {
    name: "GetContainerProperties",
    title: "Get Container Properties",
    rows: &["Container_GetProperties"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-container-properties",
    level: Level::Container,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "container"), Selector::NoQuery("comp")],
    access: access::CONTAINER_READ,
    query: &["timeout"],
    headers: &[LEASE],
    success: &[200],
    response: &[
        ENTITY,
        METADATA,
        &[
            "x-ms-lease-duration",
            "x-ms-lease-state",
            "x-ms-lease-status",
            "x-ms-blob-public-access",
            "x-ms-has-immutability-policy",
            "x-ms-has-legal-hold",
            "x-ms-immutable-storage-with-versioning-enabled",
            "x-ms-default-encryption-scope",
            "x-ms-deny-encryption-scope-override",
        ],
    ],
    status: Status::Built,
};

/// Tells properties and metadata.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let lease = call.lease_id()?;
    let (row, now) =
        call.store().get_container(call.account(), container.as_str(), lease.as_ref()).await?;
    Ok(Reply::new(200)
        .entity(row.etag, row.modified)
        .metadata(&row.metadata)
        .fixed("x-ms-lease-status", row.lease.status(now))
        .fixed("x-ms-lease-state", row.lease.state(now))
        .optional("x-ms-lease-duration", row.lease.duration(now))
        .optional("x-ms-blob-public-access", row.public_access.name())
        .fixed("x-ms-has-immutability-policy", "false")
        .fixed("x-ms-has-legal-hold", "false")
        .fixed("x-ms-immutable-storage-with-versioning-enabled", "false")
        .fixed("x-ms-default-encryption-scope", "$account-encryption-key")
        .fixed("x-ms-deny-encryption-scope-override", "false"))
}

//! Get Container Metadata.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-container-metadata>

use http::Method;
use lazuli_model::Refusal;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status};

/// Get Container Metadata.
pub static SPEC: Spec = Spec {
    name: "GetContainerMetadata",
    title: "Get Container Metadata",
    rows: &["Container_GetProperties"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-container-metadata",
    level: Level::Container,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "metadata")],
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
        ],
    ],
    status: Status::Built,
};

/// Tells the metadata.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let lease = call.lease_id()?;
    let (row, _) =
        call.store().get_container(call.account(), container.as_str(), lease.as_ref()).await?;
    Ok(Reply::new(200).entity(row.etag, row.modified).metadata(&row.metadata))
}

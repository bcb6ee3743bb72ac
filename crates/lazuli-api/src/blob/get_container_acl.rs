//! Get Container ACL.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-container-acl>

use http::Method;
use lazuli_model::acl::SignedIdentifier;
use lazuli_model::{ApiVersion, ErrorCode, Refusal};
use lazuli_wire::body::signed_identifiers;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Get Container ACL.
pub static SPEC: Spec = Spec {
    name: "GetContainerAcl",
    title: "Get Container ACL",
    rows: &["Container_GetAccessPolicy"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-container-acl",
    level: Level::Container,
    methods: &[Method::GET, Method::HEAD],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "acl")],
    access: access::CONTAINER_GET_ACL,
    query: &["timeout"],
    headers: &[LEASE],
    success: &[200],
    response: &[ENTITY, &["content-type", "x-ms-blob-public-access"]],
    status: Status::Built,
};

/// The first version in which a policy may permit to add and to create.
const ADD_AND_CREATE: ApiVersion = ApiVersion::new(2015, 4, 5);

fn adds_or_creates(policy: &SignedIdentifier) -> bool {
    policy.policy.permission.as_ref().is_some_and(|letters| letters.contains(['a', 'c']))
}

/// Tells public access and stored access policies.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let lease = call.lease_id()?;
    let (row, _) =
        call.store().get_container(call.account(), container.as_str(), lease.as_ref()).await?;
    if call.version() < ADD_AND_CREATE && row.policies.iter().any(adds_or_creates) {
        return Err(ErrorCode::FeatureVersionMismatch.into());
    }
    let reply = Reply::new(200)
        .entity(row.etag, row.modified)
        .optional("x-ms-blob-public-access", row.public_access.name());
    Ok(reply.xml(signed_identifiers::write(&row.policies)))
}

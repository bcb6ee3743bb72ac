//! Set Container ACL.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-container-acl>

use http::Method;
use lazuli_model::Refusal;
use lazuli_model::acl::PublicAccess;
use lazuli_wire::body::signed_identifiers;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Set Container ACL.
pub static SPEC: Spec = Spec {
    name: "SetContainerAcl",
    title: "Set Container ACL",
    rows: &["Container_SetAccessPolicy"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-container-acl",
    level: Level::Container,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "acl")],
    access: access::CONTAINER_SET_ACL,
    query: &["timeout"],
    headers: &[
        LEASE,
        &["content-type", "x-ms-blob-public-access", "if-modified-since", "if-unmodified-since"],
    ],
    success: &[200],
    response: &[ENTITY],
    status: Status::Built,
};

/// Replaces public access and stored access policies.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let asked = call.asked()?;
    let public_access = PublicAccess::parse(call.header("x-ms-blob-public-access")?)?;
    let body = call.read_body(signed_identifiers::BODY_BYTES_MAX as u64).await?;
    let policies = signed_identifiers::read_of_container(&body)?;
    let terms = (&asked.conditions, asked.lease.as_ref());
    let written = call
        .store()
        .set_container_acl(call.account(), container.as_str(), terms, (public_access, &policies))
        .await?;
    Ok(Reply::new(200).entity(written.etag, written.modified))
}

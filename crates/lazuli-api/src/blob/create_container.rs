//! Create Container.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-container>

use http::Method;
use lazuli_model::Refusal;
use lazuli_model::acl::PublicAccess;
use lazuli_store::container::NewContainer;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, Level, METADATA, Selector, Spec, Status};

/// Create Container.
pub static SPEC: Spec = Spec {
    name: "CreateContainer",
    title: "Create Container",
    rows: &["Container_Create"],
    page: "https://learn.microsoft.com/rest/api/storageservices/create-container",
    level: Level::Container,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("restype", "container"), Selector::NoQuery("comp")],
    access: access::CONTAINER_CREATE,
    query: &["timeout"],
    headers: &[METADATA, &["x-ms-blob-public-access"]],
    success: &[201],
    response: &[ENTITY],
    status: Status::Built,
};

/// Makes the container.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let new = NewContainer {
        metadata: call.metadata()?,
        public_access: PublicAccess::parse(call.header("x-ms-blob-public-access")?)?,
    };
    let made = call.store().create_container(call.account(), container.as_str(), &new).await?;
    Ok(Reply::new(201).entity(made.etag, made.modified))
}

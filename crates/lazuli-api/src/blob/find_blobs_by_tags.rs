//! Find Blobs by Tags, in an account and in a container.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags>

use http::Method;
use lazuli_model::tag_expression::FindExpression;
use lazuli_model::{ErrorCode, Refusal, listing};
use lazuli_store::find::FindQuery;
use lazuli_wire::body::filter_blobs::{FilterItem, FilterWriter};
use lazuli_wire::marker;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// Find Blobs by Tags, of an account.
pub static ACCOUNT: Spec = Spec {
    name: "FindBlobsByTags",
    title: "Find Blobs by Tags",
    rows: &["Service_FilterBlobs"],
    page: "https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags",
    level: Level::Account,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "blobs")],
    access: access::SERVICE_FILTER,
    query: &["timeout", "marker", "maxresults", "where", "include"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Find Blobs by Tags in Container, of a container.
pub static CONTAINER: Spec = Spec {
    name: "FindBlobsByTagsInContainer",
    title: "Find Blobs by Tags in Container",
    rows: &["Container_FilterBlobs"],
    page: "https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags-container",
    level: Level::Container,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "blobs")],
    access: access::CONTAINER_FILTER,
    query: &["timeout", "marker", "maxresults", "where", "include"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Tells a page of the blobs whose tags match.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = match call.spec.level {
        Level::Container => Some(call.container()?),
        _ => None,
    };
    let text = call.query("where").ok_or_else(|| {
        Refusal::new(ErrorCode::MissingRequiredQueryParameter)
            .with_detail("QueryParameterName", "where")
    })?;
    let expression = FindExpression::parse(text)?;
    let position = call.query("marker").map(marker::decode).transpose()?;
    let query = FindQuery {
        account: call.account(),
        container: container.as_ref().map(lazuli_model::names::ContainerName::as_str),
        expression: &expression,
        position: position.as_deref(),
        max: listing::max_results(call.query("maxresults"))? as usize,
    };
    let page = call.store().find_blobs(&query).await?;
    let mut xml = FilterWriter::new(&call.head.address.endpoint, text);
    for found in &page.items {
        let compared = |key: &str| expression.terms().iter().any(|term| term.key == key);
        let tags: Vec<(&str, &str)> = found.tags.iter().filter(|(key, _)| compared(key)).collect();
        xml.blob(&FilterItem {
            name: &found.name,
            container: &found.container,
            tags: &tags,
            version: None,
        });
    }
    let next = page.next.map(|next| marker::encode(&next));
    Ok(Reply::new(200).xml(xml.finish(next.as_deref())))
}

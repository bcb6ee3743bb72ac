//! List Queues.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-queues1>

use http::Method;
use lazuli_model::{ErrorCode, Refusal, listing};
use lazuli_wire::body::Pairs;
use lazuli_wire::body::list_queues::{QueueListHead, QueueListWriter};
use lazuli_wire::marker;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// List Queues.
pub static SPEC: Spec = Spec {
    name: "ListQueues",
    title: "List Queues",
    rows: &["Service_ListQueuesSegment"],
    page: "https://learn.microsoft.com/rest/api/storageservices/list-queues1",
    level: Level::Account,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "list")],
    access: access::QUEUES_LIST,
    query: &["timeout", "prefix", "marker", "maxresults", "include"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Lists a page of the account's queues.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (prefix, marker_text) = (call.query("prefix"), call.query("marker"));
    let max_text = call.query("maxresults");
    let max = listing::max_results(max_text)?;
    let from = marker_text.map(position).transpose()?;
    let include = call.query_list("include").to_ascii_lowercase();
    if let Some(unknown) = include.split(',').find(|item| !["", "metadata"].contains(item)) {
        return Err(Refusal::query_value("include", unknown, "The value is not supported."));
    }
    let page = call
        .store()
        .list_queues(call.account(), prefix.unwrap_or_default(), (from.as_deref(), max as usize))
        .await?;
    let head = QueueListHead {
        service_endpoint: &call.head.address.endpoint,
        prefix,
        marker: marker_text,
        max_results: max_text.map(|_| max),
    };
    let mut xml = QueueListWriter::new(&head, page.items.len());
    for queue in &page.items {
        let metadata = (!include.is_empty()).then_some(&queue.row.metadata as &dyn Pairs);
        xml.queue(&queue.name, metadata);
    }
    let next = page.next.map(|next| marker::encode(&next));
    Ok(Reply::new(200).xml(xml.finish(next.as_deref())))
}

/// The name that a marker says to go on at. `OutOfRangeInput` for one that this service never gave,
/// as the service answers.
fn position(text: &str) -> Result<String, Refusal> {
    let name = marker::decode(text).ok().and_then(|name| String::from_utf8(name).ok());
    name.ok_or_else(|| ErrorCode::OutOfRangeInput.into())
}

//! List Containers.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-containers2>

use http::Method;
use lazuli_base::Timestamp;
use lazuli_model::{Refusal, listing};
use lazuli_store::rows::ContainerRow;
use lazuli_wire::body::Pairs;
use lazuli_wire::body::list_containers::{ContainerItem, ContainerListHead, ContainerListWriter};
use lazuli_wire::marker;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// List Containers.
pub static SPEC: Spec = Spec {
    name: "ListContainers",
    title: "List Containers",
    rows: &["Service_ListContainersSegment"],
    page: "https://learn.microsoft.com/rest/api/storageservices/list-containers2",
    level: Level::Account,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "list")],
    access: access::CONTAINERS_LIST,
    query: &["timeout", "prefix", "marker", "maxresults", "include"],
    headers: &[],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// Lists a page of the account's containers.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (prefix, marker_text) = (call.query("prefix"), call.query("marker"));
    let max_text = call.query("maxresults");
    let max = listing::max_results(max_text)?;
    let position = marker_text.map(marker::decode).transpose()?;
    let include = call.query_list("include").to_ascii_lowercase();
    let with = |item: &str| include.split(',').any(|given| given == item);
    if let Some(unknown) =
        include.split(',').find(|item| !["", "metadata", "deleted", "system"].contains(item))
    {
        return Err(Refusal::query_value("include", unknown, "The value is not supported."));
    }
    let page = call
        .store()
        .list_containers(
            call.account(),
            prefix.unwrap_or_default(),
            position.as_deref(),
            max as usize,
        )
        .await?;
    let head = ContainerListHead {
        service_endpoint: &call.head.address.endpoint,
        prefix,
        marker: marker_text,
        max_results: max_text.map(|_| max),
    };
    let mut xml = ContainerListWriter::new(call.version(), &head, page.items.len());
    for (name, row) in &page.items {
        if SYSTEM.contains(&name.as_str()) && !with("system") {
            continue;
        }
        xml.container(&item(name, row, call.head.now, with("metadata")));
    }
    let next = page.next.map(|next| marker::encode(&next));
    Ok(Reply::new(200).xml(xml.finish(next.as_deref())))
}

/// Containers of the service itself, listed only with `include=system`.
const SYSTEM: [&str; 2] = ["$logs", "$blobchangefeed"];

fn item<'a>(
    name: &'a str,
    row: &'a ContainerRow,
    now: Timestamp,
    metadata: bool,
) -> ContainerItem<'a> {
    ContainerItem {
        name,
        version: None,
        deleted: false,
        last_modified: row.modified,
        etag: &row.etag,
        lease_status: row.lease.status(now),
        lease_state: row.lease.state(now),
        lease_duration: row.lease.duration(now),
        public_access: row.public_access.name(),
        has_immutability_policy: false,
        has_legal_hold: false,
        immutable_versions: false,
        default_encryption_scope: "$account-encryption-key",
        deny_encryption_scope_override: false,
        deletion: None,
        metadata: metadata.then_some(&row.metadata as &dyn Pairs),
    }
}

//! List Blobs, flat and hierarchical.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs>

use http::Method;
use lazuli_auth::Permission;
use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::content::DEFAULT_CONTENT_TYPE;
use lazuli_model::listing::BlobInclude;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ApiVersion, Refusal, listing};
use lazuli_store::list::{BlobQuery, Listed};
use lazuli_store::pages::{PageRole, Paged};
use lazuli_store::rows::BlobRow;
use lazuli_wire::body::Pairs;
use lazuli_wire::body::list_blobs::{
    BlobItem, BlobListHead, BlobListWriter, BlobProperties, CopyProperties,
};
use lazuli_wire::body::list_blobs_arrow::BlobListArrowWriter;
use lazuli_wire::{arrow, marker};

use crate::access;
use crate::call::Call;
use crate::properties::archive_status;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// List Blobs.
pub static SPEC: Spec = Spec {
    name: "ListBlobs",
    title: "List Blobs",
    rows: &[
        "Container_ListBlobFlatSegment",
        "Container_ListBlobHierarchySegment",
        "Container_ListBlobFlatSegmentApacheArrow",
        "Container_ListBlobHierarchySegmentApacheArrow",
    ],
    page: "https://learn.microsoft.com/rest/api/storageservices/list-blobs",
    level: Level::Container,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("restype", "container"), Selector::Query("comp", "list")],
    access: access::CONTAINER_LIST,
    query: &[
        "timeout",
        "prefix",
        "marker",
        "maxresults",
        "include",
        "startfrom",
        "delimiter",
        "endbefore",
        "showonly",
    ],
    headers: &[&["accept", "application/xml"]],
    success: &[200],
    response: &[&["content-type"]],
    status: Status::Built,
};

/// The first version in which a listing may be an Arrow stream, and may end before a name.
const ARROW: ApiVersion = ApiVersion::new(2026, 10, 6);

/// Lists a page of the container's blobs.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let container = call.container()?;
    let (prefix, marker_text) = (call.query("prefix"), call.query("marker"));
    let delimiter = call.query("delimiter");
    let max_text = call.query("maxresults");
    let max = listing::max_results(max_text)?;
    let include = BlobInclude::parse(&call.query_list("include"))?;
    if include.tags {
        call.granted.require(Permission::Tags)?;
    }
    let position = marker_text.map(marker::decode).transpose()?;
    let (row, now) = call.store().get_container(call.account(), container.as_str(), None).await?;
    let query = BlobQuery {
        prefix: prefix.unwrap_or_default(),
        delimiter,
        position: position.as_deref(),
        // Clients of older versions send it, too, and would list on from the beginning.
        start_from: call.query("startfrom"),
        end_before: call.query("endbefore").filter(|_| call.version() >= ARROW),
        max: max as usize,
        snapshots: include.snapshots,
        uncommitted: include.uncommitted,
    };
    let page = call.store().list_blobs(row.id, &query).await?;
    let head = BlobListHead {
        service_endpoint: &call.head.address.endpoint,
        container: container.as_str(),
        prefix,
        marker: marker_text,
        max_results: max_text.map(|_| max),
        delimiter,
    };
    let mut list = if wants_arrow(&call)? {
        List::Arrow(BlobListArrowWriter::default())
    } else {
        List::Xml(BlobListWriter::new(call.version(), &head, page.items.len()))
    };
    for item in &page.items {
        match item {
            Listed::Prefix(name) => list.prefix(name),
            Listed::Blob { name, snapshot, row } => {
                write_blob(&mut list, (name, *snapshot, row), include, now);
            }
        }
    }
    Ok(list.into_reply(page.next.map(|next| marker::encode(&next)).as_deref()))
}

/// Whether the caller takes an Arrow stream, and knows what one is.
fn wants_arrow(call: &Call<'_>) -> Result<bool, Refusal> {
    let accept = call.header("accept")?.unwrap_or_default();
    let mut kinds = accept.split(',').filter_map(|kind| kind.split(';').next());
    let asked = kinds.any(|kind| kind.trim().eq_ignore_ascii_case(arrow::CONTENT_TYPE));
    Ok(asked && call.version() >= ARROW)
}

/// A result in the making, in either form.
enum List {
    Xml(BlobListWriter),
    Arrow(BlobListArrowWriter),
}

impl List {
    fn prefix(&mut self, name: &str) {
        match self {
            Self::Xml(list) => list.prefix(name),
            Self::Arrow(list) => list.prefix(name),
        }
    }

    fn blob(&mut self, item: &BlobItem<'_>) {
        match self {
            Self::Xml(list) => list.blob(item),
            Self::Arrow(list) => list.blob(item),
        }
    }

    fn into_reply(self, next: Option<&str>) -> Reply {
        let reply = Reply::new(200);
        match self {
            Self::Xml(list) => reply.xml(list.finish(next)),
            Self::Arrow(list) => {
                reply.fixed("content-type", arrow::CONTENT_TYPE).full(list.finish(next))
            }
        }
    }
}

fn write_blob(
    list: &mut List,
    (name, snapshot, row): (&str, Option<Timestamp>, &BlobRow),
    include: BlobInclude,
    now: Timestamp,
) {
    let progress =
        row.copy.as_ref().map(lazuli_model::copy::CopyState::progress).unwrap_or_default();
    let archive_status = archive_status(row);
    let (base, tiered) = (snapshot.is_none(), AccessTier::applies_to(row.blob_type));
    let (content, paged) = (&row.content, Paged::of(row));
    let properties = BlobProperties {
        creation_time: row.committed.then_some(row.created),
        last_modified: row.committed.then_some(row.modified),
        etag: row.committed.then_some(&row.etag as &dyn std::fmt::Display),
        content_length: row.length,
        content_type: row
            .committed
            .then(|| content.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE)),
        content_encoding: content.encoding.as_deref(),
        content_language: content.language.as_deref(),
        content_md5: content.md5,
        cache_control: content.cache_control.as_deref(),
        content_disposition: content.disposition.as_deref(),
        blob_type: row.blob_type.name(),
        access_tier: tiered.then(|| row.tier.unwrap_or(AccessTier::DEFAULT).name()),
        access_tier_inferred: tiered && row.tier.is_none(),
        access_tier_change_time: row.tier_changed.filter(|_| row.tier.is_some()),
        archive_status: archive_status.as_deref(),
        rehydrate_priority: row.rehydrating.map(|(_, priority)| priority.name()),
        lease_status: base.then(|| row.lease.status(now)),
        lease_state: base.then(|| row.lease.state(now)),
        lease_duration: row.lease.duration(now).filter(|_| base),
        copy: row.copy.as_ref().filter(|_| include.copy).map(|copy| CopyProperties {
            id: &copy.id,
            source: &copy.source,
            status: copy.status.name(),
            progress: &progress,
            completion_time: copy.completed,
            status_description: copy.description.as_deref(),
            incremental: paged.as_ref().is_some_and(|paged| paged.role != PageRole::Plain),
            destination_snapshot: match paged.as_ref().map(|paged| &paged.role) {
                Some(PageRole::Destination(copy)) => Some(copy.made),
                _ => None,
            },
        }),
        tag_count: row.tags.len() as u32,
        sealed: row.appended().and_then(|blob| blob.sealed.then_some(true)),
        sequence_number: paged
            .as_ref()
            .filter(|_| row.blob_type == BlobType::Page)
            .map(|paged| paged.sequence),
        ..BlobProperties::default()
    };
    list.blob(&BlobItem {
        name,
        snapshot,
        properties,
        metadata: include.metadata.then_some(&row.metadata as &dyn Pairs),
        tags: (include.tags && !row.tags.is_empty()).then_some(&row.tags as &dyn Pairs),
        ..BlobItem::default()
    });
}

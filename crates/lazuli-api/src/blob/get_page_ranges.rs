//! Get Page Ranges: which pages have bytes, or differ from those of a snapshot.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-page-ranges>

use http::Method;
use lazuli_base::Timestamp;
use lazuli_model::range::ByteRange;
use lazuli_model::{ApiVersion, ErrorCode, Refusal, listing};
use lazuli_store::pages::RangeQuery;
use lazuli_wire::body::page_list::{self, PageListRange};
use lazuli_wire::query::Query;
use lazuli_wire::{copy_source, date, marker};

use crate::access;
use crate::address::{self, Resource};
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Get Page Ranges.
pub static SPEC: Spec = Spec {
    name: "GetPageRanges",
    title: "Get Page Ranges",
    rows: &["PageBlob_GetPageRanges", "PageBlob_GetPageRangesDiff"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-page-ranges",
    level: Level::Blob,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "pagelist")],
    access: access::BLOB_READ,
    query: &["timeout", "marker", "maxresults", "snapshot", "prevsnapshot"],
    headers: &[CONDITIONS, LEASE, &["x-ms-range", "range", PREVIOUS_URL]],
    success: &[200],
    response: &[ENTITY, &["content-type", "x-ms-blob-content-length"]],
    status: Status::Built,
};

/// Names the earlier snapshot by its URL.
const PREVIOUS_URL: &str = "x-ms-previous-snapshot-url";

/// The first version whose answers come in parts.
const MARKERS: ApiVersion = ApiVersion::new(2020, 10, 2);

/// Most ranges in a part.
const RANGES_MAX: u32 = 10_000;

/// Most ranges in an answer of a version that has no parts.
const WHOLE_RANGES_MAX: usize = 1_000_000;

/// Tells the ranges.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, snapshot) = (call.asked()?, call.snapshot()?);
    let range = match call.header("x-ms-range")? {
        Some(text) => ByteRange::parse(text),
        None => call.header("range")?.and_then(ByteRange::parse),
    };
    let since = previous_snapshot(&call, (container.as_str(), blob.as_str()))?;
    let has_parts = call.version() >= MARKERS;
    let (position, max) = if has_parts {
        let position = call.query("marker").map(position).transpose()?;
        let max = match call.query("maxresults") {
            None => RANGES_MAX,
            given => listing::max_results(given)?.min(RANGES_MAX),
        };
        (position, max as usize)
    } else {
        (None, WHOLE_RANGES_MAX)
    };
    let path = call.path(container.as_str(), blob.as_str());
    let told = call
        .store()
        .page_ranges(&path, snapshot, &asked.terms(&call), |row| {
            let range = range.map(|range| range.resolve(row.length)).transpose()?;
            Ok(RangeQuery { range, since, position, max })
        })
        .await?;
    let ranges: Vec<PageListRange> = told
        .ranges
        .iter()
        .map(|range| PageListRange {
            start: range.first,
            end: range.end - 1,
            cleared: range.cleared,
        })
        .collect();
    let next = match told.next {
        None => String::new(),
        Some(next) if has_parts => marker::encode(&next.to_be_bytes()),
        Some(_) => {
            return Err(Refusal::new(ErrorCode::OperationTimedOut)
                .with_cause("the blob has too many page ranges for one answer"));
        }
    };
    Ok(Reply::new(200)
        .entity(told.row.etag, told.row.modified)
        .header("x-ms-blob-content-length", told.row.length)
        .xml(page_list::write(&ranges, has_parts.then_some(next.as_str()))))
}

/// The offset that a marker stands for.
fn position(text: &str) -> Result<u64, Refusal> {
    let position = marker::decode(text)?;
    let bytes = position.try_into().map_err(|_| {
        Refusal::query_value("marker", text, "The marker is not one this operation returned.")
    })?;
    Ok(u64::from_be_bytes(bytes))
}

/// The snapshot that is compared with, by its time or by its URL.
fn previous_snapshot(
    call: &Call<'_>,
    (container, blob): (&str, &str),
) -> Result<Option<Timestamp>, Refusal> {
    let by_time = call.query("prevsnapshot");
    let Some(text) = call.header(PREVIOUS_URL)? else {
        let not_one = |text| Refusal::query_value("prevsnapshot", text, "Not a valid snapshot.");
        return by_time.map(|text| date::parse_iso7(text).ok_or_else(|| not_one(text))).transpose();
    };
    if by_time.is_some() {
        return Err(Refusal::header_value(PREVIOUS_URL, text));
    }
    let url = copy_source::parse(PREVIOUS_URL, text)?;
    let invalid = || Refusal::header_value(PREVIOUS_URL, text);
    let target = format!("{}?{}", url.raw_path, url.raw_query);
    let is_account = |name: &str| call.api.accounts.contains(name);
    let host = format!("{}:{}", url.host, url.port);
    let address = address::resolve(&target, Some(&host), url.secure, is_account);
    let address = address.map_err(|_| invalid())?;
    let Resource::Blob(its_container, its_blob) = address.resource(None) else {
        return Err(invalid());
    };
    let query = Query::parse(address.query)?;
    let snapshot = query.get_non_empty("snapshot").and_then(date::parse_iso7);
    let is_same = (address.account.as_str(), its_container.as_str(), its_blob.as_str())
        == (call.account(), container, blob);
    if !is_same {
        return Err(ErrorCode::PreviousSnapshotNotFound.into());
    }
    snapshot.map(Some).ok_or_else(invalid)
}

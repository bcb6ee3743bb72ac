//! Set Blob Tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tags>

use http::Method;
use lazuli_model::tags::TagSet;
use lazuli_model::{ApiVersion, Refusal};
use lazuli_wire::body::tags;
use lazuli_wire::{crc64, headers, md5};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{Effect, LEASE, Level, Selector, Spec, Status};

/// Set Blob Tags.
pub static SPEC: Spec = Spec {
    name: "SetBlobTags",
    title: "Set Blob Tags",
    rows: &["Blob_SetTags"],
    page: "https://learn.microsoft.com/rest/api/storageservices/set-blob-tags",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "tags")],
    access: access::BLOB_TAGS_WRITE,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[
        LEASE,
        &[
            "content-type",
            "x-ms-if-tags",
            "x-ms-blob-if-modified-since",
            "x-ms-blob-if-unmodified-since",
            "x-ms-blob-if-match",
            "x-ms-blob-if-none-match",
            "content-md5",
            "x-ms-content-crc64",
        ],
    ],
    success: &[204],
    response: &[],
    status: Status::Built,
};

/// Since this version snapshots have tags of their own to set.
const OF_SNAPSHOTS: ApiVersion = ApiVersion::new(2020, 8, 4);

/// Replaces the tags.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let snapshot = call.snapshot()?;
    if let Some(moment) = call.query("snapshot").filter(|_| call.version() < OF_SNAPSHOTS) {
        let reason = "This version sets the tags of the root blob only.";
        return Err(Refusal::query_value("snapshot", moment, reason));
    }
    let asked = call.asked_of_tags()?;
    let sent = headers::body_checksums(call.head.headers)?;
    let body = call.read_announced_body(tags::BODY_BYTES_MAX as u64).await?;
    if let Some(sent) = &sent.md5 {
        md5::verify(sent, &md5::checksum(&body))?;
    }
    if let Some(sent) = sent.crc64 {
        crc64::verify(sent, crc64::checksum(&body))?;
    }
    let new = TagSet::new(tags::read(&body)?)?;
    let path = call.path(container.as_str(), blob.as_str());
    call.store().set_blob_tags(&path, snapshot, &asked.terms(&call), &new).await?;
    Ok(Reply::new(204))
}

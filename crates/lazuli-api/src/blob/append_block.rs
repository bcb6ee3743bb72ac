//! Append Block: adds a block to the end of an append blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/append-block>

use http::Method;
use lazuli_model::{Refusal, limits};
use lazuli_store::append::{AppendTerms, Appended};
use lazuli_store::payload::Placement;
use lazuli_wire::{crc64, md5};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{
    BODY_CHECKS, CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, Selector, Spec, Status,
};
use crate::upload::{Terms, WantMd5};

/// Append Block.
pub static SPEC: Spec = Spec {
    name: "AppendBlock",
    title: "Append Block",
    rows: &["AppendBlob_AppendBlock"],
    page: "https://learn.microsoft.com/rest/api/storageservices/append-block",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "appendblock"), Selector::NoHeader("x-ms-copy-source")],
    access: access::BLOB_APPEND,
    query: &["timeout"],
    headers: &[CONDITIONS, BODY_CHECKS, LEASE, APPEND_CONDITIONS],
    success: &[201],
    response: &[
        ENTITY,
        ENCRYPTED,
        APPENDED,
        &["content-md5", "x-ms-content-crc64", "x-ms-structured-body"],
    ],
    status: Status::Built,
};

/// The conditions on the place that a block is appended at.
pub(crate) const APPEND_CONDITIONS: &[&str] =
    &["x-ms-blob-condition-maxsize", "x-ms-blob-condition-appendpos"];

/// What is told of a block that was appended.
pub(crate) const APPENDED: &[&str] =
    &["x-ms-blob-append-offset", "x-ms-blob-committed-block-count"];

/// Blocks from this size on are refused before they are received, if they will be.
const CHECK_FIRST_BYTES: u64 = 256 * 1024;

/// Appends the block.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, at) = (call.asked()?, append_terms(&call)?);
    if call.announced() == Some(0) {
        return Err(Refusal::header_value("Content-Length", "0"));
    }
    if call.announced().is_none_or(|bytes| bytes >= CHECK_FIRST_BYTES) {
        let path = call.path(container.as_str(), blob.as_str());
        call.store().check_append(&path, &asked.terms(&call), at).await?;
    }
    let uploaded = call
        .upload(Terms {
            bytes_max: limits::append_block_bytes_max(call.version()),
            placement: Placement::Anywhere,
            md5: WantMd5::IfSent,
        })
        .await?;
    let path = call.path(container.as_str(), blob.as_str());
    let block = (at, uploaded.payload);
    let appended =
        call.store().append_block("AppendBlock", &path, &asked.terms(&call), block).await?;
    let crc = uploaded.md5.is_none().then(|| crc64::to_header(uploaded.crc64));
    Ok(Reply::new(201)
        .appended(&appended)
        .optional("content-md5", uploaded.md5.as_ref().map(md5::to_header))
        .optional("x-ms-content-crc64", crc)
        .optional("x-ms-structured-body", uploaded.structured)
        .encrypted())
}

/// The conditions on the place that the request's block is appended at.
pub(crate) fn append_terms(call: &Call<'_>) -> Result<AppendTerms, Refusal> {
    Ok(AppendTerms {
        position: call.number_header("x-ms-blob-condition-appendpos")?,
        bytes_max: call.number_header("x-ms-blob-condition-maxsize")?,
    })
}

impl Reply {
    /// What is told of a block that was appended.
    #[must_use]
    pub(crate) fn appended(self, appended: &Appended) -> Self {
        self.entity(appended.written.etag, appended.written.modified)
            .header("x-ms-blob-append-offset", appended.offset)
            .header("x-ms-blob-committed-block-count", appended.count)
    }
}

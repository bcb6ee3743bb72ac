//! Put Page: writes or clears pages of a page blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-page>

use http::Method;
use lazuli_model::limits::PUT_PAGE_BYTES_MAX;
use lazuli_model::range::ByteRange;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::pages::{PageContent, PageRange, PagesPut, SequenceTerms};
use lazuli_store::payload::{Payload, Placement};
use lazuli_wire::{crc64, md5};

use crate::access;
use crate::call::{Call, too_large};
use crate::reply::Reply;
use crate::spec::{
    BODY_CHECKS, CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, Selector, Spec, Status,
};
use crate::upload::{Terms, WantMd5};

/// Put Page.
pub static SPEC: Spec = Spec {
    name: "PutPage",
    title: "Put Page",
    rows: &["PageBlob_UploadPages", "PageBlob_ClearPages"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-page",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "page"), Selector::NoHeader("x-ms-copy-source")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[CONDITIONS, BODY_CHECKS, LEASE, SEQUENCE_CONDITIONS, PAGE_WRITE],
    success: &[201],
    response: &[
        ENTITY,
        ENCRYPTED,
        &["content-md5", "x-ms-content-crc64", "x-ms-blob-sequence-number", "x-ms-structured-body"],
    ],
    status: Status::Built,
};

/// The conditions on the sequence number.
pub(crate) const SEQUENCE_CONDITIONS: &[&str] =
    &["x-ms-if-sequence-number-le", "x-ms-if-sequence-number-lt", "x-ms-if-sequence-number-eq"];

/// Which pages are written, and with what.
pub(crate) const PAGE_WRITE: &[&str] = &["x-ms-page-write", "x-ms-range", "range"];

/// Bodies from this size on are refused before they are received, if they will be.
const CHECK_FIRST_BYTES: u64 = 256 * 1024;

/// Writes or clears the pages.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let write = call.required_header("x-ms-page-write")?;
    if write.eq_ignore_ascii_case("update") {
        return update(&mut call).await;
    }
    if write.eq_ignore_ascii_case("clear") {
        return clear(&call).await;
    }
    Err(Refusal::header_value("x-ms-page-write", write))
}

async fn update(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, sequence, range) = (call.asked()?, sequence_terms(call)?, page_range(call)?);
    if call.announced() == Some(0) {
        return Err(Refusal::header_value("Content-Length", "0"));
    }
    if range.len() > PUT_PAGE_BYTES_MAX {
        return Err(too_large(PUT_PAGE_BYTES_MAX));
    }
    let announced = call.announced_content(call.header("x-ms-structured-body")?)?;
    if announced.is_some_and(|bytes| bytes > PUT_PAGE_BYTES_MAX) {
        return Err(too_large(PUT_PAGE_BYTES_MAX));
    }
    if announced.is_some_and(|bytes| bytes != range.len()) {
        return Err(ErrorCode::InvalidPageRange.into());
    }
    if call.announced().is_none_or(|bytes| bytes >= CHECK_FIRST_BYTES) {
        let path = call.path(container.as_str(), blob.as_str());
        let terms = asked.terms(call);
        call.store().check_put_pages(&path, &terms, (range, sequence)).await?;
    }
    let uploaded = call
        .upload(Terms {
            bytes_max: PUT_PAGE_BYTES_MAX,
            placement: Placement::Memory,
            md5: WantMd5::IfSent,
        })
        .await?;
    let path = call.path(container.as_str(), blob.as_str());
    let put = (range, sequence, page_content(uploaded.payload)?);
    let put = call.store().put_pages("PutPage", &path, &asked.terms(call), put).await?;
    let crc = uploaded.md5.is_none().then(|| crc64::to_header(uploaded.crc64));
    Ok(Reply::new(201)
        .pages_put(&put)
        .optional("content-md5", uploaded.md5.as_ref().map(md5::to_header))
        .optional("x-ms-content-crc64", crc)
        .optional("x-ms-structured-body", uploaded.structured)
        .encrypted())
}

async fn clear(call: &Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, sequence, range) = (call.asked()?, sequence_terms(call)?, page_range(call)?);
    match call.announced() {
        Some(0) => {}
        Some(bytes) => return Err(Refusal::header_value("Content-Length", bytes.to_string())),
        None => return Err(ErrorCode::MissingContentLengthHeader.into()),
    }
    let path = call.path(container.as_str(), blob.as_str());
    let put = (range, sequence, PageContent::Zeros);
    let put = call.store().put_pages("PutPage", &path, &asked.terms(call), put).await?;
    Ok(Reply::new(201).pages_put(&put))
}

/// The pages that a request writes.
pub(crate) fn page_range(call: &Call<'_>) -> Result<PageRange, Refusal> {
    let (name, text) = match call.header("x-ms-range")? {
        Some(text) => ("x-ms-range", text),
        None => ("Range", call.header("range")?.unwrap_or_default()),
    };
    if text.is_empty() {
        return Err(Refusal::missing_header("x-ms-range"));
    }
    let range = ByteRange::parse(text).ok_or_else(|| Refusal::header_value(name, text))?;
    let last = range.last.ok_or(ErrorCode::InvalidPageRange)?;
    PageRange::new(range.first, last)
}

/// The conditions on the sequence number that a request has.
pub(crate) fn sequence_terms(call: &Call<'_>) -> Result<SequenceTerms, Refusal> {
    Ok(SequenceTerms {
        at_most: call.number_header("x-ms-if-sequence-number-le")?,
        less_than: call.number_header("x-ms-if-sequence-number-lt")?,
        equal_to: call.number_header("x-ms-if-sequence-number-eq")?,
    })
}

/// A payload that was received into memory, as content of pages.
pub(crate) fn page_content(payload: Payload) -> Result<PageContent, Refusal> {
    match payload {
        Payload::Inline(bytes) => Ok(PageContent::Bytes(bytes)),
        Payload::Empty | Payload::Extent(..) => Err(ErrorCode::InvalidPageRange.into()),
    }
}

impl Reply {
    /// What is told of a page blob that was changed.
    #[must_use]
    pub(crate) fn pages_put(self, put: &PagesPut) -> Self {
        self.entity(put.written.etag, put.written.modified)
            .header("x-ms-blob-sequence-number", put.sequence)
    }
}

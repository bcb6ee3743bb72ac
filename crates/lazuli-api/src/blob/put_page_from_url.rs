//! Put Page From URL: writes pages of a page blob with a range of another blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-page-from-url>

use http::Method;
use lazuli_model::limits::PUT_PAGE_BYTES_MAX;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::payload::Placement;

use crate::access;
use crate::blob::put_page::{
    PAGE_WRITE, SEQUENCE_CONDITIONS, page_content, page_range, sequence_terms,
};
use crate::call::{Call, too_large};
use crate::reply::Reply;
use crate::source_range::SourceTerms;
use crate::spec::{
    CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, SOURCE_CONDITIONS, Selector, Spec, Status,
};

/// Put Page From URL.
pub static SPEC: Spec = Spec {
    name: "PutPageFromUrl",
    title: "Put Page From URL",
    rows: &["PageBlob_UploadPagesFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-page-from-url",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "page"), Selector::HasHeader("x-ms-copy-source")],
    access: access::BLOB_WRITE,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        SOURCE_CONDITIONS,
        LEASE,
        SEQUENCE_CONDITIONS,
        PAGE_WRITE,
        &[
            "x-ms-source-range",
            "x-ms-source-content-md5",
            "x-ms-copy-source-authorization",
            "x-ms-file-request-intent",
            "x-ms-source-content-crc64",
        ],
    ],
    success: &[201],
    response: &[
        ENTITY,
        ENCRYPTED,
        &["content-md5", "x-ms-content-crc64", "x-ms-blob-sequence-number"],
    ],
    status: Status::Built,
};

/// Writes the pages.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let write = call.required_header("x-ms-page-write")?;
    if !write.eq_ignore_ascii_case("update") {
        return Err(Refusal::header_value("x-ms-page-write", write));
    }
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, sequence, range) = (call.asked()?, sequence_terms(&call)?, page_range(&call)?);
    call.required_header("x-ms-source-range")?;
    if range.len() > PUT_PAGE_BYTES_MAX {
        return Err(too_large(PUT_PAGE_BYTES_MAX));
    }
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    call.store().check_put_pages(&path, &terms, (range, sequence)).await?;
    let source = SourceTerms { bytes_max: PUT_PAGE_BYTES_MAX, placement: Placement::Memory };
    let brought = call.bring_range(source).await?;
    if brought.payload.len() != range.len() {
        return Err(ErrorCode::InvalidPageRange.into());
    }
    let put = (range, sequence, page_content(brought.payload.clone())?);
    let put = call.store().put_pages("PutPageFromUrl", &path, &terms, put).await?;
    Ok(Reply::new(201).pages_put(&put).brought(&brought).encrypted())
}

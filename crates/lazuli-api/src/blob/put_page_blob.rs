//! Put Blob (page blob): a blob of zeros, which take no room.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob>

use http::Method;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::pages::cell::PAGE_BYTES;
use lazuli_store::pages::{PAGE_BLOB_BYTES_MAX, SEQUENCE_MAX};
use lazuli_store::put::NewBlob;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{
    BLOB_CONTENT, CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec,
    Status,
};

/// Put Blob (page blob).
pub static SPEC: Spec = Spec {
    name: "PutPageBlob",
    title: "Put Blob (page blob)",
    rows: &["PageBlob_Create"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::NoQuery("comp"),
        Selector::NoHeader("x-ms-copy-source"),
        Selector::Header("x-ms-blob-type", "PageBlob"),
    ],
    access: access::BLOB_CREATE,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        BLOB_CONTENT,
        METADATA,
        LEASE,
        &[
            "x-ms-blob-content-length",
            "x-ms-access-tier",
            "x-ms-tags",
            "x-ms-blob-sequence-number",
            "content-type",
            "content-encoding",
            "content-language",
            "cache-control",
        ],
    ],
    success: &[201],
    response: &[ENTITY, ENCRYPTED, &["content-md5"]],
    status: Status::Built,
};

/// Makes or overwrites the blob.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    match call.announced() {
        Some(0) => {}
        Some(bytes) => return Err(Refusal::header_value("Content-Length", bytes.to_string())),
        None => return Err(ErrorCode::MissingContentLengthHeader.into()),
    }
    let length = page_blob_length(&call)?;
    let length = length.ok_or_else(|| Refusal::missing_header("x-ms-blob-content-length"))?;
    let sequence = sequence_number(&call)?.unwrap_or(0);
    refuse_tier(&call)?;
    let new = NewBlob {
        content: call.content(true)?,
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier: None,
        copy: None,
    };
    let path = call.path(container.as_str(), blob.as_str());
    let new = (&new, length, sequence);
    let written = call.store().create_page_blob(&path, &asked.terms(&call), new).await?;
    Ok(Reply::new(201).entity(written.etag, written.modified).encrypted())
}

/// The length in `x-ms-blob-content-length`: whole pages, at most 8 TiB.
pub(crate) fn page_blob_length(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    let length = call.number_header("x-ms-blob-content-length")?;
    match length {
        Some(bytes) if !bytes.is_multiple_of(PAGE_BYTES) || bytes > PAGE_BLOB_BYTES_MAX => {
            Err(Refusal::header_value("x-ms-blob-content-length", bytes.to_string()))
        }
        length => Ok(length),
    }
}

/// The number in `x-ms-blob-sequence-number`.
pub(crate) fn sequence_number(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    match call.number_header("x-ms-blob-sequence-number")? {
        Some(number) if number > SEQUENCE_MAX => {
            Err(Refusal::header_value("x-ms-blob-sequence-number", number.to_string()))
        }
        number => Ok(number),
    }
}

/// Page blobs have tiers on premium accounts only, which there are none of.
fn refuse_tier(call: &Call<'_>) -> Result<(), Refusal> {
    let Some(text) = call.header("x-ms-access-tier")? else { return Ok(()) };
    match AccessTier::parse(text, call.version()) {
        Ok(_) => Err(ErrorCode::AccessTierNotSupportedForBlobType.into()),
        Err(refusal) if refusal.code() == ErrorCode::AccessTierNotSupportedForBlobType => {
            Err(ErrorCode::BlobAccessTierNotSupportedForAccountType.into())
        }
        Err(refusal) => Err(refusal),
    }
}

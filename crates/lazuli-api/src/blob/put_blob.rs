//! Put Blob: a block blob from one body.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob>

use http::Method;
use lazuli_model::{Refusal, limits};
use lazuli_store::payload::Placement;
use lazuli_store::put::NewBlob;
use lazuli_wire::{crc64, md5};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{
    BLOB_CONTENT, BODY_CHECKS, CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, METADATA,
    Selector, Spec, Status,
};
use crate::upload::{Terms, WantMd5};

/// Put Blob.
pub static SPEC: Spec = Spec {
    name: "PutBlob",
    title: "Put Blob",
    rows: &["BlockBlob_Upload"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::NoQuery("comp"),
        Selector::NoHeader("x-ms-copy-source"),
        Selector::HeaderNot("x-ms-blob-type", &["AppendBlob", "PageBlob"]),
    ],
    access: access::BLOB_CREATE,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        BLOB_CONTENT,
        BODY_CHECKS,
        METADATA,
        LEASE,
        &[
            "x-ms-access-tier",
            "x-ms-tags",
            "content-encoding",
            "content-language",
            "cache-control",
            "x-ms-blob-content-length",
        ],
    ],
    success: &[201],
    response: &[ENTITY, ENCRYPTED, &["content-md5", "x-ms-content-crc64", "x-ms-structured-body"]],
    status: Status::Built,
};

/// Bodies from this size on are refused before they are received, if they will be.
const CHECK_FIRST_BYTES: u64 = 256 * 1024;

/// Makes or overwrites the blob.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let blob_type = call.required_header("x-ms-blob-type")?;
    if blob_type != "BlockBlob" {
        return Err(Refusal::header_value("x-ms-blob-type", blob_type));
    }
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let mut new = NewBlob {
        content: call.content(true)?,
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier: call.tier()?,
        copy: None,
    };
    if call.announced().is_none_or(|bytes| bytes >= CHECK_FIRST_BYTES) {
        let path = call.path(container.as_str(), blob.as_str());
        call.store().check_put(&path, &asked.terms(&call)).await?;
    }
    let uploaded = call
        .upload(Terms {
            bytes_max: limits::put_blob_bytes_max(call.version()),
            placement: Placement::Anywhere,
            md5: WantMd5::Always,
        })
        .await?;
    let sent_md5 = new.content.md5;
    new.content.md5 = sent_md5.or(uploaded.md5);
    let path = call.path(container.as_str(), blob.as_str());
    let written = call
        .store()
        .put_blob("PutBlob", &path, &asked.terms(&call), (&new, &uploaded.payload))
        .await?;
    Ok(Reply::new(201)
        .entity(written.etag, written.modified)
        .optional("content-md5", uploaded.md5.as_ref().map(md5::to_header))
        .header("x-ms-content-crc64", crc64::to_header(uploaded.crc64))
        .optional("x-ms-structured-body", uploaded.structured)
        .encrypted())
}

//! Put Block: stages a block.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block>

use http::Method;
use lazuli_model::block::BlockId;
use lazuli_model::{ErrorCode, Refusal, limits};
use lazuli_store::payload::Placement;
use lazuli_wire::{crc64, md5};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{BODY_CHECKS, ENCRYPTED, Effect, LEASE, Level, Selector, Spec, Status};
use crate::upload::{Terms, WantMd5};

/// Put Block.
pub static SPEC: Spec = Spec {
    name: "PutBlock",
    title: "Put Block",
    rows: &["BlockBlob_StageBlock"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-block",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "block"), Selector::NoHeader("x-ms-copy-source")],
    access: access::BLOB_BLOCKS,
    query: &["blockid", "timeout"],
    headers: &[BODY_CHECKS, LEASE],
    success: &[201],
    response: &[ENCRYPTED, &["content-md5", "x-ms-content-crc64", "x-ms-structured-body"]],
    status: Status::Built,
};

/// Blocks from this size on are refused before they are received, if they will be.
const CHECK_FIRST_BYTES: u64 = 256 * 1024;

/// Stages the block.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let id = BlockId::parse(call.query("blockid").ok_or_else(missing_block_id)?)?;
    let asked = call.asked()?;
    if call.announced() == Some(0) {
        return Err(Refusal::header_value("Content-Length", "0"));
    }
    if call.announced().is_none_or(|bytes| bytes >= CHECK_FIRST_BYTES) {
        let path = call.path(container.as_str(), blob.as_str());
        call.store().check_put_block(&path, &asked.terms(&call), &id).await?;
    }
    let uploaded = call
        .upload(Terms {
            bytes_max: limits::put_block_bytes_max(call.version()),
            placement: Placement::Extent,
            md5: WantMd5::IfSent,
        })
        .await?;
    let path = call.path(container.as_str(), blob.as_str());
    let block = (&id, &uploaded.payload);
    call.store().put_block("PutBlock", &path, &asked.terms(&call), block).await?;
    let crc = uploaded.md5.is_none().then(|| crc64::to_header(uploaded.crc64));
    Ok(Reply::new(201)
        .optional("content-md5", uploaded.md5.as_ref().map(md5::to_header))
        .optional("x-ms-content-crc64", crc)
        .optional("x-ms-structured-body", uploaded.structured)
        .encrypted())
}

/// The refusal of a request that names no block.
pub(crate) fn missing_block_id() -> Refusal {
    Refusal::new(ErrorCode::MissingRequiredQueryParameter)
        .with_detail("QueryParameterName", "blockid")
}

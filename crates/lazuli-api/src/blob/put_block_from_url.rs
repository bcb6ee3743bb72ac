//! Put Block From URL: stages a block with a range of another blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url>

use http::Method;
use lazuli_model::block::BlockId;
use lazuli_model::{Refusal, limits};
use lazuli_store::payload::Placement;

use crate::access;
use crate::blob::put_block::missing_block_id;
use crate::call::Call;
use crate::reply::Reply;
use crate::source_range::SourceTerms;
use crate::spec::{ENCRYPTED, Effect, LEASE, Level, SOURCE_CONDITIONS, Selector, Spec, Status};

/// Put Block From URL.
pub static SPEC: Spec = Spec {
    name: "PutBlockFromUrl",
    title: "Put Block From URL",
    rows: &["BlockBlob_StageBlockFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-block-from-url",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "block"), Selector::HasHeader("x-ms-copy-source")],
    access: access::BLOB_BLOCKS,
    query: &["blockid", "timeout"],
    headers: &[
        SOURCE_CONDITIONS,
        LEASE,
        &[
            "x-ms-source-content-md5",
            "x-ms-copy-source-authorization",
            "x-ms-file-request-intent",
            "x-ms-source-content-crc64",
            "x-ms-source-range",
        ],
    ],
    success: &[201],
    response: &[ENCRYPTED, &["content-md5", "x-ms-content-crc64"]],
    status: Status::Built,
};

/// Stages the block.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let id = BlockId::parse(call.query("blockid").ok_or_else(missing_block_id)?)?;
    let asked = call.asked()?;
    let terms = SourceTerms {
        bytes_max: limits::put_block_bytes_max(call.version()),
        placement: Placement::Extent,
    };
    let brought = call.bring_range(terms).await?;
    let path = call.path(container.as_str(), blob.as_str());
    let block = (&id, &brought.payload);
    call.store().put_block("PutBlockFromUrl", &path, &asked.terms(&call), block).await?;
    Ok(Reply::new(201).brought(&brought).encrypted())
}

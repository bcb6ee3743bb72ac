//! Put Block List: commits blocks as the blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-list>

use http::Method;
use lazuli_model::Refusal;
use lazuli_model::block::BlockId;
use lazuli_store::blocks::ListedIn;
use lazuli_store::put::NewBlob;
use lazuli_wire::body::block_list;
use lazuli_wire::body::block_list::BlockKind;
use lazuli_wire::{crc64, headers, md5};

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{
    BLOB_CONTENT, CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec,
    Status,
};

/// Put Block List.
pub static SPEC: Spec = Spec {
    name: "PutBlockList",
    title: "Put Block List",
    rows: &["BlockBlob_CommitBlockList"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-block-list",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[Selector::Query("comp", "blocklist")],
    access: access::BLOB_BLOCKS,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        BLOB_CONTENT,
        METADATA,
        LEASE,
        &["content-type", "x-ms-access-tier", "x-ms-tags", "content-md5", "x-ms-content-crc64"],
    ],
    success: &[201],
    response: &[ENTITY, ENCRYPTED, &["content-md5", "x-ms-content-crc64"]],
    status: Status::Built,
};

/// Commits the list.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let new = NewBlob {
        content: call.content(false)?,
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier: call.tier()?,
        copy: None,
    };
    let sent = headers::body_checksums(call.head.headers)?;
    let body = call.read_announced_body(block_list::BODY_BYTES_MAX as u64).await?;
    let computed = (md5::checksum(&body), crc64::checksum(&body));
    if let Some(sent) = &sent.md5 {
        md5::verify(sent, &computed.0)?;
    }
    if let Some(sent) = sent.crc64 {
        crc64::verify(sent, computed.1)?;
    }
    let list = block_list::read(&body)?
        .into_iter()
        .map(|(kind, id)| Ok((listed_in(kind), BlockId::parse_listed(&id)?)))
        .collect::<Result<Vec<_>, Refusal>>()?;
    let path = call.path(container.as_str(), blob.as_str());
    let written = call.store().put_block_list(&path, &asked.terms(&call), (&new, &list)).await?;
    let reply = Reply::new(201).entity(written.etag, written.modified).encrypted();
    Ok(match sent.md5 {
        Some(md5) => reply.header("content-md5", md5::to_header(&md5)),
        None => reply.header("x-ms-content-crc64", crc64::to_header(computed.1)),
    })
}

fn listed_in(kind: BlockKind) -> ListedIn {
    match kind {
        BlockKind::Committed => ListedIn::Committed,
        BlockKind::Uncommitted => ListedIn::Uncommitted,
        BlockKind::Latest => ListedIn::Latest,
    }
}

//! Put Block From URL: stages a block with a range of another blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url>

use http::Method;
use lazuli_model::block::BlockId;
use lazuli_model::range::{ByteRange, ResolvedRange};
use lazuli_model::{Refusal, limits};
use lazuli_store::origin::Checksum;
use lazuli_store::payload::Placement;
use lazuli_wire::crc64::Crc64;
use lazuli_wire::{crc64, headers, md5};

use crate::access;
use crate::blob::put_block::missing_block_id;
use crate::call::{Call, too_large};
use crate::copy_source::OwnAccount;
use crate::reply::Reply;
use crate::spec::{ENCRYPTED, LEASE, Level, SOURCE_CONDITIONS, Selector, Spec, Status};

/// Put Block From URL.
pub static SPEC: Spec = Spec {
    name: "PutBlockFromUrl",
    title: "Put Block From URL",
    rows: &["BlockBlob_StageBlockFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-block-from-url",
    level: Level::Blob,
    methods: &[Method::PUT],
    selectors: &[Selector::Query("comp", "block"), Selector::HasHeader("x-ms-copy-source")],
    access: access::BLOB_CREATE,
    query: &["blockid", "timeout"],
    headers: &[
        SOURCE_CONDITIONS,
        LEASE,
        &[
            "x-ms-source-content-md5",
            "x-ms-copy-source-authorization",
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
    let (asked, asked_of_source) = (call.asked()?, call.asked_of_source()?);
    if let Some(length) = call.announced().filter(|length| *length > 0) {
        return Err(Refusal::header_value("Content-Length", length.to_string()));
    }
    let range = call
        .header("x-ms-source-range")?
        .map(|text| {
            ByteRange::parse(text).ok_or_else(|| Refusal::header_value("x-ms-source-range", text))
        })
        .transpose()?;
    let expected = Expected {
        md5: headers::md5(call.head.headers, "x-ms-source-content-md5")?,
        crc64: headers::crc64(call.head.headers, "x-ms-source-content-crc64")?,
    };
    let from = call.copy_source(OwnAccount::DoesNot).await?;
    let opened =
        call.store().open_source(&from.path(), from.snapshot, &asked_of_source.conditions).await?;
    let range = range.map(|range| range.resolve(opened.row.length)).transpose()?;
    let bytes = range.map_or(opened.row.length, ResolvedRange::len);
    let bytes_max = limits::put_block_bytes_max(call.version());
    if bytes > bytes_max {
        return Err(too_large(bytes_max));
    }
    let mut reader = call.store().read_content(opened, range).await?;
    let mut ingest = call.store().ingest(Placement::Extent, Some(bytes));
    let mut crc = Crc64::new();
    let mut md5_digest = md5::Md5::new();
    while let Some(part) = reader.next().await? {
        crc.update(&part);
        if expected.md5.is_some() {
            md5_digest.update(&part);
        }
        ingest.write(part).await?;
    }
    expected.verify(md5_digest.finish(), crc.value())?;
    if let Some(origin) = call.store().origin() {
        origin.brought(expected.md5.map_or(Checksum::Crc64(crc.value()), Checksum::Md5));
    }
    let payload = ingest.finish().await?;
    let path = call.path(container.as_str(), blob.as_str());
    let block = (&id, &payload);
    call.store().put_block("PutBlockFromUrl", &path, &asked.terms(&call), block).await?;
    let reply = Reply::new(201).encrypted();
    Ok(match expected.md5 {
        Some(md5) => reply.header("content-md5", md5::to_header(&md5)),
        None => reply.header("x-ms-content-crc64", crc64::to_header(crc.value())),
    })
}

/// The checksums the caller expects of the range.
struct Expected {
    md5: Option<[u8; 16]>,
    crc64: Option<u64>,
}

impl Expected {
    fn verify(&self, md5: [u8; 16], crc64: u64) -> Result<(), Refusal> {
        if let Some(expected) = &self.md5 {
            md5::verify(expected, &md5)?;
        }
        self.crc64.map_or(Ok(()), |expected| crc64::verify(expected, crc64))
    }
}

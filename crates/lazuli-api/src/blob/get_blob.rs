//! Get Blob: content and properties.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob>

use bytes::Bytes;
use http::Method;
use lazuli_engine::BoxFuture;
use lazuli_model::range::{ByteRange, ResolvedRange};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, limits};
use lazuli_store::read::ContentReader;
use lazuli_wire::structured::StructuredEncoder;
use lazuli_wire::{crc64, md5, structured};

use crate::access;
use crate::call::Call;
use crate::message::ResponseBody;
use crate::properties::md5_text;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status};

/// Get Blob.
pub static SPEC: Spec = Spec {
    name: "GetBlob",
    title: "Get Blob",
    rows: &["Blob_Download"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-blob",
    level: Level::Blob,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::NoQuery("comp")],
    access: access::BLOB_READ,
    query: &["timeout", "snapshot", "versionid"],
    headers: &[
        CONDITIONS,
        LEASE,
        &[
            "x-ms-range",
            "x-ms-range-get-content-md5",
            "x-ms-range-get-content-crc64",
            "x-ms-structured-body",
            "range",
        ],
    ],
    success: &[200, 206],
    response: &[
        ENTITY,
        METADATA,
        &[
            "x-ms-creation-time",
            "content-length",
            "content-type",
            "content-range",
            "content-md5",
            "content-encoding",
            "cache-control",
            "content-disposition",
            "content-language",
            "x-ms-blob-type",
            "x-ms-blob-committed-block-count",
            "x-ms-blob-sealed",
            "x-ms-blob-sequence-number",
            "x-ms-incremental-copy",
            "x-ms-copy-destination-snapshot",
            "x-ms-copy-completion-time",
            "x-ms-copy-status-description",
            "x-ms-copy-id",
            "x-ms-copy-progress",
            "x-ms-copy-source",
            "x-ms-copy-status",
            "x-ms-lease-duration",
            "x-ms-lease-state",
            "x-ms-lease-status",
            "accept-ranges",
            "x-ms-server-encrypted",
            "x-ms-blob-content-md5",
            "x-ms-tag-count",
            "x-ms-structured-body",
            "x-ms-structured-content-length",
            "x-ms-access-tier",
            "x-ms-access-tier-inferred",
            "x-ms-access-tier-change-time",
            "x-ms-content-crc64",
        ],
    ],
    status: Status::Built,
};

/// Sends the content, or a range of it.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let snapshot = call.snapshot()?;
    let range = match call.header("x-ms-range")? {
        Some(text) => ByteRange::parse(text),
        None => call.header("range")?.and_then(ByteRange::parse),
    };
    let checks = RangeChecks {
        md5: call.flag_header("x-ms-range-get-content-md5")?,
        crc64: call.flag_header("x-ms-range-get-content-crc64")?,
    };
    checks.validate(range.is_some())?;
    let structured = call.header("x-ms-structured-body")?;
    structured.map(structured::check_header).transpose()?;
    let path = call.path(container.as_str(), blob.as_str());
    let opened = call.store().open_blob_to_read(&path, snapshot, &asked.terms(&call)).await?;
    let row = &opened.row;
    let (length, md5) = (row.length, row.content.md5);
    let range = range.map(|range| range.resolve(length)).transpose()?;
    let mut reply = Reply::new(if range.is_some() { 206 } else { 200 }).blob(
        row,
        opened.now,
        &call.granted,
        snapshot.is_some(),
    );
    if call.version() >= TIERS_TOLD {
        reply = reply.tier(row);
    }
    let sent = range.map_or(length, ResolvedRange::len);
    if checks.any() && sent > limits::RANGE_CHECKSUM_BYTES_MAX {
        return Err(ErrorCode::OutOfRangeInput.into());
    }
    if let Some(range) = range {
        let told = format!("bytes {}-{}/{length}", range.first, range.last);
        reply = reply.header("content-range", told);
    }
    let reply = match (range, md5) {
        (None, Some(md5)) => reply.header("content-md5", md5_text(&md5)),
        (Some(_), Some(md5)) => reply.header("x-ms-blob-content-md5", md5_text(&md5)),
        (_, None) => reply,
    };
    let reader = call.store().read_content(opened, range).await?;
    if checks.any() {
        return checks.answer(reply, reader).await;
    }
    match structured {
        Some(header) => Ok(structured_answer(reply, reader, header)),
        None => plain_answer(reply, reader, sent).await,
    }
}

/// The first version that tells the tier with the content.
const TIERS_TOLD: ApiVersion = ApiVersion::new(2026, 10, 6);

/// Content up to this size is sent in one piece with its head.
const WHOLE_BYTES_MAX: u64 = 256 * 1024;

async fn plain_answer(
    reply: Reply,
    mut reader: ContentReader,
    sent: u64,
) -> Result<Reply, Refusal> {
    let reply = reply.header("content-length", sent);
    if sent <= WHOLE_BYTES_MAX {
        return Ok(reply.full(collect(&mut reader).await?));
    }
    Ok(reply.stream(Box::new(Plain(reader))))
}

fn structured_answer(reply: Reply, reader: ContentReader, header: &str) -> Reply {
    let encoder = StructuredEncoder::new(reader.remaining());
    reply
        .header("x-ms-structured-body", header)
        .header("x-ms-structured-content-length", reader.remaining())
        .header("content-length", encoder.encoded_len())
        .stream(Box::new(Structured { reader, encoder: Some(encoder), ready: Vec::new() }))
}

/// All bytes of a reader that has few.
async fn collect(reader: &mut ContentReader) -> Result<Bytes, Refusal> {
    let first = reader.next().await?.unwrap_or_default();
    if reader.remaining() == 0 {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(first.len() + reader.remaining() as usize);
    whole.extend_from_slice(&first);
    while let Some(bytes) = reader.next().await? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.into())
}

/// The checksums of a range that a caller may ask for.
#[derive(Clone, Copy)]
struct RangeChecks {
    md5: bool,
    crc64: bool,
}

impl RangeChecks {
    fn any(self) -> bool {
        self.md5 || self.crc64
    }

    fn validate(self, ranged: bool) -> Result<(), Refusal> {
        let header = match (self.md5, self.crc64) {
            (false, false) => return Ok(()),
            (true, false) => "x-ms-range-get-content-md5",
            (_, true) => "x-ms-range-get-content-crc64",
        };
        if (self.md5 && self.crc64) || !ranged {
            return Err(Refusal::header_value(header, "true"));
        }
        Ok(())
    }

    async fn answer(self, reply: Reply, mut reader: ContentReader) -> Result<Reply, Refusal> {
        let bytes = collect(&mut reader).await?;
        let reply = reply.header("content-length", bytes.len());
        let reply = if self.md5 {
            reply.header("content-md5", md5_text(&md5::checksum(&bytes)))
        } else {
            reply.header("x-ms-content-crc64", crc64::to_header(crc64::checksum(&bytes)))
        };
        Ok(reply.full(bytes))
    }
}

struct Plain(ContentReader);

impl ResponseBody for Plain {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, Refusal>>> {
        Box::pin(async { self.0.next().await.transpose() })
    }
}

/// Content as a structured message.
struct Structured {
    reader: ContentReader,
    encoder: Option<StructuredEncoder>,
    /// Encoded pieces to be sent, the next one last.
    ready: Vec<Bytes>,
}

impl Structured {
    async fn advance(&mut self) -> Result<Option<Bytes>, Refusal> {
        while self.ready.is_empty() {
            let Some(encoder) = &mut self.encoder else { return Ok(None) };
            if let Some(bytes) = self.reader.next().await? {
                encoder.push(bytes, &mut self.ready)?;
            } else if let Some(encoder) = self.encoder.take() {
                encoder.finish(&mut self.ready)?;
            }
            self.ready.reverse();
        }
        Ok(self.ready.pop())
    }
}

impl ResponseBody for Structured {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, Refusal>>> {
        Box::pin(async { self.advance().await.transpose() })
    }
}

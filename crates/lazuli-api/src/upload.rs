//! A request body on its way into the store: length and checksums verified, structured messages
//! unwrapped, MD5 computed off the reactor threads.
//!
//! Nothing is named here; a body that fails any check leaves only bytes the collector frees.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob#request-headers-all-blob-types>

use bytes::Bytes;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::origin::Checksum;
use lazuli_store::payload::{Payload, Placement};
use lazuli_wire::crc64::Crc64;
use lazuli_wire::headers::{self, BodyChecksums};
use lazuli_wire::md5::Md5;
use lazuli_wire::structured::{self, StructuredDecoder};
use lazuli_wire::{crc64, md5};

use crate::call::{Call, incomplete, too_large};

/// Bodies up to this size are hashed where they arrive; larger ones on the blocking pool.
const HASH_INLINE_MAX: u64 = 64 * 1024;

/// Bytes handed to the blocking pool at a time.
const HASH_BATCH: usize = 1024 * 1024;

/// Whether the operation wants the MD5 of what it stores even if nobody sent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantMd5 {
    /// Put Blob stores the MD5 of every body.
    Always,
    /// The MD5 is computed only to verify one that was sent.
    IfSent,
}

/// A body that was received whole and verified.
#[derive(Debug)]
pub struct Uploaded {
    /// The bytes, not yet named.
    pub payload: Payload,
    /// MD5 of the bytes, if it was wanted or sent.
    pub md5: Option<[u8; 16]>,
    /// CRC-64/NVME of the bytes.
    pub crc64: u64,
    /// The checksums the caller sent.
    pub sent: BodyChecksums,
    /// The value of `x-ms-structured-body` to echo, if the body was a structured message.
    pub structured: Option<String>,
}

/// What a body must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Most bytes of content.
    pub bytes_max: u64,
    /// Where it may be placed.
    pub placement: Placement,
    /// Whether its MD5 is wanted.
    pub md5: WantMd5,
}

impl Call<'_> {
    /// Receives the request's body.
    pub async fn upload(&mut self, terms: Terms) -> Result<Uploaded, Refusal> {
        let sent = headers::body_checksums(self.head.headers)?;
        let structured = self.header("x-ms-structured-body")?.map(str::to_owned);
        let expected = self.announced_content(structured.as_deref())?;
        if expected.is_some_and(|expected| expected > terms.bytes_max) {
            return Err(too_large(terms.bytes_max));
        }
        let announced = self.announced();
        let mut decoder = structured.as_ref().map(|_| StructuredDecoder::new(expected));
        let mut ingest = self.store().ingest(terms.placement, expected);
        let want_md5 = terms.md5 == WantMd5::Always || sent.md5.is_some();
        let mut hashes = Hashes::new(want_md5, expected);
        let (mut received, mut stored) = (0_u64, 0_u64);
        let mut decoded = Vec::new();
        while let Some(part) = self.next_part().await {
            let part = part.map_err(incomplete)?;
            received += part.len() as u64;
            match &mut decoder {
                None => decoded.push(part),
                Some(decoder) => decoder.push(&part, &mut decoded)?,
            }
            for bytes in decoded.drain(..) {
                stored += bytes.len() as u64;
                if stored > terms.bytes_max {
                    return Err(too_large(terms.bytes_max));
                }
                hashes.update(&bytes).await?;
                ingest.write(bytes).await?;
            }
        }
        if announced.is_some_and(|announced| announced != received) {
            return Err(incomplete(crate::BodyError::Incomplete));
        }
        if let Some(decoder) = decoder {
            decoder.finish()?;
        }
        let (computed_md5, computed_crc64) = hashes.finish().await?;
        if let (Some(sent), Some(computed)) = (&sent.md5, &computed_md5) {
            md5::verify(sent, computed)?;
        }
        if let Some(sent) = sent.crc64 {
            crc64::verify(sent, computed_crc64)?;
        }
        let payload = ingest.finish().await?;
        if let Some(origin) = self.store().origin() {
            let crc64 = Checksum::Crc64(computed_crc64);
            origin.brought(computed_md5.map_or(crc64, Checksum::Md5));
        }
        Ok(Uploaded { payload, md5: computed_md5, crc64: computed_crc64, sent, structured })
    }

    /// The content length the head announces: that of the body, or what a structured message says
    /// it carries. `None` for a chunked body.
    pub fn announced_content(&self, structured: Option<&str>) -> Result<Option<u64>, Refusal> {
        if let Some(header) = structured {
            structured::check_header(header)?;
            let len = headers::unsigned(self.head.headers, "x-ms-structured-content-length")?;
            return len
                .map(Some)
                .ok_or_else(|| Refusal::missing_header("x-ms-structured-content-length"));
        }
        match self.announced() {
            Some(len) => Ok(Some(len)),
            None if self.head.headers.contains_key("transfer-encoding") => Ok(None),
            None => Err(ErrorCode::MissingContentLengthHeader.into()),
        }
    }
}

/// Both checksums of a body. CRC-64 runs at memory speed and is taken in place; MD5 is an order of
/// magnitude slower, so that of a large body is taken on the blocking pool, a batch at a time,
/// while the next bytes arrive.
pub(crate) struct Hashes {
    crc64: Crc64,
    md5: Md5State,
}

enum Md5State {
    Unwanted,
    Here(Md5),
    Pool { waiting: Vec<Bytes>, waiting_bytes: usize, running: Option<Running> },
}

type Running = tokio::task::JoinHandle<Md5>;

impl Hashes {
    /// Those of a body of `expected` bytes, if that is known.
    pub(crate) fn new(want_md5: bool, expected: Option<u64>) -> Self {
        let md5 = match expected {
            _ if !want_md5 => Md5State::Unwanted,
            Some(len) if len <= HASH_INLINE_MAX => Md5State::Here(Md5::new()),
            _ => Md5State::Pool { waiting: Vec::new(), waiting_bytes: 0, running: None },
        };
        Self { crc64: Crc64::new(), md5 }
    }

    /// Takes the next bytes.
    pub(crate) async fn update(&mut self, bytes: &Bytes) -> Result<(), Refusal> {
        self.crc64.update(bytes);
        match &mut self.md5 {
            Md5State::Unwanted => {}
            Md5State::Here(md5) => md5.update(bytes),
            Md5State::Pool { waiting, waiting_bytes, running } => {
                waiting.push(bytes.clone());
                *waiting_bytes += bytes.len();
                if *waiting_bytes >= HASH_BATCH {
                    *waiting_bytes = 0;
                    let batch = std::mem::take(waiting);
                    let md5 = finished(running.take()).await?;
                    *running = Some(hash(md5, batch));
                }
            }
        }
        Ok(())
    }

    /// The MD5, if it was wanted, and the CRC-64.
    pub(crate) async fn finish(self) -> Result<(Option<[u8; 16]>, u64), Refusal> {
        let md5 = match self.md5 {
            Md5State::Unwanted => None,
            Md5State::Here(md5) => Some(md5.finish()),
            Md5State::Pool { waiting, running, .. } => {
                let md5 = finished(running).await?;
                Some(finished(Some(hash(md5, waiting))).await?.finish())
            }
        };
        Ok((md5, self.crc64.value()))
    }
}

fn hash(mut md5: Md5, batch: Vec<Bytes>) -> Running {
    tokio::task::spawn_blocking(move || {
        for bytes in &batch {
            md5.update(bytes);
        }
        md5
    })
}

async fn finished(running: Option<Running>) -> Result<Md5, Refusal> {
    match running {
        None => Ok(Md5::new()),
        Some(running) => {
            running.await.map_err(|error| Refusal::new(ErrorCode::InternalError).with_cause(error))
        }
    }
}

//! A range of a copy source on its way into the store, as the From URL operations that write parts
//! of a blob bring it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url#request-headers>

use bytes::Bytes;
use lazuli_fetch::Content;
use lazuli_model::Refusal;
use lazuli_model::range::{ByteRange, ResolvedRange};
use lazuli_store::origin::Checksum;
use lazuli_store::payload::{Payload, Placement};
use lazuli_store::read::ContentReader;
use lazuli_wire::{crc64, headers, md5};

use crate::call::{Call, too_large};
use crate::copy_source::{Located, OwnAccount};
use crate::remote_source::{in_time, unfetched};
use crate::reply::Reply;
use crate::upload::Hashes;

/// What a range must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceTerms {
    /// Most bytes of it.
    pub(crate) bytes_max: u64,
    /// Where it may be placed.
    pub(crate) placement: Placement,
}

/// A range that was read whole and verified.
#[derive(Debug)]
pub(crate) struct Brought {
    /// The bytes, not yet named.
    pub(crate) payload: Payload,
    /// Their MD5, if the caller told it.
    md5: Option<[u8; 16]>,
    crc64: u64,
}

/// The bytes of a source, wherever it is.
pub(crate) enum SourceReader {
    /// On this server.
    Here(ContentReader),
    /// On another.
    There(Content),
}

impl SourceReader {
    /// Bytes still to come.
    pub(crate) fn remaining(&self) -> u64 {
        match self {
            Self::Here(reader) => reader.remaining(),
            Self::There(content) => content.remaining(),
        }
    }

    /// The next bytes, at most 1 MiB; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        match self {
            Self::Here(reader) => reader.next().await,
            Self::There(content) => content.next().await.map_err(|error| unfetched(&error)),
        }
    }
}

/// The checksums the caller expects of the range.
struct Expected {
    md5: Option<[u8; 16]>,
    crc64: Option<u64>,
}

impl Expected {
    fn verify(&self, md5: Option<[u8; 16]>, crc64: u64) -> Result<(), Refusal> {
        if let (Some(expected), Some(computed)) = (&self.md5, &md5) {
            md5::verify(expected, computed)?;
        }
        self.crc64.map_or(Ok(()), |expected| crc64::verify(expected, crc64))
    }
}

impl Call<'_> {
    /// Brings the range that `x-ms-source-range` names of the blob that `x-ms-copy-source` names,
    /// all of it without a range; the request itself has no body.
    pub(crate) async fn bring_range(&self, terms: SourceTerms) -> Result<Brought, Refusal> {
        in_time(self.read_range(terms)).await
    }

    async fn read_range(&self, terms: SourceTerms) -> Result<Brought, Refusal> {
        if let Some(length) = self.announced().filter(|length| *length > 0) {
            return Err(Refusal::header_value("Content-Length", length.to_string()));
        }
        let range = self
            .header("x-ms-source-range")?
            .map(|text| {
                ByteRange::parse(text)
                    .ok_or_else(|| Refusal::header_value("x-ms-source-range", text))
            })
            .transpose()?;
        let expected = Expected {
            md5: headers::md5(self.head.headers, "x-ms-source-content-md5")?,
            crc64: headers::crc64(self.head.headers, "x-ms-source-content-crc64")?,
        };
        let mut reader = self.open_range(range).await?;
        let bytes = reader.remaining();
        if bytes > terms.bytes_max {
            return Err(too_large(terms.bytes_max));
        }
        let store = self.store();
        let mut ingest = store.ingest(terms.placement, Some(bytes));
        let mut hashes = Hashes::new(expected.md5.is_some(), Some(bytes));
        while let Some(part) = reader.next().await? {
            hashes.update(&part).await?;
            ingest.write(part).await?;
        }
        let (md5, crc64) = hashes.finish().await?;
        expected.verify(md5, crc64)?;
        if let Some(origin) = store.origin() {
            origin.brought(expected.md5.map_or(Checksum::Crc64(crc64), Checksum::Md5));
        }
        let payload = ingest.finish().await?;
        Ok(Brought { payload, md5: expected.md5, crc64 })
    }

    /// A reader of a range of the source, here or elsewhere.
    async fn open_range(&self, range: Option<ByteRange>) -> Result<SourceReader, Refusal> {
        let asked = self.asked_of_source()?;
        match self.locate_source(OwnAccount::DoesNot).await? {
            Located::Here(from) => {
                let store = self.store();
                let opened =
                    store.open_source(&from.path(), from.snapshot, &asked.conditions).await?;
                let range: Option<ResolvedRange> =
                    range.map(|range| range.resolve(opened.row.length)).transpose()?;
                Ok(SourceReader::Here(store.read_content(opened, range).await?))
            }
            Located::There(from) => {
                Ok(SourceReader::There(self.open_remote(&from, &asked, range).await?))
            }
        }
    }
}

impl Reply {
    /// Tells the checksum of what was brought: the MD5 if the caller told it, else the CRC-64.
    #[must_use]
    pub(crate) fn brought(self, brought: &Brought) -> Self {
        match &brought.md5 {
            Some(md5) => self.header("content-md5", md5::to_header(md5)),
            None => self.header("x-ms-content-crc64", crc64::to_header(brought.crc64)),
        }
    }
}

//! A range of a copy source on its way into the store, as the From URL operations that write parts
//! of a blob bring it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url#request-headers>

use lazuli_model::Refusal;
use lazuli_model::range::{ByteRange, ResolvedRange};
use lazuli_store::origin::Checksum;
use lazuli_store::payload::{Payload, Placement};
use lazuli_wire::crc64::Crc64;
use lazuli_wire::{crc64, headers, md5};

use crate::call::{Call, too_large};
use crate::copy_source::OwnAccount;
use crate::reply::Reply;

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

impl Call<'_> {
    /// Brings the range that `x-ms-source-range` names of the blob that `x-ms-copy-source` names,
    /// all of it without a range; the request itself has no body.
    pub(crate) async fn bring_range(&self, terms: SourceTerms) -> Result<Brought, Refusal> {
        let asked = self.asked_of_source()?;
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
        let from = self.copy_source(OwnAccount::DoesNot).await?;
        let store = self.store();
        let opened = store.open_source(&from.path(), from.snapshot, &asked.conditions).await?;
        let range = range.map(|range| range.resolve(opened.row.length)).transpose()?;
        let bytes = range.map_or(opened.row.length, ResolvedRange::len);
        if bytes > terms.bytes_max {
            return Err(too_large(terms.bytes_max));
        }
        let mut reader = store.read_content(opened, range).await?;
        let mut ingest = store.ingest(terms.placement, Some(bytes));
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
        if let Some(origin) = store.origin() {
            origin.brought(expected.md5.map_or(Checksum::Crc64(crc.value()), Checksum::Md5));
        }
        let payload = ingest.finish().await?;
        Ok(Brought { payload, md5: expected.md5, crc64: crc.value() })
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

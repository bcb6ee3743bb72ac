//! The result of List Blobs: written item by item, straight from borrowed fields.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs>
//!
//! The order of elements is the one the service was recorded with. Properties that have no value
//! appear empty (`<Content-Encoding />`), entity tags without quotation marks.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_base::Timestamp;
use lazuli_model::ApiVersion;

use super::{Pairs, write_metadata, write_tags, write_unquoted};
use crate::xml::XmlWriter;

/// Names that XML cannot hold are encoded from this version on.
const ENCODED_NAMES: ApiVersion = ApiVersion::new(2021, 2, 12);
/// Items tell their object replication metadata from this version on.
const REPLICATION: ApiVersion = ApiVersion::new(2019, 12, 12);
/// Items tell the CRC-64 of their content from this version on.
const CONTENT_CRC64: ApiVersion = ApiVersion::new(2019, 2, 2);
/// Items tell that they are encrypted from this version on.
const ENCRYPTED: ApiVersion = ApiVersion::new(2015, 12, 11);
/// Items tell their tier from this version on.
const TIERS: ApiVersion = ApiVersion::new(2017, 4, 17);
/// Items tell when they were created from this version on.
const CREATION: ApiVersion = ApiVersion::new(2017, 11, 9);
/// Items tell how many tags they have from this version on.
const TAGS: ApiVersion = ApiVersion::new(2019, 12, 12);
/// Bytes one item takes, about.
const ITEM_BYTES: usize = 1_000;

/// What the result says before its items: echoes of what was asked, as far as it was asked.
#[derive(Clone, Copy, Debug)]
pub struct BlobListHead<'a> {
    /// The account's URL with a slash at its end.
    pub service_endpoint: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// `prefix`, if it was sent.
    pub prefix: Option<&'a str>,
    /// `marker`, if it was sent.
    pub marker: Option<&'a str>,
    /// `maxresults`, if it was sent.
    pub max_results: Option<u32>,
    /// `delimiter`, if it was sent.
    pub delimiter: Option<&'a str>,
}

/// One blob, snapshot or version.
#[derive(Clone, Copy, Default)]
pub struct BlobItem<'a> {
    /// The blob's name.
    pub name: &'a str,
    /// The snapshot's time, for a snapshot.
    pub snapshot: Option<Timestamp>,
    /// The version's time, where versioning is on.
    pub version_id: Option<Timestamp>,
    /// Whether it is the current version; told only if so.
    pub is_current_version: bool,
    /// Whether it is soft-deleted; told only if so.
    pub deleted: bool,
    /// What `<Properties>` holds.
    pub properties: BlobProperties<'a>,
    /// Metadata, if asked for.
    pub metadata: Option<&'a dyn Pairs>,
    /// Tags, if asked for and there are any.
    pub tags: Option<&'a dyn Pairs>,
    /// Whether the name has older versions only; told only if so.
    pub has_versions_only: bool,
}

/// The properties of a blob in a listing. What is `None` or false is left out, except where the
/// service writes an empty element.
#[derive(Clone, Copy, Default)]
pub struct BlobProperties<'a> {
    /// When the blob was created.
    pub creation_time: Option<Timestamp>,
    /// When the blob last changed; `None` for an uncommitted blob.
    pub last_modified: Option<Timestamp>,
    /// The entity tag, with or without quotation marks; `None` for an uncommitted blob.
    pub etag: Option<&'a dyn Display>,
    /// `file` or `directory`, in a hierarchical namespace.
    pub resource_type: Option<&'a str>,
    /// The length of the content, in bytes.
    pub content_length: u64,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// `Content-Language`.
    pub content_language: Option<&'a str>,
    /// The stored CRC-64 of the content.
    pub content_crc64: Option<u64>,
    /// The stored MD5 of the content.
    pub content_md5: Option<[u8; 16]>,
    /// `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// `Content-Disposition`.
    pub content_disposition: Option<&'a str>,
    /// The sequence number of a page blob.
    pub sequence_number: Option<u64>,
    /// `BlockBlob`, `PageBlob` or `AppendBlob`.
    pub blob_type: &'a str,
    /// The access tier.
    pub access_tier: Option<&'a str>,
    /// Whether the tier is the account's default.
    pub access_tier_inferred: bool,
    /// When the tier was last changed.
    pub access_tier_change_time: Option<Timestamp>,
    /// `rehydrate-pending-to-hot` and the like.
    pub archive_status: Option<&'a str>,
    /// `High` or `Standard`, while the blob is being rehydrated.
    pub rehydrate_priority: Option<&'a str>,
    /// `locked` or `unlocked`; `None` for snapshots and older versions.
    pub lease_status: Option<&'a str>,
    /// `available`, `leased` and so on; `None` for snapshots and older versions.
    pub lease_state: Option<&'a str>,
    /// `infinite` or `fixed`, while it is leased.
    pub lease_duration: Option<&'a str>,
    /// The last copy onto the blob, if asked for.
    pub copy: Option<CopyProperties<'a>>,
    /// The scope the blob is encrypted in.
    pub encryption_scope: Option<&'a str>,
    /// When it was soft-deleted.
    pub deleted_time: Option<Timestamp>,
    /// Days until it is gone for good.
    pub remaining_retention_days: Option<u32>,
    /// The number of tags; left out when there are none.
    pub tag_count: u32,
    /// When the blob expires.
    pub expiry_time: Option<Timestamp>,
    /// Whether an append blob is sealed.
    pub sealed: Option<bool>,
    /// When the blob was last read.
    pub last_access_time: Option<Timestamp>,
    /// Until when the blob is immutable, with the policy's mode.
    pub immutability: Option<(Timestamp, &'a str)>,
    /// Whether the blob is under legal hold.
    pub legal_hold: Option<bool>,
}

/// What is told of the last copy onto a blob.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyProperties<'a> {
    /// The copy's identifier.
    pub id: &'a str,
    /// The source's URL.
    pub source: &'a str,
    /// `pending`, `success`, `aborted` or `failed`.
    pub status: &'a str,
    /// `bytes copied/bytes in all`.
    pub progress: &'a str,
    /// When the copy ended.
    pub completion_time: Option<Timestamp>,
    /// Why the copy failed.
    pub status_description: Option<&'a str>,
    /// Whether it is an incremental copy.
    pub incremental: bool,
    /// The snapshot that the last incremental copy made.
    pub destination_snapshot: Option<Timestamp>,
}

/// The result of List Blobs in the making.
pub struct BlobListWriter {
    xml: XmlWriter,
    version: ApiVersion,
}

impl BlobListWriter {
    /// Begins a result of about `items` items.
    pub fn new(version: ApiVersion, head: &BlobListHead<'_>, items: usize) -> Self {
        let mut xml = XmlWriter::document(512 + items * ITEM_BYTES);
        let attributes =
            [("ServiceEndpoint", head.service_endpoint), ("ContainerName", head.container)];
        xml.open_with("EnumerationResults", &attributes);
        let mut list = Self { xml, version };
        if let Some(prefix) = head.prefix {
            list.name("Prefix", prefix);
        }
        list.xml.optional("Marker", head.marker);
        if let Some(max_results) = head.max_results {
            list.xml.number("MaxResults", u64::from(max_results));
        }
        if let Some(delimiter) = head.delimiter {
            list.name("Delimiter", delimiter);
        }
        list.xml.open("Blobs");
        list
    }

    /// Adds a blob.
    pub fn blob(&mut self, item: &BlobItem<'_>) {
        self.xml.open("Blob");
        self.name("Name", item.name);
        let xml = &mut self.xml;
        if let Some(snapshot) = item.snapshot {
            xml.iso7("Snapshot", snapshot);
        }
        if let Some(version_id) = item.version_id {
            xml.iso7("VersionId", version_id);
        }
        flag(xml, "IsCurrentVersion", item.is_current_version);
        flag(xml, "Deleted", item.deleted);
        write_properties(xml, self.version, &item.properties);
        if let Some(metadata) = item.metadata {
            write_metadata(xml, metadata);
        }
        if let Some(tags) = item.tags {
            write_tags(xml, tags);
        }
        if self.version >= REPLICATION {
            xml.empty("OrMetadata");
        }
        flag(xml, "HasVersionsOnly", item.has_versions_only);
        xml.close("Blob");
    }

    /// Adds a common prefix, which ends with the delimiter.
    pub fn prefix(&mut self, name: &str) {
        self.xml.open("BlobPrefix");
        self.name("Name", name);
        self.xml.close("BlobPrefix");
    }

    /// The length so far, in bytes.
    pub fn len(&self) -> usize {
        self.xml.len()
    }

    /// Whether nothing was written; never so.
    pub fn is_empty(&self) -> bool {
        self.xml.is_empty()
    }

    /// Ends the result; `next_marker` is `None` when there is no more.
    pub fn finish(mut self, next_marker: Option<&str>) -> String {
        self.xml.close("Blobs");
        self.xml.element("NextMarker", next_marker.unwrap_or_default());
        self.xml.close("EnumerationResults");
        self.xml.finish()
    }

    fn name(&mut self, element: &str, name: &str) {
        if self.version >= ENCODED_NAMES {
            self.xml.name(element, name);
        } else {
            self.xml.legacy_name(element, name);
        }
    }
}

/// An element that is there only to say `true`.
fn flag(xml: &mut XmlWriter, name: &str, value: bool) {
    if value {
        xml.element(name, "true");
    }
}

fn date(xml: &mut XmlWriter, name: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        xml.rfc1123(name, at);
    }
}

fn write_properties(xml: &mut XmlWriter, version: ApiVersion, blob: &BlobProperties<'_>) {
    xml.open("Properties");
    date(xml, "Creation-Time", blob.creation_time.filter(|_| version >= CREATION));
    date(xml, "Last-Modified", blob.last_modified);
    if let Some(etag) = blob.etag {
        write_unquoted(xml, "Etag", etag);
    }
    xml.optional("ResourceType", blob.resource_type);
    xml.number("Content-Length", blob.content_length);
    if blob.etag.is_some() {
        write_content(xml, version, blob);
    }
    if let Some(number) = blob.sequence_number {
        xml.number("x-ms-blob-sequence-number", number);
    }
    xml.element("BlobType", blob.blob_type);
    if version >= TIERS {
        write_tier(xml, blob);
    }
    xml.optional("LeaseStatus", blob.lease_status);
    xml.optional("LeaseState", blob.lease_state);
    xml.optional("LeaseDuration", blob.lease_duration);
    if let Some(copy) = &blob.copy {
        write_copy(xml, copy);
    }
    if version >= ENCRYPTED {
        xml.element("ServerEncrypted", "true");
    }
    write_lifetime(xml, version, blob);
    xml.close("Properties");
}

fn write_tier(xml: &mut XmlWriter, blob: &BlobProperties<'_>) {
    xml.optional("AccessTier", blob.access_tier);
    flag(xml, "AccessTierInferred", blob.access_tier_inferred);
    date(xml, "AccessTierChangeTime", blob.access_tier_change_time);
    xml.optional("ArchiveStatus", blob.archive_status);
    xml.optional("RehydratePriority", blob.rehydrate_priority);
}

fn write_content(xml: &mut XmlWriter, version: ApiVersion, blob: &BlobProperties<'_>) {
    xml.element("Content-Type", blob.content_type.unwrap_or_default());
    xml.element("Content-Encoding", blob.content_encoding.unwrap_or_default());
    xml.element("Content-Language", blob.content_language.unwrap_or_default());
    if version >= CONTENT_CRC64 {
        write_base64(xml, "Content-CRC64", blob.content_crc64.map(u64::to_le_bytes));
    }
    write_base64(xml, "Content-MD5", blob.content_md5);
    xml.element("Cache-Control", blob.cache_control.unwrap_or_default());
    xml.element("Content-Disposition", blob.content_disposition.unwrap_or_default());
}

fn write_base64<const N: usize>(xml: &mut XmlWriter, name: &str, bytes: Option<[u8; N]>) {
    match bytes {
        None => xml.empty(name),
        Some(bytes) => {
            xml.open(name);
            STANDARD.encode_string(bytes, xml.buffer());
            xml.close(name);
        }
    }
}

fn write_copy(xml: &mut XmlWriter, copy: &CopyProperties<'_>) {
    xml.element("CopyId", copy.id);
    xml.element("CopySource", copy.source);
    xml.element("CopyStatus", copy.status);
    xml.element("CopyProgress", copy.progress);
    date(xml, "CopyCompletionTime", copy.completion_time);
    xml.optional("CopyStatusDescription", copy.status_description);
    flag(xml, "IncrementalCopy", copy.incremental);
    if let Some(made) = copy.destination_snapshot {
        xml.iso7("CopyDestinationSnapshot", made);
    }
}

fn write_lifetime(xml: &mut XmlWriter, version: ApiVersion, blob: &BlobProperties<'_>) {
    xml.optional("EncryptionScope", blob.encryption_scope);
    date(xml, "DeletedTime", blob.deleted_time);
    if let Some(days) = blob.remaining_retention_days {
        xml.number("RemainingRetentionDays", u64::from(days));
    }
    if blob.tag_count > 0 && version >= TAGS {
        xml.number("TagCount", u64::from(blob.tag_count));
    }
    date(xml, "Expiry-Time", blob.expiry_time);
    if let Some(sealed) = blob.sealed {
        xml.boolean("Sealed", sealed);
    }
    date(xml, "LastAccessTime", blob.last_access_time);
    if let Some((until, mode)) = blob.immutability {
        xml.rfc1123("ImmutabilityPolicyUntilDate", until);
        xml.element("ImmutabilityPolicyMode", mode);
    }
    if let Some(hold) = blob.legal_hold {
        xml.boolean("LegalHold", hold);
    }
}

#[cfg(test)]
mod tests;

//! The result of List Blobs as an Apache Arrow stream: the same items, column by column.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs>
//!
//! Columns are named as the elements of the XML; clients refuse columns they do not know. The marker
//! of the next page is told by the schema. What an item has not got is null.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::list_blobs::{BlobItem, BlobProperties, CopyProperties};
use crate::arrow::{Field, Kind, Table};
use crate::date;

const FIELDS: &[Field] = &[
    ("Name", Kind::Text),
    ("ResourceType", Kind::Text),
    ("Snapshot", Kind::Text),
    ("VersionId", Kind::Text),
    ("IsCurrentVersion", Kind::Flag),
    ("Deleted", Kind::Flag),
    ("HasVersionsOnly", Kind::Flag),
    ("Creation-Time", Kind::Moment),
    ("Last-Modified", Kind::Moment),
    ("Etag", Kind::Text),
    ("Content-Length", Kind::Number),
    ("Content-Type", Kind::Text),
    ("Content-Encoding", Kind::Text),
    ("Content-Language", Kind::Text),
    ("Content-MD5", Kind::Text),
    ("Cache-Control", Kind::Text),
    ("Content-Disposition", Kind::Text),
    ("x-ms-blob-sequence-number", Kind::Number),
    ("BlobType", Kind::Text),
    ("AccessTier", Kind::Text),
    ("AccessTierInferred", Kind::Flag),
    ("AccessTierChangeTime", Kind::Moment),
    ("ArchiveStatus", Kind::Text),
    ("RehydratePriority", Kind::Text),
    ("LeaseStatus", Kind::Text),
    ("LeaseState", Kind::Text),
    ("LeaseDuration", Kind::Text),
    ("CopyId", Kind::Text),
    ("CopySource", Kind::Text),
    ("CopyStatus", Kind::Text),
    ("CopyProgress", Kind::Text),
    ("CopyCompletionTime", Kind::Moment),
    ("CopyStatusDescription", Kind::Text),
    ("IncrementalCopy", Kind::Flag),
    ("ServerEncrypted", Kind::Flag),
    ("EncryptionScope", Kind::Text),
    ("DeletedTime", Kind::Moment),
    ("RemainingRetentionDays", Kind::Number),
    ("TagCount", Kind::Number),
    ("Sealed", Kind::Flag),
    ("LastAccessTime", Kind::Moment),
    ("ImmutabilityPolicyUntilDate", Kind::Moment),
    ("ImmutabilityPolicyMode", Kind::Text),
    ("LegalHold", Kind::Flag),
    ("Metadata", Kind::Map),
    ("Tags", Kind::Map),
];

/// The result of List Blobs in the making.
pub struct BlobListArrowWriter(Table);

impl Default for BlobListArrowWriter {
    fn default() -> Self {
        Self(Table::new(FIELDS.iter().copied()))
    }
}

impl BlobListArrowWriter {
    /// Adds a blob.
    pub fn blob(&mut self, item: &BlobItem<'_>) {
        let table = &mut self.0;
        let blob = &item.properties;
        table.text(Some(item.name));
        table.text(blob.resource_type);
        table.text(item.snapshot.map(date::iso7).as_deref());
        table.text(item.version_id.map(date::iso7).as_deref());
        table.flag(item.is_current_version.then_some(true));
        table.flag(item.deleted.then_some(true));
        table.flag(item.has_versions_only.then_some(true));
        write_content(table, blob);
        write_tier_and_lease(table, blob);
        write_copy(table, blob.copy.as_ref());
        write_rest(table, blob);
        table.map(item.metadata);
        table.map(item.tags);
        table.end_row();
    }

    /// Adds a common prefix, which ends with the delimiter.
    pub fn prefix(&mut self, name: &str) {
        self.0.text(Some(name));
        self.0.text(Some("blobprefix"));
        self.0.end_row();
    }

    /// Ends the result; `next_marker` is `None` when there is no more.
    pub fn finish(self, next_marker: Option<&str>) -> Vec<u8> {
        let records = self.0.rows().to_string();
        let metadata =
            [("NextMarker", next_marker.unwrap_or_default()), ("NumberOfRecords", &*records)];
        self.0.finish(&metadata)
    }
}

fn write_content(table: &mut Table, blob: &BlobProperties<'_>) {
    table.moment(blob.creation_time.map(lazuli_base::Timestamp::unix_seconds));
    table.moment(blob.last_modified.map(lazuli_base::Timestamp::unix_seconds));
    let etag = blob.etag.map(ToString::to_string);
    table.text(etag.as_deref().map(|etag| etag.trim_matches('"')));
    table.number(Some(blob.content_length));
    table.text(blob.content_type);
    table.text(blob.content_encoding);
    table.text(blob.content_language);
    table.text(blob.content_md5.map(|md5| STANDARD.encode(md5)).as_deref());
    table.text(blob.cache_control);
    table.text(blob.content_disposition);
    table.number(blob.sequence_number);
    table.text(Some(blob.blob_type));
}

fn write_tier_and_lease(table: &mut Table, blob: &BlobProperties<'_>) {
    table.text(blob.access_tier);
    table.flag(blob.access_tier_inferred.then_some(true));
    table.moment(blob.access_tier_change_time.map(lazuli_base::Timestamp::unix_seconds));
    table.text(blob.archive_status);
    table.text(blob.rehydrate_priority);
    table.text(blob.lease_status);
    table.text(blob.lease_state);
    table.text(blob.lease_duration);
}

fn write_copy(table: &mut Table, copy: Option<&CopyProperties<'_>>) {
    table.text(copy.map(|copy| copy.id));
    table.text(copy.map(|copy| copy.source));
    table.text(copy.map(|copy| copy.status));
    table.text(copy.map(|copy| copy.progress));
    let completed = copy.and_then(|copy| copy.completion_time);
    table.moment(completed.map(lazuli_base::Timestamp::unix_seconds));
    table.text(copy.and_then(|copy| copy.status_description));
    table.flag(copy.filter(|copy| copy.incremental).map(|_| true));
}

fn write_rest(table: &mut Table, blob: &BlobProperties<'_>) {
    table.flag(Some(true));
    table.text(blob.encryption_scope);
    table.moment(blob.deleted_time.map(lazuli_base::Timestamp::unix_seconds));
    table.number(blob.remaining_retention_days.map(u64::from));
    table.number(Some(u64::from(blob.tag_count)).filter(|count| *count > 0));
    table.flag(blob.sealed);
    table.moment(blob.last_access_time.map(lazuli_base::Timestamp::unix_seconds));
    let until = blob.immutability.map(|(until, _)| until.unix_seconds());
    table.moment(until);
    table.text(blob.immutability.map(|(_, mode)| mode));
    table.flag(blob.legal_hold);
}

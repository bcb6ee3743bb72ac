//! The headers by which reads tell a blob's properties.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_auth::{Granted, Permission};
use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::content::DEFAULT_CONTENT_TYPE;
use lazuli_model::tier::AccessTier;
use lazuli_store::pages::{PageRole, Paged};
use lazuli_store::rows::BlobRow;
use lazuli_wire::date;

use crate::reply::Reply;

impl Reply {
    /// What Get Blob and Get Blob Properties have in common. The lease is told of the blob itself,
    /// not of a snapshot.
    #[must_use]
    pub fn blob(self, row: &BlobRow, now: Timestamp, granted: &Granted, snapshot: bool) -> Self {
        let reply = self
            .entity(row.etag, row.modified)
            .date("x-ms-creation-time", row.created)
            .metadata(&row.metadata)
            .fixed("x-ms-blob-type", row.blob_type.name())
            .fixed("x-ms-server-encrypted", "true")
            .fixed("accept-ranges", "bytes");
        let tags = Some(row.tags.len()).filter(|count| *count > 0 && granted.may(Permission::Tags));
        let appended = row.appended();
        let reply = reply
            .optional("x-ms-tag-count", tags)
            .content(row, granted)
            .copy(row)
            .optional("x-ms-blob-committed-block-count", appended.map(|blob| blob.blocks))
            .optional("x-ms-blob-sealed", appended.and_then(|blob| blob.sealed.then_some("true")))
            .paged(row);
        if snapshot {
            return reply;
        }
        let reply = reply
            .fixed("x-ms-lease-status", row.lease.status(now))
            .fixed("x-ms-lease-state", row.lease.state(now));
        reply.optional("x-ms-lease-duration", row.lease.duration(now))
    }

    /// What only page blobs have.
    fn paged(self, row: &BlobRow) -> Self {
        let Some(paged) = Paged::of(row).filter(|_| row.blob_type == BlobType::Page) else {
            return self;
        };
        let reply = self.header("x-ms-blob-sequence-number", paged.sequence);
        match &paged.role {
            PageRole::Plain => reply,
            PageRole::Snapshot => reply.fixed("x-ms-incremental-copy", "true"),
            PageRole::Destination(copy) => reply
                .fixed("x-ms-incremental-copy", "true")
                .header("x-ms-copy-destination-snapshot", date::iso7(copy.made)),
        }
    }

    /// Content properties, but for those a service SAS overrides.
    fn content(self, row: &BlobRow, granted: &Granted) -> Self {
        let overrides = granted.overrides();
        let pick = |by_token: &Option<String>, stored: &Option<String>| {
            by_token.clone().or_else(|| stored.clone())
        };
        let content = &row.content;
        let content_type = pick(&overrides.content_type, &content.content_type);
        self.header("content-type", content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE))
            .optional("content-encoding", pick(&overrides.content_encoding, &content.encoding))
            .optional("content-language", pick(&overrides.content_language, &content.language))
            .optional(
                "content-disposition",
                pick(&overrides.content_disposition, &content.disposition),
            )
            .optional("cache-control", pick(&overrides.cache_control, &content.cache_control))
    }

    fn copy(self, row: &BlobRow) -> Self {
        let Some(copy) = &row.copy else { return self };
        self.header("x-ms-copy-id", &copy.id)
            .header("x-ms-copy-source", &copy.source)
            .fixed("x-ms-copy-status", copy.status.name())
            .header("x-ms-copy-progress", copy.progress())
            .optional("x-ms-copy-completion-time", copy.completed.map(date::rfc1123))
            .optional("x-ms-copy-status-description", copy.description.as_ref())
    }

    /// Tier properties, of a blob that has a tier.
    #[must_use]
    pub fn tier(self, row: &BlobRow) -> Self {
        if !AccessTier::applies_to(row.blob_type) {
            return self;
        }
        let reply = self.fixed("x-ms-access-tier", row.tier.unwrap_or(AccessTier::DEFAULT).name());
        match row.tier {
            None => reply.fixed("x-ms-access-tier-inferred", "true"),
            Some(_) => {
                reply.optional("x-ms-access-tier-change-time", row.tier_changed.map(date::rfc1123))
            }
        }
    }
}

/// A stored MD5 as headers tell it.
pub fn md5_text(md5: &[u8; 16]) -> String {
    STANDARD.encode(md5)
}

/// The tier a rehydrating blob is on its way to, as `x-ms-archive-status` tells it.
pub fn archive_status(row: &BlobRow) -> Option<String> {
    row.rehydrating
        .map(|(tier, _)| format!("rehydrate-pending-to-{}", tier.name().to_ascii_lowercase()))
}

//! Headers that many operations read, as typed values.

use lazuli_model::conditions::{Conditions, ETagMatch};
use lazuli_model::content::ContentHeaders;
use lazuli_model::lease::LeaseId;
use lazuli_model::metadata::Metadata;
use lazuli_model::tag_expression::TagExpression;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::{AccessTier, RehydratePriority};
use lazuli_model::{ApiVersion, Refusal};
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::tier::Retiering;
use lazuli_wire::headers;

use crate::call::Call;
use crate::spelling::METADATA_PREFIX;

/// Since this version reads take several conditions.
const SEVERAL_CONDITIONS: ApiVersion = ApiVersion::new(2013, 8, 15);

/// What a request asks to hold: its conditions and the lease it names.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The conditional headers.
    pub conditions: Conditions,
    /// `x-ms-lease-id`.
    pub lease: Option<LeaseId>,
}

impl Asked {
    /// The terms for the store, with what the caller was granted.
    pub fn terms(&self, call: &Call<'_>) -> Terms<'_> {
        Terms {
            conditions: &self.conditions,
            lease: self.lease.as_ref(),
            may_overwrite: call.granted.may_overwrite(),
        }
    }
}

/// The names of a set of conditional headers.
struct ConditionNames {
    matches: &'static str,
    differs: &'static str,
    modified_since: &'static str,
    unmodified_since: &'static str,
    tags: &'static str,
}

const PLAIN: ConditionNames = ConditionNames {
    matches: "if-match",
    differs: "if-none-match",
    modified_since: "if-modified-since",
    unmodified_since: "if-unmodified-since",
    tags: "x-ms-if-tags",
};

const SOURCE: ConditionNames = ConditionNames {
    matches: "x-ms-source-if-match",
    differs: "x-ms-source-if-none-match",
    modified_since: "x-ms-source-if-modified-since",
    unmodified_since: "x-ms-source-if-unmodified-since",
    tags: "x-ms-source-if-tags",
};

/// The tag operations have names of their own since 2026-02-06.
const BLOB: ConditionNames = ConditionNames {
    matches: "x-ms-blob-if-match",
    differs: "x-ms-blob-if-none-match",
    modified_since: "x-ms-blob-if-modified-since",
    unmodified_since: "x-ms-blob-if-unmodified-since",
    tags: "x-ms-if-tags",
};

impl Call<'_> {
    /// Conditions and lease of an operation that takes both.
    pub fn asked(&self) -> Result<Asked, Refusal> {
        Ok(Asked { conditions: self.conditions(&PLAIN)?, lease: self.lease_id()? })
    }

    /// Conditions and lease of the tag operations.
    pub fn asked_of_tags(&self) -> Result<Asked, Refusal> {
        Ok(Asked { conditions: self.conditions(&BLOB)?, lease: self.lease_id()? })
    }

    /// The conditions on a copy source, and the lease on it.
    pub fn asked_of_source(&self) -> Result<Asked, Refusal> {
        let lease = self
            .declared("x-ms-source-lease-id")?
            .map(|id| LeaseId::parse("x-ms-source-lease-id", id))
            .transpose()?;
        Ok(Asked { conditions: self.conditions(&SOURCE)?, lease })
    }

    /// The lease the caller names.
    pub fn lease_id(&self) -> Result<Option<LeaseId>, Refusal> {
        self.declared("x-ms-lease-id")?.map(|id| LeaseId::parse("x-ms-lease-id", id)).transpose()
    }

    fn conditions(&self, names: &ConditionNames) -> Result<Conditions, Refusal> {
        let date = |name: &'static str| {
            if self.spec.reads_header(name) {
                headers::date(self.head.headers, name)
            } else {
                Ok(None)
            }
        };
        let conditions = Conditions {
            if_match: self.declared(names.matches)?.map(ETagMatch::parse),
            if_none_match: self.declared(names.differs)?.map(ETagMatch::parse),
            if_modified_since: date(names.modified_since)?,
            if_unmodified_since: date(names.unmodified_since)?,
            if_tags: self
                .declared(names.tags)?
                .map(|text| TagExpression::parse(names.tags, text))
                .transpose()?,
            if_tier_modified_since: date("x-ms-access-tier-if-modified-since")?,
            if_tier_unmodified_since: date("x-ms-access-tier-if-unmodified-since")?,
        };
        let old_read = self.spec.is_read() && self.version() < SEVERAL_CONDITIONS;
        if old_read { conditions.of_old_read() } else { Ok(conditions) }
    }

    /// A header's text, if the operation declares the header.
    fn declared(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        if self.spec.reads_header(name) { self.header(name) } else { Ok(None) }
    }

    /// The full name of the addressed blob.
    pub fn path<'n>(&'n self, container: &'n str, blob: &'n str) -> BlobPath<'n> {
        BlobPath { account: self.account(), container, blob }
    }

    /// The metadata in `x-ms-meta-*` headers, names as the client wrote them.
    pub fn metadata(&self) -> Result<Metadata, Refusal> {
        let mut pairs = Vec::new();
        for name in self.head.headers.keys() {
            if let Some(key) = name.as_str().strip_prefix(METADATA_PREFIX) {
                let value = headers::text(self.head.headers, name.as_str())?.unwrap_or_default();
                pairs.push((self.head.spelling.of(key), value));
            }
        }
        Metadata::new(pairs)
    }

    /// The content properties in `x-ms-blob-*` headers; where `standard` is set, the standard
    /// header of the same meaning stands in for a missing one.
    pub fn content(&self, standard: bool) -> Result<ContentHeaders, Refusal> {
        let either = |name: &'static str, plain: &'static str| {
            let given = self.header(name)?;
            let fallback = if standard && given.is_none() { self.header(plain)? } else { None };
            Ok::<_, Refusal>(given.or(fallback).map(str::to_owned))
        };
        Ok(ContentHeaders {
            content_type: either("x-ms-blob-content-type", "content-type")?,
            encoding: either("x-ms-blob-content-encoding", "content-encoding")?,
            language: either("x-ms-blob-content-language", "content-language")?,
            disposition: self.header("x-ms-blob-content-disposition")?.map(str::to_owned),
            cache_control: either("x-ms-blob-cache-control", "cache-control")?,
            md5: headers::md5(self.head.headers, "x-ms-blob-content-md5")?,
        })
    }

    /// The tags in `x-ms-tags`; setting any takes the permission to.
    pub fn tags(&self) -> Result<TagSet, Refusal> {
        let Some(text) = self.header("x-ms-tags")? else { return Ok(TagSet::default()) };
        self.granted.require(lazuli_auth::Permission::Tags)?;
        TagSet::from_header(text)
    }

    /// A tier with the urgency in `x-ms-rehydrate-priority`, which tells how long an archived blob
    /// is on its way back.
    pub fn retiering(&self, tier: AccessTier) -> Result<Retiering, Refusal> {
        let priority = self.header("x-ms-rehydrate-priority")?;
        let priority = priority.map(RehydratePriority::parse).transpose()?.unwrap_or_default();
        Ok(Retiering { tier, priority, wait: self.api.rehydration.of(priority) })
    }

    /// The tier in `x-ms-access-tier`.
    pub fn tier(&self) -> Result<Option<AccessTier>, Refusal> {
        let tier = self.header("x-ms-access-tier")?;
        tier.map(|text| AccessTier::parse(text, self.version())).transpose()
    }
}

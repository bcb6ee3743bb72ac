//! Access tiers.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tier>

use serde::{Deserialize, Serialize};

use crate::blob_type::BlobType;
use crate::{ApiVersion, ErrorCode, Refusal};

/// An access tier of a block blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessTier {
    /// Read often.
    Hot,
    /// Read now and then.
    Cool,
    /// Read seldom.
    Cold,
    /// Read after rehydration only.
    Archive,
    /// Moved between tiers by the service.
    Smart,
}

impl AccessTier {
    /// The tier a blob has when none was set: the default of the account.
    pub const DEFAULT: Self = Self::Hot;

    /// The tier as `x-ms-access-tier` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hot => "Hot",
            Self::Cool => "Cool",
            Self::Cold => "Cold",
            Self::Archive => "Archive",
            Self::Smart => "Smart",
        }
    }

    /// The tier that `text` names for a block blob at `version`.
    ///
    /// `InvalidHeaderValue` for no tier or one newer than the version;
    /// `AccessTierNotSupportedForBlobType` for a page blob's.
    pub fn parse(text: &str, version: ApiVersion) -> Result<Self, Refusal> {
        const PAGE_TIERS: [&str; 11] =
            ["P4", "P6", "P10", "P15", "P20", "P30", "P40", "P50", "P60", "P70", "P80"];
        let since = |tier: Self| match tier {
            Self::Hot | Self::Cool | Self::Archive => ApiVersion::new(2017, 4, 17),
            Self::Cold => ApiVersion::new(2021, 12, 2),
            Self::Smart => ApiVersion::new(2026, 6, 6),
        };
        let all = [Self::Hot, Self::Cool, Self::Cold, Self::Archive, Self::Smart];
        let named = all.into_iter().find(|tier| tier.name().eq_ignore_ascii_case(text));
        if let Some(tier) = named.filter(|tier| version >= since(*tier)) {
            return Ok(tier);
        }
        if PAGE_TIERS.contains(&text) {
            return Err(ErrorCode::AccessTierNotSupportedForBlobType.into());
        }
        Err(Refusal::header_value("x-ms-access-tier", text))
    }

    /// Whether blobs of this kind have tiers that can be set.
    pub fn applies_to(blob_type: BlobType) -> bool {
        blob_type == BlobType::Block
    }
}

/// How urgently an archived blob is wanted back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RehydratePriority {
    /// Within hours.
    #[default]
    Standard,
    /// Within an hour.
    High,
}

impl RehydratePriority {
    /// The priority as `x-ms-rehydrate-priority` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::High => "High",
        }
    }

    /// The priority the header names. `InvalidHeaderValue` for anything else.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        [Self::Standard, Self::High]
            .into_iter()
            .find(|priority| priority.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| Refusal::header_value("x-ms-rehydrate-priority", text))
    }
}

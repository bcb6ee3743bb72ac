//! Who may read a container without authorisation, and its stored access policies.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-container-acl>

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// What everybody may read (`x-ms-blob-public-access`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicAccess {
    /// Nothing.
    #[default]
    None,
    /// Blobs.
    Blob,
    /// Blobs, and the list of them.
    Container,
}

impl PublicAccess {
    /// The access as the header names it; `None` for no header.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Blob => Some("blob"),
            Self::Container => Some("container"),
        }
    }

    /// The access the header names; no header is private. `InvalidHeaderValue` for anything else.
    pub fn parse(header: Option<&str>) -> Result<Self, Refusal> {
        match header {
            None => Ok(Self::None),
            Some("blob") => Ok(Self::Blob),
            // Versions before 2009-09-19 said `true` for what is `container` since.
            Some("container" | "true") => Ok(Self::Container),
            Some(other) => Err(Refusal::header_value("x-ms-blob-public-access", other)),
        }
    }
}

/// A stored access policy as it was written: fields that were not are left to the token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPolicy {
    /// From when it is valid, an ISO 8601 text.
    pub start: Option<String>,
    /// Until when it is valid, an ISO 8601 text.
    pub expiry: Option<String>,
    /// Permission letters.
    pub permission: Option<String>,
}

/// A stored access policy with its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIdentifier {
    /// The name tokens refer to it by (`si`).
    pub id: String,
    /// The policy.
    pub policy: AccessPolicy,
}

//! What a shared access signature says, once its signature has been verified.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature>

use std::net::IpAddr;

use lazuli_base::Timestamp;
use lazuli_model::entity::KeySpan;
use lazuli_model::{ApiVersion, Service};

use crate::action::Actions;
use crate::guid::Guid;
use crate::permission::SasPermissions;

/// A verified shared access signature: what the token says by itself.
///
/// A stored access policy may still supply what is missing; see [`SasGrant::with_policy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SasGrant {
    /// The place of the account key that signed it: 0 for key1, 1 for key2.
    pub key_index: usize,
    /// The token's version (`sv`), which decides its layout and the codes of its refusals.
    pub version: ApiVersion,
    /// Account SAS or service SAS, with its reach.
    pub kind: SasKind,
    /// `sp`; always present in an account SAS.
    pub permissions: Option<SasPermissions>,
    /// `st`: not valid before.
    pub start: Option<Timestamp>,
    /// `se`: not valid at or after; always present in an account SAS.
    pub expiry: Option<Timestamp>,
    /// `si`: the stored access policy the token refers to; service SAS only.
    pub policy_id: Option<String>,
    /// `sip`: the addresses the token may be used from.
    pub addresses: Option<AddressRange>,
    /// `spr`: the protocols the token may be used over.
    pub protocols: Protocols,
    /// `rscc`, `rscd`, `rsce`, `rscl`, `rsct`; empty in an account SAS.
    pub overrides: ResponseOverrides,
    /// `ses`: the encryption scope of writes (`sv` 2020-12-06 and newer).
    pub encryption_scope: Option<String>,
    /// Whose key signed it, if it is a user delegation SAS.
    pub delegation: Option<Delegation>,
}

/// The identity behind a user delegation SAS, beyond whose roles the token does not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// `skoid`: the object id.
    pub object_id: Guid,
    /// What its roles permit on the resource of the token, now.
    pub here: Actions,
}

/// What a shared access signature reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SasKind {
    /// Anything of the account within these services and resource types.
    Account {
        /// `ss`.
        services: Services,
        /// `srt`.
        resource_types: ResourceTypes,
    },
    /// One resource and what is below it.
    Service(SasResource),
}

/// The resource a service SAS was signed for. Names are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SasResource {
    /// `sr=c`: a container and every blob in it.
    Container {
        /// Name of the container.
        container: String,
    },
    /// `sr=b`: one blob.
    Blob {
        /// Name of the container.
        container: String,
        /// Name of the blob.
        blob: String,
    },
    /// `sr=bs`: one snapshot of a blob.
    Snapshot {
        /// Name of the container.
        container: String,
        /// Name of the blob.
        blob: String,
        /// The snapshot's identifier, as in the request.
        snapshot: String,
    },
    /// `sr=bv`: one version of a blob.
    Version {
        /// Name of the container.
        container: String,
        /// Name of the blob.
        blob: String,
        /// The version's identifier, as in the request.
        version_id: String,
    },
    /// A queue and the messages in it.
    Queue {
        /// Name of the queue.
        queue: String,
    },
    /// `tn`: a table, or the part of it between two keys.
    Table {
        /// Name of the table, in lower case.
        table: String,
        /// `spk`, `srk`, `epk` and `erk`: the entities the token reaches.
        span: KeySpan,
    },
    /// `sr=d`: a directory and everything below it.
    Directory {
        /// Name of the container.
        container: String,
        /// Path of the directory without a trailing slash; empty for the root.
        path: String,
    },
}

/// A set of storage services (`ss`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Services(u8);

impl Services {
    /// Parses letters of `bqtf` in any order; `None` for another letter or no letter.
    pub fn parse(letters: &str) -> Option<Self> {
        parse_letters(letters, b"bqtf").map(Self)
    }

    /// Whether the service is in the set; Data Lake Storage counts as Blob.
    pub const fn contains(self, service: Service) -> bool {
        let bit = match service {
            Service::Blob | Service::Dfs => 1,
            Service::Queue => 2,
            Service::Table => 4,
        };
        self.0 & bit != 0
    }
}

/// A set of resource types (`srt`): the levels of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceTypes(u8);

impl ResourceTypes {
    /// `s`: operations on the service, such as List Containers.
    pub const SERVICE: Self = Self(1);
    /// `c`: operations on containers, such as List Blobs.
    pub const CONTAINER: Self = Self(2);
    /// `o`: operations on blobs, messages and entities.
    pub const OBJECT: Self = Self(4);
    /// Any of the three.
    pub const ANY: Self = Self(7);

    /// Parses letters of `sco` in any order; `None` for another letter or no letter.
    pub fn parse(letters: &str) -> Option<Self> {
        parse_letters(letters, b"sco").map(Self)
    }

    /// Whether the two sets share a type.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

fn parse_letters(letters: &str, alphabet: &[u8]) -> Option<u8> {
    let bits = letters.bytes().try_fold(0_u8, |bits, letter| {
        alphabet.iter().position(|known| *known == letter).map(|place| bits | 1 << place)
    })?;
    (bits != 0).then_some(bits)
}

/// The protocols a token may be used over (`spr`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// `https,http`, or no `spr`.
    #[default]
    HttpsAndHttp,
    /// `https`.
    HttpsOnly,
}

impl Protocols {
    /// Parses `spr`; `None` for anything undocumented, for instance `http` alone.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "https" => Some(Self::HttpsOnly),
            "https,http" | "http,https" => Some(Self::HttpsAndHttp),
            _ => None,
        }
    }
}

/// An inclusive range of addresses (`sip`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// Parses `a` or `a-b`; `None` if either is no address or their families differ.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
        (first.is_ipv4() == last.is_ipv4()).then_some(Self { first, last })
    }

    /// Whether the address is in the range; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// Response headers a service SAS replaces on Get Blob and Get Blob Properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseOverrides {
    /// `rscc`: Cache-Control.
    pub cache_control: Option<String>,
    /// `rscd`: Content-Disposition.
    pub content_disposition: Option<String>,
    /// `rsce`: Content-Encoding.
    pub content_encoding: Option<String>,
    /// `rscl`: Content-Language.
    pub content_language: Option<String>,
    /// `rsct`: Content-Type.
    pub content_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_ranges_are_inclusive_and_know_mapped_addresses() {
        let range = AddressRange::parse("10.0.0.1-10.0.0.9").unwrap();
        for (address, inside) in [
            ("10.0.0.0", false),
            ("10.0.0.1", true),
            ("10.0.0.9", true),
            ("10.0.0.10", false),
            ("::ffff:10.0.0.5", true),
            ("::1", false),
        ] {
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(AddressRange::parse("10.0.0.1").unwrap().contains([10, 0, 0, 1].into()));
        for bad in ["", "-", "10.0.0", "10.0.0.1-", "10.0.0.1-::1", "1.1.1.1-1.1.1.2-1.1.1.3"] {
            assert_eq!(AddressRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn sets_of_letters() {
        assert!(Services::parse("qb").unwrap().contains(Service::Dfs));
        assert!(!Services::parse("qtf").unwrap().contains(Service::Blob));
        assert_eq!(ResourceTypes::parse("ocs"), Some(ResourceTypes::ANY));
        assert!(!ResourceTypes::CONTAINER.intersects(ResourceTypes::OBJECT));
        for bad in ["", "z", "b ", "B"] {
            assert_eq!(Services::parse(bad), None, "{bad}");
            assert_eq!(ResourceTypes::parse(bad), None, "{bad}");
        }
        assert_eq!(Protocols::parse("http"), None);
    }
}

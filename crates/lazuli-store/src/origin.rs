//! What a request tells the journal of itself before its operation is known to succeed: who asks,
//! from where and with what. It is written once, when the request is admitted, in the form that
//! entries take it in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use lazuli_engine::{Proof, Receipt};
use lazuli_evidence::cbor::Writer;
use lazuli_evidence::{Draft, Group};
use lazuli_model::ApiVersion;
use lazuli_model::tier::AccessTier;

use crate::journal::{name, optional, shown};

/// The longest id of a client's that stands in an entry as it is, in bytes.
const CLIENT_ID_BYTES_MAX: usize = 128;

/// What is known of a request once it is admitted.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// How the caller was authenticated, for instance `account-sas`.
    pub scheme: &'static str,
    /// The place of the account key that signed, from 0; `None` if nobody did.
    pub key: Option<usize>,
    /// The object id of the identity that acts, if it is one.
    pub identity: Option<&'a str>,
    /// The stored access policy that the token names.
    pub policy: Option<&'a str>,
    /// The address it came from. Only its network is told.
    pub remote: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The length of its body as announced.
    pub content_length: Option<u64>,
    /// The names of its conditional headers.
    pub conditions: &'a [&'a str],
    /// The tier it asks for.
    pub tier: Option<AccessTier>,
    /// The version that decides behaviour.
    pub version: ApiVersion,
    /// The family and major version of the client's library.
    pub client: Option<(&'a str, u16)>,
    /// The request's id.
    pub request_id: &'a str,
    /// What the client calls the request.
    pub client_request_id: Option<&'a str>,
    /// The status of success.
    pub status: u16,
}

/// A checksum of the body that a request brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// MD5.
    Md5([u8; 16]),
    /// CRC-64/NVME.
    Crc64(u64),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// A request, as the journal is told of it.
pub struct Origin {
    /// The values of [`GROUPS`] behind each other.
    values: Vec<u8>,
    /// Where each ends.
    ends: [usize; GROUPS.len()],
    status: u16,
    content: OnceLock<Checksum>,
    /// The draft of the entry of the blob that the request copies from.
    source: OnceLock<Bytes>,
    /// What proves the last commit of the request, and which of its entries is the request's own.
    proof: Mutex<Option<(Arc<dyn Proof>, usize)>>,
}

/// The groups that a request fills.
const GROUPS: [Group; 6] = [
    Group::Principal,
    Group::Auth,
    Group::Source,
    Group::Client,
    Group::Correlation,
    // Without its last item.
    Group::Request,
];

impl Origin {
    /// What `facts` tell.
    pub fn new(facts: &Facts<'_>) -> Self {
        let mut out = Vec::with_capacity(256);
        let mut ends = [0; GROUPS.len()];
        for (group, end) in GROUPS.into_iter().zip(&mut ends) {
            facts.write(group, &mut out);
            *end = out.len();
        }
        let (content, source) = (OnceLock::new(), OnceLock::new());
        let proof = Mutex::default();
        Self { values: out, ends, status: facts.status, content, source, proof }
    }

    /// Tells the checksum of the body that the request brought. The first one told stays.
    pub fn brought(&self, content: Checksum) {
        let _ = self.content.set(content);
    }

    /// Has the change that the request makes be entered together with another entry: that of the
    /// read of what it copies from, which may be in another account.
    pub fn copies_from(&self, draft: Bytes) {
        let _ = self.source.set(draft);
    }

    pub(crate) fn source(&self) -> Option<&Bytes> {
        self.source.get()
    }

    /// The receipt of the request's last change; `None` if nobody proves that it was entered in
    /// the journal. It is made here, for who sends it.
    pub fn receipt(&self) -> Option<Receipt> {
        let proof = self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone();
        proof.and_then(|(proof, entry)| proof.receipt(entry))
    }

    /// Keeps what proves the entries of a commit, of which the one at `entry` is the request's.
    pub(crate) fn proved(&self, proof: Arc<dyn Proof>, entry: usize) {
        *self.proof.lock().unwrap_or_else(PoisonError::into_inner) = Some((proof, entry));
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The checksum of the body that the request brought, if it was told.
    pub(crate) fn content(&self) -> Option<&Checksum> {
        self.content.get()
    }

    /// The value of the request group, without its last item.
    pub(crate) fn request(&self) -> &[u8] {
        self.value(GROUPS.len() - 1)
    }

    /// A draft with all that is complete here.
    pub(crate) fn tell<'a>(&'a self, mut draft: Draft<'a>) -> Draft<'a> {
        for (place, group) in GROUPS.into_iter().enumerate().take(GROUPS.len() - 1) {
            let value = self.value(place);
            if !value.is_empty() {
                draft.values[group.place()] = value;
            }
        }
        draft
    }

    fn value(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[place]]
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Facts<'_> {
    /// Writes the value of a group; nothing if there is nothing to say.
    fn write(&self, group: Group, out: &mut Vec<u8>) {
        match group {
            Group::Principal => match (self.identity, self.key) {
                (Some(identity), _) => _ = Writer::new(out).text(identity),
                (None, Some(key)) => shown(out, format_args!("key{}", key + 1)),
                (None, None) => _ = Writer::new(out).text("anonymous"),
            },
            Group::Auth => {
                Writer::new(out).array(3).text(self.scheme);
                optional(out, self.key.map(|key| key as u64 + 1));
                text(out, self.policy);
            }
            Group::Source => {
                Writer::new(out).array(2);
                shown(out, Network::of(self.remote));
                Writer::new(out).text(if self.secure { "tls" } else { "plain" });
            }
            Group::Client => {
                if let Some((family, major)) = self.client {
                    Writer::new(out).array(2).text(family).uint(u64::from(major));
                }
            }
            Group::Correlation => {
                Writer::new(out).array(2).text(self.request_id);
                text(out, self.client_request_id);
            }
            Group::Request => {
                Writer::new(out).array(5);
                optional(out, self.content_length);
                let mut writer = Writer::new(out);
                writer.array(self.conditions.len());
                for condition in self.conditions {
                    writer.text(condition);
                }
                text(out, self.tier.map(AccessTier::name));
                shown(out, self.version);
            }
            _ => {}
        }
    }
}

fn text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => name(out, text, CLIENT_ID_BYTES_MAX),
        None => _ = Writer::new(out).null(),
    }
}

/// The network an address is in: the first 24 bits of an IPv4 address, 48 of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}/24"),
            IpAddr::V6(address) => write!(f, "{address}/48"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_truncated_address() {
        for (address, network) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()).to_string(), network);
        }
    }

    #[test]
    fn a_request_fills_its_groups() {
        let origin = Origin::new(&Facts {
            scheme: "service-sas",
            key: Some(1),
            identity: None,
            policy: Some("p"),
            remote: IpAddr::from([10, 1, 2, 3]),
            secure: true,
            content_length: Some(4),
            conditions: &["if-match"],
            tier: Some(AccessTier::Cool),
            version: ApiVersion::new(2025, 11, 5),
            client: Some(("azsdk-net", 12)),
            request_id: "r",
            client_request_id: Some(&"c".repeat(129)),
            status: 201,
        });
        let draft = origin.tell(Draft::new(lazuli_evidence::Kind::Write, "PutBlob", "a", 0));
        let value = |group: Group| draft.values[group.place()];
        assert_eq!(value(Group::Principal), b"\x64key2");
        assert_eq!(value(Group::Auth), b"\x83\x6bservice-sas\x02\x61p");
        assert_eq!(value(Group::Source), b"\x82\x6b10.1.2.0/24\x63tls");
        assert_eq!(value(Group::Client), b"\x82\x69azsdk-net\x0c");
        assert_eq!(value(Group::Correlation)[..5], *b"\x82\x61r\x58\x20");
        let request = b"\x85\x04\x81\x68if-match\x64Cool\x6a2025-11-05";
        assert_eq!(origin.request(), request);
    }
}

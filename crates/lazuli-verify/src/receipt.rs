//! Receipts and openings, as the headers `x-lz-receipt` and `x-lz-opening` carry them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazuli_tlog::Hash;
use lazuli_tlog::key::{Algorithm, KeyId, VerifierKey};
use lazuli_tlog::policy::Policy;

use crate::cbor::{CborError, Flaw, Reader};
use crate::entry::{self, Entry, GROUPS};

/// The most hashes of a path: as many as in the largest tree.
pub(crate) const PATH_MAX: usize = 63;

/// The most characters of a header.
const HEADER_MAX: usize = 64 * 1024;

/// What the name of a key for receipts ends with.
const KEY_SUFFIX: &str = "/receipts";

/// Why the value of a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// It is not base64url without padding, or too long.
    Base64,
    /// The bytes are not what belongs there.
    Cbor(CborError),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base64 => f.write_str("not base64url without padding"),
            Self::Cbor(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HeaderError {}

impl From<CborError> for HeaderError {
    fn from(error: CborError) -> Self {
        Self::Cbor(error)
    }
}

/// The bytes in the value of a header.
pub fn header_bytes(value: &str) -> Result<Vec<u8>, HeaderError> {
    if value.len() > HEADER_MAX {
        return Err(HeaderError::Base64);
    }
    URL_SAFE_NO_PAD.decode(value).map_err(|_| HeaderError::Base64)
}

/// A receipt, whose signature is not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The site.
    pub site: u64,
    /// The segment.
    pub seg: u64,
    /// The entry's place in the segment.
    pub index: u64,
    /// How many entries the segment had when its root was signed.
    pub size: u64,
    /// When it was signed, in milliseconds since 1970.
    pub t_ms: u64,
    /// The hashes from the entry to the signed root.
    pub path: Vec<Hash>,
    /// The id of the key.
    pub key_id: KeyId,
    /// The signature.
    pub signature: [u8; 64],
}

impl Receipt {
    /// Reads bytes that are exactly one receipt.
    pub fn parse(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        reader.array(9)?;
        reader.version(1)?;
        let receipt = Self {
            site: reader.uint()?,
            seg: reader.uint()?,
            index: reader.uint()?,
            size: reader.uint()?,
            t_ms: reader.uint()?,
            path: reader.hashes(PATH_MAX)?,
            key_id: KeyId(reader.bytes_of()?),
            signature: reader.bytes_of()?,
        };
        reader.end()?;
        Ok(receipt)
    }

    /// The key of the policy that the receipt names: one for plain Ed25519 signatures whose name
    /// is that of a log with `/receipts` behind it.
    pub fn key<'a>(&self, policy: &'a Policy) -> Option<&'a VerifierKey> {
        receipt_keys(policy).find(|key| key.id() == self.key_id)
    }

    /// Verifies that the key promised an entry of this segment under the root that the receipt
    /// leads to from `leaf`; gives the root.
    pub fn verify(&self, key: &VerifierKey, leaf: Hash) -> Result<Hash, ReceiptError> {
        let root = lazuli_tlog::inclusion_root(&self.path, leaf, self.index, self.size)
            .map_err(ReceiptError::Path)?;
        let text = self.signed_text(key, &root);
        key.verify(&text, &self.signature).map_err(|_| ReceiptError::Signature)?;
        Ok(root)
    }

    /// The text that the signature is over.
    pub fn signed_text(&self, key: &VerifierKey, root: &Hash) -> String {
        let name = key.name().as_str();
        let origin = name.strip_suffix(KEY_SUFFIX).unwrap_or(name);
        format!("{origin}/seg/{}\n{}\n{root}\nt={}\n", self.seg, self.size, self.t_ms)
    }
}

/// The keys of a policy that sign receipts.
pub(crate) fn receipt_keys(policy: &Policy) -> impl Iterator<Item = &VerifierKey> {
    policy.logs().iter().filter(|key| {
        key.algorithm() == Algorithm::Ed25519 && key.name().as_str().ends_with(KEY_SUFFIX)
    })
}

/// Why a receipt promises nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptError {
    /// Its path does not fit its numbers.
    Path(lazuli_tlog::Mismatch),
    /// The key did not sign the root that it leads to.
    Signature,
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => error.fmt(f),
            Self::Signature => f.write_str("the signature is not over the root of this entry"),
        }
    }
}

impl std::error::Error for ReceiptError {}

/// An opening: the entry with its salts and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The entry that the values lead to.
    pub entry: Entry<'a>,
    /// The values of the groups, each one item of CBOR; `None` where the opening has the
    /// commitment only.
    pub values: [Option<&'a [u8]>; GROUPS],
}

impl<'a> Opening<'a> {
    /// Reads bytes that are exactly one opening, and makes the entry from it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        let wrong_length = reader.error(Flaw::OutOfRange);
        let is_whole = match reader.array_up_to(12)? {
            11 => true,
            12 => false,
            _ => return Err(wrong_length),
        };
        reader.version(if is_whole { 1 } else { 2 })?;
        let (kind, op) = (entry::kind(&mut reader)?, entry::op(&mut reader)?);
        let (site, boot, t_ms) = (reader.uint()?, reader.uint32()?, reader.uint()?);
        let (label, seq) = (reader.hash()?, entry::sequence(&mut reader)?);
        let prev = reader.hash()?;
        let wrong_salts = reader.error(Flaw::OutOfRange);
        let (salts, rest) = reader.bytes()?.as_chunks::<16>();
        let sealed = if is_whole { Vec::new() } else { reader.hashes(GROUPS)? };
        // With nothing sealed there is one layout only.
        let is_other_layout = !is_whole && sealed.is_empty();
        if salts.len() + sealed.len() != GROUPS || !rest.is_empty() || is_other_layout {
            return Err(wrong_salts);
        }
        let (mut salts, mut sealed) = (salts.iter(), sealed.into_iter());
        reader.array(GROUPS as u64)?;
        let mut values = [None; GROUPS];
        let mut commitments = [Hash([0; 32]); GROUPS];
        for (number, (value, commitment)) in (1_u8..).zip(values.iter_mut().zip(&mut commitments)) {
            let wrong = reader.error(Flaw::OutOfRange);
            if reader.null() {
                *commitment = sealed.next().ok_or(wrong)?;
                continue;
            }
            let salt = salts.next().ok_or(wrong)?;
            let read = reader.bytes()?;
            crate::cbor::show(read).map_err(|error| CborError { flaw: error.flaw, ..wrong })?;
            *commitment = entry::commitment(number, &label, seq, salt, read);
            *value = Some(read);
        }
        reader.end()?;
        let fields_root = entry::fields_root(&commitments);
        let entry = Entry { kind, op, site, boot, t_ms, label, seq, prev, fields_root };
        Ok(Self { entry, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_evidence as evidence;

    #[test]
    fn receipts_of_the_server_are_read_alike() {
        let written = evidence::Receipt {
            site: 1,
            seg: 70_000,
            index: 2,
            size: 9,
            t_ms: 1_760_000_000_123,
            path: vec![[5; 32]; 4],
            key_id: [1, 2, 3, 4],
            signature: [6; 64],
        };
        let bytes = header_bytes(&written.to_header()).unwrap();
        let read = Receipt::parse(&bytes).unwrap();
        assert_eq!((read.seg, read.index, read.size), (70_000, 2, 9));
        assert_eq!((read.path.len(), read.key_id), (4, KeyId([1, 2, 3, 4])));
        let key = VerifierKey::new(
            "log.example/receipts".parse().unwrap(),
            Algorithm::Ed25519,
            &[
                0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64,
                0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68,
                0xf7, 0x07, 0x51, 0x1a,
            ],
        );
        let key = key.unwrap();
        let text = evidence::receipt_text("log.example", 70_000, 9, &[7; 32], written.t_ms);
        assert_eq!(read.signed_text(&key, &Hash([7; 32])), text);
        let public = key.public_key().try_into().unwrap();
        assert_eq!(key.id().0, evidence::receipt_key_id("log.example", &public));
        assert!(Receipt::parse(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(header_bytes("a=="), Err(HeaderError::Base64));
    }

    /// Groups with nothing in them but an object.
    fn sealed_object(object: &[u8]) -> [evidence::Opened<'_>; GROUPS] {
        std::array::from_fn(|place| {
            let value = if place == 3 { object } else { evidence::ABSENT };
            evidence::Opened::Value { salt: [place as u8; 16], value }
        })
    }

    #[test]
    fn openings_of_the_server_lead_to_its_entries() {
        let mut values = [evidence::ABSENT; GROUPS];
        values[3] = b"\x66object";
        let place = evidence::Place { label: [3; 32], boot: 2, seq: 9 };
        let mut sealed = evidence::Sealed::new();
        sealed.seal(&evidence::DayKeys::derive(&[1; 32], 20_000), &place, &values);
        let entry = evidence::Entry {
            kind: evidence::Kind::Delete,
            op: "DeleteBlob",
            site: 1,
            boot: 2,
            t_ms: 5,
            label: [3; 32],
            seq: 9,
            prev: [4; 32],
            fields_root: sealed.fields_root(),
        };
        let written = evidence::Opening::new(&entry, sealed.salts(), values);
        let bytes = written.encode();
        let read = Opening::parse(&bytes).unwrap();
        assert_eq!(read.entry.leaf_hash().0, entry.leaf_hash());
        assert_eq!(read.values, values.map(Some));
        let long = [b"\x79\x01\x00".as_slice(), &[b'n'; 256]].concat();
        let long = evidence::Opening { groups: sealed_object(&long), ..written };
        let fitted = long.clone().fitted(860).unwrap();
        let bytes = fitted.encode();
        let read = Opening::parse(&bytes).unwrap();
        assert_eq!(read.entry.leaf_hash().0, long.entry().leaf_hash());
        let open = read.values.map(|value| value.is_some());
        assert_eq!(open, std::array::from_fn(|place| place != 3), "only the object is sealed");
        for length in 0..bytes.len() {
            assert!(Opening::parse(&bytes[..length]).is_err());
        }
        values[0] = b"\xa0";
        let unreadable = evidence::Opening::new(&entry, sealed.salts(), values).encode();
        assert_eq!(Opening::parse(&unreadable).unwrap_err().flaw, Flaw::Unsupported);
    }
}

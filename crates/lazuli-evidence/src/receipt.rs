//! Receipts: the promise that an entry is in a segment, in the header `x-lz-receipt`.
//!
//! One signature over the root of the open segment serves all answers of a group of commits; each
//! receipt adds the way from its own entry to that root. What is signed is the text of a checkpoint
//! (<https://c2sp.org/tlog-checkpoint>) of the segment as a log of its own, with one line of
//! extension for the time, so that a receipt can be written as <https://c2sp.org/tlog-proof>.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::cbor::{Reader, Writer};
use crate::digest::{Digest, sha256};

/// The header that carries a receipt.
pub const RECEIPT_HEADER: &str = "x-lz-receipt";

/// The header that carries an opening.
pub const OPENING_HEADER: &str = "x-lz-opening";

/// The most bytes that both headers together may have, as lines of a response.
pub const HEADER_BYTES_MAX: usize = 1536;

/// The version of the layout.
const VERSION: u64 = 1;

/// The type of a plain Ed25519 signature of a note: <https://c2sp.org/signed-note#signature-types>.
const ED25519: u8 = 1;

/// The most hashes of a path: a segment has at most 2^17 entries, and no tree more than 2^63.
const PATH_MAX: usize = 63;

/// The origin of a segment, as a log of its own.
pub fn segment_origin(origin: &str, seg: u64) -> String {
    format!("{origin}/seg/{seg}")
}

/// The text that a receipt's signature is over.
pub fn receipt_text(origin: &str, seg: u64, size: u64, root: &Digest, t_ms: u64) -> String {
    let root = STANDARD.encode(root);
    format!("{origin}/seg/{seg}\n{size}\n{root}\nt={t_ms}\n")
}

/// The name of the key that signs the receipts of a log.
pub fn receipt_key_name(origin: &str) -> String {
    format!("{origin}/receipts")
}

/// The id of the key that signs the receipts of a log, from its Ed25519 public key.
///
/// <https://c2sp.org/signed-note#signatures>
pub fn receipt_key_id(origin: &str, public_key: &[u8; 32]) -> [u8; 4] {
    let name = receipt_key_name(origin);
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], public_key]);
    [a, b, c, d]
}

/// Whether both headers, given the lengths of their values, may go into one response; the receipt
/// goes alone otherwise.
pub const fn headers_fit(receipt: usize, opening: usize) -> bool {
    // Each line has a colon, a space and a line's end besides name and value.
    let names = RECEIPT_HEADER.len() + OPENING_HEADER.len() + 2 * 4;
    names + receipt + opening <= HEADER_BYTES_MAX
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The site that logged the entry.
    pub site: u64,
    /// The segment.
    pub seg: u64,
    /// The entry's place in the segment, from 0.
    pub index: u64,
    /// How many entries the segment had when its root was signed.
    pub size: u64,
    /// When it was signed, in milliseconds since 1970.
    pub t_ms: u64,
    /// The hashes from the entry up to the signed root, as RFC 6962 orders them.
    pub path: Vec<Digest>,
    /// The id of the key that signed.
    pub key_id: [u8; 4],
    /// The Ed25519 signature over [`receipt_text`].
    pub signature: [u8; 64],
}

impl Receipt {
    /// The bytes of the receipt.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.path.len() * 32);
        Writer::new(&mut out)
            .array(9)
            .uint(VERSION)
            .uint(self.site)
            .uint(self.seg)
            .uint(self.index)
            .uint(self.size)
            .uint(self.t_ms)
            .bytes(self.path.as_flattened())
            .bytes(&self.key_id)
            .bytes(&self.signature);
        out
    }

    /// Reads a receipt; `None` if the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(9)?;
        if reader.uint()? != VERSION {
            return None;
        }
        let [site, seg, index] = [reader.uint()?, reader.uint()?, reader.uint()?];
        let [size, t_ms] = [reader.uint()?, reader.uint()?];
        let (path, rest) = reader.bytes()?.as_chunks();
        if !rest.is_empty() || path.len() > PATH_MAX {
            return None;
        }
        let (key_id, signature) = (reader.bytes_of()?, reader.bytes_of()?);
        reader.end()?;
        Some(Self { site, seg, index, size, t_ms, path: path.to_vec(), key_id, signature })
    }

    /// The value of the header.
    pub fn to_header(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.encode())
    }

    /// Reads the value of the header.
    pub fn from_header(value: &str) -> Option<Self> {
        Self::decode(&URL_SAFE_NO_PAD.decode(value).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(path: usize) -> Receipt {
        Receipt {
            site: 1,
            seg: 1_000_000,
            index: 100_000,
            size: 131_072,
            t_ms: 1_760_000_000_123,
            path: vec![[5; 32]; path],
            key_id: [1, 2, 3, 4],
            signature: [6; 64],
        }
    }

    #[test]
    fn the_signed_text_is_a_checkpoint_of_the_segment() {
        let text = receipt_text("log.example/site1", 7, 3, &[0; 32], 1_760_000_000_123);
        let expected = "log.example/site1/seg/7\n3\n\
            AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nt=1760000000123\n";
        assert_eq!(text, expected);
        assert!(text.starts_with(&segment_origin("log.example/site1", 7)));
    }

    #[test]
    fn the_key_id_is_that_of_the_specification() {
        // <https://c2sp.org/signed-note#signatures>: SHA-256(name, line feed, type, public key).
        let preimage = [b"o/receipts\n\x01".as_slice(), &[9; 32]].concat();
        assert_eq!(receipt_key_id("o", &[9; 32]), sha256(&[&preimage])[..4]);
    }

    #[test]
    fn a_receipt_comes_back_as_it_was_and_nothing_else_does() {
        let receipt = receipt(17);
        let bytes = receipt.encode();
        assert_eq!(Receipt::decode(&bytes).as_ref(), Some(&receipt));
        assert_eq!(Receipt::from_header(&receipt.to_header()), Some(receipt));
        for length in 0..bytes.len() {
            assert_eq!(Receipt::decode(&bytes[..length]), None);
        }
        assert_eq!(Receipt::from_header(""), None);
        assert_eq!(Receipt::from_header("=="), None);
        assert_eq!(Receipt::decode(&self::receipt(64).encode()), None);
    }

    #[test]
    fn the_largest_receipt_leaves_room_for_an_opening() {
        let largest = receipt(17).to_header().len();
        assert!(largest <= 880, "{largest}");
        assert!(headers_fit(largest, 600));
        assert!(!headers_fit(largest, 700));
    }
}

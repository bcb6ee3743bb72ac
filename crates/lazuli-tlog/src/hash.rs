//! SHA-256 hashes of leaves and nodes, and their base64 form.
//!
//! <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1>: the prefixes 0x00 and 0x01 keep a
//! leaf from being taken for a node, without which a tree could be read in two ways.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// How many bytes a hash has.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 hash. Its text is standard base64, 44 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

/// A text that is not the base64 of 32 bytes in its one canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHash;

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the base64 of 32 bytes")
    }
}

impl std::error::Error for InvalidHash {}

impl Hash {
    /// The root of a tree without leaves: the hash of nothing.
    pub fn of_empty_tree() -> Self {
        Self::of(&[])
    }

    /// The plain SHA-256 of `parts` put together.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Reads hashes that stand one after the other; `None` if the last one is incomplete.
    pub fn read_all(bytes: &[u8]) -> Option<Vec<Self>> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        rest.is_empty().then(|| hashes.iter().copied().map(Self).collect())
    }
}

impl From<[u8; HASH_BYTES]> for Hash {
    fn from(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        // The length comes first, so that a long line is not decoded.
        if text.len() != HASH_BYTES.div_ceil(3) * 4 {
            return Err(InvalidHash);
        }
        let bytes = STANDARD.decode(text).map_err(|_| InvalidHash)?;
        bytes.try_into().map(Self).map_err(|_| InvalidHash)
    }
}

/// The hash of a leaf whose entry is `entry`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::of(&[&[0], entry])
}

/// The hash of the node above `left` and `right`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of(&[&[1], &left.0, &right.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_and_the_empty_leaf_are_as_published() {
        // <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1.3> and FIPS 180-4.
        let cases = [
            (Hash::of_empty_tree(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            (leaf_hash(b""), "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="),
        ];
        for (hash, text) in cases {
            assert_eq!(hash.to_string(), text);
            assert_eq!(text.parse(), Ok(hash));
        }
    }

    #[test]
    fn only_the_canonical_base64_of_32_bytes_is_read() {
        let good = Hash([0xff; 32]).to_string();
        assert!(good.parse::<Hash>().is_ok());
        // The last character before the padding carries four bits; the other two must be zero.
        let slack = good.replace("8=", "9=");
        for bad in ["", "AAAA", &good[..43], &format!("{good}\n"), &slack, &good.replace('/', "_")]
        {
            assert_eq!(bad.parse::<Hash>(), Err(InvalidHash), "{bad:?}");
        }
    }

    #[test]
    fn hashes_in_a_row_are_whole_or_refused() {
        let bytes = [7; 64];
        assert_eq!(Hash::read_all(&bytes), Some(vec![Hash([7; 32]); 2]));
        assert_eq!(Hash::read_all(&bytes[..63]), None);
        assert_eq!(Hash::read_all(&[]), Some(Vec::new()));
    }
}

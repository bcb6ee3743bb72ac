//! The hashes that everything else is built from.

use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub type Digest = [u8; 32];

/// What stands where a previous hash would, at the beginning of a chain.
pub const NO_PREVIOUS: Digest = [0; 32];

/// The SHA-256 of `parts` put together.
pub(crate) fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The state that SHA-256 begins with.
///
/// <https://www.rfc-editor.org/rfc/rfc6234.html#section-6.1>
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The SHA-256 of `message`, behind which its padding is left. For many short messages: a hasher
/// that copies parts into a block of its own takes as long again.
pub(crate) fn sha256_of(message: &mut Vec<u8>) -> Digest {
    let bits = message.len() as u64 * 8;
    message.push(0x80);
    let length = (message.len() + 8).next_multiple_of(64);
    message.resize(length - 8, 0);
    message.extend_from_slice(&bits.to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, message.as_chunks().0);
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// The hash of a leaf of a log or a segment: an entry, or a leaf of the spine.
///
/// <https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1>
pub fn leaf_hash(bytes: &[u8]) -> Digest {
    sha256(&[&[0], bytes])
}

/// The label that stands for an account in the log. Who does not know `blind`, 32 bytes that only
/// the account's holder and the server have, cannot tell whose label it is by trying names.
pub fn account_label(account: &str, blind: &[u8; 32]) -> Digest {
    sha256(&[b"lz/acct/1", account.as_bytes(), blind])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_hash_agree_at_every_length() {
        for length in 0..300 {
            let message = (0..length).map(|place| place as u8).collect::<Vec<_>>();
            assert_eq!(sha256_of(&mut message.clone()), sha256(&[&message]), "{length}");
        }
    }

    #[test]
    fn the_leaf_hash_is_that_of_rfc_6962() {
        let empty = [
            0x6e, 0x34, 0x0b, 0x9c, 0xff, 0xb3, 0x7a, 0x98, 0x9c, 0xa5, 0x44, 0xe6, 0xbb, 0x78,
            0x0a, 0x2c, 0x78, 0x90, 0x1d, 0x3f, 0xb3, 0x37, 0x38, 0x76, 0x85, 0x11, 0xa3, 0x06,
            0x17, 0xaf, 0xa0, 0x1d,
        ];
        assert_eq!(leaf_hash(b""), empty);
    }

    #[test]
    fn a_label_depends_on_the_name_and_on_the_blind() {
        let label = account_label("alpha", &[1; 32]);
        assert_ne!(label, account_label("beta", &[1; 32]));
        assert_ne!(label, account_label("alpha", &[2; 32]));
        let mut written = b"lz/acct/1alpha".to_vec();
        written.extend_from_slice(&[1; 32]);
        assert_eq!(label, sha256(&[&written]));
    }
}

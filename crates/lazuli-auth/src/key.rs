//! Account keys: the secrets Shared Key and account and service SAS are signed with.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One of an account's two keys, ready to sign: the HMAC-SHA256 key schedule is computed once.
#[derive(Clone)]
pub struct AccountKey(hmac::Key);

/// A key that is empty or not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the account key is empty or not base64")
    }
}

impl std::error::Error for InvalidKey {}

impl AccountKey {
    /// The key with these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key as configuration and connection strings write it.
    ///
    /// # Errors
    /// The text is not base64, or empty.
    pub fn from_base64(text: &str) -> Result<Self, InvalidKey> {
        match STANDARD.decode(text.trim()) {
            Ok(bytes) if !bytes.is_empty() => Ok(Self::new(&bytes)),
            _ => Err(InvalidKey),
        }
    }

    /// The base64 signature of a string-to-sign.
    pub fn sign(&self, string_to_sign: &[u8]) -> String {
        STANDARD.encode(hmac::sign(&self.0, string_to_sign))
    }

    /// A key that follows from this one and a label: HKDF-Expand of RFC 5869 for 32 bytes, with this
    /// key as the pseudorandom one.
    pub(crate) fn expand(&self, label: &[u8]) -> Self {
        Self::new(hmac::sign(&self.0, &[label, &[1]].concat()).as_ref())
    }

    /// Whether `signature` (raw bytes) is this key's of `string_to_sign`, in constant time.
    pub(crate) fn verifies(&self, string_to_sign: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.0, string_to_sign, signature).is_ok()
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(..)")
    }
}

/// The keys of the accounts this server holds.
pub trait AccountKeys {
    /// The keys valid for the account, key1 first; `None` if there is no such account.
    fn keys(&self, account: &str) -> Option<&[AccountKey]>;
}

/// The bytes of a base64 signature; empty, which no key verifies, if it is not base64.
pub(crate) fn decode_signature(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

/// The place (0 for key1) of the first key that made `signature`.
pub(crate) fn matching_key(keys: &[AccountKey], text: &[u8], signature: &[u8]) -> Option<usize> {
    keys.iter().position(|key| key.verifies(text, signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed() {
        let key = AccountKey::from_base64("c2VjcmV0").unwrap();
        assert_eq!(format!("{key:?}"), "AccountKey(..)");
    }

    #[test]
    fn bad_keys_are_refused() {
        for bad in ["", " ", "*", "abc"] {
            assert_eq!(AccountKey::from_base64(bad).unwrap_err(), InvalidKey, "{bad}");
        }
    }

    #[test]
    fn signatures_verify_with_their_key_only() {
        let (one, two) = (AccountKey::new(b"one"), AccountKey::new(b"two"));
        let signature = decode_signature(&two.sign(b"text"));
        let keys = [one, two];
        assert_eq!(matching_key(&keys, b"text", &signature), Some(1));
        assert_eq!(matching_key(&keys, b"tex", &signature), None);
        assert_eq!(matching_key(&keys, b"text", &decode_signature("%")), None);
    }
}

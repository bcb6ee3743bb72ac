//! MD5, the checksum of `Content-MD5`: Base64 of its sixteen bytes (RFC 1864).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_model::{ErrorCode, Refusal};
use md5::Digest as _;

/// A checksum in the making.
#[derive(Clone, Debug, Default)]
pub struct Md5(md5::Md5);

impl Md5 {
    /// The checksum of no bytes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes.
    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

/// The header form of a checksum.
pub fn to_header(md5: &[u8; 16]) -> String {
    STANDARD.encode(md5)
}

/// Checks the checksum the client sent against the one computed: `Md5Mismatch` if they differ.
pub fn verify(sent: &[u8; 16], computed: &[u8; 16]) -> Result<(), Refusal> {
    if sent == computed {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::Md5Mismatch)
        .with_detail("UserSpecifiedMd5", to_header(sent))
        .with_detail("ServerCalculatedMd5", to_header(computed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(to_header(&checksum(b"")), "1B2M2Y8AsgTpgAmY7PhCfg==");
        let mut digest = Md5::new();
        digest.update(b"hello ");
        digest.update(b"world");
        assert_eq!(to_header(&digest.finish()), "XrY7u+Ae7tCTyyK7j1rNww==");
    }

    #[test]
    fn a_difference_is_named() {
        let (a, b) = (checksum(b"a"), checksum(b"b"));
        assert_eq!(verify(&a, &a), Ok(()));
        let refusal = verify(&a, &b).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::Md5Mismatch);
        assert_eq!(refusal.details()[0], ("UserSpecifiedMd5", to_header(&a)));
    }
}

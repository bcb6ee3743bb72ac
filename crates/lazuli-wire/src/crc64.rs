//! CRC-64/NVME, the checksum of `x-ms-content-crc64`: Base64 of the eight bytes, least
//! significant first.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm::Crc64Nvme;
use lazuli_model::{ErrorCode, Refusal};

/// A checksum in the making.
#[derive(Clone, Copy, Debug)]
pub struct Crc64(crc_fast::Digest);

impl Crc64 {
    /// The checksum of no bytes yet.
    pub fn new() -> Self {
        Self(crc_fast::Digest::new(Crc64Nvme))
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::crc64_nvme(bytes)
}

/// The checksum of two runs of bytes, one after the other, from the checksum of each and the
/// length of the second.
pub fn combine(first: u64, second: u64, second_len: u64) -> u64 {
    crc_fast::checksum_combine(Crc64Nvme, first, second, second_len)
}

/// The header form of a checksum.
pub fn to_header(crc64: u64) -> String {
    STANDARD.encode(crc64.to_le_bytes())
}

/// Checks the checksum the client sent against the one computed: `Crc64Mismatch` if they differ.
pub fn verify(sent: u64, computed: u64) -> Result<(), Refusal> {
    if sent == computed {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::Crc64Mismatch)
        .with_detail("UserSpecifiedCrc", to_header(sent))
        .with_detail("ServerCalculatedCrc", to_header(computed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert_eq!(to_header(checksum(b"")), "AAAAAAAAAAA=");
        assert_eq!(checksum(b"123456789"), 0xAE8B_1486_0A79_9888);
        assert_eq!(to_header(checksum(b"123456789")), "iJh5CoYUi64=");
        assert_eq!(checksum(b"hello world"), 0x8D29_D5C3_F6EA_8EBE);
        assert_eq!(to_header(checksum(b"hello world")), "vo7q9sPVKY0=");
    }

    #[test]
    fn a_difference_is_named() {
        assert_eq!(verify(1, 1), Ok(()));
        assert_eq!(verify(1, 2).unwrap_err().code(), ErrorCode::Crc64Mismatch);
    }

    proptest! {
        #[test]
        fn parts_make_the_whole(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            let mut digest = Crc64::new();
            digest.update(&a);
            digest.update(&b);
            let whole = checksum(&[&a[..], &b].concat());
            prop_assert_eq!(digest.value(), whole);
            prop_assert_eq!(combine(checksum(&a), checksum(&b), b.len() as u64), whole);
        }
    }
}

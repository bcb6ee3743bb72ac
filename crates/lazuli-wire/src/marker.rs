//! Continuation markers: where a listing goes on, opaque to clients.
//!
//! ```text
//! Base64url without padding of: u8 form = 1 | position | u32 low half of its CRC-64, little-endian
//! ```
//!
//! The checksum covers form and position. It tells garbage from a marker; it proves nothing: a
//! position is checked like any other input.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazuli_model::Refusal;

use crate::crc64;

const FORM: u8 = 1;
/// Longer than any marker handed out.
const MARKER_BYTES_MAX: usize = 16 * 1024;

/// The marker of `position`.
pub fn encode(position: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(position.len() + 5);
    bytes.push(FORM);
    bytes.extend_from_slice(position);
    let checksum = crc64::checksum(&bytes) as u32;
    bytes.extend_from_slice(&checksum.to_le_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a marker that [`encode`] made.
///
/// `InvalidQueryParameterValue` of `marker` for anything else.
pub fn decode(marker: &str) -> Result<Vec<u8>, Refusal> {
    position(marker).ok_or_else(|| {
        Refusal::query_value("marker", marker, "The marker is not one this server returned.")
    })
}

fn position(marker: &str) -> Option<Vec<u8>> {
    if marker.len() > MARKER_BYTES_MAX {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(marker).ok()?;
    let (covered, checksum) = bytes.split_last_chunk::<4>()?;
    if covered.first() != Some(&FORM)
        || crc64::checksum(covered) as u32 != u32::from_le_bytes(*checksum)
    {
        return None;
    }
    bytes.truncate(bytes.len() - 4);
    bytes.remove(0);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_model::ErrorCode;
    use proptest::prelude::*;

    #[test]
    fn garbage_is_refused() {
        let marker = encode(b"position");
        let mut other = marker.clone();
        other.replace_range(3..4, if marker.as_bytes()[3] == b'A' { "B" } else { "A" });
        for garbage in ["", "x", "AQ", "%", "2!92!MDAwMDE", &other] {
            let refusal = decode(garbage).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidQueryParameterValue, "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn a_marker_keeps_its_position(position in any::<Vec<u8>>(), text in ".{0,40}") {
            let marker = encode(&position);
            prop_assert!(marker.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            prop_assert_eq!(decode(&marker), Ok(position));
            let _ = decode(&text);
        }
    }
}

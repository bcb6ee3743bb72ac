//! Structured messages (`XSM/1.0`): a body in segments, each followed by its checksum.
//!
//! All integers are little-endian.
//!
//! ```text
//! message   u8 version = 1 | u64 length of the whole message | u16 flags | u16 segments
//! segment   u16 number, from 1 | u64 length of data | data | u64 CRC-64 of data    (flag 1)
//! trailer   u64 CRC-64 of all data                                                 (flag 1)
//! ```
//!
//! The service documents no error codes for malformed messages. Here they are, all with status
//! 400: `InvalidInput` for what breaks this layout or ends early, `Crc64Mismatch` for a checksum
//! that differs, `InvalidHeaderValue` for an unknown `x-ms-structured-body` and for a length other
//! than `x-ms-structured-content-length` says.

mod decoder;
mod encoder;

pub use decoder::{StructuredDecoder, StructuredSummary};
pub use encoder::{StructuredEncoder, encoded_len};

use lazuli_model::Refusal;

/// The one value of `x-ms-structured-body` there is.
pub const STRUCTURED_BODY: &str = "XSM/1.0; properties=crc64";

const VERSION: u8 = 1;
const FLAG_CRC64: u16 = 1;
const MESSAGE_HEADER_LEN: usize = 13;
const SEGMENT_HEADER_LEN: usize = 10;
const CHECKSUM_LEN: usize = 8;

/// Checks the value of `x-ms-structured-body`: only version 1.0 with CRC-64 is known.
pub fn check_header(value: &str) -> Result<(), Refusal> {
    let mut parts = value.split(';').map(str::trim);
    let version = parts.next().is_some_and(|part| part.eq_ignore_ascii_case("XSM/1.0"));
    let property = parts.next().and_then(|part| part.split_once('='));
    let crc64 = property.is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("properties") && value.trim().eq_ignore_ascii_case("crc64")
    });
    if version && crc64 && parts.next().is_none() {
        return Ok(());
    }
    Err(Refusal::header_value("x-ms-structured-body", value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lazuli_model::ErrorCode;
    use proptest::prelude::*;

    fn encode(data: &[u8], segment_len: u64, cuts: &[usize]) -> Vec<u8> {
        let mut encoder = StructuredEncoder::with_segment_len(data.len() as u64, segment_len);
        let mut out = Vec::new();
        for chunk in chunks(data, cuts) {
            encoder.push(chunk, &mut out).unwrap();
        }
        encoder.finish(&mut out).unwrap();
        out.concat()
    }

    fn decode(message: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, StructuredSummary), Refusal> {
        let mut decoder = StructuredDecoder::new(None);
        let mut out = Vec::new();
        for chunk in chunks(message, cuts) {
            decoder.push(&chunk, &mut out)?;
        }
        Ok((out.concat(), decoder.finish()?))
    }

    /// `data` cut into pieces of the lengths in `cuts`, over and over.
    fn chunks(data: &[u8], cuts: &[usize]) -> Vec<Bytes> {
        let mut rest = Bytes::copy_from_slice(data);
        let mut pieces = Vec::new();
        for cut in cuts.iter().copied().cycle() {
            if rest.is_empty() {
                break;
            }
            pieces.push(rest.split_to(cut.min(rest.len())));
        }
        pieces
    }

    /// The message of "hello" in segments of three bytes, spelled out.
    fn hello() -> Vec<u8> {
        let mut message = vec![1, 62, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0];
        for (number, data) in [(1, &b"hel"[..]), (2, b"lo")] {
            message.extend_from_slice(&[number, 0, data.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
            message.extend_from_slice(data);
            message.extend_from_slice(&crate::crc64::checksum(data).to_le_bytes());
        }
        message.extend_from_slice(&crate::crc64::checksum(b"hello").to_le_bytes());
        message
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        assert_eq!(encode(b"hello", 3, &[5]), hello());
        assert_eq!(encode(b"hello", 3, &[1]), hello());
        let (data, summary) = decode(&hello(), &[62]).unwrap();
        assert_eq!(data, b"hello");
        assert_eq!(summary.len, 5);
        assert_eq!(summary.crc64, crate::crc64::checksum(b"hello"));
    }

    #[test]
    fn no_bytes_are_no_segments() {
        let message = [1, 21, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(encode(b"", 3, &[1]), message);
        assert_eq!(encoded_len(0), 21);
        assert_eq!(decode(&message, &[4]).unwrap().0, b"");
    }

    #[test]
    fn one_empty_segment_is_no_bytes_too() {
        let mut message = vec![1, 39, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1];
        message.resize(39, 0);
        assert_eq!(decode(&message, &[4]).unwrap().0, b"");
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let whole = hello();
        for at in 0..whole.len() {
            let mut message = whole.clone();
            message[at] ^= 0x10;
            let refusal = decode(&message, &[7]).unwrap_err();
            assert!(
                matches!(refusal.code(), ErrorCode::InvalidInput | ErrorCode::Crc64Mismatch),
                "byte {at}: {refusal:?}"
            );
            assert_eq!(
                decode(&whole[..at], &[7]).unwrap_err().code(),
                ErrorCode::InvalidInput,
                "cut at {at}"
            );
        }
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(decode(&longer, &[7]).unwrap_err().code(), ErrorCode::InvalidInput);
    }

    #[test]
    fn the_announced_length_is_checked() {
        for (announced, good) in [(5, true), (4, false), (6, false)] {
            let mut decoder = StructuredDecoder::new(Some(announced));
            let pushed = decoder.push(&Bytes::from(hello()), &mut Vec::new());
            let result = pushed.and_then(|()| decoder.finish());
            assert_eq!(result.is_ok(), good);
            if let Err(refusal) = result {
                assert_eq!(refusal.code(), ErrorCode::InvalidHeaderValue);
            }
        }
    }

    #[test]
    fn an_encoder_is_held_to_its_length() {
        let mut encoder = StructuredEncoder::new(3);
        let mut out = Vec::new();
        assert!(encoder.push(Bytes::from_static(b"four"), &mut out).is_err());
        let mut encoder = StructuredEncoder::new(3);
        encoder.push(Bytes::from_static(b"on"), &mut out).unwrap();
        assert!(encoder.finish(&mut out).is_err());
    }

    #[test]
    fn the_longest_blob_fits_the_number_of_segments() {
        let tebibytes_200 = 200 << 40;
        let encoder = StructuredEncoder::new(tebibytes_200);
        let overhead = encoder.encoded_len() - tebibytes_200;
        assert!(overhead <= 21 + 65_535 * 18);
    }

    #[test]
    fn one_header_value_is_known() {
        for value in [STRUCTURED_BODY, "xsm/1.0;properties = CRC64"] {
            assert_eq!(check_header(value), Ok(()));
        }
        for value in ["", "XSM/1.0", "XSM/2.0; properties=crc64", "XSM/1.0; properties=crc64; x"] {
            assert_eq!(check_header(value).unwrap_err().code(), ErrorCode::InvalidHeaderValue);
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(
            data in any::<Vec<u8>>(),
            segment_len in 1..40_u64,
            cuts in proptest::collection::vec(1..50_usize, 1..5),
            other_cuts in proptest::collection::vec(1..50_usize, 1..5),
        ) {
            let message = encode(&data, segment_len, &cuts);
            let (decoded, summary) = decode(&message, &other_cuts).unwrap();
            prop_assert_eq!(summary.crc64, crate::crc64::checksum(&data));
            prop_assert_eq!(decoded, data);
        }

        #[test]
        fn no_bytes_panic(tail in any::<Vec<u8>>(), keep in 0..62_usize) {
            let _ = decode(&tail, &[3]);
            let message = [&hello()[..keep], &tail].concat();
            let _ = decode(&message, &[5]);
        }
    }
}

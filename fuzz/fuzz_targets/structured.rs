//! Structured messages: the way a message is cut makes no difference, and data survives encoding.
#![no_main]

use bytes::Bytes;
use lazuli_wire::structured::{StructuredDecoder, StructuredEncoder};
use libfuzzer_sys::fuzz_target;

/// The data and its length and checksum, or nothing if the message is refused.
fn decode(message: &[u8], piece: usize) -> Option<(Vec<u8>, u64, u64)> {
    let mut decoder = StructuredDecoder::new(None);
    let mut out = Vec::new();
    for piece in message.chunks(piece.max(1)) {
        decoder.push(&Bytes::copy_from_slice(piece), &mut out).ok()?;
    }
    let summary = decoder.finish().ok()?;
    Some((out.concat(), summary.len, summary.crc64))
}

fuzz_target!(|data: &[u8]| {
    let Some((first, message)) = data.split_first() else { return };
    let piece = usize::from(*first) + 1;
    let whole = decode(message, message.len());
    assert_eq!(whole, decode(message, piece));
    if let Some((out, length, _)) = whole {
        assert_eq!(out.len() as u64, length);
    }
    let mut encoder = StructuredEncoder::with_segment_len(message.len() as u64, piece as u64 * 17);
    let length = encoder.encoded_len();
    let mut out = Vec::new();
    encoder.push(Bytes::copy_from_slice(message), &mut out).expect("the announced length");
    encoder.finish(&mut out).expect("the announced length");
    let encoded = out.concat();
    assert_eq!(encoded.len() as u64, length);
    assert_eq!(decode(&encoded, piece).map(|(out, ..)| out).as_deref(), Some(message));
});

//! The encoder: puts headers and checksums around data that passes by.

use bytes::Bytes;
use lazuli_model::{ErrorCode, Refusal};

use super::{CHECKSUM_LEN, FLAG_CRC64, MESSAGE_HEADER_LEN, SEGMENT_HEADER_LEN, VERSION};
use crate::crc64::Crc64;

/// The length of segments, in bytes, as the clients' libraries choose it.
const SEGMENT_LEN: u64 = 4 * 1024 * 1024;

/// The length of the message that holds `data_len` bytes of data.
pub fn encoded_len(data_len: u64) -> u64 {
    StructuredEncoder::new(data_len).encoded_len()
}

/// A message being written.
pub struct StructuredEncoder {
    segment_len: u64,
    data_len: u64,
    data_left: u64,
    segment: u16,
    segment_left: u64,
    /// Headers and checksums that go before the next data.
    framing: Vec<u8>,
    segment_crc64: Crc64,
    data_crc64: Crc64,
}

impl StructuredEncoder {
    /// An encoder for `data_len` bytes, in segments of 4 MiB, or of more where the number of
    /// segments, which is a `u16`, would not suffice.
    pub fn new(data_len: u64) -> Self {
        Self::with_segment_len(data_len, SEGMENT_LEN)
    }

    /// An encoder with segments of at least `segment_len` bytes, which is not 0.
    pub fn with_segment_len(data_len: u64, segment_len: u64) -> Self {
        let segment_len = segment_len.max(data_len.div_ceil(u64::from(u16::MAX))).max(1);
        let mut encoder = Self {
            segment_len,
            data_len,
            data_left: data_len,
            segment: 0,
            segment_left: 0,
            framing: Vec::with_capacity(MESSAGE_HEADER_LEN + SEGMENT_HEADER_LEN),
            segment_crc64: Crc64::new(),
            data_crc64: Crc64::new(),
        };
        let message_len = encoder.encoded_len();
        let segments = encoder.segments() as u16;
        encoder.framing.push(VERSION);
        encoder.framing.extend_from_slice(&message_len.to_le_bytes());
        encoder.framing.extend_from_slice(&FLAG_CRC64.to_le_bytes());
        encoder.framing.extend_from_slice(&segments.to_le_bytes());
        encoder
    }

    /// The length of the whole message.
    pub fn encoded_len(&self) -> u64 {
        let framing = (SEGMENT_HEADER_LEN + CHECKSUM_LEN) as u64 * self.segments();
        (MESSAGE_HEADER_LEN + CHECKSUM_LEN) as u64 + framing + self.data_len
    }

    /// Appends `data`, with what goes around it, to `out`.
    ///
    /// `InternalError` when there is more data than was announced.
    pub fn push(&mut self, mut data: Bytes, out: &mut Vec<Bytes>) -> Result<(), Refusal> {
        if data.len() as u64 > self.data_left {
            return Err(wrong_length());
        }
        while !data.is_empty() {
            if self.segment_left == 0 {
                self.segment += 1;
                self.segment_left = self.segment_len.min(self.data_left);
                self.segment_crc64 = Crc64::new();
                self.framing.extend_from_slice(&self.segment.to_le_bytes());
                self.framing.extend_from_slice(&self.segment_left.to_le_bytes());
            }
            if !self.framing.is_empty() {
                out.push(std::mem::take(&mut self.framing).into());
            }
            let part = data.split_to(self.segment_left.min(data.len() as u64) as usize);
            self.segment_crc64.update(&part);
            self.data_crc64.update(&part);
            self.segment_left -= part.len() as u64;
            self.data_left -= part.len() as u64;
            out.push(part);
            if self.segment_left == 0 {
                let crc64 = self.segment_crc64.value();
                self.framing.extend_from_slice(&crc64.to_le_bytes());
            }
        }
        Ok(())
    }

    /// Appends what ends the message to `out`.
    ///
    /// `InternalError` when there was less data than was announced.
    pub fn finish(mut self, out: &mut Vec<Bytes>) -> Result<(), Refusal> {
        if self.data_left != 0 {
            return Err(wrong_length());
        }
        self.framing.extend_from_slice(&self.data_crc64.value().to_le_bytes());
        out.push(self.framing.into());
        Ok(())
    }

    fn segments(&self) -> u64 {
        self.data_len.div_ceil(self.segment_len)
    }
}

fn wrong_length() -> Refusal {
    Refusal::new(ErrorCode::InternalError)
        .with_cause("structured message: the data has another length than announced")
}

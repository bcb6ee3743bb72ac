//! The decoder: takes a message in pieces of any size and hands out its data without copying it.

use bytes::Bytes;
use lazuli_model::{ErrorCode, Refusal};

use super::{CHECKSUM_LEN, FLAG_CRC64, MESSAGE_HEADER_LEN, SEGMENT_HEADER_LEN, VERSION};
use crate::crc64::{self, Crc64};

/// A message being read. After an error it is of no more use.
///
/// Data is handed out before its checksum has been seen, so nothing may be made of it before
/// [`StructuredDecoder::finish`] has answered.
pub struct StructuredDecoder {
    announced: Option<u64>,
    state: State,
    /// The part of a header or checksum that has arrived.
    field: [u8; MESSAGE_HEADER_LEN],
    field_len: usize,
    /// Bytes of the message that are still to come, once its header has told.
    message_left: u64,
    segments: u16,
    segment: u16,
    segment_crc64: Crc64,
    data_len: u64,
    data_crc64: Crc64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    MessageHeader,
    SegmentHeader,
    Data { left: u64 },
    SegmentChecksum,
    Trailer,
    End,
}

/// What a whole message held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructuredSummary {
    /// The length of the data, in bytes.
    pub len: u64,
    /// The CRC-64 of the data, which has been verified.
    pub crc64: u64,
}

fn malformed(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidInput).with_cause(format_args!("structured message: {why}"))
}

impl StructuredDecoder {
    /// A decoder for a message whose data has `announced` bytes, the value of
    /// `x-ms-structured-content-length`.
    pub fn new(announced: Option<u64>) -> Self {
        Self {
            announced,
            state: State::MessageHeader,
            field: [0; MESSAGE_HEADER_LEN],
            field_len: 0,
            message_left: MESSAGE_HEADER_LEN as u64,
            segments: 0,
            segment: 0,
            segment_crc64: Crc64::new(),
            data_len: 0,
            data_crc64: Crc64::new(),
        }
    }

    /// Takes the next bytes of the message and appends the data in them to `out`.
    pub fn push(&mut self, bytes: &Bytes, out: &mut Vec<Bytes>) -> Result<(), Refusal> {
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let width = match self.state {
                State::Data { left } => {
                    let data = rest.split_to(left.min(rest.len() as u64) as usize);
                    self.take_data(left, data, out);
                    continue;
                }
                State::MessageHeader => MESSAGE_HEADER_LEN,
                State::SegmentHeader => SEGMENT_HEADER_LEN,
                State::SegmentChecksum | State::Trailer => CHECKSUM_LEN,
                State::End => return Err(malformed("bytes follow it")),
            };
            let part = rest.split_to((width - self.field_len).min(rest.len()));
            if let Some(room) = self.field.get_mut(self.field_len..self.field_len + part.len()) {
                room.copy_from_slice(&part);
            }
            self.field_len += part.len();
            if self.field_len == width {
                self.field_len = 0;
                self.message_left = self
                    .message_left
                    .checked_sub(width as u64)
                    .ok_or_else(|| malformed("it is longer than its header says"))?;
                self.take_field()?;
            }
        }
        Ok(())
    }

    /// Makes sure that the message has ended as it said it would.
    pub fn finish(self) -> Result<StructuredSummary, Refusal> {
        if self.state != State::End {
            return Err(malformed("it ends early"));
        }
        if let Some(announced) = self.announced.filter(|announced| *announced != self.data_len) {
            return Err(length_mismatch(announced));
        }
        Ok(StructuredSummary { len: self.data_len, crc64: self.data_crc64.value() })
    }

    fn take_data(&mut self, left: u64, data: Bytes, out: &mut Vec<Bytes>) {
        self.segment_crc64.update(&data);
        self.data_crc64.update(&data);
        let len = data.len() as u64;
        self.data_len += len;
        self.message_left -= len;
        self.state =
            if left == len { State::SegmentChecksum } else { State::Data { left: left - len } };
        out.push(data);
    }

    fn take_field(&mut self) -> Result<(), Refusal> {
        self.state = match self.state {
            State::MessageHeader => self.message_header()?,
            State::SegmentHeader => self.segment_header()?,
            State::SegmentChecksum => {
                crc64::verify(self.long(0), self.segment_crc64.value())?;
                self.next_segment()
            }
            State::Trailer => {
                crc64::verify(self.long(0), self.data_crc64.value())?;
                if self.message_left != 0 {
                    return Err(malformed("it is shorter than its header says"));
                }
                State::End
            }
            other => other,
        };
        Ok(())
    }

    fn message_header(&mut self) -> Result<State, Refusal> {
        let [version, _, _, _, _, _, _, _, _, flags @ .., low, high] = self.field;
        if version != VERSION {
            return Err(malformed("unknown version"));
        }
        if u16::from_le_bytes(flags) != FLAG_CRC64 {
            return Err(malformed("it has no checksums, or unknown flags"));
        }
        self.segments = u16::from_le_bytes([low, high]);
        let framing = MESSAGE_HEADER_LEN
            + usize::from(self.segments) * (SEGMENT_HEADER_LEN + CHECKSUM_LEN)
            + CHECKSUM_LEN;
        let data = self
            .long(1)
            .checked_sub(framing as u64)
            .ok_or_else(|| malformed("it is longer than its header says"))?;
        if let Some(announced) = self.announced.filter(|announced| *announced != data) {
            return Err(length_mismatch(announced));
        }
        self.message_left = self.long(1) - MESSAGE_HEADER_LEN as u64;
        Ok(self.next_segment())
    }

    fn segment_header(&mut self) -> Result<State, Refusal> {
        let [low, high, ..] = self.field;
        if u16::from_le_bytes([low, high]) != self.segment {
            return Err(malformed("segments are out of order"));
        }
        let left = self.long(2);
        let after = CHECKSUM_LEN
            + usize::from(self.segments - self.segment) * (SEGMENT_HEADER_LEN + CHECKSUM_LEN)
            + CHECKSUM_LEN;
        if left.checked_add(after as u64).is_none_or(|len| len > self.message_left) {
            return Err(malformed("a segment is longer than the message"));
        }
        self.segment_crc64 = Crc64::new();
        Ok(if left == 0 { State::SegmentChecksum } else { State::Data { left } })
    }

    fn next_segment(&mut self) -> State {
        if self.segment == self.segments {
            return State::Trailer;
        }
        self.segment += 1;
        State::SegmentHeader
    }

    /// The eight bytes of the field from `at` on.
    fn long(&self, at: usize) -> u64 {
        self.field.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_le_bytes)
    }
}

fn length_mismatch(announced: u64) -> Refusal {
    Refusal::header_value("x-ms-structured-content-length", announced.to_string())
}

//! The frame: the unit in which bytes lie in an extent file.
//!
//! ```text
//! offset  size  field
//!      0     4  magic "LZFR"
//!      4     1  format version, 1
//!      5     1  kind: 1 data, 2 seal
//!      6     2  key id, 0: not encrypted
//!      8     4  payload length
//!     12     4  CRC32C of the payload
//!     16     4  CRC32C of bytes 0..16, the extent id and the frame's file offset
//!     20     n  payload, at most 65,516 bytes
//! ```
//! All numbers are little-endian. A full frame is exactly 64 KiB. A run of frames, all but the last
//! full, is what a [`Piece`] names, so the frame of a payload offset is found by arithmetic. The
//! header's checksum binds the frame to its place: a misplaced frame does not verify.
//!
//! The last frame of a finished extent is its seal. Its payload is: length of the valid frames
//! before it (8), length of a torn region between them and the seal (8), CRC32C of that region (4).

use std::ops::Range;

use crate::checksum::{crc32c, crc32c_parts};
use crate::extents::{ExtentId, Piece};

/// Bytes of a frame header.
pub(crate) const HEADER_BYTES: usize = 20;
/// Bytes of a full frame.
pub(crate) const FRAME_BYTES: usize = 64 * 1024;
/// Payload bytes of a full frame.
pub(crate) const PAYLOAD_MAX: usize = FRAME_BYTES - HEADER_BYTES;
/// Bytes of a seal frame.
pub(crate) const SEAL_BYTES: usize = HEADER_BYTES + 20;

const MAGIC: [u8; 4] = *b"LZFR";
const FORMAT: u8 = 1;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data = 1,
    Seal = 2,
}

/// Where a frame lies: part of what its header's checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) extent: ExtentId,
    pub(crate) offset: u64,
}

/// A verified frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) len: usize,
    payload_crc: u32,
}

/// The end of a finished extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// Bytes of valid frames at the start of the file.
    pub(crate) valid_len: u64,
    /// Bytes between the valid frames and the seal: what a crash left half written.
    pub(crate) torn_len: u64,
    /// CRC32C of the torn bytes.
    pub(crate) torn_crc: u32,
}

fn header_crc(fields: &[u8], place: Place) -> u32 {
    crc32c_parts(&[fields, &place.extent.0.to_le_bytes(), &place.offset.to_le_bytes()])
}

/// The header of a frame at `place` with this payload checksum.
pub(crate) fn header(kind: Kind, place: Place, len: usize, crc: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let (fields, check) = header.split_at_mut(16);
    let parts: [&[u8]; 5] = [
        &MAGIC,
        &[FORMAT, kind as u8],
        &0_u16.to_le_bytes(),
        &len.to_le_bytes(),
        &crc.to_le_bytes(),
    ];
    for (target, byte) in fields.iter_mut().zip(parts.iter().copied().flatten()) {
        *target = *byte;
    }
    check.copy_from_slice(&header_crc(fields, place).to_le_bytes());
    header
}

/// Little-endian fields of a byte string, read one after another.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Verifies the header at the start of `bytes`; the error says what is wrong with it.
pub(crate) fn parse_header(bytes: &[u8], place: Place) -> Result<Header, &'static str> {
    const SHORT: &str = "frame header is cut off";
    let fields = bytes.get(..16).ok_or(SHORT)?;
    let mut rest = Fields(bytes);
    let magic: [u8; 4] = rest.array().ok_or(SHORT)?;
    let (format, kind) = (rest.u8().ok_or(SHORT)?, rest.u8().ok_or(SHORT)?);
    let key = rest.u16().ok_or(SHORT)?;
    let len = rest.u32().ok_or(SHORT)? as usize;
    let payload_crc = rest.u32().ok_or(SHORT)?;
    let check = rest.u32().ok_or(SHORT)?;
    if magic != MAGIC {
        return Err("no frame here");
    }
    if header_crc(fields, place) != check {
        return Err("frame header does not match its checksum");
    }
    if format != FORMAT || key != 0 {
        return Err("frame of an unknown format");
    }
    let kind = match kind {
        1 => Kind::Data,
        2 => Kind::Seal,
        _ => return Err("frame of an unknown kind"),
    };
    if len == 0 || len > PAYLOAD_MAX {
        return Err("frame of an impossible length");
    }
    Ok(Header { kind, len, payload_crc })
}

impl Header {
    /// Whether `payload` is what the header promises.
    pub(crate) fn matches(&self, payload: &[u8]) -> bool {
        payload.len() == self.len && crc32c(payload) == self.payload_crc
    }
}

/// The frames of `payload` as they lie at `place`.
pub(crate) fn encode(payload: &[u8], place: Place) -> Vec<u8> {
    let mut frames = Vec::with_capacity(encoded_len(payload.len() as u64) as usize);
    for chunk in payload.chunks(PAYLOAD_MAX) {
        let place = Place { extent: place.extent, offset: place.offset + frames.len() as u64 };
        frames.extend_from_slice(&header(Kind::Data, place, chunk.len(), crc32c(chunk)));
        frames.extend_from_slice(chunk);
    }
    frames
}

/// The seal frame as it lies at `place`.
pub(crate) fn encode_seal(seal: Seal, place: Place) -> Vec<u8> {
    let mut payload = Vec::with_capacity(20);
    payload.extend_from_slice(&seal.valid_len.to_le_bytes());
    payload.extend_from_slice(&seal.torn_len.to_le_bytes());
    payload.extend_from_slice(&seal.torn_crc.to_le_bytes());
    let mut frame = header(Kind::Seal, place, payload.len(), crc32c(&payload)).to_vec();
    frame.extend_from_slice(&payload);
    frame
}

/// Verifies a seal frame that fills `bytes` and ends the extent.
pub(crate) fn parse_seal(bytes: &[u8], place: Place) -> Result<Seal, &'static str> {
    const BAD: &str = "seal does not match its extent";
    let header = parse_header(bytes, place)?;
    let payload = bytes.get(HEADER_BYTES..).ok_or(BAD)?;
    if header.kind != Kind::Seal || bytes.len() != SEAL_BYTES || !header.matches(payload) {
        return Err(BAD);
    }
    let mut fields = Fields(payload);
    let valid_len = fields.u64().ok_or(BAD)?;
    let torn_len = fields.u64().ok_or(BAD)?;
    let torn_crc = fields.u32().ok_or(BAD)?;
    if valid_len.checked_add(torn_len) != Some(place.offset) {
        return Err(BAD);
    }
    Ok(Seal { valid_len, torn_len, torn_crc })
}

/// File bytes that `payload_len` payload bytes take as a run of frames.
pub(crate) const fn encoded_len(payload_len: u64) -> u64 {
    payload_len + payload_len.div_ceil(PAYLOAD_MAX as u64) * HEADER_BYTES as u64
}

/// The frames of a piece that hold a range of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    piece: Piece,
    /// Index of the first frame within the piece.
    first: u64,
    /// File offset of the first frame.
    pub(crate) offset: u64,
    /// File bytes of the frames.
    pub(crate) len: usize,
    /// Payload bytes to skip in the first frame.
    skip: usize,
    /// Payload bytes wanted.
    want: usize,
}

impl Span {
    /// The frames that hold `range` of `piece`; `None` if the range is empty or not in the piece.
    pub(crate) fn of(piece: Piece, range: &Range<u64>) -> Option<Self> {
        const MAX: u64 = PAYLOAD_MAX as u64;
        const FRAME: u64 = FRAME_BYTES as u64;
        // The check also keeps the arithmetic below from overflowing.
        if range.start >= range.end || range.end > piece.len || piece.len > u64::MAX / 4 {
            return None;
        }
        let first = range.start / MAX;
        let last = (range.end - 1) / MAX;
        let start = piece.offset.checked_add(first * FRAME)?;
        let end = ((last + 1) * FRAME).min(encoded_len(piece.len)).checked_add(piece.offset)?;
        Some(Self {
            piece,
            first,
            offset: start,
            len: usize::try_from(end - start).ok()?,
            skip: (range.start - first * MAX) as usize,
            want: usize::try_from(range.end - range.start).ok()?,
        })
    }

    /// Verifies the frames in `buffer` and moves the payload bytes that were asked for to its start;
    /// the answer is their number. The error is the file offset of the bad frame and what is wrong
    /// with it.
    pub(crate) fn unframe(&self, buffer: &mut [u8]) -> Result<usize, (u64, &'static str)> {
        let mut kept = 0;
        let mut at = 0;
        let mut index = self.first;
        while at < self.len {
            let offset = self.offset + at as u64;
            let place = Place { extent: self.piece.extent, offset };
            let bad = |what| (offset, what);
            let header = parse_header(buffer.get(at..).unwrap_or_default(), place).map_err(bad)?;
            let expected = (self.piece.len - index * PAYLOAD_MAX as u64).min(PAYLOAD_MAX as u64);
            if header.kind != Kind::Data || header.len as u64 != expected {
                return Err(bad("frame is not the one the metadata names"));
            }
            let payload = at + HEADER_BYTES..at + HEADER_BYTES + header.len;
            let bytes = buffer.get(payload.clone()).ok_or(bad("frame is cut off"))?;
            if !header.matches(bytes) {
                return Err(bad("frame payload does not match its checksum"));
            }
            let skip = if index == self.first { self.skip } else { 0 };
            let take = (header.len - skip).min(self.want - kept);
            let from = payload.start + skip;
            buffer.copy_within(from..from + take, kept);
            kept += take;
            at = payload.end;
            index += 1;
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { extent: ExtentId(7), offset: 300 };

    #[test]
    fn every_range_of_a_run_reads_back() {
        let payload: Vec<u8> = (0..150_000_u32).map(|n| (n % 251) as u8).collect();
        let frames = encode(&payload, PLACE);
        assert_eq!(frames.len() as u64, encoded_len(payload.len() as u64));
        let piece = Piece { extent: PLACE.extent, offset: 300, len: payload.len() as u64 };
        let max = PAYLOAD_MAX as u64;
        for range in
            [0..1, 0..150_000, max - 1..max, max - 1..max + 1, max..2 * max, 149_999..150_000]
        {
            let span = Span::of(piece, &range).unwrap();
            let start = (span.offset - 300) as usize;
            let mut buffer = frames[start..start + span.len].to_vec();
            let kept = span.unframe(&mut buffer).unwrap();
            assert_eq!(
                buffer[..kept],
                payload[range.start as usize..range.end as usize],
                "{range:?}"
            );
        }
    }

    #[test]
    fn ranges_outside_the_piece_have_no_span() {
        let piece = Piece { extent: ExtentId(1), offset: u64::MAX - 5, len: 10 };
        for range in [0..0, 5..11, 11..12, 0..10] {
            assert_eq!(Span::of(piece, &range), None);
        }
    }

    #[test]
    fn a_flipped_byte_or_another_place_does_not_verify() {
        let frames = encode(b"payload", PLACE);
        let piece = Piece { extent: PLACE.extent, offset: PLACE.offset, len: 7 };
        let span = Span::of(piece, &(0..7)).unwrap();
        for index in 0..frames.len() {
            let mut flipped = frames.clone();
            flipped[index] ^= 1;
            assert!(span.unframe(&mut flipped).is_err(), "byte {index}");
        }
        let moved = Place { extent: ExtentId(7), offset: 301 };
        assert!(parse_header(&frames, moved).is_err());
        let other = Place { extent: ExtentId(8), offset: 300 };
        assert!(parse_header(&frames, other).is_err());
    }

    #[test]
    fn a_seal_round_trips() {
        let seal = Seal { valid_len: 200, torn_len: 100, torn_crc: 9 };
        let mut bytes = encode_seal(seal, PLACE);
        assert_eq!(bytes.len(), SEAL_BYTES);
        assert_eq!(parse_seal(&bytes, PLACE), Ok(seal));
        bytes[25] ^= 4;
        assert!(parse_seal(&bytes, PLACE).is_err());
    }
}

//! The values of a page, one after the other.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>. A value is told by where its
//! bytes are, so that a column which no expression looks at costs no copy.

use super::bits::{Delta, Hybrid};
use super::footer::Physical;
use super::thrift::Trouble;
use crate::delimited::RECORD_BYTES_MAX;

/// A value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Flag(bool),
    /// A whole number of either size.
    Whole(i64),
    /// The bytes at a place of the page.
    Page(usize, usize),
    /// The bytes at a place of the dictionary.
    Dictionary(usize, usize),
    /// The bytes that the decoder put together.
    Joined,
}

/// A page that ends too early.
const SHORT: Trouble = Trouble::Damaged("a page ends within its values");

/// The most lengths in a page whose values' bytes begin behind all of them: those are gone over
/// before the first value is told.
const LENGTHS_MAX: u64 = 1 << 22;

/// The values that a chunk's pages name by their numbers.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    pub(super) bytes: Vec<u8>,
    /// Where each value is; empty if all have the same number of bytes.
    places: Vec<(u32, u32)>,
    width: usize,
}

impl Dictionary {
    /// The dictionary of `values` values in a page.
    pub(super) fn read(bytes: Vec<u8>, values: u32, physical: Physical) -> Result<Self, Trouble> {
        if let Some(width) = physical.width() {
            return Ok(Self { bytes, places: Vec::new(), width });
        }
        if physical == Physical::Boolean {
            return Err(Trouble::Damaged("truth values have no dictionary"));
        }
        let mut places = Vec::new();
        let mut at = 0;
        for _ in 0..values {
            let (start, end) = prefixed(&bytes, &mut at)?;
            places.push((start as u32, end as u32));
        }
        Ok(Self { bytes, places, width: 0 })
    }

    /// The bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + 8 * self.places.capacity()
    }

    fn place(&self, index: u32) -> Result<(usize, usize), Trouble> {
        let index = index as usize;
        let place = if self.width > 0 {
            let start = index.saturating_mul(self.width);
            let end = start.saturating_add(self.width);
            (end <= self.bytes.len()).then_some((start, end))
        } else {
            self.places.get(index).map(|(start, end)| (*start as usize, *end as usize))
        };
        place.ok_or(Trouble::Damaged("a value is not in the dictionary"))
    }
}

/// The place of bytes whose length, in four bytes, stands before them.
fn prefixed(bytes: &[u8], at: &mut usize) -> Result<(usize, usize), Trouble> {
    let head: [u8; 4] =
        bytes.get(*at..).and_then(|rest| rest.first_chunk().copied()).ok_or(SHORT)?;
    let start = *at + 4;
    let end = start + u32::from_le_bytes(head) as usize;
    if end > bytes.len() {
        return Err(SHORT);
    }
    *at = end;
    Ok((start, end))
}

/// How the values of a page lie in it.
#[derive(Debug)]
pub(super) enum Decoder {
    /// One after the other, of the same number of bytes.
    Fixed { at: usize, width: usize },
    /// One after the other, each with its length before it.
    Prefixed { at: usize },
    /// One bit each.
    Bits { bit: usize },
    /// Runs of truth values.
    Flags(Hybrid),
    /// Numbers of values of the dictionary.
    Numbers(Hybrid),
    /// Differences; whether the values have 32 bits.
    Delta(Delta, bool),
    /// All lengths, then all bytes.
    Lengths { lengths: Delta, at: usize },
    /// How much is like the value before, then lengths and bytes of what is not.
    Shared { prefixes: Delta, lengths: Delta, at: usize, last: Vec<u8> },
    /// The first bytes of all values, then the second, and so on.
    Split { first: usize, stride: usize, next: usize, joined: Vec<u8> },
}

impl Decoder {
    /// The decoder of values that begin at a place of a page.
    pub(super) fn new(
        page: &[u8],
        at: usize,
        (encoding, physical): (i64, Physical),
        has_dictionary: bool,
    ) -> Result<Self, Trouble> {
        let bytes = matches!(physical, Physical::Bytes | Physical::Fixed(_));
        Ok(match (encoding, physical) {
            (0, Physical::Boolean) => Self::Bits { bit: at * 8 },
            (0, Physical::Bytes) => Self::Prefixed { at },
            (0, _) => Self::Fixed { at, width: physical.width().unwrap_or(1) },
            (2 | 8, _) if has_dictionary => {
                let width = usize::from(*page.get(at).ok_or(SHORT)?);
                Self::Numbers(Hybrid::new(at + 1, page.len(), width)?)
            }
            (3, Physical::Boolean) => {
                let mut from = at;
                let (start, end) = prefixed(page, &mut from)?;
                Self::Flags(Hybrid::new(start, end, 1)?)
            }
            (5, Physical::Int32 | Physical::Int64) => {
                Self::Delta(Delta::new(page, at)?, physical == Physical::Int32)
            }
            (6, Physical::Bytes) => {
                let lengths = Delta::new(page, at)?;
                let at = behind(&lengths, page)?;
                Self::Lengths { lengths, at }
            }
            (7, _) if bytes => {
                let prefixes = Delta::new(page, at)?;
                let lengths = Delta::new(page, behind(&prefixes, page)?)?;
                let at = behind(&lengths, page)?;
                Self::Shared { prefixes, lengths, at, last: Vec::new() }
            }
            (9, _) if physical.width().is_some() => {
                let width = physical.width().unwrap_or(1);
                let stride = page.len().saturating_sub(at) / width;
                Self::Split { first: at, stride, next: 0, joined: vec![0; width] }
            }
            _ => return Err(Trouble::Damaged("a page is encoded in a way that is not supported")),
        })
    }

    /// The next value of a page.
    pub(super) fn next(
        &mut self,
        page: &[u8],
        dictionary: Option<&Dictionary>,
    ) -> Result<Cell, Trouble> {
        match self {
            Self::Fixed { at, width } => {
                let start = *at;
                *at += *width;
                if *at > page.len() { Err(SHORT) } else { Ok(Cell::Page(start, *at)) }
            }
            Self::Prefixed { at } => prefixed(page, at).map(|(start, end)| Cell::Page(start, end)),
            Self::Bits { bit } => {
                let byte = page.get(*bit / 8).ok_or(SHORT)?;
                let flag = byte >> (*bit % 8) & 1 == 1;
                *bit += 1;
                Ok(Cell::Flag(flag))
            }
            Self::Flags(runs) => runs.next(page).map(|value| Cell::Flag(value == 1)),
            Self::Numbers(runs) => {
                let dictionary = dictionary.ok_or(SHORT)?;
                let (start, end) = dictionary.place(runs.next(page)?)?;
                Ok(Cell::Dictionary(start, end))
            }
            Self::Delta(values, is_short) => {
                let value = values.next(page)?;
                Ok(Cell::Whole(if *is_short { i64::from(value as i32) } else { value }))
            }
            Self::Lengths { lengths, at } => {
                let start = *at;
                *at = start.checked_add(length(lengths, page)?).ok_or(SHORT)?;
                if *at > page.len() { Err(SHORT) } else { Ok(Cell::Page(start, *at)) }
            }
            Self::Shared { prefixes, lengths, at, last } => {
                let (prefix, len) = (length(prefixes, page)?, length(lengths, page)?);
                let end = at.checked_add(len).ok_or(SHORT)?;
                let rest = page.get(*at..end).ok_or(SHORT)?;
                if prefix > last.len() {
                    return Err(Trouble::Damaged("a value begins with more than the one before"));
                }
                if prefix + len > RECORD_BYTES_MAX {
                    return Err(Trouble::Damaged("a value is longer than a record may be"));
                }
                last.truncate(prefix);
                last.extend_from_slice(rest);
                *at = end;
                Ok(Cell::Joined)
            }
            Self::Split { first, stride, next, joined } => {
                if *next >= *stride {
                    return Err(SHORT);
                }
                for (index, byte) in joined.iter_mut().enumerate() {
                    *byte = *page.get(*first + index * *stride + *next).ok_or(SHORT)?;
                }
                *next += 1;
                Ok(Cell::Joined)
            }
        }
    }

    /// The bytes of a [`Cell::Joined`].
    pub(super) fn joined(&self) -> &[u8] {
        match self {
            Self::Shared { last, .. } => last,
            Self::Split { joined, .. } => joined,
            _ => &[],
        }
    }
}

fn length(lengths: &mut Delta, page: &[u8]) -> Result<usize, Trouble> {
    usize::try_from(lengths.next(page)?).map_err(|_| Trouble::Damaged("a value has no length"))
}

/// The place behind all of some lengths.
fn behind(lengths: &Delta, page: &[u8]) -> Result<usize, Trouble> {
    if lengths.left() > LENGTHS_MAX {
        return Err(Trouble::Damaged("a page has too many values"));
    }
    let mut ahead = lengths.clone();
    while ahead.left() > 0 {
        ahead.next(page)?;
    }
    Ok(ahead.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_claims_costs_nothing() {
        // Blocks of 128 values in 4 parts, and 2^62 lengths that are all 0.
        let mut page = vec![0x80, 1, 4];
        page.extend([0x80; 8]);
        page.extend([0x40, 0, 0, 0, 0, 0, 0]);
        for (encoding, physical) in [(6, Physical::Bytes), (7, Physical::Fixed(3))] {
            let found = Decoder::new(&page, 0, (encoding, physical), false).unwrap_err();
            assert_eq!(found, Trouble::Damaged("a page has too many values"));
        }
        let mut values = Decoder::new(&page, 0, (5, Physical::Int64), false).unwrap();
        assert_eq!(values.next(&page, None), Ok(Cell::Whole(0)));
        // A length of 4 GiB, and as many values of a dictionary.
        let page = [0xff, 0xff, 0xff, 0xff, 1];
        let mut values = Decoder::new(&page, 0, (0, Physical::Bytes), false).unwrap();
        assert_eq!(values.next(&page, None), Err(SHORT));
        assert_eq!(Dictionary::read(page.to_vec(), u32::MAX, Physical::Bytes).unwrap_err(), SHORT);
        let empty = Dictionary::read(vec![0; 8], u32::MAX, Physical::Bytes);
        assert_eq!(empty.unwrap_err(), SHORT);
    }

    #[test]
    fn values_that_share_their_beginnings_are_bounded() {
        // Two values: 1 MiB of x, then all of that and more of it.
        let long = RECORD_BYTES_MAX as u64;
        let delta = |first: u64, second: u64| {
            let mut bytes = vec![0x80, 1, 4, 2];
            for number in [first as i64, second as i64 - first as i64] {
                let mut rest = ((number << 1) ^ (number >> 63)) as u64;
                while rest >= 0x80 {
                    bytes.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
            bytes.extend([0; 4]);
            bytes
        };
        let mut page = delta(0, long);
        page.extend(delta(long, 1));
        page.extend(vec![b'x'; RECORD_BYTES_MAX + 1]);
        let mut values = Decoder::new(&page, 0, (7, Physical::Bytes), false).unwrap();
        assert_eq!(values.next(&page, None), Ok(Cell::Joined));
        assert_eq!(values.joined().len(), RECORD_BYTES_MAX);
        let trouble = Trouble::Damaged("a value is longer than a record may be");
        assert_eq!(values.next(&page, None), Err(trouble));
    }
}

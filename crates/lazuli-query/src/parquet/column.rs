//! A column's chunk as it is read: a window of the blob, the dictionary, and one page at a time.

use std::ops::Range;

use super::bits::Hybrid;
use super::decode::{Cell, Decoder, Dictionary};
use super::footer::{Chunk, Column, Physical};
use super::page::{HEADER_BYTES_MAX, PageHeader, PageKind, read_header, unpack};
use super::thrift::Trouble;

/// What a column needs before it can tell its next value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// The bytes of this range of the blob, added to what it has.
    Bytes(Range<u64>),
}

/// A column of the row group that is being read.
pub(super) struct Cursor {
    pub(super) column: Column,
    chunk: Chunk,
    /// Bytes of the chunk; those before `start` are done with.
    window: Vec<u8>,
    start: usize,
    /// The byte of the blob that `window` begins with.
    base: u64,
    /// How many bytes are asked for at a time, at least.
    step: usize,
    dictionary: Option<Dictionary>,
    page: Vec<u8>,
    /// Values of the page not yet told.
    left: u32,
    levels: Option<Hybrid>,
    values: Decoder,
    cell: Cell,
    /// The bytes of pages that were unpacked.
    pub(super) unpacked: u64,
}

/// The bits of a number up to `most`.
fn width(most: u16) -> usize {
    (u16::BITS - most.leading_zeros()) as usize
}

impl Cursor {
    /// A column at its chunk's beginning, which asks for `step` bytes at a time.
    pub(super) fn new(column: Column, chunk: Chunk, step: usize) -> Self {
        Self {
            column,
            chunk,
            window: Vec::new(),
            start: 0,
            base: chunk.start,
            step,
            dictionary: None,
            page: Vec::new(),
            left: 0,
            levels: None,
            values: Decoder::Bits { bit: 0 },
            cell: Cell::Null,
            unpacked: 0,
        }
    }

    /// The bytes of memory that the column takes.
    pub(super) fn held(&self) -> usize {
        let dictionary = self.dictionary.as_ref().map_or(0, Dictionary::held);
        self.window.capacity() + self.page.capacity() + dictionary
    }

    /// The byte of the blob up to which the column has been read.
    pub(super) fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Takes bytes that were asked for.
    pub(super) fn give(&mut self, bytes: &[u8]) {
        self.base += self.start as u64;
        self.window.drain(..self.start);
        self.start = 0;
        self.window.extend_from_slice(bytes);
    }

    /// Gets the next value ready, unless bytes are missing.
    pub(super) fn prepare(&mut self) -> Result<Need, Trouble> {
        while self.left == 0 {
            let rest = self.window.get(self.start..).unwrap_or_default();
            let (header, len) = match read_header(rest) {
                Ok(read) => read,
                Err(Trouble::Short) => {
                    let more = rest.len() + 1;
                    if more > HEADER_BYTES_MAX {
                        return Err(Trouble::Damaged("a page's header is too long"));
                    }
                    return self.want(more);
                }
                Err(trouble) => return Err(trouble),
            };
            if rest.len() < len + header.stored {
                return self.want(len + header.stored);
            }
            let stored = self.start + len..self.start + len + header.stored;
            self.load(&header, stored.clone())?;
            self.start = stored.end;
            if self.window.capacity() > 2 * self.step {
                self.give(&[]);
                self.window.shrink_to(self.step);
            }
        }
        Ok(Need::Nothing)
    }

    /// The range that is missing to have `bytes` bytes of the chunk.
    fn want(&self, bytes: usize) -> Result<Need, Trouble> {
        let first = self.base + self.window.len() as u64;
        if self.position() + bytes as u64 > self.chunk.end {
            return Err(Trouble::Damaged("a column's pages end too early"));
        }
        let end = self.position() + bytes.max(self.step) as u64;
        Ok(Need::Bytes(first..end.min(self.chunk.end)))
    }

    fn load(&mut self, header: &PageHeader, stored: Range<usize>) -> Result<(), Trouble> {
        let is_dictionary = header.kind == PageKind::Dictionary;
        if header.kind == PageKind::Other || (header.values == 0 && !is_dictionary) {
            return Ok(());
        }
        if is_dictionary && self.dictionary.is_some() {
            return Err(Trouble::Damaged("a column has two dictionaries"));
        }
        let stored = self.window.get(stored).unwrap_or_default();
        // The page before goes first, so that there are never two.
        self.page = Vec::new();
        let page = unpack(header, self.chunk.codec, stored)?;
        self.unpacked += page.len() as u64;
        let physical = self.column.physical;
        if is_dictionary {
            if header.encoding != 0 && header.encoding != 2 {
                return Err(Trouble::Damaged("a dictionary is not plain"));
            }
            self.dictionary = Some(Dictionary::read(page, header.values, physical)?);
            return Ok(());
        }
        let at = self.read_levels(header, &page)?;
        let has_dictionary = self.dictionary.is_some();
        self.values = if at < page.len() {
            Decoder::new(&page, at, (header.encoding, physical), has_dictionary)?
        } else {
            // All values are null; should one not be, it is missed when it is asked for.
            Decoder::Bits { bit: at * 8 }
        };
        self.left = header.values;
        self.page = page;
        Ok(())
    }

    /// Finds the definition levels of a page, and tells where its values begin.
    fn read_levels(&mut self, header: &PageHeader, page: &[u8]) -> Result<usize, Trouble> {
        let width = width(self.column.defined);
        let short = Trouble::Damaged("a page ends within its levels");
        self.levels = None;
        if let PageKind::Data2 { levels, .. } = header.kind {
            if width > 0 {
                self.levels = Some(Hybrid::new(0, levels, width)?);
            }
            return Ok(levels);
        }
        if width == 0 {
            return Ok(0);
        }
        if header.levels != 3 {
            return Err(Trouble::Damaged("a page has levels in a way that is not supported"));
        }
        let len = page.first_chunk().ok_or(short)?;
        let end = 4 + u32::from_le_bytes(*len) as usize;
        if end > page.len() {
            return Err(short);
        }
        self.levels = Some(Hybrid::new(4, end, width)?);
        Ok(end)
    }

    /// Goes to the next value, which [`Cursor::prepare`] has got ready, and tells its length.
    pub(super) fn advance(&mut self) -> Result<usize, Trouble> {
        self.left = self.left.saturating_sub(1);
        let level = match &mut self.levels {
            Some(levels) => levels.next(&self.page)?,
            None => u32::from(self.column.defined),
        };
        if level > u32::from(self.column.defined) {
            return Err(Trouble::Damaged("a value is of no known level"));
        }
        self.cell = if level == u32::from(self.column.defined) {
            self.values.next(&self.page, self.dictionary.as_ref())?
        } else {
            Cell::Null
        };
        Ok(match self.cell {
            Cell::Null | Cell::Flag(_) => 1,
            Cell::Whole(_) => 8,
            Cell::Page(start, end) | Cell::Dictionary(start, end) => end - start,
            Cell::Joined => self.values.joined().len(),
        })
    }

    /// The value that the column is at.
    pub(super) fn cell(&self) -> Raw<'_> {
        let bytes = match self.cell {
            Cell::Null => return Raw::Null,
            Cell::Flag(flag) => return Raw::Flag(flag),
            Cell::Whole(value) => return Raw::Whole(value),
            Cell::Page(start, end) => self.page.get(start..end),
            Cell::Dictionary(start, end) => {
                self.dictionary.as_ref().and_then(|found| found.bytes.get(start..end))
            }
            Cell::Joined => Some(self.values.joined()),
        };
        let bytes = bytes.unwrap_or_default();
        match (self.column.physical, bytes.first_chunk(), bytes.first_chunk()) {
            (Physical::Int32, Some(four), _) => Raw::Whole(i64::from(i32::from_le_bytes(*four))),
            (Physical::Int64, _, Some(eight)) => Raw::Whole(i64::from_le_bytes(*eight)),
            (Physical::Float, Some(four), _) => Raw::Float(f64::from(f32::from_le_bytes(*four))),
            (Physical::Double, _, Some(eight)) => Raw::Float(f64::from_le_bytes(*eight)),
            _ => Raw::Bytes(bytes),
        }
    }
}

/// A value before its meaning is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'c> {
    Null,
    Flag(bool),
    Whole(i64),
    Float(f64),
    Bytes(&'c [u8]),
}

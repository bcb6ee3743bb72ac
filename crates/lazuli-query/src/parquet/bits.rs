//! Numbers packed into bits: Parquet's hybrid of runs, and its differences.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>. Both are decoded value by
//! value from the bytes of a page, so that what a page claims to hold costs nothing until it is
//! asked for.

use super::thrift::{Trouble, varint, zigzag};

/// A value where the bytes of a page end.
const SHORT: Trouble = Trouble::Damaged("a page ends within its values");

/// The number of `width` bits, at most 64, that begins at a bit.
fn packed(bytes: &[u8], bit: usize, width: usize) -> Result<u64, Trouble> {
    if width == 0 {
        return Ok(0);
    }
    if bit + width > bytes.len() * 8 {
        return Err(SHORT);
    }
    let rest = &bytes[bit / 8..];
    let taken = rest.len().min(9);
    let mut window = [0; 16];
    window[..taken].copy_from_slice(&rest[..taken]);
    let value = (u128::from_le_bytes(window) >> (bit % 8)) as u64;
    Ok(value & (u64::MAX >> (64 - width)))
}

/// Runs of one value, and values packed in groups of eight.
#[derive(Clone, Debug, Default)]
pub(super) struct Hybrid {
    at: usize,
    end: usize,
    width: usize,
    /// Values left of the run.
    left: u64,
    /// The value of the run; `None` for one of packed values.
    repeated: Option<u32>,
    /// Where the next packed value begins.
    bit: usize,
}

impl Hybrid {
    /// The runs in a part of a page, of values of at most 32 bits.
    pub(super) fn new(at: usize, end: usize, width: usize) -> Result<Self, Trouble> {
        if width > 32 {
            return Err(Trouble::Damaged("a page has values of too many bits"));
        }
        Ok(Self { at, end, width, ..Self::default() })
    }

    /// The next value; `page` is the page of [`Hybrid::new`].
    pub(super) fn next(&mut self, page: &[u8]) -> Result<u32, Trouble> {
        let bytes = page.get(..self.end).ok_or(SHORT)?;
        while self.left == 0 {
            self.run(bytes)?;
        }
        self.left -= 1;
        if let Some(value) = self.repeated {
            return Ok(value);
        }
        let value = packed(bytes, self.bit, self.width)?;
        self.bit += self.width;
        Ok(value as u32)
    }

    fn run(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let head = varint(bytes, &mut self.at).map_err(|_| SHORT)?;
        self.left = head >> 1;
        if head & 1 == 1 {
            let groups = head >> 1;
            self.left = groups.saturating_mul(8);
            self.repeated = None;
            self.bit = self.at * 8;
            let len = groups.saturating_mul(self.width as u64);
            // A writer may cut the last group short: what is missing is missed when it is read.
            self.at = self.at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            self.at = self.at.min(bytes.len());
        } else {
            let len = self.width.div_ceil(8);
            let value = bytes.get(self.at..self.at + len).ok_or(SHORT)?;
            let mut whole = [0; 4];
            whole[..len].copy_from_slice(value);
            self.repeated = Some(u32::from_le_bytes(whole));
            self.at += len;
        }
        Ok(())
    }
}

/// Whole numbers as differences, packed in blocks.
#[derive(Clone, Debug)]
pub(super) struct Delta {
    at: usize,
    /// Values of a miniblock.
    mini_values: usize,
    /// Miniblocks of a block.
    minis: usize,
    /// Values not yet told.
    left: u64,
    is_first: bool,
    value: i64,
    least: i64,
    /// Where the widths of the block's miniblocks are, and which is next.
    widths: usize,
    mini: usize,
    /// Differences left of the miniblock.
    mini_left: usize,
    width: usize,
    bit: usize,
}

impl Delta {
    /// The numbers that begin at a place of a page.
    pub(super) fn new(page: &[u8], mut at: usize) -> Result<Self, Trouble> {
        let mut number = || varint(page, &mut at).map_err(|_| SHORT);
        let (block, minis, left, first) = (number()?, number()?, number()?, number()?);
        // The largest block that any writer makes has some thousand values.
        let is_form = (1..=1 << 20).contains(&block)
            && (1..=block).contains(&minis)
            && block % minis == 0
            && (block / minis).is_multiple_of(8);
        if !is_form {
            return Err(Trouble::Damaged("a page has differences in blocks of no known size"));
        }
        Ok(Self {
            at,
            mini_values: (block / minis) as usize,
            minis: minis as usize,
            left,
            is_first: true,
            value: zigzag(first),
            least: 0,
            widths: 0,
            mini: minis as usize,
            mini_left: 0,
            width: 0,
            bit: 0,
        })
    }

    /// How many values are left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The place behind the last value, once all have been told.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// The next value; `page` is the page of [`Delta::new`].
    pub(super) fn next(&mut self, page: &[u8]) -> Result<i64, Trouble> {
        self.left = self.left.checked_sub(1).ok_or(SHORT)?;
        if std::mem::take(&mut self.is_first) {
            return Ok(self.value);
        }
        if self.mini_left == 0 {
            self.miniblock(page)?;
        }
        self.mini_left -= 1;
        let more = packed(page, self.bit, self.width)?;
        self.bit += self.width;
        self.value = self.value.wrapping_add(self.least).wrapping_add(more as i64);
        Ok(self.value)
    }

    fn miniblock(&mut self, page: &[u8]) -> Result<(), Trouble> {
        if self.mini == self.minis {
            self.least = zigzag(varint(page, &mut self.at).map_err(|_| SHORT)?);
            self.widths = self.at;
            self.at += self.minis;
            self.mini = 0;
        }
        self.width = usize::from(*page.get(self.widths + self.mini).ok_or(SHORT)?);
        if self.width > 64 {
            return Err(Trouble::Damaged("a page has differences of too many bits"));
        }
        self.mini += 1;
        self.mini_left = self.mini_values;
        self.bit = self.at * 8;
        self.at += self.mini_values * self.width / 8;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_groups_are_told_apart() {
        // Five times 6, then eight packed values of three bits, as the specification shows them.
        let page = [5 << 1, 6, 0x03, 0x88, 0xc6, 0xfa];
        let mut values = Hybrid::new(0, page.len(), 3).unwrap();
        let found: Result<Vec<u32>, _> = (0..13).map(|_| values.next(&page)).collect();
        assert_eq!(found.unwrap(), [6, 6, 6, 6, 6, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(values.next(&page), Err(SHORT));
        assert!(Hybrid::new(0, 1, 33).is_err());
    }

    #[test]
    fn differences_add_up() {
        // Blocks of 128 in 4 miniblocks, 5 values from 7 on: 5, 3, 1, 2 are -2, -2, -2, 1.
        let mut page = vec![0x80, 1, 4, 5, 14, 3, 2, 0, 0, 0, 0xc0];
        page.extend([0; 7]);
        let mut values = Delta::new(&page, 0).unwrap();
        let found: Result<Vec<i64>, _> = (0..5).map(|_| values.next(&page)).collect();
        assert_eq!(found.unwrap(), [7, 5, 3, 1, 2]);
        assert_eq!((values.end(), values.left()), (page.len(), 0));
        assert_eq!(values.next(&page), Err(SHORT));
        assert!(Delta::new(&[0x80, 1, 3, 1, 0], 0).is_err());
        assert!(Delta::new(&[0x80, 1, 0, 1, 0], 0).is_err());
    }
}

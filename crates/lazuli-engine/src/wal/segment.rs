//! What a segment holds: records, one for each group of commits, and the verdict on their end.
//!
//! ```text
//! segment = block 0: "LZWALSEG" version(4)   then records, each from the start of a block
//! record  = "LZWR" length(4) crc(4) spaces(4) seqno(8) previous(8) body
//! ```
//! `crc` is the CRC32C of what follows it, `length` the body's; `spaces` has a bit for each tree the
//! body has rows of; `previous` is the sequence number of the record before, in this segment or an
//! earlier one, so that none can be missing. Numbers are little-endian.

use super::block::{self, BLOCK_BYTES, Block};
use crate::checksum::crc32c_parts;
use crate::frame::Fields;

const SEGMENT_MAGIC: [u8; 8] = *b"LZWALSEG";
const VERSION: u32 = 1;
const RECORD_MAGIC: [u8; 4] = *b"LZWR";
const RECORD_HEAD_BYTES: usize = 32;

/// A group of commits as it is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its place in the order of all changes.
    pub(crate) seqno: u64,
    /// That of the record before it.
    pub(crate) previous: u64,
    /// A bit for each tree that has rows in it.
    pub(crate) spaces: u32,
    /// The rows.
    pub(crate) body: Vec<u8>,
}

/// Damage in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Where, in bytes from the start of the file.
    pub(crate) offset: u64,
    /// What is wrong.
    pub(crate) what: &'static str,
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// Where the last whole record ends.
    pub(crate) whole: u64,
    /// Where the beginning of a record lies that did not reach the disk whole.
    pub(crate) torn: Option<u64>,
    /// Where a whole record lies behind that.
    pub(crate) whole_behind: Option<u64>,
}

/// The block a segment begins with.
pub(crate) fn head() -> [u8; 12] {
    let mut head = [0; 12];
    let (magic, version) = head.split_at_mut(SEGMENT_MAGIC.len());
    magic.copy_from_slice(&SEGMENT_MAGIC);
    version.copy_from_slice(&VERSION.to_le_bytes());
    head
}

impl Record {
    /// How many blocks a record with a body of `len` bytes takes.
    pub(crate) fn blocks(len: usize) -> u32 {
        block::count(RECORD_HEAD_BYTES + len)
    }

    /// The data of the record's blocks.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let spaces = self.spaces.to_le_bytes();
        let numbers = [self.seqno.to_le_bytes(), self.previous.to_le_bytes()].concat();
        out.extend(RECORD_MAGIC);
        out.extend((self.body.len() as u32).to_le_bytes());
        out.extend(crc32c_parts(&[&spaces, &numbers, &self.body]).to_le_bytes());
        out.extend(spaces);
        out.extend(numbers);
        out.extend(&self.body);
    }

    fn decode(data: &[u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let len = Self::body_len(&mut fields)?;
        let crc = fields.u32()?;
        let covered = fields.0.get(..RECORD_HEAD_BYTES - 12 + len)?;
        if crc32c_parts(&[covered]) != crc {
            return None;
        }
        let spaces = fields.u32()?;
        let (seqno, previous) = (fields.u64()?, fields.u64()?);
        Some(Self { seqno, previous, spaces, body: fields.take(len)?.to_vec() })
    }

    /// The length of the body, if a record begins here.
    fn body_len(fields: &mut Fields<'_>) -> Option<usize> {
        (fields.array()? == RECORD_MAGIC).then_some(())?;
        Some(fields.u32()? as usize)
    }
}

/// A segment's blocks that were written for it, each with whether something begins in it.
struct Blocks<'a>(Vec<Option<(bool, &'a [u8])>>);

impl<'a> Blocks<'a> {
    fn of(bytes: &'a [u8], generation: u32) -> Result<Self, Broken> {
        let parts = (0_u32..).zip(bytes.chunks(BLOCK_BYTES));
        let blocks = parts.map(|(index, bytes)| match block::read(bytes, index) {
            Block::Blank => Ok(None),
            Block::Written { generation: other, .. } if other < generation => Ok(None),
            Block::Written { generation: other, begins, data } if other == generation => {
                Ok(Some((begins, data)))
            }
            Block::Written { .. } => Err(Broken { offset: at(index), what: "a later block" }),
            Block::Broken => Err(Broken { offset: at(index), what: "block is not as written" }),
        });
        Ok(Self(blocks.collect::<Result<_, _>>()?))
    }

    fn get(&self, index: u32) -> Option<(bool, &'a [u8])> {
        self.0.get(index as usize).copied().flatten()
    }

    /// The whole record that begins at a block, and how many blocks it takes.
    fn record(&self, index: u32) -> Option<(Record, u32)> {
        let (true, start) = self.get(index)? else { return None };
        let len = Record::body_len(&mut Fields(start))?;
        let count = Record::blocks(len);
        let end = index.checked_add(count).filter(|end| *end as usize <= self.0.len())?;
        let mut data = Vec::with_capacity(count as usize * block::DATA_BYTES);
        for index in index..end {
            data.extend_from_slice(self.get(index)?.1);
        }
        Some((Record::decode(&data)?, count))
    }
}

fn at(index: u32) -> u64 {
    u64::from(index) * BLOCK_BYTES as u64
}

/// Gives every whole record of a segment, in order, with its place, up to the first that is not
/// whole.
pub(crate) fn read(
    bytes: &[u8],
    generation: u32,
    each: &mut dyn FnMut(Record, u64) -> Result<(), Broken>,
) -> Result<End, Broken> {
    let blocks = Blocks::of(bytes, generation)?;
    let mut next = 0;
    let mut last = 0;
    match blocks.get(0) {
        Some((true, data)) if data.starts_with(&head()) => {
            next = 1;
            while let Some((record, count)) = blocks.record(next) {
                last = record.seqno;
                each(record, at(next))?;
                next += count;
            }
        }
        Some(_) => return Err(Broken { offset: 0, what: "not a segment of a known version" }),
        None => {}
    }
    let rest = || next..blocks.0.len() as u32;
    let torn = rest().find(|index| blocks.get(*index).is_some()).map(|_| at(next));
    // The first record of a segment is written in one piece with the segment's head.
    let behind = |index: &u32| {
        *index > 1 && blocks.record(*index).is_some_and(|(record, _)| record.seqno > last)
    };
    Ok(End { whole: at(next), torn, whole_behind: rest().find(behind).map(at) })
}

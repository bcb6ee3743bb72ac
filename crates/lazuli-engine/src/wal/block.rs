//! The blocks a segment is made of. A block is as long as a disk sector, so a write that a power
//! cut tears leaves each block old or new, and a block that is neither was damaged.
//!
//! ```text
//! block = crc(4) ‖ mark(4) ‖ data(504)
//! ```
//! `crc` is the CRC32C of the mark, the block's index in its segment (4 bytes) and the data; numbers
//! are little-endian. The mark is twice the number of the segment the block was written for, its
//! generation (segments are used again, and what an earlier use left is told from what this one
//! wrote), plus one if something begins in the block: data cannot pass for a beginning.

use crate::checksum::{crc32c, crc32c_parts};
use crate::frame::Fields;

/// Length of a block in bytes.
pub(crate) const BLOCK_BYTES: usize = 512;
const HEAD_BYTES: usize = 8;
/// Bytes of data in a block.
pub(crate) const DATA_BYTES: usize = BLOCK_BYTES - HEAD_BYTES;

/// What a block turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block<'a> {
    /// Zeros: never written.
    Blank,
    /// Written for the segment with this generation.
    Written { generation: u32, begins: bool, data: &'a [u8] },
    /// Not as it was written.
    Broken,
}

/// The block at `index`, given its bytes.
pub(crate) fn read(bytes: &[u8], index: u32) -> Block<'_> {
    let mut fields = Fields(bytes);
    let (Some(crc), Some(mark)) = (fields.u32(), fields.u32()) else { return Block::Broken };
    let data = fields.0;
    if data.len() == DATA_BYTES && sum(mark, index, data) == crc {
        Block::Written { generation: mark / 2, begins: mark % 2 == 1, data }
    } else if data.len() == DATA_BYTES && bytes.iter().all(|byte| *byte == 0) {
        Block::Blank
    } else {
        Block::Broken
    }
}

/// How many blocks `len` bytes of data take.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len.div_ceil(DATA_BYTES)).unwrap_or(u32::MAX)
}

/// Appends `data`, in blocks from `index` on, to `out`: it begins in the first; the last block is
/// filled up with zeros.
pub(crate) fn write(out: &mut Vec<u8>, generation: u32, index: u32, data: &[u8]) {
    let mut mark = generation * 2 + 1;
    for (index, part) in (index..).zip(data.chunks(DATA_BYTES)) {
        let start = out.len();
        // What is summed stands where the block will: a sum of one piece costs less than one of parts.
        out.extend(mark.to_le_bytes());
        out.extend(index.to_le_bytes());
        out.extend(part);
        out.resize(start + BLOCK_BYTES, 0);
        let block = out.get_mut(start..).unwrap_or_default();
        let crc = crc32c(block).to_le_bytes();
        if let Some(head) = block.get_mut(..HEAD_BYTES) {
            head.copy_from_slice([crc, mark.to_le_bytes()].as_flattened());
        }
        mark = generation * 2;
    }
}

fn sum(mark: u32, index: u32, data: &[u8]) -> u32 {
    crc32c_parts(&[&mark.to_le_bytes(), &index.to_le_bytes(), data])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_round_trip_and_notice_every_flipped_byte_and_another_place() {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, 3, &[9; DATA_BYTES + 1]);
        assert_eq!((bytes.len(), count(DATA_BYTES), count(DATA_BYTES + 1)), (1024, 1, 2));
        let second = &bytes[512..];
        let read_second = read(second, 4);
        assert!(matches!(
            read_second,
            Block::Written { generation: 7, begins: false, data: [9, 0, ..] }
        ));
        assert!(matches!(read(&bytes[..512], 3), Block::Written { begins: true, .. }));
        assert_eq!(read(second, 3), Block::Broken);
        for at in 0..512 {
            let mut flipped = second.to_vec();
            flipped[at] ^= 4;
            assert_eq!(read(&flipped, 4), Block::Broken, "byte {at}");
        }
        assert_eq!(read(&[0; 512], 4), Block::Blank);
        assert_eq!(read(&[0; 100], 4), Block::Broken);
    }
}

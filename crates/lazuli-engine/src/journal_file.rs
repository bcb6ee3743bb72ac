//! An own reader of fjall's journal files: tells a torn tail, which a crash leaves, from damage,
//! which fjall cannot (it cuts the file at the first byte it does not understand, or refuses it).
//!
//! ```text
//! batch = 01 count(4) seqno(8)  item*  03 xxh3-64(8) "FJL" 03
//! item  = 02 type(1) compression(1) keyspace(8) key len(2) len(4) stored len(4) key value
//!       | 04 keyspace(8)
//! ```
//! Numbers are little-endian; the checksum covers the items.
//!
//! The file is as long as fjall reserved it: zeros after the last batch are no batch.
//!
//! With `Durability::Sync` at most one batch is on its way to the disk at any time, so a torn batch
//! can only be the last one: a whole batch behind a broken one means that what broke was durable. A
//! last batch that is there from start to trailer with a wrong checksum is torn only if a sector of
//! it reads as zeros, which is how a sector that never reached the disk reads. (A byte that flips in
//! the structure of the last batch before a crash still looks torn: nothing tells them apart.)

use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::frame::Fields;

const TRAILER: [u8; 4] = *b"FJL\x03";
const SECTOR_BYTES: usize = 512;

/// What a journal file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Whole batches up to this length, then at most zeros.
    Whole(u64),
    /// Whole batches up to this length, then the beginning of one.
    Torn(u64),
    /// A broken batch at this offset with whole ones behind it.
    Damaged(u64),
}

/// Which tail a journal may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// None: the file was finished.
    None,
    /// One batch that was being written.
    OneBatch,
    /// Any number of batches that were not synced.
    Unsynced,
}

/// The journals of a metadata directory with the tail each may have, oldest first.
pub(crate) fn journals(meta_dir: &Path, relaxed: bool) -> io::Result<Vec<(PathBuf, Tail)>> {
    let mut numbered = Vec::new();
    for entry in std::fs::read_dir(meta_dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(".jnl").and_then(|name| name.parse::<u64>().ok()) {
            numbered.push((number, path));
        }
    }
    numbered.sort_unstable();
    let last = numbered.len().saturating_sub(1);
    let tail = |index| match (index == last, relaxed) {
        (false, _) => Tail::None,
        (true, false) => Tail::OneBatch,
        (true, true) => Tail::Unsynced,
    };
    Ok(numbered.into_iter().enumerate().map(|(index, (_, path))| (path, tail(index))).collect())
}

/// Verifies the bytes of a journal.
pub(crate) fn check(bytes: &[u8], tail: Tail) -> Verdict {
    let mut rest = bytes;
    let mut last_seqno = None;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match batch(rest) {
            Some((seqno, len)) if last_seqno.is_none_or(|last| last < seqno) => {
                last_seqno = Some(seqno);
                rest = rest.get(len..).unwrap_or_default();
            }
            Some(_) => return Verdict::Damaged(at as u64),
            None => return judge(rest, at as u64, tail),
        }
    }
    Verdict::Whole(bytes.len() as u64)
}

/// Judges what follows the last whole batch.
fn judge(rest: &[u8], at: u64, tail: Tail) -> Verdict {
    let whole_behind = || (1..rest.len()).any(|start| rest.get(start..).and_then(batch).is_some());
    match tail {
        _ if rest.iter().all(|byte| *byte == 0) => Verdict::Whole(at),
        Tail::Unsynced => Verdict::Torn(at),
        Tail::OneBatch if !whole_behind() && !complete_but_wrong(rest, at) => Verdict::Torn(at),
        Tail::OneBatch | Tail::None => Verdict::Damaged(at),
    }
}

/// Whether the batch at the start of `rest`, at file offset `at`, was written to the end and is not
/// what was written.
fn complete_but_wrong(rest: &[u8], at: u64) -> bool {
    let Some(batch) = outline(rest).filter(|batch| !batch.sound) else { return false };
    let lead = (SECTOR_BYTES - at as usize % SECTOR_BYTES) % SECTOR_BYTES;
    let sectors = rest.get(lead..batch.len).unwrap_or_default().chunks_exact(SECTOR_BYTES);
    !sectors.into_iter().any(|sector| sector.iter().all(|byte| *byte == 0))
}

/// A batch with a beginning and an end.
struct Outline {
    seqno: u64,
    len: usize,
    /// Whether the items match their checksum.
    sound: bool,
}

/// The sound batch at the start of `bytes`: its sequence number and length.
fn batch(bytes: &[u8]) -> Option<(u64, usize)> {
    outline(bytes).filter(|batch| batch.sound).map(|batch| (batch.seqno, batch.len))
}

fn outline(bytes: &[u8]) -> Option<Outline> {
    let mut fields = Fields(bytes);
    if fields.u8()? != 1 {
        return None;
    }
    let (count, seqno) = (fields.u32()?, fields.u64()?);
    let items = fields.0;
    for _ in 0..count {
        match fields.u8()? {
            2 => {
                let (_kind, compression) = (fields.u8()?, fields.u8()?);
                let (_keyspace, key_len) = (fields.u64()?, fields.u16()?);
                let (len, stored_len) = (fields.u32()?, fields.u32()?);
                if compression != 0 || len != stored_len {
                    return None;
                }
                fields.take(usize::from(key_len))?;
                fields.take(stored_len as usize)?;
            }
            4 => {
                fields.u64()?;
            }
            _ => return None,
        }
    }
    let items = items.get(..items.len() - fields.0.len())?;
    if fields.u8()? != 3 {
        return None;
    }
    let (sum, trailer) = (fields.u64()?, fields.array()?);
    let len = bytes.len() - fields.0.len();
    (trailer == TRAILER).then(|| Outline { seqno, len, sound: sum == xxh3_64(items) })
}

/// Before fjall opens a directory that was not closed in good order: cuts off a torn tail, and
/// names the file and offset of damage. The outer error is the disk's.
pub(crate) fn repair(meta_dir: &Path, relaxed: bool) -> io::Result<Result<(), String>> {
    for (path, tail) in journals(meta_dir, relaxed)? {
        match check(&std::fs::read(&path)?, tail) {
            Verdict::Whole(_) => {}
            Verdict::Torn(valid_len) => {
                let file = std::fs::File::options().write(true).open(&path)?;
                file.set_len(valid_len)?;
                file.sync_all()?;
                tracing::info!(path = %path.display(), valid_len, "cut off a torn journal tail");
            }
            Verdict::Damaged(offset) => {
                let path = path.display();
                return Ok(Err(format!("{path}, offset {offset}: broken batch before whole ones")));
            }
        }
    }
    Ok(Ok(()))
}

/// After fjall closed a directory: gives back the zeros at the end of its journals.
pub(crate) fn trim(meta_dir: &Path) -> io::Result<()> {
    for (path, tail) in journals(meta_dir, false)? {
        let bytes = std::fs::read(&path)?;
        match check(&bytes, tail) {
            Verdict::Whole(len) if len < bytes.len() as u64 => {
                let file = std::fs::File::options().write(true).open(&path)?;
                file.set_len(len)?;
                file.sync_all()?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_batch(seqno: u64, value: &[u8]) -> Vec<u8> {
        let mut items = vec![2, 0, 0];
        items.extend(1_u64.to_le_bytes());
        items.extend(1_u16.to_le_bytes());
        items.extend((value.len() as u32).to_le_bytes());
        items.extend((value.len() as u32).to_le_bytes());
        items.push(b'k');
        items.extend(value);
        let mut batch = vec![1];
        batch.extend(1_u32.to_le_bytes());
        batch.extend(seqno.to_le_bytes());
        batch.extend(&items);
        batch.push(3);
        batch.extend(xxh3_64(&items).to_le_bytes());
        batch.extend(TRAILER);
        batch
    }

    #[test]
    fn a_tail_is_torn_and_a_middle_damaged() {
        let [one, two, three] = [5, 6, 9].map(|seqno| a_batch(seqno, b"some value"));
        let whole = [one.clone(), two.clone(), three].concat();
        let len = whole.len() as u64;
        assert_eq!(check(&whole, Tail::None), Verdict::Whole(len));
        let reserved = [&whole[..], &[0; 500]].concat();
        assert_eq!(check(&reserved, Tail::None), Verdict::Whole(len));
        let kept = one.len() + two.len();
        for cut in kept + 1..whole.len() {
            assert_eq!(check(&whole[..cut], Tail::OneBatch), Verdict::Torn(kept as u64));
            assert_eq!(check(&whole[..cut], Tail::None), Verdict::Damaged(kept as u64));
        }
        // All but the sequence number, which no checksum of fjall covers; order is still checked.
        for index in (one.len()..kept).filter(|index| !(5..13).contains(&(index - one.len()))) {
            let mut flipped = whole.clone();
            flipped[index] ^= 1;
            assert_eq!(check(&flipped, Tail::OneBatch), Verdict::Damaged(one.len() as u64));
            assert_eq!(check(&flipped, Tail::Unsynced), Verdict::Torn(one.len() as u64));
        }
        let mut flipped = whole.clone();
        flipped[whole.len() - 15] ^= 1;
        assert_eq!(check(&flipped, Tail::OneBatch), Verdict::Damaged(kept as u64));
        let long = a_batch(1, &[5; 2000]);
        let mut lost_sector = long.clone();
        lost_sector[512..1024].fill(0);
        assert_eq!(check(&lost_sector, Tail::OneBatch), Verdict::Torn(0));
        let swapped = [two, one.clone()].concat();
        assert_eq!(check(&swapped, Tail::OneBatch), Verdict::Damaged(one.len() as u64));
    }
}

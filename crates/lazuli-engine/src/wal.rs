//! The write-ahead log: what makes a commit durable before the trees of rows have it on disk.
//!
//! Segments, `00000001.wal` and so on, are files of one length, filled with records one after the
//! other. They are made ahead of time and used again, so that logging a record changes no file's
//! length and no block's place: one write and one `fdatasync` that has no metadata to bring along.
//! A record begins at the start of a block, so nothing that is durable is ever written again.
//!
//! A store that was not closed in good order goes on in a new segment; segments whose rows are all
//! in tables are put aside as spares, oldest first, one durable step each.
//!
//! Segments can be kept in reserve, for records that must be logged on a full disk too: ordinary
//! records never go into them.
//!
//! A torn record at the end of the last segment was never acknowledged. What is torn elsewhere, or
//! has whole records behind it, or is neither as written nor as before, is damage.

pub(crate) mod block;
mod create;
mod replay;
pub(crate) mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::block::BLOCK_BYTES;
pub(crate) use self::replay::{Logged, ReplayError, replay};
use self::segment::Record;
use crate::disk::{self, Access, DIRECT_BYTES, Disk, DiskFile};

/// The trees whose rows a segment may have: for each, the last change in it.
pub(crate) type Reach = [u64; 3];

/// The highest number of a segment: at eight megabytes each, beyond any disk's life.
const GENERATION_MAX: u32 = u32::MAX / 2 - 1;
/// Segments put aside for use again: as many as a busy log has at once, for filling another one with
/// zeros takes the disk from the commits.
const SPARES_MAX: usize = 16;

/// Segments kept in reserve, once they are asked for.
const RESERVED: usize = 2;

/// Where the room for a record may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// Spares, and new files.
    Ordinary,
    /// Spares, and what is kept in reserve: nothing that a full disk could refuse.
    Reserved,
}

/// A record that could not be logged.
#[derive(Debug)]
pub(crate) enum LogError {
    /// It is not in the log and will not be.
    Refused(io::Error),
    /// Whether it is in the log is not known, and the log is not to be written again.
    Unknown(io::Error),
}

/// The log of one store.
#[derive(Debug)]
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    /// How segments are opened to be written.
    access: Access,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: Option<Open>,
    /// Segments with records, oldest first; the last one is the open one, if one is open.
    live: VecDeque<Segment>,
    spares: Vec<Spare>,
    /// Those that only [`Supply::Reserved`] may take.
    reserved: Vec<Spare>,
    /// How many of these there are to be.
    reserved_wanted: usize,
    next_generation: u32,
    /// The last record's sequence number.
    previous: u64,
    buffers: Buffers,
}

/// Memory for a record on its way, kept between records.
#[derive(Debug, Default)]
struct Buffers {
    data: Vec<u8>,
    blocks: Vec<u8>,
}

/// The segment that is written.
#[derive(Debug)]
struct Open {
    file: Arc<dyn DiskFile>,
    generation: u32,
    next: u32,
    blocks: u32,
    dirty: bool,
    /// Who may write to it.
    supply: Supply,
}

/// A segment with records.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) generation: u32,
    pub(crate) bytes: u64,
    pub(crate) reach: Reach,
}

/// A file ready to become a segment.
#[derive(Debug)]
struct Spare {
    path: PathBuf,
    bytes: u64,
}

/// The name of a segment's file.
fn segment_name(generation: u32) -> String {
    format!("{generation:08x}.wal")
}

/// The name of the spare that was, or is to be, this segment.
fn spare_name(generation: u32) -> String {
    format!("{generation:08x}.spare")
}

fn generation_of(name: &str, kind: &str) -> Option<u32> {
    let digits = name.strip_suffix(kind)?.strip_suffix('.')?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

impl Wal {
    /// A log that goes on behind what was replayed from `dir`, once that is durable.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: u64,
        access: Access,
        logged: Logged,
    ) -> io::Result<Self> {
        if let Some((path, bytes)) = &logged.tail {
            settle(&*disk, path, *bytes)?;
        }
        let mut spares = Vec::new();
        let mut next_generation = 1;
        for name in disk.list(dir)? {
            let path = dir.join(&name);
            if let Some(generation) = generation_of(&name, "wal") {
                next_generation = next_generation.max(generation.saturating_add(1));
            } else if let Some(generation) = generation_of(&name, "spare") {
                next_generation = next_generation.max(generation.saturating_add(1));
                // It may have been cut off while it was filled.
                let bytes = disk.file_len(&path)?;
                if bytes == segment_bytes {
                    spares.push(Spare { path, bytes });
                } else {
                    disk.remove(&path)?;
                }
            }
        }
        let state = State {
            open: None,
            live: logged.segments.into(),
            spares,
            reserved: Vec::new(),
            reserved_wanted: 0,
            next_generation,
            previous: logged.last,
            buffers: Buffers::default(),
        };
        let dir = dir.to_path_buf();
        Ok(Self { disk, dir, segment_bytes, access, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has segments kept in reserve from now on. [`Wal::prepare`] makes them.
    pub(crate) fn keep_reserve(&self) {
        self.state().reserved_wanted = RESERVED;
    }

    /// Whether fewer segments are in reserve than there are to be.
    pub(crate) fn lacks_reserve(&self) -> bool {
        let state = self.state();
        state.reserved.len() < state.reserved_wanted
    }

    /// Logs a record, and makes it durable if `sync`; fills in the number of the one before it.
    pub(crate) fn append(
        &self,
        mut record: Record,
        sync: bool,
        supply: Supply,
    ) -> Result<Record, LogError> {
        let mut state = self.state();
        let count = Record::blocks(record.body.len());
        let fits = |open: &Open| {
            open.blocks - open.next >= count
                && (open.supply == Supply::Ordinary || supply == Supply::Reserved)
        };
        if !state.open.as_ref().is_some_and(fits) {
            self.switch(&mut state, count, supply)?;
        }
        let State { open, live, previous, buffers, .. } = &mut *state;
        let (Some(open), Some(segment)) = (open, live.back_mut()) else {
            return Err(LogError::Refused(io::ErrorKind::NotFound.into()));
        };
        record.previous = *previous;
        buffers.data.clear();
        record.encode(&mut buffers.data);
        let aligned = buffers.align(count);
        let start = open.next;
        let mut first = start;
        if first == 0 {
            block::write(&mut buffers.blocks, open.generation, 0, &segment::head());
            first = 1;
        }
        block::write(&mut buffers.blocks, open.generation, first, &buffers.data);
        open.write(buffers.blocks.get_mut(aligned..).unwrap_or_default(), start)?;
        if sync {
            open.sync().map_err(LogError::Unknown)?;
        }
        open.next = first + count;
        for (index, reach) in segment.reach.iter_mut().enumerate() {
            if record.spaces & (1 << index) != 0 {
                *reach = record.seqno;
            }
        }
        *previous = record.seqno;
        buffers.shrink();
        Ok(record)
    }

    /// Goes on in another segment, with room for `count` blocks besides its head.
    fn switch(&self, state: &mut State, count: u32, supply: Supply) -> Result<(), LogError> {
        if let Some(open) = &mut state.open {
            // Only the last segment may end in a torn record.
            open.sync().map_err(LogError::Unknown)?;
        }
        let wanted = (u64::from(count) + 1) * BLOCK_BYTES as u64;
        let generation = state.next_generation;
        if generation > GENERATION_MAX {
            let what = "the log has used up its segment numbers";
            return Err(LogError::Refused(io::Error::other(what)));
        }
        state.next_generation = generation + 1;
        let (ready, of) = state.take_ready(wanted, supply);
        let made = match (ready, supply) {
            (Some(spare), _) => Ok(spare),
            (None, Supply::Reserved) => Err(io::ErrorKind::StorageFull.into()),
            (None, Supply::Ordinary) => {
                self.create(generation, wanted.max(self.segment_bytes), false)
            }
        };
        let made = made.and_then(|spare| self.begin(&spare, generation).map(|file| (spare, file)));
        let (spare, file) = made.map_err(LogError::Refused)?;
        let blocks = u32::try_from(spare.bytes / BLOCK_BYTES as u64).unwrap_or(u32::MAX);
        state.open = Some(Open { file, generation, next: 0, blocks, dirty: false, supply: of });
        state.live.push_back(Segment { generation, bytes: spare.bytes, reach: [0; 3] });
        Ok(())
    }

    /// Makes everything logged durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.state().open.as_mut().map_or(Ok(()), Open::sync)
    }

    /// The bytes of the segments that cannot be used again yet.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.state().live.iter().map(|segment| segment.bytes).sum()
    }

    /// What the oldest segment has rows of, unless it is the one being written.
    pub(crate) fn oldest(&self) -> Option<Reach> {
        let state = self.state();
        let oldest = state.live.front()?;
        let open = state.open.as_ref().map(|open| open.generation);
        (open != Some(oldest.generation)).then_some(oldest.reach)
    }

    /// Puts aside the segments whose rows are in tables up to `flushed`.
    pub(crate) fn retire(&self, flushed: Reach) -> io::Result<()> {
        while self.oldest().is_some_and(|reach| covers(flushed, reach)) {
            let mut state = self.state();
            let Some(segment) = state.live.front().cloned() else { return Ok(()) };
            let lacks = state.reserved.len() < state.reserved_wanted;
            let keep =
                segment.bytes == self.segment_bytes && (lacks || state.spares.len() < SPARES_MAX);
            drop(state);
            // In order and one by one: a power cut must not bring back one without those behind it.
            let path = self.dir.join(segment_name(segment.generation));
            if keep {
                let spare = self.dir.join(spare_name(segment.generation));
                self.disk.rename(&path, &spare)?;
                self.disk.sync_dir(&self.dir)?;
                state = self.state();
                let spare = Spare { path: spare, bytes: segment.bytes };
                if lacks { &mut state.reserved } else { &mut state.spares }.push(spare);
            } else {
                self.disk.remove(&path)?;
                self.disk.sync_dir(&self.dir)?;
                state = self.state();
            }
            state.live.pop_front();
        }
        Ok(())
    }

    /// Gives up the whole log: all its rows are in tables.
    pub(crate) fn discard(&self) -> io::Result<()> {
        let mut state = self.state();
        state.open = None;
        while let Some(segment) = state.live.front() {
            self.disk.remove(&self.dir.join(segment_name(segment.generation)))?;
            self.disk.sync_dir(&self.dir)?;
            state.live.pop_front();
        }
        let State { spares, reserved, .. } = &mut *state;
        for spare in spares.drain(..).chain(reserved.drain(..)) {
            self.disk.remove(&spare.path)?;
        }
        self.disk.sync_dir(&self.dir)
    }
}

impl State {
    /// Takes a spare with room for `wanted` bytes, if there is one that may be taken, and tells who
    /// may write to it.
    fn take_ready(&mut self, wanted: u64, supply: Supply) -> (Option<Spare>, Supply) {
        let take = |spares: &mut Vec<Spare>| {
            let ready = spares.iter().position(|spare| spare.bytes >= wanted);
            ready.map(|index| spares.remove(index))
        };
        match take(&mut self.spares) {
            None if supply == Supply::Reserved => (take(&mut self.reserved), Supply::Reserved),
            spare => (spare, Supply::Ordinary),
        }
    }
}

/// Makes the beginning of a segment durable that a process left which was killed. It may have been
/// read from memory: it is written again, for a disk that failed to write it once does not try
/// again by itself.
fn settle(disk: &dyn Disk, path: &Path, bytes: u64) -> io::Result<()> {
    let mut whole = disk::read_file(disk, path)?;
    whole.truncate(usize::try_from(bytes).map_err(io::Error::other)?);
    let file = disk.open(path, Access::ReadWrite)?;
    file.write_all_at(&whole, 0)?;
    file.sync_data()
}

/// Whether everything in `reach` is in `flushed`.
fn covers(flushed: Reach, reach: Reach) -> bool {
    flushed.iter().zip(reach).all(|(flushed, reach)| *flushed >= reach)
}

impl Open {
    /// Writes blocks, and takes them back if that fails.
    fn write(&mut self, blocks: &mut [u8], start: u32) -> Result<(), LogError> {
        let offset = u64::from(start) * BLOCK_BYTES as u64;
        let Err(error) = self.file.write_all_at(blocks, offset) else {
            self.dirty = true;
            return Ok(());
        };
        // Part of it, or all, may be there; it must not be found after it was refused.
        blocks.fill(0);
        let undone = self.file.write_all_at(blocks, offset).and_then(|()| self.file.sync_data());
        Err(if undone.is_ok() { LogError::Refused(error) } else { LogError::Unknown(error) })
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }
}

impl Buffers {
    /// Empties the memory for `count` blocks and a segment's head, and gives where in it they are to
    /// begin so that they can be written directly.
    fn align(&mut self, count: u32) -> usize {
        self.blocks.clear();
        self.blocks.reserve((count as usize + 1) * BLOCK_BYTES + DIRECT_BYTES);
        let aligned = self.blocks.as_ptr().align_offset(DIRECT_BYTES);
        self.blocks.resize(aligned.min(DIRECT_BYTES), 0);
        self.blocks.len()
    }

    /// Gives back what an uncommonly large record took.
    fn shrink(&mut self) {
        const KEPT_BYTES: usize = 1 << 20;
        for buffer in [&mut self.data, &mut self.blocks] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }
}

//! Making segments ahead of time.

use std::io;
use std::sync::Arc;

use super::{GENERATION_MAX, Spare, Wal, segment_name, spare_name};
use crate::disk::DiskFile;

/// Zeros written and synced at a time: a commit's sync waits for at most this much of them.
const STEP_BYTES: u64 = 256 * 1024;

impl Wal {
    /// Makes the segments that are to be in reserve, and a spare if there is none. To be called off
    /// the committer's thread.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.fill_reserve()?;
        let mut state = self.state();
        if !state.spares.is_empty() {
            return Ok(());
        }
        let generation = state.next_generation;
        if generation > GENERATION_MAX {
            return Ok(());
        }
        state.next_generation = generation + 1;
        drop(state);
        let spare = self.create(generation, self.segment_bytes, true)?;
        self.state().spares.push(spare);
        Ok(())
    }

    /// Makes the segments that are to be in reserve, of spares if there is more than one. They are
    /// not filled: they are seldom written, and their space is theirs without it.
    fn fill_reserve(&self) -> io::Result<()> {
        loop {
            let mut state = self.state();
            if state.reserved.len() >= state.reserved_wanted {
                return Ok(());
            }
            if state.spares.len() > 1
                && let Some(spare) = state.spares.pop()
            {
                state.reserved.push(spare);
                continue;
            }
            let generation = state.next_generation;
            if generation > GENERATION_MAX {
                return Ok(());
            }
            state.next_generation = generation + 1;
            drop(state);
            let spare = self.create(generation, self.segment_bytes, false)?;
            self.state().reserved.push(spare);
        }
    }

    /// Removes all spares but one: the log is not in a hurry any more.
    pub(crate) fn rest(&self) -> io::Result<()> {
        loop {
            let mut state = self.state();
            if state.spares.len() < 2 {
                return Ok(());
            }
            let Some(spare) = state.spares.pop() else { return Ok(()) };
            drop(state);
            self.disk.remove(&spare.path)?;
        }
    }

    /// Makes a file for a segment. If `fill`, its blocks are written with zeros, so that the file
    /// system has nothing to note when they are written again.
    pub(super) fn create(&self, generation: u32, bytes: u64, fill: bool) -> io::Result<Spare> {
        let path = self.dir.join(spare_name(generation));
        let made = (|| {
            let file = self.disk.create(&path)?;
            file.reserve(bytes)?;
            if !fill {
                file.set_len(bytes)?;
                return file.sync_data();
            }
            let zeros = vec![0; STEP_BYTES as usize];
            let mut at = 0;
            while at < bytes {
                let step = STEP_BYTES.min(bytes - at);
                file.write_all_at(zeros.get(..step as usize).unwrap_or_default(), at)?;
                file.sync_data()?;
                at += step;
            }
            Ok(())
        })();
        match made {
            Ok(()) => Ok(Spare { path, bytes }),
            Err(error) => {
                // What is left of it is removed at the next opening if it cannot be now.
                let _ = self.disk.remove(&path);
                Err(error)
            }
        }
    }

    /// Makes a spare the segment of `generation`.
    pub(super) fn begin(&self, spare: &Spare, generation: u32) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.dir.join(segment_name(generation));
        self.disk.rename(&spare.path, &path)?;
        self.disk.sync_dir(&self.dir)?;
        self.disk.open(&path, self.access)
    }
}

//! Empty extent files whose names are durable already: a new extent takes one without waiting for
//! the directory to be synced, and one sync serves many.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{InUse, Parts, UseGuard, failed, path_of};
use crate::disk::{Disk, DiskFile};
use crate::extents::{ExtentId, ExtentsError};
use crate::state::StateFile;

const BATCH: usize = 8;

/// An empty extent file.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) guard: UseGuard,
    pub(crate) file: Arc<dyn DiskFile>,
}

#[derive(Debug)]
pub(crate) struct Spares {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    state: Arc<StateFile>,
    in_use: Arc<InUse>,
    pool: Mutex<Pool>,
}

#[derive(Debug)]
struct Pool {
    next: u64,
    ready: VecDeque<Spare>,
    closed: bool,
    /// Files made per refill: doubled while the pool runs empty.
    batch: usize,
}

impl Spares {
    pub(crate) fn new(parts: &Parts, in_use: Arc<InUse>) -> Self {
        let pool =
            Pool { next: parts.next_extent, ready: VecDeque::new(), closed: false, batch: 1 };
        Self {
            disk: Arc::clone(&parts.disk),
            dir: parts.dir.clone(),
            state: Arc::clone(&parts.state),
            in_use,
            pool: Mutex::new(pool),
        }
    }

    /// An empty file; makes some if there is none. Blocking.
    pub(crate) fn take(&self) -> Result<Spare, ExtentsError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.closed {
            return Err(ExtentsError::Io("the store is closing".into()));
        }
        if let Some(spare) = pool.ready.pop_front() {
            return Ok(spare);
        }
        let next = pool.next;
        self.refill(&mut pool).map_err(|error| failed(ExtentId(next), &error))?;
        pool.batch = (pool.batch * 2).min(BATCH);
        let none = || ExtentsError::Io("no extent file could be made".into());
        pool.ready.pop_front().ok_or_else(none)
    }

    fn refill(&self, pool: &mut Pool) -> io::Result<()> {
        let mut made = VecDeque::new();
        for _ in 0..pool.batch {
            let extent = ExtentId(pool.next);
            self.state.reserve(extent.0)?;
            // The id is used up even if the file cannot be made.
            pool.next += 1;
            let file = self.disk.create(&path_of(&self.dir, extent))?;
            made.push_back(Spare { guard: self.in_use.guard(extent), file });
        }
        self.disk.sync_dir(&self.dir)?;
        pool.ready.append(&mut made);
        Ok(())
    }

    /// Removes the files that were not taken; returns the first id that was never used.
    pub(crate) fn close(&self) -> io::Result<u64> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.closed = true;
        for spare in std::mem::take(&mut pool.ready) {
            self.disk.remove(&path_of(&self.dir, spare.guard.extent))?;
        }
        self.disk.sync_dir(&self.dir)?;
        Ok(pool.next)
    }
}

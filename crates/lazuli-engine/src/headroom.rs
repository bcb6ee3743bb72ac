//! Keeps the disk from running full under the engine: writes are refused while fewer than a reserve
//! of bytes are free, so that what must be written (flushes, compactions, the journal) still can be.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::disk::Disk;

/// A measurement of free space is trusted this long.
const FRESH: Duration = Duration::from_millis(50);

/// Decides whether there is room for a write.
#[derive(Debug)]
pub(crate) struct Headroom {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    reserve_bytes: u64,
    measured: Mutex<Option<Measured>>,
}

#[derive(Debug)]
struct Measured {
    at: Instant,
    /// Bytes that may still be written before the reserve is touched.
    budget: u64,
}

impl Headroom {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf, reserve_bytes: u64) -> Self {
        Self { disk, path, reserve_bytes, measured: Mutex::new(None) }
    }

    /// Whether `bytes` more may be written; counts them if so. A file system that does not tell its
    /// free space is taken to have room.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = measured
            .as_mut()
            .filter(|measured| measured.at.elapsed() < FRESH && measured.budget >= bytes);
        if let Some(measured) = usable {
            measured.budget -= bytes;
            return true;
        }
        let free = self.disk.free_bytes(&self.path).unwrap_or(u64::MAX);
        let budget = free.saturating_sub(self.reserve_bytes);
        let room = budget >= bytes;
        let left = budget.saturating_sub(if room { bytes } else { 0 });
        *measured = Some(Measured { at: Instant::now(), budget: left });
        room
    }
}

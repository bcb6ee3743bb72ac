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

    /// Whether a write of `bytes` that gives space back later may go on: it may use half the reserve,
    /// for otherwise nothing could be deleted from a full store.
    pub(crate) fn take_to_free(&self, bytes: u64) -> bool {
        self.take(bytes) || self.free().saturating_sub(self.reserve_bytes / 2) >= bytes
    }

    fn free(&self) -> u64 {
        self.disk.free_bytes(&self.path).unwrap_or(u64::MAX)
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
        let budget = self.free().saturating_sub(self.reserve_bytes);
        let room = budget >= bytes;
        let left = budget.saturating_sub(if room { bytes } else { 0 });
        *measured = Some(Measured { at: Instant::now(), budget: left });
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    #[test]
    fn deletes_may_use_half_the_reserve() {
        let disk = SimDisk::new(1);
        let headroom = Headroom::new(Arc::new(disk.clone()), PathBuf::from("/"), 1000);
        disk.set_free_bytes(1500);
        assert!(headroom.take(400));
        assert!(!headroom.take(501));
        disk.set_free_bytes(700);
        assert!(!headroom.take(501));
        assert!(headroom.take_to_free(200));
        assert!(!headroom.take_to_free(201));
    }
}

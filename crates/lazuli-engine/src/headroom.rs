//! Keeps the disk from running full under the engine: writes are refused while fewer than a reserve
//! of bytes are free, so that what must be written (flushes, compactions, the journal) still can be.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::extents::Room;

/// A measurement of free space is trusted this long.
const FRESH: Duration = Duration::from_millis(50);

/// The reserve is no larger than this part of the file system: a small one is there to be used.
const RESERVED_PART: u64 = 4;

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
    pub(crate) fn take(&self, bytes: u64, room: Room) -> bool {
        let reserve_has_room = || {
            let (free, reserve) = self.look();
            free.saturating_sub(reserve / 2) >= bytes
        };
        self.take_free(bytes) || room == Room::Reserve && reserve_has_room()
    }

    /// The bytes that are free, and how many of them are to stay so.
    fn look(&self) -> (u64, u64) {
        match self.disk.space(&self.path) {
            Ok(space) => (space.free, self.reserve_bytes.min(space.total / RESERVED_PART)),
            Err(_) => (u64::MAX, 0),
        }
    }

    fn take_free(&self, bytes: u64) -> bool {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = measured
            .as_mut()
            .filter(|measured| measured.at.elapsed() < FRESH && measured.budget >= bytes);
        if let Some(measured) = usable {
            measured.budget -= bytes;
            return true;
        }
        let (free, reserve) = self.look();
        let budget = free.saturating_sub(reserve);
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
        assert!(headroom.take(400, Room::Free));
        assert!(!headroom.take(501, Room::Free));
        disk.set_free_bytes(700);
        assert!(!headroom.take(501, Room::Free));
        assert!(headroom.take(200, Room::Reserve));
        assert!(!headroom.take(201, Room::Reserve));
    }
}

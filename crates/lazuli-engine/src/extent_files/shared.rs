//! The shared extent: small payloads one after another, made durable together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::spares::Spare;
use super::{UseGuard, failed};
use crate::disk::DiskFile;
use crate::extents::{ExtentId, ExtentsError, Piece, Settle, Settled};
use crate::frame::{self, Place, Seal};

/// More bytes than this are not left unsynced: an append then syncs first.
const UNSYNCED_BYTES_MAX: u64 = 32 << 20;

#[derive(Debug)]
pub(crate) struct SharedExtent {
    guard: UseGuard,
    file: Arc<dyn DiskFile>,
    /// Bytes of whole frames written. Changed under the set's lock only.
    written: AtomicU64,
    /// Bytes known to be durable, or what went wrong: after a failed sync the page cache no longer
    /// tells what the disk holds, so no later sync of this file is believed.
    synced: Mutex<Result<u64, ExtentsError>>,
}

#[derive(Debug)]
struct SharedPayload {
    extent: Arc<SharedExtent>,
    _guard: UseGuard,
}

impl SharedExtent {
    pub(crate) fn new(spare: Spare) -> Self {
        let Spare { guard, file } = spare;
        Self { guard, file, written: AtomicU64::new(0), synced: Mutex::new(Ok(0)) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    fn place(&self) -> Place {
        Place { extent: self.guard.extent, offset: self.len() }
    }

    fn write(&self, frames: &[u8]) -> Result<(), ExtentsError> {
        let offset = self.len();
        let written = self.file.write_all_at(frames, offset);
        written.map_err(|error| failed(self.guard.extent, &error))?;
        self.written.store(offset + frames.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Writes a payload after the others. The caller holds the set's lock.
    pub(crate) fn append(&self, payload: &[u8]) -> Result<Piece, ExtentsError> {
        let place = self.place();
        self.write(&frame::encode(payload, place))?;
        Ok(Piece { extent: place.extent, offset: place.offset, len: payload.len() as u64 })
    }

    /// Ends the extent. Nothing is appended after this.
    pub(crate) fn seal(&self) -> Result<(), ExtentsError> {
        let place = self.place();
        let seal = Seal { valid_len: place.offset, torn_len: 0, torn_crc: 0 };
        self.write(&frame::encode_seal(seal, place))
    }

    /// After a failed write: cuts off what it may have left, and seals if the disk lets us. If not,
    /// recovery does it at the next start.
    pub(crate) fn abandon(&self) {
        if self.file.set_len(self.len()).is_ok() {
            let _ = self.seal();
        }
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<(), ExtentsError> {
        let target = self.len();
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if synced.clone()? >= target {
            return Ok(());
        }
        let target = self.len();
        *synced = match self.file.sync_data() {
            Ok(()) => Ok(target),
            Err(error) => {
                Err(ExtentsError::Io(format!("syncing extent {:016x}: {error}", self.extent().0)))
            }
        };
        synced.clone().map(|_| ())
    }

    fn extent(&self) -> ExtentId {
        self.guard.extent
    }

    /// Whether a sync failed: nothing more is written to such a file. Recovery seals it.
    pub(crate) fn failed(&self) -> bool {
        self.synced.try_lock().is_ok_and(|synced| synced.is_err())
    }

    /// Syncs if too much is not.
    pub(crate) fn bound_unsynced(&self) -> Result<(), ExtentsError> {
        let synced = self.synced.try_lock().ok().map(|synced| synced.clone());
        match synced {
            Some(Ok(synced)) if self.len() - synced.min(self.len()) > UNSYNCED_BYTES_MAX => {
                self.sync()
            }
            _ => Ok(()),
        }
    }

    /// The handle by which a commit makes a payload durable.
    pub(crate) fn settled(self: &Arc<Self>) -> Settled {
        Arc::new(SharedPayload { extent: Arc::clone(self), _guard: self.guard.another() })
    }
}

impl Settle for SharedPayload {
    fn extent(&self) -> ExtentId {
        self.extent.extent()
    }

    fn settle(&self) -> Result<(), ExtentsError> {
        self.extent.sync()
    }
}

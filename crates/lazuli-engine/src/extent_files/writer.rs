//! The writer of a large payload: an extent of its own, written in big blocks off the reactor's
//! threads while the next bytes arrive, and synced along the way so that the end is near when the
//! last byte comes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::spares::Spare;
use super::{Inner, UseGuard, blocking, failed, path_of};
use crate::BoxFuture;
use crate::checksum::crc32c;
use crate::disk::DiskFile;
use crate::extents::{ExtentId, ExtentWriter, ExtentsError, Piece, Room, Settle, Settled};
use crate::frame::{
    self, FRAME_BYTES, HEADER_BYTES, Kind, PAYLOAD_MAX, Place, SEAL_BYTES, Seal, encoded_len,
};
use crate::stats::Stats;

/// Bytes written at once.
const BLOCK_BYTES: usize = 16 * FRAME_BYTES;
/// Blocks on their way to the disk: the bound on a writer's memory. The system writes to a file from
/// one thread at a time, so a second one would only wait, and not idly.
const BLOCKS_IN_FLIGHT: usize = 1;
/// Written bytes after which a sync is started in the background.
const SYNC_BYTES: u64 = 8 << 20;

type Job = JoinHandle<Result<Vec<u8>, ExtentsError>>;

pub(crate) struct FileWriter {
    inner: Arc<Inner>,
    file: Arc<dyn DiskFile>,
    /// Held by the payload once it is finished.
    guard: Option<UseGuard>,
    extent: ExtentId,
    room: Room,
    /// Frames under construction, headers still blank; the last one may not be full.
    block: Vec<u8>,
    /// File offset of the block.
    offset: u64,
    /// Payload bytes taken.
    len: u64,
    writes: VecDeque<Job>,
    sync: Option<Job>,
    unsynced: u64,
    spare_blocks: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct SyncedPayload(UseGuard);

impl Settle for SyncedPayload {
    fn extent(&self) -> ExtentId {
        self.0.extent
    }

    fn settle(&self) -> Result<(), ExtentsError> {
        Ok(())
    }
}

impl FileWriter {
    /// Takes an empty file and reserves space. Blocking.
    pub(crate) fn open(
        inner: Arc<Inner>,
        expected: Option<u64>,
        room: Room,
    ) -> Result<Self, ExtentsError> {
        let expected = expected.map(|len| encoded_len(len) + SEAL_BYTES as u64);
        inner.admit(expected.unwrap_or(BLOCK_BYTES as u64), room)?;
        let Spare { guard, file } = inner.spares.take()?;
        let extent = guard.extent;
        let writer = Self {
            inner,
            file,
            guard: Some(guard),
            room,
            extent,
            block: Vec::new(),
            offset: 0,
            len: 0,
            writes: VecDeque::new(),
            sync: None,
            unsynced: 0,
            spare_blocks: Vec::new(),
        };
        if let Some(expected) = expected {
            writer.file.reserve(expected).map_err(|error| failed(extent, &error))?;
        }
        Ok(writer)
    }

    /// Copies bytes into the block until it is full; returns the bytes that did not fit.
    fn fill(&mut self, mut bytes: Bytes) -> Bytes {
        if self.block.capacity() == 0 {
            let spare = self.spare_blocks.pop();
            self.block = spare.unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES));
        }
        while !bytes.is_empty() && self.block.len() < BLOCK_BYTES {
            let in_frame = self.block.len() % FRAME_BYTES;
            if in_frame == 0 {
                self.block.extend_from_slice(&[0; HEADER_BYTES]);
                continue;
            }
            let taken = bytes.split_to(bytes.len().min(FRAME_BYTES - in_frame));
            self.block.extend_from_slice(&taken);
            self.len += taken.len() as u64;
        }
        bytes
    }

    /// Sends the block to the disk; waits if too many are on their way.
    async fn send_block(&mut self) -> Result<(), ExtentsError> {
        let block = std::mem::take(&mut self.block);
        let len = block.len() as u64;
        self.inner.admit(len, self.room)?;
        while self.writes.len() >= BLOCKS_IN_FLIGHT {
            self.join_write().await?;
        }
        let file = Arc::clone(&self.file);
        let place = Place { extent: self.extent, offset: self.offset };
        self.writes
            .push_back(tokio::task::spawn_blocking(move || write_block(&*file, place, block)));
        self.offset += len;
        self.unsynced += len;
        if self.unsynced >= SYNC_BYTES && self.sync.as_ref().is_none_or(JoinHandle::is_finished) {
            self.join_sync().await?;
            let file = Arc::clone(&self.file);
            let extent = self.extent;
            self.sync = Some(tokio::task::spawn_blocking(move || {
                file.sync_data().map(|()| Vec::new()).map_err(|error| failed(extent, &error))
            }));
            self.unsynced = 0;
        }
        Ok(())
    }

    async fn join_write(&mut self) -> Result<(), ExtentsError> {
        if let Some(job) = self.writes.pop_front() {
            let mut block = joined(job).await?;
            block.clear();
            self.spare_blocks.push(block);
        }
        Ok(())
    }

    async fn join_sync(&mut self) -> Result<(), ExtentsError> {
        match self.sync.take() {
            Some(job) => joined(job).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn complete(mut self: Box<Self>) -> Result<(Piece, Settled), ExtentsError> {
        if self.len == 0 {
            return Err(ExtentsError::Io("a payload has at least one byte".into()));
        }
        if !self.block.is_empty() {
            self.send_block().await?;
        }
        while !self.writes.is_empty() {
            self.join_write().await?;
        }
        self.join_sync().await?;
        let (file, extent, offset) = (Arc::clone(&self.file), self.extent, self.offset);
        blocking(move || {
            seal(&*file, Place { extent, offset }).map_err(|error| failed(extent, &error))
        })
        .await?;
        let (len, stats) = (self.len, Arc::clone(&self.inner.stats));
        let lost = || ExtentsError::Io("writer finished twice".into());
        let guard = self.guard.take().ok_or_else(lost)?;
        Stats::add(&stats.extent_bytes_written, len);
        Stats::add(&stats.extent_bytes, offset + SEAL_BYTES as u64);
        Ok((Piece { extent, offset: 0, len }, Arc::new(SyncedPayload(guard))))
    }
}

async fn joined(job: Job) -> Result<Vec<u8>, ExtentsError> {
    job.await.unwrap_or_else(|error| Err(ExtentsError::Io(format!("write was stopped: {error}"))))
}

/// Fills in the headers of a block's frames and writes it.
fn write_block(
    file: &dyn DiskFile,
    place: Place,
    mut block: Vec<u8>,
) -> Result<Vec<u8>, ExtentsError> {
    let mut offset = place.offset;
    for frame in block.chunks_mut(FRAME_BYTES) {
        let len = frame.len();
        if let Some((head, payload)) = frame.split_at_mut_checked(HEADER_BYTES) {
            debug_assert!(!payload.is_empty() && payload.len() <= PAYLOAD_MAX);
            let place = Place { extent: place.extent, offset };
            let crc = crc32c(payload);
            head.copy_from_slice(&frame::header(Kind::Data, place, payload.len(), crc));
        }
        offset += len as u64;
    }
    let written = file.write_all_at(&block, place.offset);
    written.map(|()| block).map_err(|error| failed(place.extent, &error))
}

/// Ends the extent at `place`, gives back space reserved beyond it, and syncs.
fn seal(file: &dyn DiskFile, place: Place) -> std::io::Result<()> {
    let seal = Seal { valid_len: place.offset, torn_len: 0, torn_crc: 0 };
    file.write_all_at(&frame::encode_seal(seal, place), place.offset)?;
    file.set_len(place.offset + SEAL_BYTES as u64)?;
    file.sync_data()
}

impl ExtentWriter for FileWriter {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), ExtentsError>> {
        Box::pin(async move {
            let mut rest = bytes;
            while !rest.is_empty() {
                rest = self.fill(rest);
                if self.block.len() >= BLOCK_BYTES {
                    self.send_block().await?;
                }
            }
            Ok(())
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(Piece, Settled), ExtentsError>> {
        Box::pin(self.complete())
    }
}

impl Drop for FileWriter {
    /// Removes the file of an unfinished payload. Writes still on their way go to a file without a
    /// name, and vanish with it.
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let path = path_of(&self.inner.dir, self.extent);
            let disk = Arc::clone(&self.inner.disk);
            let remove = move || {
                if let Err(error) = disk.remove(&path) {
                    tracing::warn!(path = %path.display(), %error, "unfinished extent not removed");
                }
                drop(guard);
            };
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(remove)),
                Err(_) => remove(),
            }
        }
    }
}

//! Extents in files: small payloads packed into a shared file, large ones in a file each.
//!
//! Invariants: an extent file is only ever appended to, by one writer at a time; an extent id is
//! reserved durably before it is used and never used twice; the name of a file is durable before
//! the file holds a byte (new files come from a pool of empty ones whose directory was synced).

mod buffers;
pub(crate) mod cache;
pub(crate) mod shared;
pub(crate) mod spares;
pub(crate) mod walk;
pub(crate) mod writer;

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use self::buffers::{Buffer, Buffers};
use self::cache::FileCache;
use self::shared::SharedExtent;
use self::spares::Spares;
use self::writer::FileWriter;
use crate::BoxFuture;
use crate::disk::{Disk, DiskFile, read_full};
use crate::extents::{
    ExtentId, ExtentWriter, Extents, ExtentsError, Piece, ReadPin, Room, Settled,
};
use crate::frame::{Span, encoded_len};
use crate::headroom::Headroom;
use crate::pins::Pins;
use crate::state::StateFile;
use crate::stats::Stats;

/// Reads up to this many file bytes are first tried on the caller's thread, from the page cache.
const INLINE_READ_BYTES: usize = 256 * 1024;
/// Appends up to this many bytes are written on the caller's thread, into the page cache.
const INLINE_APPEND_BYTES: usize = 64 * 1024;
/// One read may ask for this much.
const READ_BYTES_MAX: usize = 64 << 20;

/// What a set of extent files is made of.
pub(crate) struct Parts {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) state: Arc<StateFile>,
    pub(crate) headroom: Arc<Headroom>,
    pub(crate) stats: Arc<Stats>,
    /// The first extent id that was never used.
    pub(crate) next_extent: u64,
    /// A shared extent that reached this length is finished.
    pub(crate) extent_bytes: u64,
}

/// [`Extents`] in the files of one directory.
pub(crate) struct ExtentFiles {
    inner: Arc<Inner>,
    pins: Arc<Pins>,
}

pub(crate) struct Inner {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    headroom: Arc<Headroom>,
    stats: Arc<Stats>,
    extent_bytes: u64,
    cache: FileCache,
    buffers: Arc<Buffers>,
    spares: Spares,
    in_use: Arc<InUse>,
    shared: Mutex<Slot>,
}

/// The shared extent that takes small payloads.
enum Slot {
    None,
    Open(Arc<SharedExtent>),
    Closed,
}

/// Extents that a writer fills or that a commit is about to name: not sealed yet.
#[derive(Debug, Default)]
pub(crate) struct InUse(Mutex<HashMap<ExtentId, usize>>);

/// Keeps an extent in use.
#[derive(Debug)]
pub(crate) struct UseGuard {
    in_use: Arc<InUse>,
    pub(crate) extent: ExtentId,
}

impl InUse {
    pub(crate) fn guard(self: &Arc<Self>, extent: ExtentId) -> UseGuard {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(extent).or_default() += 1;
        UseGuard { in_use: Arc::clone(self), extent }
    }

    fn contains(&self, extent: ExtentId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&extent)
    }
}

impl UseGuard {
    fn another(&self) -> Self {
        self.in_use.guard(self.extent)
    }
}

impl Drop for UseGuard {
    fn drop(&mut self) {
        let mut counts = self.in_use.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.extent) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.extent);
            }
        }
    }
}

/// The file of an extent.
pub(crate) fn path_of(dir: &Path, extent: ExtentId) -> PathBuf {
    dir.join(format!("{:016x}.ext", extent.0))
}

/// The extent of a file name.
pub(crate) fn extent_of(name: &str) -> Option<ExtentId> {
    let digits = name.strip_suffix(".ext").filter(|digits| digits.len() == 16)?;
    let id = u64::from_str_radix(digits, 16).ok()?;
    // Only the one spelling that path_of gives.
    (format!("{id:016x}") == digits).then_some(ExtentId(id))
}

/// What an I/O error on an extent's file means.
pub(crate) fn failed(extent: ExtentId, error: &io::Error) -> ExtentsError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ExtentsError::Full,
        io::ErrorKind::NotFound => ExtentsError::Missing(extent),
        _ => ExtentsError::Io(format!("extent {:016x}: {error}", extent.0)),
    }
}

/// Runs blocking work off the reactor's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExtentsError> + Send + 'static,
) -> Result<T, ExtentsError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(ExtentsError::Io(format!("work was stopped: {error}"))))
}

impl ExtentFiles {
    pub(crate) fn new(parts: Parts) -> Self {
        let in_use = Arc::new(InUse::default());
        let spares = Spares::new(&parts, Arc::clone(&in_use));
        let inner = Arc::new(Inner {
            disk: parts.disk,
            dir: parts.dir,
            headroom: parts.headroom,
            stats: parts.stats,
            extent_bytes: parts.extent_bytes,
            cache: FileCache::default(),
            buffers: Arc::new(Buffers::default()),
            spares,
            in_use,
            shared: Mutex::new(Slot::None),
        });
        let owner = Arc::clone(&inner);
        let pins = Pins::new(Box::new(move |extent| owner.remove(extent)));
        Self { inner, pins }
    }

    /// Seals the shared extent, removes the spare files and refuses writes; returns the first id
    /// that was never used. Reads go on.
    pub(crate) fn close(&self) -> Result<u64, ExtentsError> {
        let mut slot = self.inner.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Slot::Open(extent) = std::mem::replace(&mut *slot, Slot::Closed) {
            extent.seal()?;
            extent.sync()?;
        }
        drop(slot);
        self.inner.spares.close().map_err(|error| failed(ExtentId(0), &error))
    }

    /// Verifies every frame of one finished extent: the offset and kind of the first damage.
    pub(crate) fn verify(&self, extent: ExtentId) -> Result<walk::Walk, ExtentsError> {
        let file = self.inner.open(extent)?;
        walk::walk(&*file, extent).map_err(|error| failed(extent, &error))
    }
}

impl Inner {
    fn open(&self, extent: ExtentId) -> Result<Arc<dyn DiskFile>, ExtentsError> {
        self.cache
            .get(extent, || self.disk.open(&path_of(&self.dir, extent), crate::disk::Access::Read))
            .map_err(|error| failed(extent, &error))
    }

    fn remove(&self, extent: ExtentId) {
        self.cache.forget(extent);
        let path = path_of(&self.dir, extent);
        let len = self.disk.file_len(&path).unwrap_or(0);
        match self.disk.remove(&path) {
            Ok(()) => Stats::sub(&self.stats.extent_bytes, len),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The collector asks again: nothing names the file.
            Err(error) => tracing::warn!(path = %path.display(), %error, "extent not removed"),
        }
    }

    /// Refuses a write the disk has no room for.
    fn admit(&self, payload_len: u64, room: Room) -> Result<(), ExtentsError> {
        let admitted = self.headroom.take(encoded_len(payload_len), room);
        if admitted { Ok(()) } else { Err(ExtentsError::Full) }
    }

    fn append(&self, payload: &[u8], room: Room) -> Result<(Piece, Settled), ExtentsError> {
        self.admit(payload.len() as u64, room)?;
        let (extent, piece) = self.append_to_shared(payload)?;
        Stats::add(&self.stats.extent_bytes_written, piece.len);
        Stats::add(&self.stats.extent_bytes, encoded_len(piece.len));
        Ok((piece, extent))
    }

    fn append_to_shared(&self, payload: &[u8]) -> Result<(Settled, Piece), ExtentsError> {
        let mut slot = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Slot::Open(extent) = &*slot
            && extent.failed()
        {
            extent.abandon();
            *slot = Slot::None;
        }
        let extent = match &*slot {
            Slot::Open(extent) => Arc::clone(extent),
            Slot::Closed => return Err(ExtentsError::Io("the store is closing".into())),
            Slot::None => {
                let extent = Arc::new(SharedExtent::new(self.spares.take()?));
                *slot = Slot::Open(Arc::clone(&extent));
                extent
            }
        };
        let piece = match extent.append(payload) {
            Ok(piece) => piece,
            Err(error) => {
                // What the file holds beyond its last good frame is unknown: nothing follows it.
                extent.abandon();
                *slot = Slot::None;
                return Err(error);
            }
        };
        if extent.len() >= self.extent_bytes {
            *slot = Slot::None;
            if extent.seal().is_err() {
                extent.abandon();
            }
        }
        drop(slot);
        extent.bound_unsynced()?;
        Ok((extent.settled(), piece))
    }

    fn read_blocking(&self, extent: ExtentId, span: &Span) -> Result<Bytes, ExtentsError> {
        let file = self.open(extent)?;
        let mut buffer = self.buffers.take(span.len);
        let read = read_full(&*file, buffer.as_mut(), span.offset);
        let read = read.map_err(|error| failed(extent, &error))?;
        self.unframe((extent, span), buffer, read)
    }

    /// The bytes if the page cache has all of them.
    fn read_cached(&self, extent: ExtentId, span: &Span) -> Option<Result<Bytes, ExtentsError>> {
        let file = match self.open(extent) {
            Ok(file) => file,
            Err(error) => return Some(Err(error)),
        };
        let mut buffer = self.buffers.take(span.len);
        let read = file.read_cached_at(buffer.as_mut(), span.offset).ok()?;
        (read == span.len).then(|| self.unframe((extent, span), buffer, read))
    }

    /// Verifies what was read of a span, the first `read` bytes of `buffer`, and gives its payload.
    fn unframe(
        &self,
        (extent, span): (ExtentId, &Span),
        mut buffer: Buffer,
        read: usize,
    ) -> Result<Bytes, ExtentsError> {
        let frames = buffer.as_mut().get_mut(..read).unwrap_or_default();
        let kept = span.unframe(frames).map_err(|(offset, what)| {
            let what = format!("extent {:016x}, offset {offset}: {what}", extent.0);
            tracing::error!(%what, "damaged extent");
            Stats::add(&self.stats.damage, 1);
            ExtentsError::Damaged(what)
        })?;
        Stats::add(&self.stats.extent_bytes_read, kept as u64);
        Ok(buffer.into_bytes(kept))
    }

    fn sealed(&self, freed: &[ExtentId]) -> Result<Vec<(ExtentId, u64)>, ExtentsError> {
        let failed = |error: io::Error| ExtentsError::Io(format!("listing extents: {error}"));
        let mut sealed = Vec::new();
        for name in self.disk.list(&self.dir).map_err(failed)? {
            let Some(extent) = extent_of(&name) else { continue };
            if self.in_use.contains(extent) || freed.contains(&extent) {
                continue;
            }
            match self.disk.file_len(&path_of(&self.dir, extent)) {
                Ok(len) => sealed.push((extent, len)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        sealed.sort_unstable();
        let total = sealed.iter().map(|(_, len)| len).sum();
        self.stats.extent_bytes.store(total, std::sync::atomic::Ordering::Relaxed);
        Ok(sealed)
    }
}

impl Extents for ExtentFiles {
    fn append(
        &self,
        payload: Bytes,
        room: Room,
    ) -> BoxFuture<'_, Result<(Piece, Settled), ExtentsError>> {
        Box::pin(async move {
            if payload.is_empty() {
                return Err(ExtentsError::Io("a payload has at least one byte".into()));
            }
            if payload.len() <= INLINE_APPEND_BYTES {
                return self.inner.append(&payload, room);
            }
            let inner = Arc::clone(&self.inner);
            blocking(move || inner.append(&payload, room)).await
        })
    }

    fn create(
        &self,
        expected: Option<u64>,
        room: Room,
    ) -> BoxFuture<'_, Result<Box<dyn ExtentWriter>, ExtentsError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let writer = blocking(move || FileWriter::open(inner, expected, room)).await?;
            Ok(Box::new(writer) as Box<dyn ExtentWriter>)
        })
    }

    fn read(&self, piece: Piece, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ExtentsError>> {
        Box::pin(async move {
            if range.start == range.end && range.end <= piece.len {
                return Ok(Bytes::new());
            }
            let span = Span::of(piece, &range).filter(|span| span.len <= READ_BYTES_MAX);
            let outside = || ExtentsError::Io(format!("{range:?} is no range of {piece:?}"));
            let span = span.ok_or_else(outside)?;
            if span.len <= INLINE_READ_BYTES
                && let Some(read) = self.inner.read_cached(piece.extent, &span)
            {
                return read;
            }
            let inner = Arc::clone(&self.inner);
            blocking(move || inner.read_blocking(piece.extent, &span)).await
        })
    }

    fn pin(&self) -> Box<dyn ReadPin> {
        self.pins.pin()
    }

    fn sealed(&self) -> BoxFuture<'_, Result<Vec<(ExtentId, u64)>, ExtentsError>> {
        let inner = Arc::clone(&self.inner);
        let freed = self.pins.waiting();
        Box::pin(blocking(move || inner.sealed(&freed)))
    }

    fn free(&self, extent: ExtentId) -> BoxFuture<'_, Result<(), ExtentsError>> {
        let pins = Arc::clone(&self.pins);
        Box::pin(blocking(move || {
            pins.free(extent);
            Ok(())
        }))
    }
}

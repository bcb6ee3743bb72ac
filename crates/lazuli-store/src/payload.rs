//! Bytes on their way in: they go to the extents while they arrive, before anything names them.
//!
//! Tiny payloads stay in memory and travel inside the commit; small ones are packed together with
//! others into a shared extent; large ones stream into an extent of their own. A payload that no
//! commit names is garbage from the start, and the collector frees it.

use bytes::{Bytes, BytesMut};
use lazuli_engine::{ExtentWriter, ExtentsError, Piece, Room, Settled};
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;

/// Payloads up to this many bytes live in the metadata: measured 2.2 times faster than an extent.
pub const INLINE_BYTES_MAX: usize = 4 * 1024;

/// Payloads up to this many bytes are packed into shared extents.
pub const PACKED_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that have arrived and that a commit may name.
#[derive(Clone, Debug)]
pub enum Payload {
    /// No bytes.
    Empty,
    /// Bytes that will live in the metadata.
    Inline(Bytes),
    /// Bytes in an extent.
    Extent(Piece, Settled),
}

impl Payload {
    /// Bytes in the payload.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Extent(piece, _) => piece.len,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

/// Where a payload may end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Anywhere, the metadata included.
    Anywhere,
    /// In an extent, whatever its size: blocks are shared by reference.
    Extent,
    /// In memory, whatever its size, which the caller has bounded: it is placed in parts later.
    Memory,
}

/// A payload being received.
pub struct Ingest<'s> {
    store: &'s Store,
    placement: Placement,
    expected: Option<u64>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    writer: Option<Box<dyn ExtentWriter>>,
    room: Room,
}

impl Store {
    /// Begins to receive a payload of `expected` bytes, if that is known.
    pub fn ingest(&self, placement: Placement, expected: Option<u64>) -> Ingest<'_> {
        Ingest {
            store: self,
            placement,
            expected,
            waiting: Vec::new(),
            waiting_bytes: 0,
            writer: None,
            room: Room::Free,
        }
    }
}

impl Ingest<'_> {
    /// Lets it use the reserve of the disk: its bytes move so that others can be removed.
    pub(crate) fn into_reserve(self) -> Self {
        Self { room: Room::Reserve, ..self }
    }

    /// Takes the next bytes, holding back while too many wait for the disk.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(writer) = &mut self.writer {
            return writer.write(bytes).await.map_err(|error| unwritable(&error));
        }
        self.waiting_bytes += bytes.len();
        self.waiting.push(bytes);
        if self.waiting_bytes > PACKED_BYTES_MAX && self.placement != Placement::Memory {
            let extents = &self.store.extents;
            let mut writer = extents
                .create(self.expected, self.room)
                .await
                .map_err(|error| unwritable(&error))?;
            for bytes in self.waiting.drain(..) {
                writer.write(bytes).await.map_err(|error| unwritable(&error))?;
            }
            self.writer = Some(writer);
        }
        Ok(())
    }

    /// Ends the payload. A large one is durable now; a packed one will be with its commit.
    pub async fn finish(self) -> Result<Payload, Refusal> {
        if let Some(writer) = self.writer {
            let (piece, settled) = writer.finish().await.map_err(|error| unwritable(&error))?;
            return Ok(Payload::Extent(piece, settled));
        }
        let bytes = joined(self.waiting, self.waiting_bytes);
        if bytes.is_empty() {
            return Ok(Payload::Empty);
        }
        let is_small = self.placement == Placement::Anywhere && bytes.len() <= INLINE_BYTES_MAX;
        if is_small || self.placement == Placement::Memory {
            return Ok(Payload::Inline(bytes));
        }
        let (piece, settled) = self
            .store
            .extents
            .append(bytes, self.room)
            .await
            .map_err(|error| unwritable(&error))?;
        Ok(Payload::Extent(piece, settled))
    }
}

/// One run of bytes from several; no copy if there is but one.
fn joined(mut parts: Vec<Bytes>, len: usize) -> Bytes {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(len);
    for part in &parts {
        whole.extend_from_slice(part);
    }
    whole.freeze()
}

/// The answer when bytes cannot be written.
pub(crate) fn unwritable(error: &ExtentsError) -> Refusal {
    match error {
        ExtentsError::Full => Refusal::new(ErrorCode::InsufficientStorage),
        other => Refusal::new(ErrorCode::ServerBusy).with_cause(other),
    }
}

/// The answer when bytes cannot be read back.
pub(crate) fn unreadable(error: &ExtentsError) -> Refusal {
    Refusal::new(ErrorCode::InternalError).with_cause(error)
}

//! The bytes contract: immutable runs, written once, read in ranges, freed as a whole.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::BoxFuture;

/// The number of an extent; never used twice in the life of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentId(pub u64);

/// Payload bytes of a full frame, the unit that has a checksum. A read that begins and ends at a
/// multiple of it within its piece verifies no byte that it does not give.
pub const FRAME_PAYLOAD_BYTES: u64 = crate::frame::PAYLOAD_MAX as u64;

/// A run of payload bytes inside one extent: what metadata stores to name bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// The extent that holds the bytes.
    pub extent: ExtentId,
    /// File offset of the header of the run's first frame.
    pub offset: u64,
    /// Payload bytes in the run, at least 1.
    pub len: u64,
}

/// A payload that was handed to the extents and is named by a commit.
///
/// The committer awaits [`Settle::settle`] of each payload, once per shared extent, before it
/// writes the metadata of the group: that is how bytes come before their name.
pub type Settled = Arc<dyn Settle>;

/// Makes written bytes durable.
pub trait Settle: Send + Sync + std::fmt::Debug {
    /// Identifies the file: payloads of one group with the same number are synced together.
    fn extent(&self) -> ExtentId;

    /// Returns when every byte written to the extent before the call is durable. Blocking; called
    /// on the committer's thread. A writer that already synced returns at once.
    fn settle(&self) -> Result<(), ExtentsError>;
}

/// Why bytes could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtentsError {
    /// No room on the disk.
    Full,
    /// Stored bytes do not match their checksum or frame; the text names file and offset.
    Damaged(String),
    /// The extent does not exist.
    Missing(ExtentId),
    /// The disk refused; the text names the file.
    Io(String),
}

impl std::fmt::Display for ExtentsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("no space left on the data disk"),
            Self::Damaged(what) => write!(f, "damaged extent: {what}"),
            Self::Missing(id) => write!(f, "extent {} does not exist", id.0),
            Self::Io(what) => write!(f, "extent not accessible: {what}"),
        }
    }
}

impl std::error::Error for ExtentsError {}

/// Holds back the removal of extents freed after it was taken: a read that found its pieces in
/// metadata under a pin can finish, however long after it the bytes lose their name.
pub trait ReadPin: Send + Sync + 'static {}

/// Writes one payload of any size into an extent of its own. Dropped unfinished, it leaves nothing.
pub trait ExtentWriter: Send {
    /// Appends payload bytes, holding back while too many are waiting for the disk.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), ExtentsError>>;

    /// Writes what is left and syncs. The bytes are durable when this returns.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(Piece, Settled), ExtentsError>>;
}

/// How much of the disk a write may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// What is free beyond the reserve.
    #[default]
    Free,
    /// Half the reserve as well: the write gives space back soon after. Nothing could ever be taken
    /// back on a full disk otherwise.
    Reserve,
}

/// A set of immutable byte runs.
pub trait Extents: Send + Sync + 'static {
    /// Stores a small payload (1 byte to about 1 MiB) in a shared extent. The bytes are written but
    /// not yet synced: the commit that names them carries the returned [`Settled`].
    fn append(
        &self,
        payload: Bytes,
        room: Room,
    ) -> BoxFuture<'_, Result<(Piece, Settled), ExtentsError>>;

    /// Opens a writer for a large payload; `expected` bytes are reserved if given.
    fn create(
        &self,
        expected: Option<u64>,
        room: Room,
    ) -> BoxFuture<'_, Result<Box<dyn ExtentWriter>, ExtentsError>>;

    /// Reads `range` of the piece's payload (offsets within the piece), every frame verified.
    /// Callers ask for at most a few MiB at a time.
    fn read(&self, piece: Piece, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ExtentsError>>;

    /// Holds back removals until the pin is dropped.
    fn pin(&self) -> Box<dyn ReadPin>;

    /// The extents on disk that no writer is filling, with their size in bytes on disk.
    fn sealed(&self) -> BoxFuture<'_, Result<Vec<(ExtentId, u64)>, ExtentsError>>;

    /// Removes an extent once no pin taken before this call is left. The caller has proved from
    /// metadata that nothing names it.
    fn free(&self, extent: ExtentId) -> BoxFuture<'_, Result<(), ExtentsError>>;
}

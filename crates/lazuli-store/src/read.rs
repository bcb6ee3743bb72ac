//! Reading a blob: its row, and its bytes in bounded pieces.

use std::ops::Range;

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_engine::{Piece, ReadPin};
use lazuli_model::conditions::Conditions;
use lazuli_model::range::ResolvedRange;
use lazuli_model::{ErrorCode, Refusal};
use tokio::task::JoinHandle;

use crate::Store;
use crate::blob::{BlobPath, Terms, check_readable, check_settled, with_current};
use crate::copy::no_source;
use crate::payload::unreadable;
use crate::rows::{BlobData, BlobRow, ManifestChunk, Stored};
use crate::schema::{self, ManifestId};
use crate::txn::damaged;

/// Most bytes read at a time: what a slow reader holds in memory.
const READ_BYTES: u64 = 1024 * 1024;

/// A blob that was found and may be read.
pub struct OpenBlob {
    /// Its row.
    pub row: BlobRow,
    /// The clock when it was read: what the lease's state is told by.
    pub now: Timestamp,
    pin: Box<dyn ReadPin>,
}

/// Reads a range of a blob's content, from its first byte to its last, one piece ahead of who
/// takes it.
pub struct ContentReader {
    store: Store,
    source: Source,
    /// Bytes not yet given.
    left: u64,
    /// Bytes whose reading has not begun.
    unread: u64,
    /// The piece that is being read while the one before is sent.
    ahead: Option<JoinHandle<Result<Bytes, Refusal>>>,
    /// Keeps what was found in metadata from being freed while it is read.
    _pin: Box<dyn ReadPin>,
}

enum Source {
    Bytes(Bytes),
    Piece { piece: Piece, at: u64 },
    Blocks { manifest: ManifestId, chunk: u32, loaded: ManifestChunk, index: usize, at: u64 },
}

impl Store {
    /// Finds a blob and holds the terms of a read against it.
    pub async fn open_blob(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        terms: &Terms<'_>,
    ) -> Result<OpenBlob, Refusal> {
        // The pin comes before the row is read: whatever the row names stays until the pin goes.
        let pin = self.extents.pin();
        let container = self.find_container(path.account, path.container).await?;
        let container = container.ok_or_else(|| Refusal::new(ErrorCode::ContainerNotFound))?;
        let row: Option<BlobRow> =
            self.row(&schema::blob(container.id, path.blob, snapshot)).await?;
        let now = self.clock.now();
        terms.check_read(row.as_ref(), now)?;
        let row = row.ok_or_else(|| Refusal::new(ErrorCode::BlobNotFound))?;
        Ok(OpenBlob { row, now, pin })
    }

    /// Finds a blob that content is copied from, and holds the conditions on the source against it.
    pub async fn open_source(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        conditions: &Conditions,
    ) -> Result<OpenBlob, Refusal> {
        let none = Conditions::default();
        let terms = Terms { conditions: &none, lease: None, may_overwrite: false };
        let blob = self.open_blob(path, snapshot, &terms).await.map_err(no_source)?;
        with_current(Some(&blob.row), |current| conditions.check_source(current))?;
        check_settled(&blob.row)?;
        Ok(blob)
    }

    /// A reader of `range` of an opened blob; of everything for `None`.
    ///
    /// `BlobArchived` if the blob's content is not at hand.
    pub async fn read_content(
        &self,
        blob: OpenBlob,
        range: Option<ResolvedRange>,
    ) -> Result<ContentReader, Refusal> {
        let OpenBlob { row, pin, .. } = blob;
        check_readable(&row)?;
        let (first, left) = match range {
            Some(range) => (range.first, range.len()),
            None => (0, row.length),
        };
        let source = match row.data {
            BlobData::Empty => Source::Bytes(Bytes::new()),
            BlobData::Inline => {
                let bytes = self.inline_bytes(&row).await?;
                let end = first.saturating_add(left) as usize;
                if end > bytes.len() {
                    return Err(lost(&row));
                }
                Source::Bytes(bytes.slice(first as usize..end))
            }
            BlobData::Extent(piece) => Source::Piece { piece: piece.into(), at: first },
            BlobData::Blocks { manifest, count } => self.seek(manifest, count, first).await?,
        };
        let store = self.clone();
        Ok(ContentReader { store, source, left, unread: left, ahead: None, _pin: pin })
    }

    /// The payload of a blob that lives in the metadata.
    pub(crate) async fn inline_bytes(&self, row: &BlobRow) -> Result<Bytes, Refusal> {
        let found = self.meta.get(&schema::inline(row.state)).await;
        let found = found.map_err(|error| crate::txn::unavailable(&error))?;
        found.map(|found| found.value).ok_or_else(|| lost(row))
    }

    /// The block of a manifest that holds content offset `first`.
    async fn seek(&self, manifest: ManifestId, count: u32, first: u64) -> Result<Source, Refusal> {
        let chunks = count.div_ceil(crate::rows::MANIFEST_CHUNK_BLOCKS as u32);
        let (mut low, mut high) = (0, chunks.saturating_sub(1));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.chunk(manifest, middle).await?.start <= first {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let loaded = self.chunk(manifest, low).await?;
        let mut start = loaded.start;
        let mut index = 0;
        for block in &loaded.blocks {
            if start + block.piece.len > first {
                break;
            }
            start += block.piece.len;
            index += 1;
        }
        Ok(Source::Blocks { manifest, chunk: low, loaded, index, at: first - start })
    }

    async fn chunk(&self, manifest: ManifestId, chunk: u32) -> Result<ManifestChunk, Refusal> {
        let row = self.row(&schema::manifest_chunk(manifest, chunk)).await?;
        row.ok_or_else(|| {
            Refusal::new(ErrorCode::InternalError)
                .with_cause(format!("manifest {:x} has no chunk {chunk}", manifest.0))
        })
    }
}

fn lost(row: &BlobRow) -> Refusal {
    Refusal::new(ErrorCode::InternalError)
        .with_cause(format!("the payload of state {:x} is missing", row.state.0))
}

impl ContentReader {
    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// The next bytes, at most 1 MiB; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.left == 0 {
            return Ok(None);
        }
        let bytes = match self.ahead.take() {
            Some(reading) => reading.await.map_err(broken)??,
            None => match self.advance().await? {
                Next::Here(bytes) => bytes,
                Next::Stored(piece, range) => read(&self.store, piece, range).await?,
            },
        };
        if bytes.is_empty() {
            return Err(broken("stored content is shorter than its blob"));
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left > 0
            && let Next::Stored(piece, range) = self.advance().await?
        {
            let store = self.store.clone();
            let reading = async move { read(&store, piece, range).await };
            self.ahead = Some(tokio::spawn(reading));
        }
        Ok(Some(bytes))
    }

    /// Where the next bytes are.
    async fn advance(&mut self) -> Result<Next, Refusal> {
        let wanted = READ_BYTES.min(self.unread);
        let (piece, range) = match &mut self.source {
            Source::Bytes(bytes) => return Ok(Next::Here(std::mem::take(bytes))),
            Source::Piece { piece, at } => {
                let range = *at..piece.len.min(*at + wanted);
                *at = range.end;
                (*piece, range)
            }
            Source::Blocks { manifest, chunk, loaded, index, at } => {
                if *index >= loaded.blocks.len() {
                    *chunk += 1;
                    *loaded = self.store.chunk(*manifest, *chunk).await?;
                    *index = 0;
                }
                let Some(block) = loaded.blocks.get(*index) else {
                    return Err(broken("a manifest is shorter than its blob"));
                };
                let piece = Piece::from(block.piece);
                let range = *at..piece.len.min(*at + wanted);
                *at = range.end;
                if range.end == piece.len {
                    *index += 1;
                    *at = 0;
                }
                (piece, range)
            }
        };
        self.unread = self.unread.saturating_sub(range.end - range.start);
        Ok(Next::Stored(piece, range))
    }
}

/// Where bytes are.
enum Next {
    /// In memory.
    Here(Bytes),
    /// In an extent.
    Stored(Piece, Range<u64>),
}

async fn read(store: &Store, piece: Piece, range: Range<u64>) -> Result<Bytes, Refusal> {
    store.extents.read(piece, range).await.map_err(|error| unreadable(&error))
}

/// The answer when content cannot be read to its end.
fn broken(cause: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InternalError).with_cause(cause)
}

/// Decodes a manifest chunk's row: for scans that read the rows themselves.
pub(crate) fn manifest_chunk(value: &[u8]) -> Result<ManifestChunk, Refusal> {
    ManifestChunk::decode(value).map_err(|error| damaged(&error))
}

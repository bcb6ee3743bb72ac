//! Reading a blob: its row, and its bytes in bounded pieces.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lazuli_base::Timestamp;
use lazuli_engine::{FRAME_PAYLOAD_BYTES, Piece, ReadPin};
use lazuli_model::conditions::Conditions;
use lazuli_model::range::ResolvedRange;
use lazuli_model::{ErrorCode, Refusal};
use tokio::task::JoinHandle;

use crate::Store;
use crate::blob::{BlobPath, Terms, check_readable, check_settled, with_current};
use crate::collector::Reading;
use crate::copy::no_source;
use crate::pages::Paged;
use crate::pages::read::{PageReader, PageReading, PageRun};
use crate::payload::unreadable;
use crate::pieces::Home;
use crate::rows::{
    BlobData, BlobRow, MANIFEST_CHUNK_BLOCKS, ManifestChunk, PIECE_CHUNK_PIECES, PieceChunk,
    RowError, Stored,
};
use crate::schema::{self, ManifestId};
use crate::txn::{damaged, unavailable};

/// Most bytes read at a time: half a mebibyte in whole frames.
const READ_BYTES: u64 = 8 * FRAME_PAYLOAD_BYTES;

/// Parts that are read ahead while one is sent. With one alone, the connection waits for a thread to
/// wake after each part; together they are what a slow reader holds in memory, 1.5 MiB.
const AHEAD_PARTS: usize = 2;

/// How often a page blob is looked up again that is changed at the time, and a small blob whose
/// payload is gone. If that is not enough, pages written while they are read may be the new ones.
const OPEN_TRIES_MAX: usize = 8;
/// The pause before the third look for a payload, twice; each further one waits longer.
const OPEN_PAUSE: Duration = Duration::from_micros(500);

/// A blob that was found and may be read.
pub struct OpenBlob {
    /// Its row.
    pub row: BlobRow,
    /// The clock when it was read: what the lease's state is told by.
    pub now: Timestamp,
    pin: Arc<dyn ReadPin>,
    /// Keeps the pages of a page blob as they are.
    pub(crate) pages: Option<PageReading>,
    /// The payload of a blob that lives in the metadata, where it is to be read.
    inline: Option<Bytes>,
}

/// Reads a range of a blob's content, from its first byte to its last, some parts ahead of who
/// takes it.
pub struct ContentReader {
    store: Store,
    source: Source,
    /// Bytes not yet given.
    left: u64,
    /// Bytes whose reading has not begun.
    unread: u64,
    /// The parts that are being read while the one before is sent, the next first.
    ahead: VecDeque<JoinHandle<Result<Bytes, Refusal>>>,
    /// Keeps what was found in metadata from being freed while it is read.
    _pin: Arc<dyn ReadPin>,
}

enum Source {
    Bytes(Bytes),
    Pages(Box<PageReader>),
    Piece { piece: Piece, at: u64 },
    List { reading: Reading, chunk: u32, loaded: Chunk, index: usize, at: u64 },
}

/// A chunk of a manifest of either kind.
struct Chunk {
    /// Content offset of its first run.
    start: u64,
    /// Where its runs are, and how long each is.
    runs: Vec<(Place, u64)>,
}

/// Where a run of content is.
#[derive(Clone, Copy)]
enum Place {
    Extent(Piece),
    Housed(Home),
}

impl Chunk {
    /// The chunk in a row, which tells its kind by its format.
    fn decode(value: &[u8]) -> Result<Self, RowError> {
        if value.first() == Some(&PieceChunk::FORMAT) {
            let PieceChunk { start, pieces, .. } = PieceChunk::decode(value)?;
            let runs = pieces.iter().map(|piece| (Place::Housed(piece.home), piece.len));
            return Ok(Self { start, runs: runs.collect() });
        }
        let ManifestChunk { start, blocks } = ManifestChunk::decode(value)?;
        let runs = blocks.iter().map(|block| (Place::Extent(block.piece.into()), block.piece.len));
        Ok(Self { start, runs: runs.collect() })
    }
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
        let pin = Arc::from(self.extents.pin());
        let container = self.find_container(path.account, path.container).await?;
        let container = container.ok_or_else(|| Refusal::new(ErrorCode::ContainerNotFound))?;
        let key = schema::blob(container.id, path.blob, snapshot);
        let mut row: Option<BlobRow> = self.row(&key).await?;
        let mut pages = None;
        // Pages stay as they are once they are being read and their row is still what it was.
        for _ in 0..OPEN_TRIES_MAX {
            let paged = row.as_ref().and_then(|row| Some((Paged::of(row)?, row.length)));
            let Some((paged, limit)) = paged else { break };
            pages = Some(self.read_pages(paged.view(limit)).await?);
            let before = std::mem::replace(&mut row, self.row(&key).await?);
            if row == before {
                break;
            }
        }
        let now = self.clock.now();
        terms.check_read(row.as_ref(), now)?;
        let row = row.ok_or_else(|| Refusal::new(ErrorCode::BlobNotFound))?;
        Ok(OpenBlob { row, now, pin, pages, inline: None })
    }

    /// The same for a blob whose content is read then. A payload in the metadata goes in the commit
    /// that overwrites its blob, and nothing keeps it: it is taken along, and if it went between the
    /// two looks the blob is looked for again.
    pub async fn open_blob_to_read(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        terms: &Terms<'_>,
    ) -> Result<OpenBlob, Refusal> {
        let mut opened = self.open_blob(path, snapshot, terms).await?;
        for tries in 0..OPEN_TRIES_MAX {
            if !matches!(opened.row.data, BlobData::Inline) {
                break;
            }
            if tries > 1 {
                // It is overwritten faster than it can be read here: the next look comes later.
                tokio::time::sleep(OPEN_PAUSE * tries as u32).await;
            }
            opened.inline = self.find_inline(&opened.row).await?;
            if opened.inline.is_some() {
                break;
            }
            opened = self.open_blob(path, snapshot, terms).await?;
        }
        Ok(opened)
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
        let blob = self.open_blob_to_read(path, snapshot, &terms).await.map_err(no_source)?;
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
        let OpenBlob { row, pin, pages, inline, .. } = blob;
        self.reader(&row, (inline, pages), pin, range).await
    }

    /// A reader of `range` of an opened blob, which stays open for others. Not for page blobs, which
    /// are read once.
    ///
    /// `BlobArchived` if the blob's content is not at hand.
    pub async fn read_part(
        &self,
        blob: &OpenBlob,
        range: ResolvedRange,
    ) -> Result<ContentReader, Refusal> {
        let held = (blob.inline.clone(), None);
        self.reader(&blob.row, held, Arc::clone(&blob.pin), Some(range)).await
    }

    async fn reader(
        &self,
        row: &BlobRow,
        (inline, pages): (Option<Bytes>, Option<PageReading>),
        pin: Arc<dyn ReadPin>,
        range: Option<ResolvedRange>,
    ) -> Result<ContentReader, Refusal> {
        check_readable(row)?;
        let (first, left) = match range {
            Some(range) => (range.first, range.len()),
            None => (0, row.length),
        };
        let source = match &row.data {
            BlobData::Empty | BlobData::Appended { count: 0, .. } => Source::Bytes(Bytes::new()),
            BlobData::Inline => {
                let bytes = match inline {
                    Some(bytes) => bytes,
                    None => self.find_inline(row).await?.ok_or_else(|| lost(row))?,
                };
                let end = first.saturating_add(left) as usize;
                if end > bytes.len() {
                    return Err(lost(row));
                }
                Source::Bytes(bytes.slice(first as usize..end))
            }
            BlobData::Extent(piece) => Source::Piece { piece: (*piece).into(), at: first },
            BlobData::Blocks { manifest, count } => {
                let chunks = count.div_ceil(MANIFEST_CHUNK_BLOCKS as u32);
                self.seek(self.read_manifest(*manifest), chunks, first).await?
            }
            BlobData::Pages(paged) => {
                paged.check_changeable()?;
                let pages = pages.ok_or_else(|| broken("the pages were not opened"))?;
                let range = first..first.saturating_add(left);
                Source::Pages(Box::new(PageReader::new(pages, range)))
            }
            BlobData::Appended { list, count, .. } => {
                let chunks = count.div_ceil(PIECE_CHUNK_PIECES as u32);
                self.seek(self.read_manifest(*list), chunks, first).await?
            }
        };
        let store = self.clone();
        Ok(ContentReader { store, source, left, unread: left, ahead: VecDeque::new(), _pin: pin })
    }

    /// The payload of a blob that lives in the metadata; `None` if it went meanwhile.
    pub(crate) async fn find_inline(&self, row: &BlobRow) -> Result<Option<Bytes>, Refusal> {
        let found = self.meta.get(&schema::inline(row.state)).await;
        Ok(found.map_err(|error| unavailable(&error))?.map(|found| found.value))
    }

    /// The run of a manifest of `chunks` that holds content offset `first`.
    async fn seek(&self, reading: Reading, chunks: u32, first: u64) -> Result<Source, Refusal> {
        let manifest = reading.manifest();
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
        for (_, len) in &loaded.runs {
            if start + len > first {
                break;
            }
            start += len;
            index += 1;
        }
        Ok(Source::List { reading, chunk: low, loaded, index, at: first - start })
    }

    async fn chunk(&self, manifest: ManifestId, chunk: u32) -> Result<Chunk, Refusal> {
        let row = self.meta.get(&schema::manifest_chunk(manifest, chunk)).await;
        let row = row.map_err(|error| unavailable(&error))?.ok_or_else(|| {
            Refusal::new(ErrorCode::InternalError)
                .with_cause(format!("manifest {:x} has no chunk {chunk}", manifest.0))
        })?;
        Chunk::decode(&row.value).map_err(|error| damaged(&error))
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

    /// The next bytes, at most half a mebibyte; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.left == 0 {
            return Ok(None);
        }
        let bytes = match self.ahead.pop_front() {
            Some(reading) => reading.await.map_err(broken)??,
            None => self.read_next().await?,
        };
        if bytes.is_empty() {
            return Err(broken("stored content is shorter than its blob"));
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        while self.ahead.len() < AHEAD_PARTS && self.unread > 0 {
            let (store, next) = (self.store.clone(), self.advance().await?);
            let reading = async move { read(&store, next).await };
            self.ahead.push_back(tokio::spawn(reading));
        }
        Ok(Some(bytes))
    }

    async fn read_next(&mut self) -> Result<Bytes, Refusal> {
        let next = self.advance().await?;
        read(&self.store, next).await
    }

    /// Where the next bytes are.
    async fn advance(&mut self) -> Result<Next, Refusal> {
        let unread = self.unread;
        // Whole frames, whatever the first byte is: each is read and verified once.
        let wanted = |at: u64| (READ_BYTES - at % FRAME_PAYLOAD_BYTES).min(unread);
        let (next, bytes) = match &mut self.source {
            Source::Bytes(bytes) => {
                // All there is: nothing is left to be read ahead.
                self.unread = 0;
                return Ok(Next::Here(std::mem::take(bytes)));
            }
            Source::Pages(pages) => {
                let run = pages.advance(wanted(0)).await?;
                let bytes = run.len();
                (Next::Pages(run), bytes)
            }
            Source::Piece { piece, at } => {
                let range = *at..piece.len.min(*at + wanted(*at));
                *at = range.end;
                let bytes = range.end - range.start;
                (Next::Stored(*piece, range), bytes)
            }
            Source::List { reading, chunk, loaded, index, at } => {
                if *index >= loaded.runs.len() {
                    *chunk += 1;
                    *loaded = self.store.chunk(reading.manifest(), *chunk).await?;
                    *index = 0;
                }
                let most = wanted(*at);
                next_run(&loaded.runs, (index, at), most)
                    .ok_or_else(|| broken("a manifest is shorter than its blob"))?
            }
        };
        self.unread = self.unread.saturating_sub(bytes);
        Ok(next)
    }
}

/// Where the next bytes of a chunk are, and how many: a part of a run, or several runs that are in
/// the metadata.
fn next_run(
    runs: &[(Place, u64)],
    (index, at): (&mut usize, &mut u64),
    wanted: u64,
) -> Option<(Next, u64)> {
    let mut rows = Vec::new();
    let mut taken = 0;
    while let Some((place, len)) = runs.get(*index) {
        let range = *at..(*len).min(*at + (wanted - taken));
        let bytes = range.end - range.start;
        let next = match *place {
            Place::Housed(Home::Row(id)) => {
                rows.push((id, range.clone()));
                None
            }
            _ if taken > 0 => break,
            Place::Extent(piece) => Some(Next::Stored(piece, range.clone())),
            Place::Housed(Home::Extent(id)) => Some(Next::Housed(id, range.clone())),
        };
        taken += bytes;
        *at = range.end;
        if range.end == *len {
            *index += 1;
            *at = 0;
        }
        if let Some(next) = next {
            return Some((next, taken));
        }
        if taken == wanted {
            break;
        }
    }
    (taken > 0).then_some((Next::Rows(rows), taken))
}

/// Where bytes are.
enum Next {
    /// In pages.
    Pages(PageRun),
    /// In memory.
    Here(Bytes),
    /// In an extent.
    Stored(Piece, Range<u64>),
    /// In the extent where the piece of this id is.
    Housed(u64, Range<u64>),
    /// In the metadata, in payloads one after the other.
    Rows(Vec<(u64, Range<u64>)>),
}

async fn read(store: &Store, next: Next) -> Result<Bytes, Refusal> {
    let (piece, range) = match next {
        Next::Here(bytes) => return Ok(bytes),
        Next::Pages(run) => return run.read(store).await,
        Next::Rows(rows) => return read_rows(store, rows).await,
        Next::Stored(piece, range) => (piece, range),
        Next::Housed(id, range) => (store.piece_place(id).await?, range),
    };
    store.extents.read(piece, range).await.map_err(|error| unreadable(&error))
}

async fn read_rows(store: &Store, rows: Vec<(u64, Range<u64>)>) -> Result<Bytes, Refusal> {
    let bytes = rows.iter().map(|(_, range)| (range.end - range.start) as usize).sum();
    let mut whole = BytesMut::with_capacity(bytes);
    for (id, range) in rows {
        let piece = store.piece_bytes(id).await?;
        let part = piece.get(range.start as usize..range.end as usize);
        whole.extend_from_slice(part.ok_or_else(|| broken("a piece is shorter than listed"))?);
    }
    Ok(whole.freeze())
}

/// The answer when content cannot be read to its end.
fn broken(cause: impl std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InternalError).with_cause(cause)
}

/// Decodes a manifest chunk's row: for scans that read the rows themselves.
pub(crate) fn manifest_chunk(value: &[u8]) -> Result<ManifestChunk, Refusal> {
    ManifestChunk::decode(value).map_err(|error| damaged(&error))
}

#[cfg(test)]
mod tests {
    use lazuli_base::{ManualClock, SeededEntropy};
    use lazuli_engine::Engine;

    use super::*;

    #[tokio::test]
    async fn nothing_is_read_ahead_of_bytes_at_hand() {
        let engine = Engine::in_memory();
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1)));
        let entropy = Arc::new(SeededEntropy::new(1));
        let store = Store::new(engine.meta.clone(), engine.extents.clone(), clock, entropy);
        let mut reader = ContentReader {
            source: Source::Bytes(Bytes::from_static(b"abc")),
            left: 3,
            unread: 3,
            ahead: VecDeque::new(),
            _pin: Arc::from(store.extents.pin()),
            store,
        };
        assert_eq!(reader.next().await.unwrap().as_deref(), Some(b"abc".as_slice()));
        assert!(reader.ahead.is_empty());
        assert_eq!(reader.next().await.unwrap(), None);
    }
}

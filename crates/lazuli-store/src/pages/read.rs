//! Reading the pages of a blob: zeros where nothing was written, in memory that does not grow with
//! what is read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use lazuli_model::{ErrorCode, Refusal};

use super::cell::{CELL_BYTES, CellRow, Fill, PAGE_BYTES};
use super::map::{Layer, View, cells};
use crate::Store;
use crate::payload::unreadable;
use crate::pieces::Home;
use crate::rows::PieceRow;
use crate::schema;
use crate::txn::unavailable;

/// Zeros handed out without making them.
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

/// How often a run is looked up again whose pieces were replaced meanwhile.
const TRIES_MAX: usize = 16;

/// A view that is being read: writers write beside it, and the collector leaves it alone.
pub(crate) struct PageReading {
    store: Store,
    layers: Arc<[Layer]>,
    maps: Vec<(schema::MapId, u64)>,
}

impl Drop for PageReading {
    fn drop(&mut self) {
        for (map, generation) in &self.maps {
            self.store.page_reads.remove(*map, *generation);
        }
        self.store.collect_soon();
    }
}

impl Store {
    /// Begins to read a view. What the view was found in has to be read again after it: if that is
    /// still the same, the view stays as it is until what is given is dropped.
    pub(crate) async fn read_pages(&self, view: View) -> Result<PageReading, Refusal> {
        let layers: Arc<[Layer]> = self.layers(view).await?.into();
        let maps: Vec<_> = layers.iter().map(|layer| (layer.map, layer.generation())).collect();
        for (map, generation) in &maps {
            self.page_reads.add(*map, *generation);
        }
        Ok(PageReading { store: self.own_work(), layers, maps })
    }
}

impl PageReading {
    /// The maps that are read.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

/// Reads a range of pages from its first byte on.
pub(crate) struct PageReader {
    reading: PageReading,
    at: u64,
    end: u64,
    /// The cells that are known, all there are before cell `known`.
    loaded: BTreeMap<u32, CellRow>,
    known: u32,
}

impl PageReader {
    /// A reader of the bytes of `range`.
    pub(crate) fn new(reading: PageReading, range: Range<u64>) -> Self {
        let known = (range.start / CELL_BYTES) as u32;
        Self { reading, at: range.start, end: range.end, loaded: BTreeMap::new(), known }
    }

    /// The next run of at most `wanted` bytes.
    pub(crate) async fn advance(&mut self, wanted: u64) -> Result<PageRun, Refusal> {
        let first = (self.at / CELL_BYTES) as u32;
        if first >= self.known {
            let store = &self.reading.store;
            let range = (first, cells(self.end));
            let (loaded, known) = store.load_cells(&self.reading.layers, range).await?;
            (self.loaded, self.known) = (loaded, known);
        }
        let known = u64::from(self.known) * CELL_BYTES;
        let stop = self.end.min(known).min(self.at.saturating_add(wanted));
        let mut run_cells = Vec::new();
        let mut end = stop;
        for (expected, (cell, row)) in (first..).zip(self.loaded.range(first..)) {
            let start = u64::from(*cell) * CELL_BYTES;
            if start >= stop {
                break;
            }
            if *cell != expected {
                // A gap: zeros are a run of their own.
                let gap = u64::from(expected) * CELL_BYTES;
                end = if run_cells.is_empty() { start } else { gap };
                break;
            }
            run_cells.push((*cell, row.clone()));
            end = stop.min(start + CELL_BYTES);
        }
        if run_cells.is_empty() {
            end = end.min(self.at + ZEROS.len() as u64);
        }
        let layers = Arc::clone(&self.reading.layers);
        let run = PageRun { layers, range: self.at..end, cells: run_cells };
        self.at = end;
        Ok(run)
    }
}

/// Where the bytes of a run of pages are.
pub(crate) struct PageRun {
    layers: Arc<[Layer]>,
    range: Range<u64>,
    cells: Vec<(u32, CellRow)>,
}

/// Why bytes were not there.
enum Miss {
    /// The piece is gone: somebody has written the cell anew.
    Gone(u64),
    /// It cannot be read.
    Failed(Refusal),
}

impl From<Refusal> for Miss {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal)
    }
}

impl PageRun {
    /// Bytes in it.
    pub(crate) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Reads it.
    pub(crate) async fn read(mut self, store: &Store) -> Result<Bytes, Refusal> {
        if self.cells.is_empty() {
            return Ok(zeros(self.len()));
        }
        let mut whole = BytesMut::zeroed(self.len() as usize);
        for (cell, row) in &mut self.cells {
            let mut tries = 0;
            loop {
                match read_cell(store, (*cell, row), &self.range, &mut whole).await {
                    Ok(()) => break,
                    Err(Miss::Failed(refusal)) => return Err(refusal),
                    Err(Miss::Gone(id)) if tries >= TRIES_MAX => return Err(gone(id)),
                    Err(Miss::Gone(_)) => {}
                }
                tries += 1;
                let (mut again, _) = store.load_cells(&self.layers, (*cell, *cell + 1)).await?;
                *row = again.remove(cell).unwrap_or_default();
            }
        }
        Ok(whole.freeze())
    }
}

/// As many zeros as are at hand, at most `len`.
fn zeros(len: u64) -> Bytes {
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS.len());
    Bytes::from_static(ZEROS.get(..len).unwrap_or_default())
}

fn gone(id: u64) -> Refusal {
    Refusal::new(ErrorCode::InternalError).with_cause(format!("the piece {id:x} is missing"))
}

/// Puts the bytes of a cell that lie in `range` into `whole`, which begins where the range does.
async fn read_cell(
    store: &Store,
    (cell, row): (u32, &CellRow),
    range: &Range<u64>,
    whole: &mut BytesMut,
) -> Result<(), Miss> {
    let base = u64::from(cell) * CELL_BYTES;
    if let Some(place) = slice(whole, range, (base, base + CELL_BYTES)) {
        place.0.fill(0);
    }
    for segment in &row.segments {
        let Fill::Piece { home, skip, .. } = segment.fill else { continue };
        let start = base + u64::from(segment.start) * PAGE_BYTES;
        let end = base + u64::from(segment.end) * PAGE_BYTES;
        let Some((place, from)) = slice(whole, range, (start, end)) else { continue };
        let from = u64::from(skip) * PAGE_BYTES + (from - start);
        let bytes = read_piece(store, home, from..from + place.len() as u64).await?;
        if bytes.len() != place.len() {
            return Err(Miss::Failed(gone(home.id())));
        }
        place.copy_from_slice(&bytes);
    }
    Ok(())
}

/// The part of `whole`, which is the bytes of `range`, that lies from `start` to `end`; and where it
/// begins.
fn slice<'w>(
    whole: &'w mut BytesMut,
    range: &Range<u64>,
    (start, end): (u64, u64),
) -> Option<(&'w mut [u8], u64)> {
    let (from, to) = (start.max(range.start), end.min(range.end));
    if from >= to {
        return None;
    }
    let place = (from - range.start) as usize..(to - range.start) as usize;
    whole.get_mut(place).map(|place| (place, from))
}

async fn read_piece(store: &Store, home: Home, range: Range<u64>) -> Result<Bytes, Miss> {
    match home {
        Home::Row(id) => {
            let row = store.meta.get(&schema::payload(id)).await;
            let row = row.map_err(|error| Miss::Failed(unavailable(&error)))?;
            let bytes = row.ok_or(Miss::Gone(id))?.value;
            let (start, end) = (range.start as usize, range.end as usize);
            if end > bytes.len() {
                return Err(Miss::Failed(gone(id)));
            }
            Ok(bytes.slice(start..end))
        }
        Home::Extent(id) => {
            let row: Option<PieceRow> = store.row(&schema::piece(id)).await?;
            let piece = row.ok_or(Miss::Gone(id))?.piece.into();
            let read = store.extents.read(piece, range).await;
            read.map_err(|error| Miss::Failed(unreadable(&error)))
        }
    }
}

/// The bytes of a whole segment, none for zeros: for who copies it.
pub(crate) async fn segment_bytes(
    store: &Store,
    segment: &super::cell::Segment,
) -> Result<Bytes, Refusal> {
    let Fill::Piece { home, skip, .. } = segment.fill else { return Ok(Bytes::new()) };
    let start = u64::from(skip) * PAGE_BYTES;
    let end = start + u64::from(segment.end - segment.start) * PAGE_BYTES;
    read_piece(store, home, start..end).await.map_err(|miss| match miss {
        Miss::Gone(id) => gone(id),
        Miss::Failed(refusal) => refusal,
    })
}

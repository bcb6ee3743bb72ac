//! Get Page Ranges: which pages of a blob have bytes, and which differ from those of a snapshot.

use std::collections::BTreeMap;

use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::range::ResolvedRange;
use lazuli_model::{ErrorCode, Refusal};

use super::Paged;
use super::cell::{CELL_BYTES, CELL_PAGES, CellRow, PAGE_BYTES};
use super::map::{Layer, cells};
use crate::Store;
use crate::blob::{BlobPath, Terms};
use crate::rows::BlobRow;

/// What a caller wants to know of a page blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeQuery {
    /// The bytes that are asked for; `None` for all.
    pub range: Option<ResolvedRange>,
    /// Tell only what changed since this snapshot of the blob.
    pub since: Option<Timestamp>,
    /// The offset at which an earlier answer ended.
    pub position: Option<u64>,
    /// Most ranges in the answer, at least 1.
    pub max: usize,
}

/// A run of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranged {
    /// Its first byte.
    pub first: u64,
    /// The byte after its last one.
    pub end: u64,
    /// Whether it was cleared since the snapshot; it has bytes otherwise.
    pub cleared: bool,
}

/// What is told of a page blob.
#[derive(Clone, Debug)]
pub struct PageRanges {
    /// The blob.
    pub row: BlobRow,
    /// The ranges, in order.
    pub ranges: Vec<Ranged>,
    /// Where the next answer begins; `None` if there is no more.
    pub next: Option<u64>,
}

impl Store {
    /// Which pages of a blob or a snapshot have bytes, or changed. `resolve` holds the range that is
    /// asked for against the blob's length.
    pub async fn page_ranges(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        terms: &Terms<'_>,
        resolve: impl FnOnce(&BlobRow) -> Result<RangeQuery, Refusal>,
    ) -> Result<PageRanges, Refusal> {
        let opened = self.open_blob(path, snapshot, terms).await?;
        let row = opened.row.clone();
        let (Some(paged), Some(reading)) = (Paged::of(&row), opened.pages.as_ref()) else {
            return Err(ErrorCode::InvalidBlobType.into());
        };
        if row.blob_type != BlobType::Page {
            return Err(ErrorCode::InvalidBlobType.into());
        }
        paged.check_changeable()?;
        let query = resolve(&row)?;
        let before = match query.since {
            None => None,
            Some(before) => Some(self.earlier(path, (snapshot, before), (&row, terms)).await?),
        };
        let first = query.range.map_or(0, |range| range.first);
        let end = query.range.map_or(row.length, |range| range.last + 1);
        let from = query.position.unwrap_or(0).max(first);
        let mut told = Told { ranges: Vec::new(), bounds: (from, end), max: query.max };
        let before_layers = before.as_ref().and_then(|before| before.pages.as_ref());
        let before_layers = before_layers.map(super::read::PageReading::layers);
        self.tell(reading.layers(), before_layers, &mut told).await?;
        let next = (told.ranges.len() > told.max).then(|| told.ranges.pop()).flatten();
        Ok(PageRanges { row, ranges: told.ranges, next: next.map(|range| range.first) })
    }

    /// Opens the snapshot that a blob, or another snapshot of it, is compared with.
    async fn earlier(
        &self,
        path: &BlobPath<'_>,
        (snapshot, before): (Option<Timestamp>, Timestamp),
        (row, terms): (&BlobRow, &Terms<'_>),
    ) -> Result<crate::read::OpenBlob, Refusal> {
        if snapshot.is_some_and(|snapshot| before > snapshot) {
            return Err(ErrorCode::PreviousSnapshotCannotBeNewer.into());
        }
        let none = lazuli_model::conditions::Conditions::default();
        let terms = Terms { conditions: &none, lease: None, ..*terms };
        let earlier = self.open_blob(path, Some(before), &terms).await;
        let earlier = earlier.map_err(|refusal| match refusal.code() {
            ErrorCode::BlobNotFound => ErrorCode::PreviousSnapshotNotFound.into(),
            _ => refusal,
        })?;
        if earlier.row.created != row.created {
            return Err(ErrorCode::BlobOverwritten.into());
        }
        Ok(earlier)
    }

    async fn tell(
        &self,
        now: &[Layer],
        before: Option<&[Layer]>,
        told: &mut Told,
    ) -> Result<(), Refusal> {
        let (from, end) = told.bounds;
        let end = cells(end);
        let mut cell = (from / CELL_BYTES) as u32;
        while cell < end && !told.is_full() {
            let (present, mut known) = self.load_cells(now, (cell, end)).await?;
            let mut past = BTreeMap::new();
            if let Some(before) = before {
                (past, known) = self.load_cells(before, (cell, known)).await?;
            }
            let nothing = CellRow::empty(true);
            let mut all: Vec<u32> = present.keys().chain(past.keys()).copied().collect();
            all.sort_unstable();
            all.dedup();
            for cell in all.into_iter().filter(|cell| *cell < known) {
                let of =
                    |cells: &BTreeMap<u32, CellRow>| pages(cells.get(&cell).unwrap_or(&nothing));
                told.cell(cell, &of(&present), before.map(|_| of(&past)).as_ref());
            }
            cell = known;
        }
        Ok(())
    }
}

/// Which write each page of a cell shows; nothing for zeros.
type Pages = [Option<(u64, u8)>; CELL_PAGES as usize];

fn pages(cell: &CellRow) -> Pages {
    let mut pages = [None; CELL_PAGES as usize];
    for segment in &cell.segments {
        let Some((id, skip)) = segment.written() else { continue };
        let places = usize::from(segment.start)..usize::from(segment.end);
        let Some(places) = pages.get_mut(places) else { continue };
        for (page, skip) in places.iter_mut().zip(skip..) {
            *page = Some((id, skip));
        }
    }
    pages
}

/// An answer in the making.
struct Told {
    ranges: Vec<Ranged>,
    bounds: (u64, u64),
    max: usize,
}

impl Told {
    /// Whether it has one more than it may, which says where the next answer begins.
    fn is_full(&self) -> bool {
        self.ranges.len() > self.max
    }

    fn cell(&mut self, cell: u32, now: &Pages, before: Option<&Pages>) {
        let mut at = u64::from(cell) * CELL_BYTES;
        for (place, page) in now.iter().enumerate() {
            let end = at + PAGE_BYTES;
            let cleared = match before.map(|before| before.get(place).copied().flatten()) {
                None => page.is_some().then_some(false),
                Some(old) => (old != *page).then_some(page.is_none()),
            };
            if let Some(cleared) = cleared {
                self.add(Ranged { first: at, end, cleared });
            }
            at = end;
        }
    }

    /// Adds a page, or the part of it that is asked for.
    fn add(&mut self, page: Ranged) {
        let (from, end) = self.bounds;
        let page = Ranged { first: page.first.max(from), end: page.end.min(end), ..page };
        if page.first >= page.end || self.is_full() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end == page.first && last.cleared == page.cleared => {
                last.end = page.end;
            }
            _ => self.ranges.push(page),
        }
    }
}

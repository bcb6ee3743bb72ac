//! Put Page: pages of a blob written or cleared, together with what others write to it at the time.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use lazuli_engine::ExtentId;
use lazuli_model::blob_type::BlobType;
use lazuli_model::conditions::Conditions;
use lazuli_model::etag::ETag;
use lazuli_model::lease::LeaseId;
use lazuli_model::{ErrorCode, Refusal};

use super::cell::{CELL_BYTES, CellRow, Fill};
use super::map::{MapRow, View};
use super::{PageRange, Paged, SequenceTerms, begin_map, bump};
use crate::Store;
use crate::blob::{BlobPath, Found, Terms, Written, find};
use crate::combine::{Change, Combiner, Name};
use crate::payload::{INLINE_BYTES_MAX, Payload, unwritable};
use crate::pieces::{Home, house};
use crate::put::{entry, no_earlier};
use crate::rows::{BlobRow, GarbageRow, PieceRow, Stored};
use crate::schema::{self, Garbage, MapId};
use crate::txn::{Txn, damaged};

/// Most cells that a change names one by one; one that clears more begins a map with a hole.
const CELLS_MAX: u32 = 512;

/// What is put into a range of pages.
#[derive(Clone, Debug)]
pub enum PageContent {
    /// Bytes, as many as the range has.
    Bytes(Bytes),
    /// Zeros, which take no room.
    Zeros,
}

/// A page blob after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagesPut {
    /// Its new state.
    pub written: Written,
    /// Its sequence number.
    pub sequence: u64,
}

/// Pages on their way into a blob.
pub(crate) struct PutPages {
    operation: &'static str,
    conditions: Conditions,
    lease: Option<LeaseId>,
    sequence: SequenceTerms,
    range: PageRange,
    /// The bytes by cell; `None` if the range is cleared.
    parts: Option<Vec<Payload>>,
}

impl Store {
    /// Refuses early what [`Store::put_pages`] would refuse.
    pub async fn check_put_pages(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        (range, sequence): (PageRange, SequenceTerms),
    ) -> Result<(), Refusal> {
        let mut txn = self.begin();
        let found = find(&mut txn, path, None).await?;
        terms.check_write(found.committed(), txn.now())?;
        check(found.committed(), (range, sequence)).map(|_| ())
    }

    /// Writes or clears a range of a page blob's pages: all of it or nothing.
    pub async fn put_pages(
        &self,
        operation: &'static str,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        (range, sequence, content): (PageRange, SequenceTerms, PageContent),
    ) -> Result<PagesPut, Refusal> {
        let parts = match content {
            PageContent::Zeros => None,
            PageContent::Bytes(bytes) => {
                if bytes.len() as u64 != range.len() {
                    return Err(ErrorCode::InvalidPageRange.into());
                }
                Some(self.stow_pages(range, &bytes).await?)
            }
        };
        let (conditions, lease) = (terms.conditions.clone(), terms.lease.cloned());
        let put = PutPages { operation, conditions, lease, sequence, range, parts };
        self.combine(Name::from(path), put).await
    }

    /// Puts the bytes of a range where they will stay, cell by cell.
    async fn stow_pages(&self, range: PageRange, bytes: &Bytes) -> Result<Vec<Payload>, Refusal> {
        let mut parts = Vec::new();
        for (_, part) in range.by_cell() {
            parts.push(self.stow(bytes.slice(part.start as usize..part.end as usize)).await?);
        }
        Ok(parts)
    }

    /// Puts the bytes of pages where they will stay, for [`Store::fill_pages`].
    ///
    /// `InvalidPageRange` for a range that has not as many bytes.
    pub(crate) async fn stow_all(
        &self,
        pages: &[(PageRange, Bytes)],
    ) -> Result<Vec<StowedPages>, Refusal> {
        let mut stowed = Vec::with_capacity(pages.len());
        for (range, bytes) in pages {
            if bytes.len() as u64 != range.len() {
                return Err(ErrorCode::InvalidPageRange.into());
            }
            stowed
                .push(StowedPages { range: *range, parts: self.stow_pages(*range, bytes).await? });
        }
        Ok(stowed)
    }

    /// Writes pages of a blob that a copy fills, and that nobody else writes or reads.
    pub(crate) async fn fill_pages(
        &self,
        txn: &mut Txn<'_>,
        row: &BlobRow,
        pages: &[StowedPages],
    ) -> Result<(), Refusal> {
        let paged = Paged::of(row).ok_or_else(|| Refusal::new(ErrorCode::InvalidBlobType))?;
        let map_row = txn.get::<MapRow>(&schema::map(paged.map)).await?;
        let map_row = map_row.ok_or_else(|| super::missing(paged.map))?;
        let mut map = OpenMap::new(paged.map, paged.generation, map_row);
        for StowedPages { range, parts } in pages {
            let mut reached = Reached::default();
            for ((cell, part), payload) in range.by_cell().zip(parts) {
                map.reach(self, txn, (cell, range.pages_of(&part), Some(payload)), &mut reached)
                    .await?;
            }
            map.apply(reached);
        }
        map.close(txn)
    }

    /// Puts the bytes of a cell where they will stay.
    pub(crate) async fn stow(&self, bytes: Bytes) -> Result<Payload, Refusal> {
        if bytes.len() <= INLINE_BYTES_MAX {
            // A slice would keep all that it is a slice of.
            return Ok(Payload::Inline(Bytes::copy_from_slice(&bytes)));
        }
        let stored = self.extents.append(bytes, lazuli_engine::Room::Free).await;
        let (piece, settled) = stored.map_err(|error| unwritable(&error))?;
        Ok(Payload::Extent(piece, settled))
    }
}

/// Pages whose bytes are where they will stay.
#[derive(Clone, Debug)]
pub(crate) struct StowedPages {
    range: PageRange,
    /// The bytes by cell.
    parts: Vec<Payload>,
}

/// Holds a page range and the terms on the sequence number against a blob.
fn check(
    row: Option<&BlobRow>,
    (range, sequence): (PageRange, SequenceTerms),
) -> Result<Paged, Refusal> {
    let row = row.ok_or_else(|| Refusal::new(ErrorCode::BlobNotFound))?;
    let paged = Paged::of(row).ok_or_else(|| Refusal::new(ErrorCode::InvalidBlobType))?;
    if row.blob_type != BlobType::Page {
        return Err(ErrorCode::InvalidBlobType.into());
    }
    paged.check_changeable()?;
    sequence.check(paged.sequence)?;
    if range.end() > row.length {
        return Err(ErrorCode::InvalidPageRange.into());
    }
    Ok(paged)
}

/// A page blob that is being written.
pub(crate) struct OpenPages {
    found: Found,
    /// Its map, once pages are written.
    map: Option<OpenMap>,
    /// Whether the collector has work after it.
    leaves_work: bool,
    /// Whether it writes beside a reader, and rows stay that nobody sees after him.
    leaves_stale: bool,
    /// Whether a change that was half made failed: nothing may be committed.
    torn: bool,
}

/// A map that is being written.
struct OpenMap {
    id: MapId,
    /// The generation of new rows.
    generation: u64,
    row: MapRow,
    cells: BTreeMap<u32, OpenCell>,
    /// Pieces that a cell names and that are not stored yet.
    fresh: BTreeMap<u64, Payload>,
    /// Stored pieces that no cell names any more; those in extents with their extent.
    dropped: Vec<(Home, Option<ExtentId>)>,
}

/// A cell that is being written.
struct OpenCell {
    /// The generation of the row that is written.
    generation: u64,
    row: CellRow,
    /// Pieces that the row below this one names: they stay.
    below: HashSet<u64>,
    /// Whether there is a row below.
    covers: bool,
    /// Whether the row itself is stored.
    stored: bool,
    changed: bool,
}

impl Change for PutPages {
    type Done = PagesPut;
    type State = OpenPages;

    fn combiner(store: &Store) -> &Combiner<Self> {
        &store.page_puts
    }

    fn bytes(&self) -> usize {
        let inline = |part: &Payload| match part {
            Payload::Inline(bytes) => bytes.len(),
            Payload::Empty | Payload::Extent(..) => 0,
        };
        if self.hole().is_some() {
            // It begins a map, so it goes alone.
            return usize::MAX / 2;
        }
        self.parts.as_ref().map_or(0, |parts| parts.iter().map(inline).sum())
    }

    async fn open<'a>(
        _: &'a Store,
        txn: &'a mut Txn<'_>,
        path: &'a BlobPath<'_>,
    ) -> Result<OpenPages, Refusal> {
        let found = find(txn, path, None).await?;
        Ok(OpenPages { found, map: None, leaves_work: false, leaves_stale: false, torn: false })
    }

    async fn make<'a>(
        &'a self,
        store: &'a Store,
        txn: &'a mut Txn<'_>,
        pages: &'a mut OpenPages,
        path: &'a BlobPath<'_>,
    ) -> Result<PagesPut, Refusal> {
        let lease = self.lease.as_ref();
        let terms = Terms { conditions: &self.conditions, lease, may_overwrite: true };
        let lease = terms.check_write(pages.found.committed(), txn.now())?;
        check(pages.found.committed(), (self.range, self.sequence))?;
        // All that can fail comes before the change; what is done until then changes no content,
        // but for a hole.
        pages.torn = self.hole().is_some();
        let reached = self.reach(store, txn, pages).await?;
        pages.torn = false;
        let Some(row) = &mut pages.found.row else { return Err(ErrorCode::BlobNotFound.into()) };
        let Some(map) = &mut pages.map else { return Err(ErrorCode::InternalError.into()) };
        if pages.leaves_stale {
            store.stale_cells.add(map.id, reached.cells.iter().map(|(cell, _)| *cell));
        }
        map.apply(reached);
        row.lease = lease;
        row.modified = no_earlier(txn.now(), Some(row));
        row.etag = ETag::after(row.modified, Some(row.etag));
        let written = Written { etag: row.etag, modified: row.modified };
        let bytes = self.parts.as_ref().map_or(0, |_| self.range.len());
        txn.record(&entry(self.operation, path).bytes(Some(bytes)).etag(Some(row.etag)));
        let sequence = Paged::of(row).map_or(0, |paged| paged.sequence);
        Ok(PagesPut { written, sequence })
    }

    fn close(pages: &OpenPages, txn: &mut Txn<'_>, path: &BlobPath<'_>) -> Result<(), Refusal> {
        let Some(row) = &pages.found.row else { return Ok(()) };
        if pages.torn {
            return Err(Refusal::new(ErrorCode::ServerBusy).with_cause("a change was half made"));
        }
        if let Some(map) = &pages.map {
            map.close(txn)?;
        }
        txn.put(schema::blob(pages.found.container.id, path.blob, None), row)
    }

    fn durable(store: &Store, pages: &OpenPages) {
        let dropped = pages.map.iter().flat_map(|map| &map.dropped);
        store.touched_all(dropped.filter_map(|(_, extent)| *extent));
        if pages.leaves_work {
            store.collect_soon();
        }
    }
}

/// The cells that a change makes anew, with what it brings and what it drops.
#[derive(Default)]
struct Reached {
    cells: Vec<(u32, CellRow)>,
    fresh: Vec<(u64, Payload)>,
    /// Stored pieces that no row names after it.
    dropped: Vec<(Home, Option<ExtentId>)>,
    /// Pieces that were not stored and need not be.
    unneeded: Vec<u64>,
}

impl PutPages {
    /// Works out what the change does, and changes nothing that can be seen.
    async fn reach(
        &self,
        store: &Store,
        txn: &mut Txn<'_>,
        pages: &mut OpenPages,
    ) -> Result<Reached, Refusal> {
        let hole = self.hole();
        pages.open_map(store, txn, hole).await?;
        let Some(map) = &mut pages.map else { return Err(ErrorCode::InternalError.into()) };
        let mut reached = Reached::default();
        let mut parts = self.parts.iter().flatten();
        for (cell, part) in self.range.by_cell() {
            if hole.is_some_and(|(start, end)| (start..end).contains(&cell)) {
                continue;
            }
            let payload = parts.next();
            let pages = self.range.pages_of(&part);
            map.reach(store, txn, (cell, pages, payload), &mut reached).await?;
        }
        Ok(reached)
    }

    /// The cells that are cleared as a whole, if they are too many to be named.
    fn hole(&self) -> Option<(u32, u32)> {
        let start = u32::try_from(self.range.first().div_ceil(CELL_BYTES)).ok()?;
        let end = u32::try_from(self.range.end() / CELL_BYTES).ok()?;
        let many = end.saturating_sub(start) > CELLS_MAX;
        (self.parts.is_none() && many).then_some((start, end))
    }
}

impl OpenPages {
    /// Opens the map that the blob writes, with room for rows that no view sees. A blob that has
    /// none, or shall have a hole, begins one.
    async fn open_map(
        &mut self,
        store: &Store,
        txn: &mut Txn<'_>,
        hole: Option<(u32, u32)>,
    ) -> Result<(), Refusal> {
        let Some(row) = &mut self.found.row else { return Err(ErrorCode::BlobNotFound.into()) };
        let Some(paged) = Paged::of(row) else { return Err(ErrorCode::InvalidBlobType.into()) };
        if !paged.owned || hole.is_some() {
            let over = View { hole, ..paged.view(row.length) };
            let View { map, generation, .. } = begin_map(store, txn, row, over).await?;
            let map_row = MapRow { newest_view: 0, parent: Some(over) };
            self.map = Some(OpenMap::new(map, generation, map_row));
            self.leaves_work = true;
            return Ok(());
        }
        if self.map.is_some() {
            return Ok(());
        }
        let key = schema::map(paged.map);
        let map_row = txn.get::<MapRow>(&key).await?;
        let mut map_row = map_row.ok_or_else(|| super::missing(paged.map))?;
        let mut generation = paged.generation;
        if store.page_reads.reads(paged.map, generation) {
            // Who reads the blob goes on to see it as it is, and this writes beside.
            generation = bump(txn, row, &mut map_row)?;
            let work = schema::garbage(Garbage::Cells(paged.map));
            let has_work = txn.get_raw(&work).await?.is_some();
            store.stale_cells.begin(paged.map, has_work);
            txn.put(work, &GarbageRow::default())?;
            (self.leaves_work, self.leaves_stale) = (true, true);
        }
        self.map = Some(OpenMap::new(paged.map, generation, map_row));
        Ok(())
    }
}

impl OpenMap {
    fn new(id: MapId, generation: u64, row: MapRow) -> Self {
        let (cells, fresh) = (BTreeMap::new(), BTreeMap::new());
        Self { id, generation, row, cells, fresh, dropped: Vec::new() }
    }

    /// Works out what a cell is with pages of it written, or cleared for `None`.
    async fn reach(
        &mut self,
        store: &Store,
        txn: &mut Txn<'_>,
        (cell, (first, end), payload): (u32, (u8, u8), Option<&Payload>),
        reached: &mut Reached,
    ) -> Result<(), Refusal> {
        self.open_cell(txn, cell).await?;
        let Some(open) = self.cells.get(&cell) else { return Ok(()) };
        let mut row = open.row.clone();
        match payload {
            None => row.fill(first, end, Fill::Zeros),
            Some(payload) => {
                let id = store.new_id().await?;
                let home = match payload {
                    Payload::Inline(_) | Payload::Empty => Home::Row(id),
                    Payload::Extent(..) => Home::Extent(id),
                };
                row.fill(first, end, Fill::Piece { home, skip: 0, copy_of: None });
                reached.fresh.push((id, payload.clone()));
            }
        }
        for (_, home) in open.row.pieces() {
            if !row.names(home.id()) && !open.below.contains(&home.id()) {
                self.drop_piece(txn, home, reached).await?;
            }
        }
        reached.cells.push((cell, row));
        Ok(())
    }

    /// Reads what the owner sees of a cell.
    async fn open_cell(&mut self, txn: &mut Txn<'_>, cell: u32) -> Result<(), Refusal> {
        if self.cells.contains_key(&cell) {
            return Ok(());
        }
        // The newest comes first. A piece of it that is named by older rows is named by the next.
        let rows = txn.scan(schema::cell_rows(self.id, cell), 2).await?;
        let mut stored = Vec::with_capacity(2);
        for row in &rows {
            txn.rely_on(row);
            let Some((_, generation)) = schema::cell_parts(&row.key) else { continue };
            stored
                .push((generation, CellRow::decode(&row.value).map_err(|error| damaged(&error))?));
        }
        let mut stored = stored.into_iter();
        let names = |row: &CellRow| row.pieces().map(|(_, home)| home.id()).collect();
        let generation = self.generation;
        let open = match (stored.next(), stored.next()) {
            (None, _) => OpenCell {
                generation,
                row: CellRow::empty(self.row.parent.is_none()),
                below: HashSet::new(),
                covers: false,
                stored: false,
                changed: false,
            },
            (Some((seen, row)), _) if seen <= self.row.newest_view => {
                let below = names(&row);
                OpenCell { generation, row, below, covers: true, stored: false, changed: false }
            }
            (Some((generation, row)), below) => OpenCell {
                generation,
                row,
                covers: below.is_some(),
                below: below.map(|(_, row)| names(&row)).unwrap_or_default(),
                stored: true,
                changed: false,
            },
        };
        self.cells.insert(cell, open);
        Ok(())
    }

    /// Notes that nothing names a piece after a change.
    async fn drop_piece(
        &self,
        txn: &mut Txn<'_>,
        home: Home,
        reached: &mut Reached,
    ) -> Result<(), Refusal> {
        if self.fresh.contains_key(&home.id()) {
            reached.unneeded.push(home.id());
            return Ok(());
        }
        let extent = match home {
            Home::Row(_) => None,
            Home::Extent(id) => {
                let row = txn.get::<PieceRow>(&schema::piece(id)).await?;
                row.map(|row| ExtentId(row.piece.extent))
            }
        };
        if !reached.dropped.iter().any(|(dropped, _)| *dropped == home) {
            reached.dropped.push((home, extent));
        }
        Ok(())
    }

    fn apply(&mut self, reached: Reached) {
        for (cell, row) in reached.cells {
            if let Some(open) = self.cells.get_mut(&cell) {
                open.changed |= open.row != row;
                open.row = row;
            }
        }
        self.fresh.extend(reached.fresh);
        for id in reached.unneeded {
            self.fresh.remove(&id);
        }
        self.dropped.extend(reached.dropped);
    }

    /// Writes the cells as the changes left them.
    fn close(&self, txn: &mut Txn<'_>) -> Result<(), Refusal> {
        for (cell, open) in self.cells.iter().filter(|(_, open)| open.changed) {
            let key = schema::cell(self.id, *cell, open.generation);
            let is_nothing = open.row.opaque && open.row.segments.is_empty() && !open.covers;
            if is_nothing && self.row.parent.is_none() {
                if open.stored {
                    txn.delete(key);
                }
            } else {
                txn.put(key, &open.row)?;
            }
        }
        for (id, payload) in &self.fresh {
            house(txn, *id, payload)?;
        }
        for (home, extent) in &self.dropped {
            match (home, extent) {
                (Home::Row(id), _) => txn.delete(schema::payload(*id)),
                (Home::Extent(_), None) => {}
                (Home::Extent(id), Some(extent)) => {
                    txn.delete(schema::extent_hold(*extent, *id));
                    txn.delete(schema::piece(*id));
                }
            }
        }
        Ok(())
    }
}

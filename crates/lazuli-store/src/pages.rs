//! Page blobs: Put Blob, resize, sequence numbers, and what all page operations have in common.
//!
//! A page blob's content is in a map of cells of 64 KiB. A cell in which nothing was ever written
//! has no row, so a sparse blob costs what was written to it. A cell's row names pieces: each write
//! makes one in each cell it touches, which belongs to that cell of that map and to nobody else.
//!
//! The map counts generations. A snapshot or a copy is a view: the map, and the generation up to
//! which its rows are seen. Making one writes a few rows at any size, and the blob goes on in the
//! next generation: a cell that a view sees is then written to a new row, which takes over what it
//! leaves of the old one; any other is written where it is, and pieces that it does not name any
//! more are let go of in the same commit.
//!
//! Who has but a view and is written to, begins a map over it: what the new map has nothing of
//! shows through. So does a blob that is made shorter, over a view that ends there, and one that is
//! cleared in very many cells, over a view with a hole. A map over too many others gets copies of
//! what shows through, made by the collector, which also drops rows that nobody sees any more.
//!
//! What the owner, the views and maps begun over this one see of it is said in rows under the map's
//! id; a map without such a row is named by nothing.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::etag::ETag;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ErrorCode, Refusal};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::blob::{BlobPath, Terms, Written, find};
use crate::put::{Content, NewBlob, entry, no_earlier, overwrite};
use crate::rows::{BlobData, BlobRow, GarbageRow};
use crate::schema::{self, ContainerId, Garbage, MapId, StateId};
use crate::txn::{Attempts, Txn};

pub mod cell;
mod copy;
pub mod map;
mod put;
mod ranges;
pub(crate) mod read;
mod stale;

pub use copy::IncrementalSource;
pub use put::{PageContent, PagesPut};
pub use ranges::{PageRanges, RangeQuery, Ranged};

pub(crate) use put::PutPages;
pub(crate) use stale::StaleCells;

use cell::{CELL_BYTES, PAGE_BYTES};
use map::{LAYERS_MAX, MapHold, MapRow, View, cells};

/// Most bytes that a page blob may have: 8 TiB.
pub const PAGE_BLOB_BYTES_MAX: u64 = 8 << 40;

/// The greatest sequence number.
pub const SEQUENCE_MAX: u64 = i64::MAX as u64;

/// Where the content of a page blob is, and what else only page blobs have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paged {
    /// The map.
    pub map: MapId,
    /// The generation that is written, or that a view sees.
    pub generation: u64,
    /// Whether the blob writes the map; it has a view of it otherwise.
    pub owned: bool,
    /// The sequence number.
    pub sequence: u64,
    /// What it has to do with incremental copies.
    pub role: PageRole,
}

/// What a page blob has to do with incremental copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageRole {
    /// Nothing.
    Plain,
    /// It is made of them. It can be neither read nor changed, but its snapshots can be read.
    Destination(Box<IncrementalCopy>),
    /// It is a snapshot that one of them made.
    Snapshot,
}

/// The last incremental copy onto a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncrementalCopy {
    /// The source's container.
    pub container: ContainerId,
    /// The source's name.
    pub blob: String,
    /// When the source was made: one made anew is another.
    pub created: Timestamp,
    /// The snapshot of the source that was copied.
    pub copied: Timestamp,
    /// The snapshot of the destination that the copy made.
    pub made: Timestamp,
}

impl Paged {
    /// What a row says of a page blob; `None` for content that is not in pages.
    pub fn of(row: &BlobRow) -> Option<Self> {
        match &row.data {
            BlobData::Pages(paged) => Some(paged.clone()),
            _ => None,
        }
    }

    /// What of the map the blob sees.
    pub(crate) fn view(&self, limit: u64) -> View {
        View { map: self.map, generation: self.generation, limit, hole: None }
    }

    /// Refuses to change, or to read, a blob that is made of incremental copies.
    pub(crate) fn check_changeable(&self) -> Result<(), Refusal> {
        match self.role {
            PageRole::Destination(_) => {
                Err(ErrorCode::OperationNotAllowedOnIncrementalCopyBlob.into())
            }
            PageRole::Plain | PageRole::Snapshot => Ok(()),
        }
    }
}

/// A range of whole pages, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    first: u64,
    end: u64,
}

impl PageRange {
    /// The range from byte `first` to byte `last`, inclusive.
    ///
    /// `InvalidPageRange` if these are not the first and the last byte of pages, or lie behind the
    /// end of the largest blob.
    pub fn new(first: u64, last: u64) -> Result<Self, Refusal> {
        let end = last.saturating_add(1);
        let aligned = first.is_multiple_of(PAGE_BYTES) && end.is_multiple_of(PAGE_BYTES);
        if !aligned || first >= end || end > PAGE_BLOB_BYTES_MAX {
            return Err(ErrorCode::InvalidPageRange.into());
        }
        Ok(Self { first, end })
    }

    /// Its first byte.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The byte after its last one.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Bytes in it.
    pub const fn len(self) -> u64 {
        self.end - self.first
    }

    /// Whether it is empty; it never is.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// The cells it touches, each with the part of the range in it, as offsets into the range.
    fn by_cell(self) -> impl Iterator<Item = (u32, Range<u64>)> {
        let start = (self.first / CELL_BYTES) as u32;
        (start..cells(self.end)).map(move |cell| {
            let from = self.first.max(u64::from(cell) * CELL_BYTES);
            let to = self.end.min((u64::from(cell) + 1) * CELL_BYTES);
            (cell, from - self.first..to - self.first)
        })
    }

    /// Of a part of it that lies in one cell: the first page of the cell, and the one after the last.
    fn pages_of(self, part: &Range<u64>) -> (u8, u8) {
        let first = ((self.first + part.start) % CELL_BYTES / PAGE_BYTES) as u8;
        (first, first + ((part.end - part.start) / PAGE_BYTES) as u8)
    }
}

/// What a caller asks of a page blob's sequence number before anything is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceTerms {
    /// It is not greater than this.
    pub at_most: Option<u64>,
    /// It is less than this.
    pub less_than: Option<u64>,
    /// It is this.
    pub equal_to: Option<u64>,
}

impl SequenceTerms {
    /// `SequenceNumberConditionNotMet` unless all hold.
    pub(crate) fn check(self, sequence: u64) -> Result<(), Refusal> {
        let holds = self.at_most.is_none_or(|bound| sequence <= bound)
            && self.less_than.is_none_or(|bound| sequence < bound)
            && self.equal_to.is_none_or(|wanted| sequence == wanted);
        if holds { Ok(()) } else { Err(ErrorCode::SequenceNumberConditionNotMet.into()) }
    }
}

/// A change of a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceAction {
    /// To the greater of this and the present one.
    Max(u64),
    /// To this.
    Update(u64),
    /// To the next one.
    Increment,
}

impl SequenceAction {
    fn applied(self, sequence: u64) -> Result<u64, Refusal> {
        match self {
            Self::Max(other) => Ok(sequence.max(other)),
            Self::Update(other) => Ok(other),
            Self::Increment if sequence >= SEQUENCE_MAX => {
                Err(ErrorCode::SequenceNumberIncrementTooLarge.into())
            }
            Self::Increment => Ok(sequence + 1),
        }
    }
}

/// The generations of maps that are being read, which nobody names durably.
#[derive(Debug, Default)]
pub(crate) struct PageReads(Mutex<HashMap<MapId, Vec<u64>>>);

impl PageReads {
    fn add(&self, map: MapId, generation: u64) {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reads.entry(map).or_default().push(generation);
    }

    fn remove(&self, map: MapId, generation: u64) {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(generations) = reads.get_mut(&map) else { return };
        if let Some(place) = generations.iter().position(|other| *other == generation) {
            generations.swap_remove(place);
        }
        if generations.is_empty() {
            reads.remove(&map);
        }
    }

    /// Whether somebody reads rows of a map up to this generation or a later one.
    fn reads(&self, map: MapId, generation: u64) -> bool {
        let reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reads.get(&map).is_some_and(|read| read.iter().any(|other| *other >= generation))
    }

    /// Whether somebody reads a map.
    pub(crate) fn is_read(&self, map: MapId) -> bool {
        self.reads(map, 0)
    }
}

/// The answer where a map is not there.
fn missing(map: MapId) -> Refusal {
    Refusal::new(ErrorCode::InternalError).with_cause(format!("map {:x} is missing", map.0))
}

/// What becomes of a page blob's size and sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageChange {
    /// The new content length in bytes, a multiple of 512.
    pub length: Option<u64>,
    /// The change of the sequence number.
    pub sequence: Option<SequenceAction>,
}

impl Store {
    /// Makes or overwrites a page blob of `length` bytes, all of them zeros.
    pub async fn create_page_blob(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        (new, length, sequence): (&NewBlob, u64, u64),
    ) -> Result<Written, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let blob_type = BlobType::Page;
            let lease = terms.check_create(found.committed(), txn.now(), Some(blob_type))?;
            let state = self.new_state().await?;
            let data = self.begin_pages(&mut txn, state, sequence).await?;
            let content = Content { blob_type, state, length, data };
            let written = overwrite(&mut txn, path, &found, (new, content, lease)).await?;
            let entry = entry("PutPageBlob", path).bytes(Some(0));
            txn.record(&entry.etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                return Ok(written);
            }
        }
    }

    /// The content of a page blob in which nothing is written yet.
    pub(crate) async fn begin_pages(
        &self,
        txn: &mut Txn<'_>,
        state: StateId,
        sequence: u64,
    ) -> Result<BlobData, Refusal> {
        let map = MapId(self.new_id().await?);
        txn.put(schema::map(map), &MapRow::default())?;
        txn.put(schema::map_hold(map, state.0), &MapHold::OWNER)?;
        let (generation, owned, role) = (FIRST_GENERATION, true, PageRole::Plain);
        Ok(BlobData::Pages(Paged { map, generation, owned, sequence, role }))
    }

    /// Changes a page blob's size or sequence number; gives its sequence number after it. What lies
    /// behind the end of a shorter blob is gone.
    pub async fn change_page_blob(
        &self,
        operation: &str,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        change: PageChange,
    ) -> Result<PagesPut, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let lease = terms.check_write(found.committed(), txn.now())?;
            let row = found.committed().cloned();
            let mut row = row.ok_or_else(|| Refusal::new(ErrorCode::BlobNotFound))?;
            if row.blob_type != BlobType::Page || row.tier == Some(AccessTier::Archive) {
                return Err(ErrorCode::InvalidBlobType.into());
            }
            Paged::of(&row).map_or(Ok(()), |paged| paged.check_changeable())?;
            if let Some(length) = change.length {
                self.resize(&mut txn, &mut row, length).await?;
            }
            let mut sequence = 0;
            if let BlobData::Pages(paged) = &mut row.data {
                if let Some(action) = change.sequence {
                    paged.sequence = action.applied(paged.sequence)?;
                }
                sequence = paged.sequence;
            }
            row.lease = lease;
            row.copy = None;
            row.modified = no_earlier(txn.now(), Some(&row));
            row.etag = ETag::after(row.modified, Some(row.etag));
            txn.put(schema::blob(found.container.id, path.blob, None), &row)?;
            txn.record(&entry(operation, path).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_soon();
                let written = Written { etag: row.etag, modified: row.modified };
                return Ok(PagesPut { written, sequence });
            }
        }
    }

    async fn resize(
        &self,
        txn: &mut Txn<'_>,
        row: &mut BlobRow,
        length: u64,
    ) -> Result<(), Refusal> {
        let old = std::mem::replace(&mut row.length, length);
        let Some(paged) = Paged::of(row) else { return Err(ErrorCode::InvalidBlobType.into()) };
        // What a view may see ends where its blob did, so it must not just be taken as longer.
        let begins = match length.cmp(&old) {
            std::cmp::Ordering::Less => self.reaches_into(&paged.view(old), length).await?,
            std::cmp::Ordering::Equal => false,
            std::cmp::Ordering::Greater => !paged.owned,
        };
        if begins || (!paged.owned && length < old) {
            begin_map(self, txn, row, paged.view(length.min(old))).await?;
        }
        Ok(())
    }

    /// Whether a view has, or may have, bytes from `offset` on.
    async fn reaches_into(&self, view: &View, offset: u64) -> Result<bool, Refusal> {
        let layers = self.layers(*view).await?;
        let end = cells(view.limit);
        let range = ((offset / CELL_BYTES) as u32, end);
        let (found, known) = self.load_cells(&layers, range).await?;
        let reaches = found.iter().any(|(cell, row)| {
            let start = u64::from(*cell) * CELL_BYTES;
            row.pieces().any(|(segment, _)| start + u64::from(segment.end) * PAGE_BYTES > offset)
        });
        Ok(reaches || known < end)
    }
}

/// The generation in which a map begins.
const FIRST_GENERATION: u64 = 1;

/// Maps under a new one from which on the collector is asked to make it stand on its own.
pub(crate) const LAYERS_FEW: usize = 8;

/// Begins a map over a view for a blob that is going to write it, and gives up what it named of the
/// old one. Gives the new map's generation; all of it is seen.
async fn begin_map(
    store: &Store,
    txn: &mut Txn<'_>,
    row: &mut BlobRow,
    over: View,
) -> Result<View, Refusal> {
    let layers = store.layers(over).await?.len();
    if layers >= LAYERS_MAX - 1 {
        store.collect_soon();
        return Err(Refusal::new(ErrorCode::ServerBusy)
            .with_cause("the blob is a copy of copies that were changed, and too many of them"));
    }
    let map = MapId(store.new_id().await?);
    txn.put(schema::map(map), &MapRow { newest_view: 0, parent: Some(over) })?;
    txn.put(schema::map_hold(map, row.state.0), &MapHold::OWNER)?;
    txn.put(schema::map_hold(over.map, map.0), &MapHold::of(&over))?;
    txn.delete(schema::map_hold(over.map, row.state.0));
    txn.put(schema::garbage(Garbage::Map(over.map)), &GarbageRow::default())?;
    if layers >= LAYERS_FEW {
        txn.put(schema::garbage(Garbage::Map(map)), &GarbageRow::default())?;
    }
    if let BlobData::Pages(paged) = &mut row.data {
        (paged.map, paged.generation, paged.owned) = (map, FIRST_GENERATION, true);
    }
    Ok(View { map, generation: FIRST_GENERATION, limit: u64::MAX, hole: None })
}

/// Lets a view keep what the blob has written so far: the blob goes on in the next generation, which
/// is given.
fn bump(txn: &mut Txn<'_>, row: &mut BlobRow, map_row: &mut MapRow) -> Result<u64, Refusal> {
    let BlobData::Pages(paged) = &mut row.data else {
        return Err(ErrorCode::InvalidBlobType.into());
    };
    map_row.newest_view = paged.generation;
    paged.generation += 1;
    txn.put(schema::map(paged.map), map_row)?;
    Ok(paged.generation)
}

/// Makes a view of a blob's content for a state, of which it gives where that is. `base` is changed
/// and has to be written by the caller, as what it otherwise was.
pub(crate) async fn share(
    txn: &mut Txn<'_>,
    base: &mut BlobRow,
    state: StateId,
) -> Result<BlobData, Refusal> {
    let Some(paged) = Paged::of(base) else { return Err(ErrorCode::InvalidBlobType.into()) };
    if paged.owned {
        let key = schema::map(paged.map);
        let mut map_row = txn.get::<MapRow>(&key).await?.ok_or_else(|| missing(paged.map))?;
        bump(txn, base, &mut map_row)?;
    }
    let hold = MapHold::of(&paged.view(base.length));
    txn.put(schema::map_hold(paged.map, state.0), &hold)?;
    Ok(BlobData::Pages(Paged { owned: false, role: PageRole::Plain, ..paged }))
}

/// Lets go of a state's map, which the collector looks at.
pub(crate) fn release(txn: &mut Txn<'_>, paged: &Paged, state: StateId) -> Result<(), Refusal> {
    txn.delete(schema::map_hold(paged.map, state.0));
    txn.put(schema::garbage(Garbage::Map(paged.map)), &GarbageRow::default())
}

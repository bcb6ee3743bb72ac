//! The check of page maps: who sees them, what their cells name, and what shows through them.

use lazuli_engine::{MetaError, Row};

use super::{Check, Trouble, ensure, id_after};
use crate::pages::Paged;
use crate::pages::cell::{CellRow, Fill, PAGE_BYTES};
use crate::pages::map::{MapHold, MapRow};
use crate::pieces::Home;
use crate::rows::{BlobRow, PieceRow, Stored};
use crate::schema::{self, Garbage, MapId};

impl Check<'_> {
    /// Whether the map of a page blob is there and knows of the blob.
    pub(super) fn has_pages(&mut self, blob: &BlobRow, paged: &Paged) -> Result<bool, MetaError> {
        self.named.viewers.insert((paged.map.0, blob.state.0));
        let wanted =
            if paged.owned { MapHold::OWNER } else { MapHold::of(&paged.view(blob.length)) };
        let is_there = self.get(schema::map(paged.map))?.is_some();
        let is_whole = blob.length.is_multiple_of(PAGE_BYTES);
        Ok(is_there && is_whole && self.holds_map(paged.map, blob.state.0, wanted)?)
    }

    fn holds_map(&self, map: MapId, holder: u64, wanted: MapHold) -> Result<bool, MetaError> {
        let said = self.get(schema::map_hold(map, holder))?;
        Ok(said.is_some_and(|said| MapHold::decode(&said).as_ref() == Ok(&wanted)))
    }

    pub(super) fn map(&mut self, row: &Row) -> Result<(), Trouble> {
        let MapRow { parent, .. } = MapRow::decode(&row.value)?;
        let Some(id) = id_after(&row.key, 1) else { return Err("its key names no map".into()) };
        self.named.maps.insert(id);
        let holds = self.fsck.rows(&schema::map_holds(MapId(id)), 1)?;
        if holds.is_empty() && !self.named.is_garbage(Garbage::Map(MapId(id))) {
            return Err("no blob has this map".into());
        }
        let Some(parent) = parent else { return Ok(()) };
        self.named.viewers.insert((parent.map.0, id));
        let held = self.holds_map(parent.map, id, MapHold::of(&parent))?;
        ensure(held, "it does not hold the map that shows through it")
    }

    pub(super) fn cell(&mut self, row: &Row) -> Result<(), Trouble> {
        let cell = CellRow::decode(&row.value)?;
        let known = id_after(&row.key, 1).is_some_and(|id| self.named.maps.contains(&id));
        ensure(known, "its map does not exist")?;
        ensure(cell.is_sound(), "its segments are not apart from each other")?;
        for segment in &cell.segments {
            let Fill::Piece { home, skip, .. } = segment.fill else { continue };
            self.named.pieces.insert(home.id());
            let len = match home {
                Home::Row(id) => self.get(schema::payload(id))?.map(|bytes| bytes.len() as u64),
                Home::Extent(id) => {
                    let row = self.get(schema::piece(id))?;
                    row.and_then(|row| PieceRow::decode(&row).ok()).map(|row| row.piece.len)
                }
            };
            let pages = u64::from(skip) + u64::from(segment.end - segment.start);
            if len.is_none_or(|len| len < pages * PAGE_BYTES) {
                return Err(Trouble::Wrong(format!("{home:?} does not hold its {pages} pages")));
            }
        }
        Ok(())
    }

    /// What a state or a map sees of another map.
    pub(super) fn map_hold(&self, row: &Row) -> Result<(), Trouble> {
        MapHold::decode(&row.value)?;
        let parts = id_after(&row.key, 2).zip(id_after(&row.key, 10));
        let known = parts.is_some_and(|parts| self.named.viewers.contains(&parts));
        ensure(known, "nobody sees this map")
    }
}

//! A page map: the cells of a page blob, those of its snapshots, and what it was begun over.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use lazuli_model::{ErrorCode, Refusal};
use serde::{Deserialize, Serialize};

use super::cell::{CELL_BYTES, CellRow, PAGE_BYTES};
use crate::Store;
use crate::rows::Stored;
use crate::schema::{self, MapId};
use crate::txn::damaged;

/// What of a map somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The map.
    pub map: MapId,
    /// Of each cell, the newest row of no later generation is seen.
    pub generation: u64,
    /// Bytes from this offset on are not seen.
    pub limit: u64,
    /// Cells from the first to before the second are not seen: they were cleared.
    pub hole: Option<(u32, u32)>,
}

/// A map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRow {
    /// No view but the owner's sees a row of a later generation: such a row may be written anew
    /// where it is.
    pub newest_view: u64,
    /// What shows through where the map has nothing.
    pub parent: Option<View>,
}

/// What of a map its holder, a state or a map that was begun over it, sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapHold {
    /// The generation; `None` for the blob that writes the map, which sees all of it.
    pub generation: Option<u64>,
    /// As in [`View`].
    pub limit: u64,
    /// As in [`View`].
    pub hole: Option<(u32, u32)>,
}

impl MapHold {
    /// The hold of the blob that writes the map.
    pub(crate) const OWNER: Self = Self { generation: None, limit: u64::MAX, hole: None };

    /// The hold of who sees a view.
    pub(crate) const fn of(view: &View) -> Self {
        Self { generation: Some(view.generation), limit: view.limit, hole: view.hole }
    }

    /// Whether the holder sees anything of a cell.
    pub(crate) fn sees(&self, cell: u32) -> bool {
        u64::from(cell) * CELL_BYTES < self.limit && !is_in(cell, self.hole)
    }
}

fn is_in(cell: u32, hole: Option<(u32, u32)>) -> bool {
    hole.is_some_and(|(start, end)| (start..end).contains(&cell))
}

/// A map among those that show through each other.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub map: MapId,
    generation: u64,
    /// The least limit of this layer and those above.
    limit: u64,
    /// The holes of this layer and those above.
    holes: Vec<(u32, u32)>,
}

impl Layer {
    /// The generation up to which its rows are seen.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }
}

/// Most maps that may show through each other; the collector makes one of them long before.
pub(crate) const LAYERS_MAX: usize = 64;

/// How often maps that show through each other are looked up again.
const TRIES_MAX: usize = 4;

/// Cell rows read at a time.
const ROWS: usize = 256;

/// The number of cells that `bytes` reach into.
pub(crate) fn cells(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(CELL_BYTES)).unwrap_or(u32::MAX)
}

impl Store {
    /// The maps that a view sees, the topmost first.
    pub(crate) async fn layers(&self, view: View) -> Result<Vec<Layer>, Refusal> {
        let mut tries = 0;
        loop {
            match self.try_layers(view).await? {
                Ok(layers) => return Ok(layers),
                Err(missing) if tries == TRIES_MAX => {
                    return Err(Refusal::new(ErrorCode::InternalError)
                        .with_cause(format!("map {:x} is missing", missing.0)));
                }
                // A map may cease to be over another at any time, and the other may go then.
                Err(_) => tries += 1,
            }
        }
    }

    /// The same, or the first map that is not there.
    async fn try_layers(&self, view: View) -> Result<Result<Vec<Layer>, MapId>, Refusal> {
        let mut layers: Vec<Layer> = Vec::new();
        let mut next = Some(view);
        while let Some(view) = next {
            let (limit, mut holes) = match layers.last() {
                Some(above) => (above.limit.min(view.limit), above.holes.clone()),
                None => (view.limit, Vec::new()),
            };
            holes.extend(view.hole);
            layers.push(Layer { map: view.map, generation: view.generation, limit, holes });
            if layers.len() > LAYERS_MAX {
                return Err(Refusal::new(ErrorCode::InternalError)
                    .with_cause(format!("map {:x} is begun over too many others", view.map.0)));
            }
            let row: Option<MapRow> = self.row(&schema::map(view.map)).await?;
            let Some(row) = row else { return Ok(Err(view.map)) };
            next = row.parent;
        }
        Ok(Ok(layers))
    }

    /// What is in cells from `from` on, before `until`; and the cell up to which that is all there
    /// is. Cells in which nothing was ever written are left out.
    pub(crate) async fn load_cells(
        &self,
        layers: &[Layer],
        (from, mut until): (u32, u32),
    ) -> Result<(BTreeMap<u32, CellRow>, u32), Refusal> {
        let mut found = Vec::with_capacity(layers.len());
        for layer in layers {
            let (cells, known) = self.layer_cells(layer, (from, until)).await?;
            until = until.min(known);
            found.push(cells);
        }
        let mut whole = BTreeMap::new();
        for (cell, row) in found.into_iter().flatten().filter(|(cell, _)| *cell < until) {
            match whole.entry(cell) {
                Entry::Vacant(place) => _ = place.insert(row),
                Entry::Occupied(mut above) => {
                    let seen = above.get().over(&row);
                    above.insert(seen);
                }
            }
        }
        Ok((whole, until))
    }

    /// The same of one layer.
    async fn layer_cells(
        &self,
        layer: &Layer,
        (from, until): (u32, u32),
    ) -> Result<(Vec<(u32, CellRow)>, u32), Refusal> {
        let end = until.min(cells(layer.limit));
        let mut found: Vec<(u32, CellRow)> = Vec::new();
        if from >= end {
            return Ok((found, until));
        }
        let range = schema::cells(layer.map, (from, layer.generation), end);
        let rows = self.rows(range, ROWS).await?;
        let mut last = None;
        for row in &rows {
            let Some((cell, generation)) = schema::cell_parts(&row.key) else { continue };
            last = Some(cell);
            let is_older = found.last().is_some_and(|(newest, _)| *newest == cell);
            if generation > layer.generation || is_older {
                continue;
            }
            let mut seen = CellRow::decode(&row.value).map_err(|error| damaged(&error))?;
            seen.limit(cell, layer.limit);
            found.push((cell, seen));
        }
        let known = match last {
            // Rows of the last cell that is known may come after; one not known yet is not.
            Some(cell) if rows.len() == ROWS => {
                if found.last().is_some_and(|(known, _)| *known == cell) { cell + 1 } else { cell }
            }
            _ => until,
        };
        let is_hole = |cell: u32| layer.holes.iter().any(|hole| is_in(cell, Some(*hole)));
        found.retain(|(cell, _)| !is_hole(*cell));
        Ok((found, known))
    }
}

impl CellRow {
    /// Forgets the pages of cell `cell` from offset `limit` of the content on.
    fn limit(&mut self, cell: u32, limit: u64) {
        let pages = limit.saturating_sub(u64::from(cell) * CELL_BYTES).div_ceil(PAGE_BYTES);
        if pages < u64::from(super::cell::CELL_PAGES) {
            self.cut(pages as u8, super::cell::CELL_PAGES);
        }
    }
}

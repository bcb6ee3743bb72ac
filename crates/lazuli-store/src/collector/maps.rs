//! Page maps of which less is seen than before: rows that nobody sees, maps that nobody sees
//! anything of, and maps over too many others, which get copies of what shows through.
//!
//! Every commit relies on the map's row, which changes with every new view, and on the rows of the
//! cells it changes. What a view needs is therefore never dropped, whatever goes on at the time.

use std::collections::{BTreeMap, BTreeSet};

use lazuli_engine::{ExtentId, Row};
use lazuli_model::Refusal;

use super::Collected;
use crate::Store;
use crate::journal::Entry;
use crate::pages::cell::{CellRow, Fill};
use crate::pages::map::{MapHold, MapRow, View};
use crate::pages::read::segment_bytes;
use crate::pages::{LAYERS_FEW, cell};
use crate::payload::Payload;
use crate::pieces::{Home, abandon, house};
use crate::rows::{GarbageRow, Stored};
use crate::schema::{self, Garbage, MapId};
use crate::txn::{Attempts, Txn, damaged};

/// Rows of cells looked at in one commit, unless one cell has more.
const ROWS: usize = 128;

/// Cells looked at in one commit where they are known.
const CELLS: usize = 32;

/// A row of a cell: its key, its generation and what it says.
struct Stage {
    row: Row,
    generation: u64,
    cell: CellRow,
}

impl Store {
    /// Removes of a map what nobody sees. `false` if that has to wait for a reader.
    pub(super) async fn trim_map(
        &self,
        id: MapId,
        collected: &mut Collected,
    ) -> Result<bool, Refusal> {
        self.make_opaque(id, collected).await?;
        self.trim(id, None, collected).await
    }

    /// Removes of a map what nobody sees after a reader: of the cells that were written beside him.
    /// `false` if that has to wait for another.
    pub(super) async fn trim_stale(
        &self,
        id: MapId,
        collected: &mut Collected,
    ) -> Result<bool, Refusal> {
        let Some(cells) = self.stale_cells.take(id) else {
            return self.trim(id, None, collected).await;
        };
        let done = self.trim(id, Some(&cells), collected).await;
        if !matches!(done, Ok(true)) {
            self.stale_cells.begin(id, true);
            self.stale_cells.add(id, cells);
        }
        done
    }

    /// Removes what nobody sees of some cells of a map, or of all.
    async fn trim(
        &self,
        id: MapId,
        only: Option<&[u32]>,
        collected: &mut Collected,
    ) -> Result<bool, Refusal> {
        let mut from = 0;
        loop {
            let mut txn = self.begin();
            let key = schema::map(id);
            let Some(mut map) = txn.get::<MapRow>(&key).await? else { return Ok(true) };
            let holds = self.map_holds(id).await?;
            // Who begins to read after this finds what he reads in a row that is there by now.
            if self.page_reads.is_read(id) {
                return Ok(false);
            }
            if holds.is_empty() {
                self.drop_map(id, &map, collected).await?;
                return Ok(true);
            }
            let newest = holds.iter().filter_map(|hold| hold.generation).max().unwrap_or(0);
            if newest < map.newest_view {
                // From now on the owner writes where it is what no view sees.
                map.newest_view = newest;
                txn.put(key, &map)?;
                self.removed(txn, 0, collected).await?;
                continue;
            }
            let (cells, next) = match only {
                None => self.whole_cells(&txn, id, from).await?,
                Some(only) => some_cells(&txn, id, (only, from)).await?,
            };
            let mut extents = Vec::new();
            let mut rows = 0;
            for (cell, stages) in &cells {
                rows += trim_cell(&mut txn, (*cell, stages), (&holds, &map), &mut extents).await?;
            }
            if rows > 0 {
                txn.record(&Entry::system("CollectGarbage"));
                if !self.commit(txn, &mut Attempts::default()).await? {
                    continue;
                }
                collected.rows += rows;
                self.touched_all(extents);
            }
            let Some(next) = next else { return Ok(true) };
            from = next;
        }
    }

    async fn map_holds(&self, id: MapId) -> Result<Vec<MapHold>, Refusal> {
        let mut holds = Vec::new();
        self.each_row(schema::map_holds(id), |row| {
            holds.push(MapHold::decode(&row.value).map_err(|error| damaged(&error))?);
            Ok(())
        })
        .await?;
        Ok(holds)
    }

    /// The rows of some cells from `from` on, and the cell that comes after, if one may.
    async fn whole_cells(
        &self,
        txn: &Txn<'_>,
        id: MapId,
        from: u32,
    ) -> Result<(Cells, Option<u32>), Refusal> {
        let mut limit = ROWS;
        loop {
            let range = schema::cells(id, (from, u64::MAX), u32::MAX);
            let rows = txn.scan(range, limit).await?;
            let is_all = rows.len() < limit;
            let mut cells = Cells::new();
            add_stages(rows, &mut cells)?;
            if is_all {
                return Ok((cells, None));
            }
            // The last one may have more rows.
            if let Some((last, _)) = cells.pop_last().filter(|_| !cells.is_empty()) {
                return Ok((cells, Some(last)));
            }
            limit *= 4;
        }
    }

    /// Removes a map that nobody sees anything of.
    async fn drop_map(
        &self,
        id: MapId,
        map: &MapRow,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        loop {
            let rows = self.rows(schema::all_cells(id), ROWS).await?;
            if rows.is_empty() {
                break;
            }
            let mut txn = self.begin();
            let mut extents = Vec::new();
            let mut homes = Vec::new();
            for row in &rows {
                let cell = CellRow::decode(&row.value).map_err(|error| damaged(&error))?;
                homes.extend(cell.pieces().map(|(_, home)| home));
                txn.delete(row.key.clone());
            }
            for home in distinct(homes) {
                extents.extend(abandon(&mut txn, home).await?);
            }
            self.removed(txn, rows.len(), collected).await?;
            self.touched_all(extents);
        }
        let mut txn = self.begin();
        txn.delete(schema::map(id));
        if let Some(parent) = map.parent {
            let_go(&mut txn, &parent, id)?;
        }
        self.removed(txn, 1, collected).await
    }

    /// Has a map over many others stand on its own.
    async fn make_opaque(&self, id: MapId, collected: &mut Collected) -> Result<(), Refusal> {
        let Some(MapRow { parent: Some(parent), .. }) = self.row(&schema::map(id)).await? else {
            return Ok(());
        };
        if self.map_holds(id).await?.is_empty() {
            return Ok(());
        }
        let below = self.layers(parent).await?;
        if below.len() < LAYERS_FEW {
            return Ok(());
        }
        let mut from = 0;
        while from < u32::MAX {
            let (mut cells, mut known) = self.load_cells(&below, (from, u32::MAX)).await?;
            let (own, next) = self.whole_cells(&self.begin(), id, from).await?;
            known = known.min(next.unwrap_or(u32::MAX));
            for cell in own.keys().filter(|cell| **cell < known) {
                cells.entry(*cell).or_default();
            }
            for (cell, lower) in cells.range(..known) {
                self.make_cell_opaque(id, *cell, lower, collected).await?;
            }
            from = known;
        }
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let key = schema::map(id);
            let Some(map) = txn.get::<MapRow>(&key).await? else { return Ok(()) };
            txn.put(key, &MapRow { parent: None, ..map })?;
            let_go(&mut txn, &parent, id)?;
            txn.record(&Entry::system("CopyPages"));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Copies into a cell what shows through it.
    async fn make_cell_opaque(
        &self,
        id: MapId,
        cell: u32,
        lower: &CellRow,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let lower = lower.clone().into_opaque();
        let (copied, payloads) = self.copy_segments(&lower).await?;
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let key = schema::map(id);
            let Some(map) = txn.get::<MapRow>(&key).await? else { return Ok(()) };
            // Who writes a cell that had no row relies on the map's row: it is written again.
            txn.put(key, &map)?;
            let rows = txn.scan(schema::cell_rows(id, cell), usize::MAX).await?;
            let mut named = BTreeSet::new();
            let mut oldest = u64::MAX;
            for row in &rows {
                txn.rely_on(row);
                let Some((_, generation)) = schema::cell_parts(&row.key) else { continue };
                oldest = oldest.min(generation);
                let own = CellRow::decode(&row.value).map_err(|error| damaged(&error))?;
                let whole = own.over(&copied).into_opaque();
                named.extend(whole.pieces().map(|(_, home)| home.id()));
                txn.put(row.key.clone(), &whole)?;
            }
            if oldest > 1 && !copied.segments.is_empty() {
                named.extend(copied.pieces().map(|(_, home)| home.id()));
                txn.put(schema::cell(id, cell, 1), &copied)?;
            }
            for (piece, payload) in payloads.iter().filter(|(piece, _)| named.contains(piece)) {
                house(&mut txn, *piece, payload)?;
            }
            txn.record(&Entry::system("CopyPages").bytes(Some(bytes_of(&payloads))));
            if self.commit(txn, &mut attempts).await? {
                collected.moved_bytes += bytes_of(&payloads);
                return Ok(());
            }
        }
    }

    /// Copies of a cell's pieces, each told to be what it is a copy of.
    async fn copy_segments(
        &self,
        lower: &CellRow,
    ) -> Result<(CellRow, Vec<(u64, Payload)>), Refusal> {
        let mut copied = CellRow::empty(true);
        let mut payloads = Vec::with_capacity(lower.segments.len());
        for segment in &lower.segments {
            let payload = self.stow(segment_bytes(self, segment).await?).await?;
            let piece = self.new_id().await?;
            let home = match payload {
                Payload::Extent(..) => Home::Extent(piece),
                Payload::Inline(_) | Payload::Empty => Home::Row(piece),
            };
            let fill = Fill::Piece { home, skip: 0, copy_of: segment.written() };
            copied.segments.push(cell::Segment { fill, ..*segment });
            payloads.push((piece, payload));
        }
        Ok((copied, payloads))
    }
}

/// Cells, each with its rows, the newest first.
type Cells = BTreeMap<u32, Vec<Stage>>;

fn add_stages(rows: Vec<Row>, cells: &mut Cells) -> Result<(), Refusal> {
    for row in rows {
        let Some((cell, generation)) = schema::cell_parts(&row.key) else { continue };
        let read = CellRow::decode(&row.value).map_err(|error| damaged(&error))?;
        cells.entry(cell).or_default().push(Stage { row, generation, cell: read });
    }
    Ok(())
}

/// The rows of some of the listed cells, from one place of the list on; and the place that comes
/// after, if one does.
async fn some_cells(
    txn: &Txn<'_>,
    id: MapId,
    (only, from): (&[u32], u32),
) -> Result<(Cells, Option<u32>), Refusal> {
    let mut cells = Cells::new();
    for (place, cell) in (0..).zip(only).skip(from as usize) {
        if cells.len() >= CELLS {
            return Ok((cells, Some(place)));
        }
        add_stages(txn.scan(schema::cell_rows(id, *cell), usize::MAX).await?, &mut cells)?;
    }
    Ok((cells, None))
}

fn bytes_of(payloads: &[(u64, Payload)]) -> u64 {
    payloads.iter().map(|(_, payload)| payload.len()).sum()
}

fn distinct(homes: impl IntoIterator<Item = Home>) -> impl Iterator<Item = Home> {
    let by_id: BTreeMap<u64, Home> = homes.into_iter().map(|home| (home.id(), home)).collect();
    by_id.into_values()
}

/// Lets go of what shows through a map.
fn let_go(txn: &mut Txn<'_>, parent: &View, id: MapId) -> Result<(), Refusal> {
    txn.delete(schema::map_hold(parent.map, id.0));
    txn.put(schema::garbage(Garbage::Map(parent.map)), &GarbageRow::default())
}

/// Removes rows of a cell that nobody sees, with the pieces that no other row names. Gives how many
/// rows go.
async fn trim_cell(
    txn: &mut Txn<'_>,
    (cell, stages): (u32, &[Stage]),
    (holds, map): (&[MapHold], &MapRow),
    extents: &mut Vec<ExtentId>,
) -> Result<usize, Refusal> {
    let mut newer = None;
    let mut kept: Vec<&Stage> = Vec::new();
    let mut gone: Vec<&Stage> = Vec::new();
    for stage in stages {
        let is_seen = |hold: &MapHold| {
            hold.sees(cell)
                && match hold.generation {
                    None => newer.is_none(),
                    Some(seen) => {
                        stage.generation <= seen && newer.is_none_or(|newer| seen < newer)
                    }
                }
        };
        if holds.iter().any(is_seen) {
            kept.push(stage);
        } else {
            gone.push(stage);
        }
        newer = Some(stage.generation);
    }
    // A last row that says nothing is as good as none.
    while let Some(last) = kept.last()
        && map.parent.is_none()
        && last.cell.opaque
        && last.cell.segments.is_empty()
    {
        gone.extend(kept.pop());
    }
    if gone.is_empty() {
        return Ok(0);
    }
    for stage in stages {
        txn.rely_on(&stage.row);
    }
    let is_kept = |home: &Home| kept.iter().any(|stage| stage.cell.names(home.id()));
    let homes = gone.iter().flat_map(|stage| stage.cell.pieces().map(|(_, home)| home));
    for home in distinct(homes).filter(|home| !is_kept(home)) {
        extents.extend(abandon(txn, home).await?);
    }
    for stage in &gone {
        txn.delete(stage.row.key.clone());
    }
    Ok(gone.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_sees_no_more_than_it_says() {
        let over = |limit, hole| MapHold { generation: Some(3), limit, hole };
        assert!(over(cell::CELL_BYTES + 1, None).sees(1));
        assert!(!over(cell::CELL_BYTES, None).sees(1));
        assert!(!over(u64::MAX, Some((2, 4))).sees(3));
        assert!(over(u64::MAX, Some((2, 4))).sees(4));
        assert!(MapHold::OWNER.sees(u32::MAX));
    }

    #[test]
    fn pieces_are_let_go_of_once() {
        let homes = [Home::Row(2), Home::Extent(1), Home::Row(2)];
        assert_eq!(distinct(homes).collect::<Vec<_>>(), [Home::Extent(1), Home::Row(2)]);
    }
}

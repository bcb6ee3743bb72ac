//! Manifests that lost a holder: committed block lists and lists of pieces.
//!
//! A list of pieces outlives the blob that appended to it for as long as a snapshot, a copy or a
//! list that was begun with it needs some of it. What comes after the last piece that anybody needs
//! is dropped, from the end, so that a crash leaves a list that is whole as far as it goes.

use std::collections::BTreeSet;

use lazuli_engine::{ExtentId, Row};
use lazuli_model::Refusal;

use super::Collected;
use super::garbage::BATCH;
use crate::Store;
use crate::pieces::abandon;
use crate::read::manifest_chunk;
use crate::rows::{GarbageRow, ListHold, PIECE_CHUNK_PIECES, PieceChunk, Stored};
use crate::schema::{self, Garbage, ManifestId, StateId};
use crate::txn::{Txn, damaged};

impl Store {
    /// Removes of a manifest what nobody names.
    pub(super) async fn drop_manifest(
        &self,
        id: ManifestId,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let mut kept = ListHold::First(0);
        self.each_row(schema::manifest_holds(id), |row| {
            let hold = ListHold::decode(&row.value).map_err(|error| damaged(&error))?;
            kept = match (kept, hold) {
                (ListHold::First(most), ListHold::First(count)) => ListHold::First(most.max(count)),
                _ => ListHold::All,
            };
            Ok(())
        })
        .await?;
        let ListHold::First(kept) = kept else { return Ok(()) };
        // Neither kind of list has more chunks than this.
        let rows = self.rows(schema::manifest(id), BATCH).await?;
        match rows.first().and_then(|row| row.value.first()) {
            Some(&PieceChunk::FORMAT) => self.shorten(id, &rows, kept, collected).await,
            Some(_) if kept == 0 => self.drop_block_list(id, &rows, collected).await,
            _ => Ok(()),
        }
    }

    /// Removes a block list that no state names, all in one commit: a back-reference never outlives
    /// its owner.
    async fn drop_block_list(
        &self,
        id: ManifestId,
        rows: &[Row],
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let mut txn = self.begin();
        let mut extents = BTreeSet::new();
        for row in rows {
            let blocks = manifest_chunk(&row.value)?.blocks;
            extents.extend(blocks.iter().map(|block| ExtentId(block.piece.extent)));
            txn.delete(row.key.clone());
        }
        for extent in &extents {
            txn.delete(schema::extent_hold(*extent, id.0));
        }
        self.removed(txn, rows.len(), collected).await?;
        self.touched_all(extents);
        Ok(())
    }

    /// Shortens a list of pieces to its first `kept`, a chunk in a commit.
    async fn shorten(
        &self,
        id: ManifestId,
        rows: &[Row],
        kept: u32,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let decode = |row: &Row| PieceChunk::decode(&row.value).map_err(|error| damaged(&error));
        let begun_with = rows.first().map(decode).transpose()?.and_then(|chunk| chunk.begun_with);
        let others = begun_with.map_or(0, |(_, count)| count as usize);
        for (index, row) in rows.iter().enumerate().rev() {
            let mut chunk = decode(row)?;
            let first = index * PIECE_CHUNK_PIECES;
            let left = (kept as usize).saturating_sub(first);
            let gives_back = index == 0 && others > kept as usize;
            if left >= chunk.pieces.len() && !gives_back && kept > 0 {
                continue;
            }
            let mut txn = self.begin();
            let mut extents = Vec::new();
            // The first pieces may be those of another list: that one lets go of them.
            let own = left.max(others.saturating_sub(first));
            for piece in chunk.pieces.iter().skip(own) {
                extents.extend(abandon(&mut txn, piece.home).await?);
            }
            chunk.pieces.truncate(left);
            if gives_back {
                chunk.begun_with = give_back(&mut txn, id, begun_with, kept)?;
            }
            if left > 0 {
                txn.put(row.key.clone(), &chunk)?;
            } else {
                txn.delete(row.key.clone());
            }
            self.removed(txn, 1, collected).await?;
            self.touched_all(extents);
        }
        Ok(())
    }
}

/// Holds no more of the list that a list was begun with than its first `kept` pieces.
fn give_back(
    txn: &mut Txn<'_>,
    id: ManifestId,
    begun_with: Option<(ManifestId, u32)>,
    kept: u32,
) -> Result<Option<(ManifestId, u32)>, Refusal> {
    let Some((other, _)) = begun_with else { return Ok(None) };
    let key = schema::manifest_hold(other, StateId(id.0));
    txn.put(schema::garbage(Garbage::Manifest(other)), &GarbageRow::default())?;
    if kept == 0 {
        txn.delete(key);
        return Ok(None);
    }
    txn.put_raw(key, ListHold::First(kept).encode());
    Ok(Some((other, kept)))
}

//! Extents: which of their bytes are named, freeing those of which none is, and moving the rest out
//! of those of which few are.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use lazuli_engine::{ExtentId, Piece};
use lazuli_model::Refusal;

use super::Collected;
use crate::Store;
use crate::blob::hold_extent;
use crate::journal;
use crate::payload::{Payload, Placement, unreadable, unwritable};
use crate::rows::{
    BlobData, BlobRow, BlockRow, ExtentHold, ManifestChunk, PieceRow, Stored, StoredPiece,
};
use crate::schema::{self, ManifestId};
use crate::txn::{Attempts, Txn, damaged};

/// Dead bytes are tolerated up to this part of the live ones: one in `DEAD_PART`.
const DEAD_PART: u64 = 8;

/// Dead bytes below this are not worth moving anything for.
const DEAD_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// An extent is rewritten only if at least one byte in this many is dead.
const REWRITE_PART: u64 = 10;

/// Bytes read at a time while moving.
const MOVE_BYTES: u64 = 1024 * 1024;

/// What of an extent is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtentUse {
    /// Its size on disk, in bytes.
    pub size: u64,
    /// Payload bytes in it that are named.
    pub live: u64,
}

impl Store {
    pub(super) async fn collect_extents(
        &self,
        touched: &HashSet<ExtentId>,
        full: bool,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let sealed = self.extents.sealed().await.map_err(|error| unreadable(&error))?;
        let sealed: HashMap<ExtentId, u64> = sealed.into_iter().collect();
        let mut known = std::mem::take(&mut *self.extent_use.lock().await);
        known.retain(|extent, _| sealed.contains_key(extent));
        // An extent that was filled when it was touched is looked at again once it is sealed.
        for extent in touched.iter().filter(|extent| !sealed.contains_key(extent)) {
            self.signals
                .touched
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert(*extent);
        }
        for (extent, size) in sealed {
            if full || touched.contains(&extent) || !known.contains_key(&extent) {
                let live = self.live_bytes(extent).await?;
                if live == 0 {
                    known.remove(&extent);
                    self.extents.free(extent).await.map_err(|error| unwritable(&error))?;
                    collected.extents += 1;
                } else {
                    known.insert(extent, ExtentUse { size, live });
                }
            }
        }
        self.rewrite(&mut known, collected).await?;
        collected.live_bytes = known.values().map(|extent| extent.live).sum();
        collected.dead_bytes =
            known.values().map(|extent| extent.size.saturating_sub(extent.live)).sum();
        *self.extent_use.lock().await = known;
        Ok(())
    }

    /// Payload bytes of an extent that are named; each run counts once, however many name it.
    async fn live_bytes(&self, extent: ExtentId) -> Result<u64, Refusal> {
        let mut pieces = BTreeMap::new();
        self.each_row(schema::extent_holds(Some(extent)), |row| {
            let hold = ExtentHold::decode(&row.value).map_err(|error| damaged(&error))?;
            pieces.extend(hold.pieces);
            Ok(())
        })
        .await?;
        Ok(pieces.values().sum())
    }

    /// Rewrites extents, those with the largest dead part first, until few bytes are dead.
    async fn rewrite(
        &self,
        known: &mut HashMap<ExtentId, ExtentUse>,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let mut live: u64 = known.values().map(|extent| extent.live).sum();
        let mut dead: u64 =
            known.values().map(|extent| extent.size.saturating_sub(extent.live)).sum();
        live = live.max(1);
        let mut worst: Vec<(ExtentId, ExtentUse)> = known
            .iter()
            .filter(|(_, extent)| {
                extent.size.saturating_sub(extent.live) > extent.size / REWRITE_PART
            })
            .map(|(id, extent)| (*id, *extent))
            .collect();
        worst.sort_by_key(|(_, extent)| extent.live * 1024 / extent.size.max(1));
        for (id, extent) in worst {
            if dead < DEAD_BYTES_MIN || dead * DEAD_PART < live {
                return Ok(());
            }
            collected.moved_bytes += self.empty_extent(id).await?;
            if self.live_bytes(id).await? == 0 {
                known.remove(&id);
                self.extents.free(id).await.map_err(|error| unwritable(&error))?;
                collected.extents += 1;
                dead = dead.saturating_sub(extent.size.saturating_sub(extent.live));
            }
        }
        Ok(())
    }

    /// Moves every named run out of an extent; gives the bytes moved.
    async fn empty_extent(&self, extent: ExtentId) -> Result<u64, Refusal> {
        let mut moved = HashMap::new();
        let mut holders = Vec::new();
        self.each_row(schema::extent_holds(Some(extent)), |row| {
            holders.push(row.key.clone());
            Ok(())
        })
        .await?;
        let mut bytes = 0;
        for key in holders {
            bytes += self.move_hold(extent, &key, &mut moved).await?;
        }
        Ok(bytes)
    }

    /// Moves the runs of one back-reference and changes the row that names them, in one commit.
    async fn move_hold(
        &self,
        extent: ExtentId,
        key: &bytes::Bytes,
        moved: &mut HashMap<(u64, u64), Payload>,
    ) -> Result<u64, Refusal> {
        let Some((_, holder)) = schema::extent_hold_parts(key) else { return Ok(0) };
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            // The back-reference may have gone since it was listed.
            let Some(hold) = txn.get::<ExtentHold>(key).await? else { return Ok(0) };
            let mut bytes = 0;
            for &(offset, len) in &hold.pieces {
                if let Entry::Vacant(place) = moved.entry((offset, len)) {
                    place.insert(self.copy_piece(Piece { extent, offset, len }).await?);
                    bytes += len;
                }
            }
            let place = |piece: StoredPiece| match moved.get(&(piece.offset, piece.len)) {
                Some(Payload::Extent(new, _)) if piece.extent == extent.0 => (*new).into(),
                _ => piece,
            };
            if !self.rename(&mut txn, &hold, holder, &place).await? {
                return Ok(bytes);
            }
            txn.delete(key.clone());
            txn.use_reserve();
            txn.record(&journal::Entry::system("MoveContent").bytes(Some(bytes)));
            for piece in &hold.pieces {
                if let Some(Payload::Extent(_, settled)) = moved.get(piece) {
                    txn.name_payload(settled);
                }
            }
            if self.commit(txn, &mut attempts).await? {
                return Ok(bytes);
            }
        }
    }

    /// Changes the row that owns a back-reference to name the new places of its runs, and writes
    /// the new back-references. `false` if the row is not what the back-reference says.
    async fn rename(
        &self,
        txn: &mut Txn<'_>,
        hold: &ExtentHold,
        holder: u64,
        place: &(dyn Fn(StoredPiece) -> StoredPiece + Sync),
    ) -> Result<bool, Refusal> {
        let owner = bytes::Bytes::copy_from_slice(&hold.owner);
        match owner.first() {
            Some(b'b') => {
                let Some(mut row) = txn.get::<BlobRow>(&owner).await? else { return Ok(false) };
                let BlobData::Extent(piece) = row.data else { return Ok(false) };
                if row.state.0 != holder {
                    return Ok(false);
                }
                let new = place(piece);
                row.data = BlobData::Extent(new);
                hold_extent(txn, new, holder, &owner)?;
                txn.put(owner, &row)?;
            }
            Some(b'u') => {
                let Some(mut row) = txn.get::<BlockRow>(&owner).await? else { return Ok(false) };
                if row.holder != holder {
                    return Ok(false);
                }
                row.piece = place(row.piece);
                hold_extent(txn, row.piece, holder, &owner)?;
                txn.put(owner, &row)?;
            }
            Some(b'p') => {
                let Some(row) = txn.get::<PieceRow>(&owner).await? else { return Ok(false) };
                let piece = place(row.piece);
                hold_extent(txn, piece, holder, &owner)?;
                txn.put(owner, &PieceRow { piece })?;
            }
            Some(b'm') => return self.rename_in_manifest(txn, ManifestId(holder), place).await,
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn rename_in_manifest(
        &self,
        txn: &mut Txn<'_>,
        manifest: ManifestId,
        place: &(dyn Fn(StoredPiece) -> StoredPiece + Sync),
    ) -> Result<bool, Refusal> {
        let rows = txn.scan(schema::manifest(manifest), 1024).await?;
        let mut new_pieces: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
        for row in &rows {
            let mut chunk = ManifestChunk::decode(&row.value).map_err(|error| damaged(&error))?;
            let mut changed = false;
            for block in &mut chunk.blocks {
                let new = place(block.piece);
                if new != block.piece {
                    block.piece = new;
                    changed = true;
                    let pieces = new_pieces.entry(new.extent).or_default();
                    if !pieces.contains(&(new.offset, new.len)) {
                        pieces.push((new.offset, new.len));
                    }
                }
            }
            if changed {
                txn.rely_on(row);
                txn.put(row.key.clone(), &chunk)?;
            }
        }
        for (extent, pieces) in &new_pieces {
            let key = schema::extent_hold(ExtentId(*extent), manifest.0);
            let mut hold = txn.get::<ExtentHold>(&key).await?.unwrap_or(ExtentHold {
                pieces: Vec::new(),
                owner: schema::manifest_chunk(manifest, 0).to_vec(),
            });
            hold.pieces.extend(
                pieces
                    .iter()
                    .filter(|piece| !hold.pieces.contains(piece))
                    .copied()
                    .collect::<Vec<_>>(),
            );
            hold.pieces.sort_unstable();
            txn.put(key, &hold)?;
        }
        Ok(!new_pieces.is_empty())
    }

    /// Writes a run's bytes anew.
    async fn copy_piece(&self, piece: Piece) -> Result<Payload, Refusal> {
        let mut ingest = self.ingest(Placement::Extent, Some(piece.len)).into_reserve();
        let mut at = 0;
        while at < piece.len {
            let end = piece.len.min(at + MOVE_BYTES);
            let read = self.extents.read(piece, at..end).await;
            ingest.write(read.map_err(|error| unreadable(&error))?).await?;
            at = end;
        }
        ingest.finish().await
    }
}

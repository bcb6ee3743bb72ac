//! Put Block, Put Block List, Get Block List.
//!
//! An uncommitted block is a row of the blob's staging; putting blocks side by side touches no
//! common row, so many clients stage one blob without conflicts. Committing names the blocks in a
//! manifest and lets the staging go; no byte moves.

use std::collections::HashMap;

use bytes::Bytes;
use lazuli_engine::{ExtentId, KeyRange};
use lazuli_model::blob_type::BlobType;
use lazuli_model::block::BlockId;
use lazuli_model::content::ContentHeaders;
use lazuli_model::etag::ETag;
use lazuli_model::lease::{Lease, LeaseKind};
use lazuli_model::limits::{COMMITTED_BLOCKS_MAX, UNCOMMITTED_BLOCKS_MAX};
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{BlobPath, Found, Terms, Written, check_settled, find, hold_extent};
use crate::payload::Payload;
use crate::put::{Content, NewBlob, entry, overwrite};
use crate::rows::{
    BlobData, BlobRow, BlockRow, ExtentHold, ListHold, MANIFEST_CHUNK_BLOCKS, ManifestBlock,
    ManifestChunk, StagingRow, Stored, StoredPiece,
};
use crate::schema::{self, ManifestId, StagingId};
use crate::txn::{Attempts, Txn, damaged};

/// Rows read at a time.
const PAGE: usize = 4096;

/// Where an entry of a block list looks for its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedIn {
    /// Among the blob's committed blocks.
    Committed,
    /// Among its uncommitted blocks.
    Uncommitted,
    /// Among the uncommitted ones first, then the committed.
    Latest,
}

/// A block and its size, as Get Block List tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBlock {
    /// The block's id.
    pub id: BlockId,
    /// Its size in bytes.
    pub size: u64,
}

/// A blob's blocks.
#[derive(Clone, Debug)]
pub struct BlockLists {
    /// The blob, if anything was committed.
    pub row: Option<BlobRow>,
    /// Committed blocks, in content order.
    pub committed: Vec<ListedBlock>,
    /// Uncommitted blocks, in the order of their ids.
    pub uncommitted: Vec<ListedBlock>,
}

impl Store {
    /// Refuses early what [`Store::put_block`] would refuse.
    pub async fn check_put_block(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        id: &BlockId,
    ) -> Result<(), Refusal> {
        let mut txn = self.begin();
        let found = find(&mut txn, path, None).await?;
        check_stageable(&txn, &found, terms)?;
        let staging =
            txn.get::<StagingRow>(&schema::staging(found.container.id, path.blob)).await?;
        check_id_len(staging.as_ref(), id)
    }

    /// Stages a block; a block of the same id staged before is replaced.
    pub async fn put_block(
        &self,
        operation: &str,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        (id, payload): (&BlockId, &Payload),
    ) -> Result<(), Refusal> {
        let Payload::Extent(piece, settled) = payload else {
            return Err(Refusal::header_value("Content-Length", payload.len().to_string()));
        };
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            check_stageable(&txn, &found, terms)?;
            let staging = self.open_staging(&mut txn, path, &found, id).await?;
            let key = schema::block(staging, id.as_bytes());
            let replaced = txn.get::<BlockRow>(&key).await?;
            if let Some(old) = &replaced {
                txn.delete(schema::extent_hold(ExtentId(old.piece.extent), old.holder));
            } else {
                self.check_block_count(staging).await?;
            }
            let row = BlockRow {
                holder: self.new_id().await?,
                put: txn.now(),
                piece: StoredPiece::from(*piece),
            };
            hold_extent(&mut txn, row.piece, row.holder, &key)?;
            txn.put(key, &row)?;
            txn.name_payload(settled);
            txn.record(&entry(operation, path).bytes(Some(payload.len())));
            if self.commit(txn, &mut attempts).await? {
                self.staged_block(staging, replaced.is_none());
                if let Some(old) = replaced {
                    self.touched(ExtentId(old.piece.extent));
                }
                return Ok(());
            }
        }
    }

    /// The blob's staging; a new one, and a name for it to hang on, if it has none.
    async fn open_staging(
        &self,
        txn: &mut Txn<'_>,
        path: &BlobPath<'_>,
        found: &Found,
        id: &BlockId,
    ) -> Result<StagingId, Refusal> {
        let key = schema::staging(found.container.id, path.blob);
        let staging = txn.get::<StagingRow>(&key).await?;
        check_id_len(staging.as_ref(), id)?;
        if let Some(staging) = staging {
            return Ok(staging.id);
        }
        let staging = StagingRow {
            id: StagingId(self.new_id().await?),
            block_id_len: id.as_bytes().len() as u8,
            started: txn.now(),
        };
        txn.put(key, &staging)?;
        if found.row.is_none() {
            txn.put(
                schema::blob(found.container.id, path.blob, None),
                &self.placeholder(txn).await?,
            )?;
        }
        Ok(staging.id)
    }

    /// The row of a name that has uncommitted blocks only: listings can show it, reads do not.
    async fn placeholder(&self, txn: &Txn<'_>) -> Result<BlobRow, Refusal> {
        Ok(BlobRow {
            state: self.new_state().await?,
            committed: false,
            blob_type: BlobType::Block,
            created: txn.now(),
            modified: txn.now(),
            etag: ETag::after(txn.now(), None),
            length: 0,
            data: BlobData::Empty,
            content: ContentHeaders::default(),
            metadata: Metadata::default(),
            tags: TagSet::default(),
            tier: None,
            tier_changed: None,
            rehydrating: None,
            lease: Lease::default(),
            copy: None,
        })
    }

    async fn check_block_count(&self, staging: StagingId) -> Result<(), Refusal> {
        let known = self.staged_blocks(staging);
        let count = if let Some(count) = known {
            count
        } else {
            let count = self.count_rows(schema::blocks(staging)).await?;
            self.set_staged_blocks(staging, count);
            count
        };
        if count >= UNCOMMITTED_BLOCKS_MAX {
            return Err(Refusal::new(ErrorCode::BlockCountExceedsLimit).with_message(
                "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.",
            ));
        }
        Ok(())
    }

    async fn count_rows(&self, range: KeyRange) -> Result<usize, Refusal> {
        let mut count = 0;
        self.each_row(range, |_| {
            count += 1;
            Ok(())
        })
        .await?;
        Ok(count)
    }

    /// Commits a list of blocks as the blob's content.
    pub async fn put_block_list(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        (new, list): (&NewBlob, &[(ListedIn, BlockId)]),
    ) -> Result<Written, Refusal> {
        if list.len() > COMMITTED_BLOCKS_MAX {
            return Err(ErrorCode::BlockListTooLong.into());
        }
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let blob_type = BlobType::Block;
            let lease = terms.check_create(found.committed(), txn.now(), Some(blob_type))?;
            let blocks = self.resolve(&mut txn, path, &found, list).await?;
            let state = self.new_state().await?;
            let length = blocks.iter().map(|block| block.piece.len).sum();
            let data = self.name_blocks(&mut txn, state, blocks).await?;
            let content = Content { blob_type, state, length, data };
            let written = overwrite(&mut txn, path, &found, (new, content, lease)).await?;
            let entry = entry("PutBlockList", path).bytes(Some(length));
            txn.record(&entry.etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_soon();
                return Ok(written);
            }
        }
    }

    /// The blocks a list names. `InvalidBlockList` if one is not there.
    async fn resolve(
        &self,
        txn: &mut Txn<'_>,
        path: &BlobPath<'_>,
        found: &Found,
        list: &[(ListedIn, BlockId)],
    ) -> Result<Vec<ManifestBlock>, Refusal> {
        let wants = |place: ListedIn| list.iter().any(|(listed, _)| *listed == place);
        let latest = wants(ListedIn::Latest);
        let mut staged = HashMap::new();
        // The staging row is relied upon, so none of its blocks can go before the commit. A block
        // put over another at this very moment is either in or not, as if it came later.
        let staging =
            txn.get::<StagingRow>(&schema::staging(found.container.id, path.blob)).await?;
        if let Some(staging) = staging.filter(|_| latest || wants(ListedIn::Uncommitted)) {
            if list.len() <= 16 {
                for (_, id) in list {
                    let key = schema::block(staging.id, id.as_bytes());
                    if let Some(row) = txn.get::<BlockRow>(&key).await? {
                        staged.insert(id.as_bytes().to_vec(), row.piece);
                    }
                }
            } else {
                self.relied_blocks(txn, staging.id, list, &mut staged).await?;
            }
        }
        let mut committed = HashMap::new();
        if let Some(row) = found.committed().filter(|_| latest || wants(ListedIn::Committed)) {
            for block in self.manifest_blocks(row).await? {
                committed.entry(block.id).or_insert(block.piece);
            }
        }
        list.iter()
            .map(|(place, id)| {
                let staged = || staged.get(id.as_bytes());
                let committed = || committed.get(id.as_bytes());
                let piece = match place {
                    ListedIn::Committed => committed(),
                    ListedIn::Uncommitted => staged(),
                    ListedIn::Latest => staged().or_else(committed),
                };
                let piece = *piece.ok_or_else(|| Refusal::new(ErrorCode::InvalidBlockList))?;
                Ok(ManifestBlock { id: id.as_bytes().to_vec(), piece })
            })
            .collect()
    }

    /// Reads all blocks of a staging and relies on those that are listed: one put again meanwhile
    /// must not be lost to a commit that names its older bytes.
    async fn relied_blocks(
        &self,
        txn: &mut Txn<'_>,
        staging: StagingId,
        list: &[(ListedIn, BlockId)],
        staged: &mut HashMap<Vec<u8>, StoredPiece>,
    ) -> Result<(), Refusal> {
        let listed: std::collections::HashSet<&[u8]> =
            list.iter().map(|(_, id)| id.as_bytes()).collect();
        let mut range = schema::blocks(staging);
        loop {
            let rows = txn.scan(range.clone(), PAGE).await?;
            for row in &rows {
                let Some(id) = schema::block_id(&row.key).filter(|id| listed.contains(id)) else {
                    continue;
                };
                let block = BlockRow::decode(&row.value).map_err(|error| damaged(&error))?;
                staged.insert(id.to_vec(), block.piece);
                txn.rely_on(row);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => range.start = following(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Writes a manifest of `blocks` for a state.
    pub(crate) async fn name_blocks(
        &self,
        txn: &mut Txn<'_>,
        state: schema::StateId,
        blocks: Vec<ManifestBlock>,
    ) -> Result<BlobData, Refusal> {
        if blocks.is_empty() {
            return Ok(BlobData::Empty);
        }
        let manifest = ManifestId(self.new_id().await?);
        let count = blocks.len() as u32;
        let mut holds: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
        for block in &blocks {
            let pieces = holds.entry(block.piece.extent).or_default();
            let piece = (block.piece.offset, block.piece.len);
            if !pieces.contains(&piece) {
                pieces.push(piece);
            }
        }
        let owner = schema::manifest_chunk(manifest, 0);
        for (extent, mut pieces) in holds {
            pieces.sort_unstable();
            let hold = ExtentHold { pieces, owner: owner.to_vec() };
            txn.put(schema::extent_hold(ExtentId(extent), manifest.0), &hold)?;
        }
        let mut start = 0;
        for (index, blocks) in blocks.chunks(MANIFEST_CHUNK_BLOCKS).enumerate() {
            let chunk = ManifestChunk { start, blocks: blocks.to_vec() };
            start += blocks.iter().map(|block| block.piece.len).sum::<u64>();
            txn.put(schema::manifest_chunk(manifest, index as u32), &chunk)?;
        }
        txn.put_raw(schema::manifest_hold(manifest, state), ListHold::All.encode());
        Ok(BlobData::Blocks { manifest, count })
    }

    /// All blocks of a committed blob; none if it was not made of blocks.
    pub(crate) async fn manifest_blocks(
        &self,
        row: &BlobRow,
    ) -> Result<Vec<ManifestBlock>, Refusal> {
        let BlobData::Blocks { manifest, count } = row.data else { return Ok(Vec::new()) };
        let mut blocks = Vec::with_capacity(count as usize);
        self.each_row(schema::manifest(manifest), |row| {
            let chunk = ManifestChunk::decode(&row.value).map_err(|error| damaged(&error))?;
            blocks.extend(chunk.blocks);
            Ok(())
        })
        .await?;
        Ok(blocks)
    }

    /// A blob's committed and uncommitted blocks; `BlobNotFound` if the name has neither.
    pub async fn block_lists(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<lazuli_base::Timestamp>,
        terms: &Terms<'_>,
    ) -> Result<BlockLists, Refusal> {
        let mut txn = self.begin();
        let found = find(&mut txn, path, snapshot).await?;
        let Some(row) = &found.row else { return Err(ErrorCode::BlobNotFound.into()) };
        if row.committed {
            terms.check_read(Some(row), txn.now())?;
        }
        if row.blob_type != BlobType::Block {
            return Err(ErrorCode::InvalidBlobType.into());
        }
        let committed = self.manifest_blocks(row).await?;
        let mut uncommitted = Vec::new();
        let staging = schema::staging(found.container.id, path.blob);
        if let Some(staging) =
            self.row::<StagingRow>(&staging).await?.filter(|_| snapshot.is_none())
        {
            self.each_row(schema::blocks(staging.id), |row| {
                let block = BlockRow::decode(&row.value).map_err(|error| damaged(&error))?;
                let id = schema::block_id(&row.key).unwrap_or_default();
                uncommitted
                    .push(ListedBlock { id: BlockId::from_bytes(id), size: block.piece.len });
                Ok(())
            })
            .await?;
        }
        let committed = committed
            .into_iter()
            .map(|block| ListedBlock { id: BlockId::from_bytes(block.id), size: block.piece.len })
            .collect();
        Ok(BlockLists { row: found.row.filter(|row| row.committed), committed, uncommitted })
    }
}

fn check_stageable(txn: &Txn<'_>, found: &Found, terms: &Terms<'_>) -> Result<(), Refusal> {
    let row = found.committed();
    if row.is_some() && !terms.may_overwrite {
        return Err(ErrorCode::UnauthorizedBlobOverwrite.into());
    }
    let lease = row.map_or_else(Lease::default, |row| row.lease.clone());
    lease.check_write(txn.now(), terms.lease, LeaseKind::Blob)?;
    row.map_or(Ok(()), check_settled)?;
    if row.is_some_and(|row| row.blob_type != BlobType::Block) {
        return Err(ErrorCode::InvalidBlobType.into());
    }
    Ok(())
}

fn check_id_len(staging: Option<&StagingRow>, id: &BlockId) -> Result<(), Refusal> {
    match staging {
        Some(staging) if usize::from(staging.block_id_len) != id.as_bytes().len() => {
            Err(ErrorCode::InvalidBlobOrBlock.into())
        }
        _ => Ok(()),
    }
}

/// The first key after `key`.
pub(crate) fn following(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

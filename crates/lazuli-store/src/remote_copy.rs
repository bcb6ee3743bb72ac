//! Copies whose source is elsewhere: begun with an empty blob, filled block by block beside it, and
//! complete when all blocks become the blob's content in one commit.
//!
//! A copy under way is a row, and so is each block of it: after a crash it goes on behind its last
//! block. The blocks hang on a staging id that no blob has, so clients do not see them. Whatever
//! ends a copy removes its row and leaves the staging to the collector.

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_engine::ExtentId;
use lazuli_model::blob_type::BlobType;
use lazuli_model::copy::{CopyState, CopyStatus};
use lazuli_model::etag::ETag;
use lazuli_model::lease::LeaseKind;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{BlobPath, Found, Terms, Written, find, hold_extent};
use crate::journal::Entry;
use crate::payload::Payload;
use crate::put::{Content, NewBlob, entry, no_earlier, overwrite};
use crate::rows::{
    BlobData, BlobRow, BlockRow, GarbageRow, ManifestBlock, RemoteCopyRow, Stored, StoredPiece,
};
use crate::schema::{self, Garbage, StagingId};
use crate::txn::{Attempts, Txn, damaged};

/// Bytes of a block, unless the content would have too many blocks.
const BLOCK_BYTES: u64 = 8 * 1024 * 1024;

/// Most blocks of a copy.
const BLOCKS_MAX: u64 = lazuli_model::limits::COMMITTED_BLOCKS_MAX as u64;

/// Copies that are looked at in search of some to work on.
const PENDING_PAGE: usize = 256;

/// Where a copy's bytes come from.
#[derive(Clone, Copy, Debug)]
pub struct RemoteSource<'a> {
    /// The URL that is told of the copy: without its token.
    pub told: &'a str,
    /// The URL that is read.
    pub url: &'a str,
    /// The source's entity tag, if it has one that identifies its bytes.
    pub etag: Option<&'a str>,
    /// The lease on it, if one is given.
    pub lease: Option<&'a str>,
    /// Its length in bytes.
    pub length: u64,
}

/// A copy under way.
#[derive(Clone, Debug)]
pub struct RemoteCopy {
    key: Bytes,
    row: RemoteCopyRow,
    blob: String,
}

impl RemoteCopy {
    /// What tells it from the other copies under way.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// What is known of it.
    pub fn row(&self) -> &RemoteCopyRow {
        &self.row
    }

    /// The blob that is written.
    pub fn path(&self) -> BlobPath<'_> {
        BlobPath { account: &self.row.account, container: &self.row.container, blob: &self.blob }
    }

    /// Bytes of the block at `index`; 0 behind the last.
    pub fn block_len(&self, index: u64) -> u64 {
        let start = index.saturating_mul(self.row.block_bytes).min(self.row.length);
        (self.row.length - start).min(self.row.block_bytes)
    }
}

/// The decoded id of a block, all of the same length and in order.
fn block_id(index: u64) -> [u8; 4] {
    (index as u32).to_be_bytes()
}

impl Store {
    /// Makes or overwrites a blob with nothing, to be filled from elsewhere; gives its state and the
    /// copy's id.
    pub async fn begin_remote_copy(
        &self,
        (path, terms): (&BlobPath<'_>, &Terms<'_>),
        new: &NewBlob,
        source: &RemoteSource<'_>,
    ) -> Result<(Written, String), Refusal> {
        let id = self.entropy.uuid();
        let mut new = new.clone();
        new.copy = Some(CopyState {
            id: id.clone(),
            source: source.told.to_owned(),
            status: CopyStatus::Pending,
            copied: 0,
            total: source.length,
            completed: None,
            description: None,
        });
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let lease = terms.check_create(found.committed(), txn.now(), Some(BlobType::Block))?;
            if lease.duration(txn.now()).is_some() && !lease.is_infinite(txn.now()) {
                return Err(ErrorCode::InfiniteLeaseDurationRequired.into());
            }
            let state = self.new_state().await?;
            let content =
                Content { blob_type: BlobType::Block, state, length: 0, data: BlobData::Empty };
            let written = overwrite(&mut txn, path, &found, (&new, content, lease)).await?;
            let row = RemoteCopyRow {
                account: path.account.to_owned(),
                container: path.container.to_owned(),
                id: id.clone(),
                url: source.url.to_owned(),
                etag: source.etag.map(str::to_owned),
                lease: source.lease.map(str::to_owned),
                length: source.length,
                block_bytes: BLOCK_BYTES.max(source.length.div_ceil(BLOCKS_MAX)),
                staging: StagingId(self.new_id().await?),
                started: txn.now(),
            };
            txn.put(schema::remote_copy(found.container.id, path.blob), &row)?;
            txn.record(&entry("CopyBlob", path).bytes(Some(0)).etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                return Ok((written, id));
            }
        }
    }

    /// The copies under way: as many of them as are looked at at a time.
    pub async fn remote_copies(&self) -> Result<Vec<RemoteCopy>, Refusal> {
        let rows = self.rows(schema::remote_copies(None), PENDING_PAGE).await?;
        rows.into_iter()
            .map(|row| {
                let blob = row.key.get(9..).map(String::from_utf8_lossy).unwrap_or_default();
                let blob = blob.into_owned();
                let copy = RemoteCopyRow::decode(&row.value).map_err(|error| damaged(&error))?;
                Ok(RemoteCopy { key: row.key, row: copy, blob })
            })
            .collect()
    }

    /// Whether a copy is still under way.
    pub async fn is_copying(&self, copy: &RemoteCopy) -> Result<bool, Refusal> {
        let row = self.row::<RemoteCopyRow>(&copy.key).await?;
        Ok(row.is_some_and(|row| row.id == copy.row.id))
    }

    /// How many blocks of a copy are there.
    pub async fn copied_blocks(&self, copy: &RemoteCopy) -> Result<u64, Refusal> {
        let mut blocks = 0;
        self.each_row(schema::blocks(copy.row.staging), |_| {
            blocks += 1;
            Ok(())
        })
        .await?;
        Ok(blocks)
    }

    /// The destination of a copy; nothing if the copy ended meanwhile.
    async fn copied_onto(
        &self,
        txn: &mut Txn<'_>,
        copy: &RemoteCopy,
    ) -> Result<Option<(Found, BlobRow)>, Refusal> {
        let row = txn.get::<RemoteCopyRow>(&copy.key).await?;
        if row.is_none_or(|row| row.id != copy.row.id) {
            return Ok(None);
        }
        let found = match find(txn, &copy.path(), None).await {
            Ok(found) => found,
            Err(refusal) if refusal.code() == ErrorCode::ContainerNotFound => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        let is_of = |copied: &CopyState| copied.id == copy.row.id;
        let blob = found.committed().filter(|blob| blob.copy.as_ref().is_some_and(is_of)).cloned();
        Ok(blob.map(|blob| (found, blob)))
    }

    /// Adds a block to a copy, and tells of the progress. `false` if the copy ended meanwhile.
    pub async fn add_copied(
        &self,
        copy: &RemoteCopy,
        (index, payload): (u64, &Payload),
    ) -> Result<bool, Refusal> {
        let Payload::Extent(piece, settled) = payload else { return Ok(true) };
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some((found, mut blob)) = self.copied_onto(&mut txn, copy).await? else {
                return Ok(false);
            };
            let key = schema::block(copy.row.staging, &block_id(index));
            let block = BlockRow {
                holder: self.new_id().await?,
                put: txn.now(),
                piece: StoredPiece::from(*piece),
            };
            if let Some(old) = txn.get::<BlockRow>(&key).await? {
                txn.delete(schema::extent_hold(ExtentId(old.piece.extent), old.holder));
            }
            hold_extent(&mut txn, block.piece, block.holder, &key)?;
            txn.put(key, &block)?;
            txn.name_payload(settled);
            if let Some(state) = &mut blob.copy {
                state.copied = (index * copy.row.block_bytes + piece.len).min(copy.row.length);
            }
            txn.put(schema::blob(found.container.id, &copy.blob, None), &blob)?;
            txn.record(&Entry::system("CopyBlock"));
            if self.commit(txn, &mut attempts).await? {
                return Ok(true);
            }
        }
    }

    /// Makes the blocks of a copy the blob's content. `false` if the copy ended meanwhile.
    pub async fn finish_copy(&self, copy: &RemoteCopy) -> Result<bool, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some((found, mut blob)) = self.copied_onto(&mut txn, copy).await? else {
                return Ok(false);
            };
            // Relied upon one by one: the collector moves the bytes of blocks, too.
            let rows = txn.scan(schema::blocks(copy.row.staging), BLOCKS_MAX as usize).await?;
            let mut blocks = Vec::with_capacity(rows.len());
            for row in &rows {
                let piece = BlockRow::decode(&row.value).map_err(|error| damaged(&error))?.piece;
                let id = schema::block_id(&row.key).unwrap_or_default().to_vec();
                blocks.push(ManifestBlock { id, piece });
                txn.rely_on(row);
            }
            let length: u64 = blocks.iter().map(|block| block.piece.len).sum();
            if length != copy.row.length {
                let what = format!("{length} of {} bytes were copied", copy.row.length);
                return Err(Refusal::new(ErrorCode::InternalError).with_cause(what));
            }
            blob.data = self.name_blocks(&mut txn, blob.state, blocks).await?;
            blob.length = length;
            let ending = Ending { status: CopyStatus::Success, description: None };
            let etag = end(&mut txn, copy, (&found, &mut blob), ending)?;
            let path = copy.path();
            txn.record(&entry("CopyBlob", &path).bytes(Some(length)).etag(Some(etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_soon();
                return Ok(true);
            }
        }
    }

    /// Ends a copy that cannot be completed, and tells why. `false` if it ended meanwhile.
    pub async fn fail_copy(&self, copy: &RemoteCopy, why: &str) -> Result<bool, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some((found, mut blob)) = self.copied_onto(&mut txn, copy).await? else {
                return Ok(false);
            };
            let ending = Ending { status: CopyStatus::Failed, description: Some(why.to_owned()) };
            let etag = end(&mut txn, copy, (&found, &mut blob), ending)?;
            let path = copy.path();
            txn.record(&entry("CopyBlob", &path).bytes(Some(0)).etag(Some(etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_soon();
                return Ok(true);
            }
        }
    }

    /// Aborts the copy onto a blob, which stays empty.
    ///
    /// `NoPendingCopyOperation` if there is none, `CopyIdMismatch` if it is another.
    pub async fn abort_copy(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        id: &str,
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let none = || Refusal::new(ErrorCode::NoPendingCopyOperation);
            let Some(mut blob) = found.committed().cloned() else {
                return Err(ErrorCode::BlobNotFound.into());
            };
            blob.lease.check_write(txn.now(), terms.lease, LeaseKind::Blob)?;
            let key = schema::remote_copy(found.container.id, path.blob);
            let row = txn.get::<RemoteCopyRow>(&key).await?;
            let row = row.filter(|_| blob.is_being_copied()).ok_or_else(none)?;
            if !row.id.eq_ignore_ascii_case(id) {
                return Err(ErrorCode::CopyIdMismatch.into());
            }
            let copy = RemoteCopy { key, row, blob: path.blob.to_owned() };
            let ending = Ending { status: CopyStatus::Aborted, description: None };
            let etag = end(&mut txn, &copy, (&found, &mut blob), ending)?;
            txn.record(&entry("AbortCopyBlob", path).etag(Some(etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_soon();
                return Ok(());
            }
        }
    }

    /// Removes the copies under way in a container that is gone, a batch in a commit.
    pub(crate) async fn drop_remote_copies(
        &self,
        container: schema::ContainerId,
    ) -> Result<usize, Refusal> {
        let rows = self.rows(schema::remote_copies(Some(container)), PENDING_PAGE).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut txn = self.begin();
        for row in &rows {
            let copy = RemoteCopyRow::decode(&row.value).map_err(|error| damaged(&error))?;
            txn.put(schema::garbage(Garbage::Staging(copy.staging)), &GarbageRow::default())?;
            txn.delete(row.key.clone());
        }
        txn.record(&Entry::system("CollectGarbage"));
        self.commit(txn, &mut Attempts::default()).await?;
        Ok(rows.len())
    }
}

/// How a copy ends.
struct Ending {
    status: CopyStatus,
    description: Option<String>,
}

/// Ends a copy: the blob tells how, the copy's row goes, its blocks are the collector's.
fn end(
    txn: &mut Txn<'_>,
    copy: &RemoteCopy,
    (found, blob): (&Found, &mut BlobRow),
    ending: Ending,
) -> Result<ETag, Refusal> {
    let now: Timestamp = no_earlier(txn.now(), Some(blob));
    if let Some(state) = &mut blob.copy {
        if ending.status == CopyStatus::Success {
            state.copied = state.total;
        }
        state.status = ending.status;
        state.description = ending.description;
        state.completed = Some(now);
    }
    blob.modified = now;
    blob.etag = ETag::after(now, Some(blob.etag));
    txn.put(schema::blob(found.container.id, &copy.blob, None), blob)?;
    txn.delete(copy.key.clone());
    txn.put(schema::garbage(Garbage::Staging(copy.row.staging)), &GarbageRow::default())?;
    Ok(blob.etag)
}

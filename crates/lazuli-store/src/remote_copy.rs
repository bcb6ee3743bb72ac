//! Copies whose source is elsewhere: begun with an empty blob, filled part by part, and complete when
//! all parts become the blob's content in one commit.
//!
//! A copy under way is a row. The blocks of a block blob are rows beside the blob: they hang on a
//! staging id that no blob has. Those of an append blob go to its list, and pages to its map, while
//! its length stays 0, so clients see none of either. After a crash a copy goes on behind the last
//! part that is there. Whatever ends a copy removes its row; what a copy brought that is not
//! completed is left to the collector.

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_engine::ExtentId;
use lazuli_model::copy::{CopyState, CopyStatus};
use lazuli_model::etag::ETag;
use lazuli_model::lease::LeaseKind;
use lazuli_model::{ErrorCode, Refusal};

mod kind;

pub use kind::SourceKind;

use kind::{BLOCKS_MAX, block_bytes};

use crate::Store;
use crate::blob::{BlobPath, Found, Terms, Written, find, hold_extent, release};
use crate::journal::Entry;
use crate::pages::PageRange;
use crate::payload::Payload;
use crate::put::{Content, NewBlob, entry, no_earlier, overwrite};
use crate::rows::{
    BlobData, BlobRow, BlockRow, CopyForm, GarbageRow, ManifestBlock, RemoteCopyRow, Stored,
    StoredPiece,
};
use crate::schema::{self, Garbage, StagingId, StateId};
use crate::txn::{Attempts, Txn, damaged};

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
    /// What kind of blob it is.
    pub kind: SourceKind,
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

    /// Bytes of the block at `index`; 0 behind the last, and of what is not copied in blocks.
    pub fn block_len(&self, index: u64) -> u64 {
        self.block_start(index.saturating_add(1)) - self.block_start(index)
    }

    /// The offset of the block at `index`.
    pub fn block_start(&self, index: u64) -> u64 {
        let length = self.row.length;
        match self.row.form {
            CopyForm::Blocks => index.saturating_mul(self.row.block_bytes).min(length),
            CopyForm::Pages | CopyForm::Appends(0) => 0,
            CopyForm::Appends(blocks) => {
                let blocks = u128::from(blocks);
                (u128::from(length) * u128::from(index).min(blocks) / blocks) as u64
            }
        }
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
            let blob_type = source.kind.blob_type();
            let lease = terms.check_create(found.committed(), txn.now(), Some(blob_type))?;
            if lease.duration(txn.now()).is_some() && !lease.is_infinite(txn.now()) {
                return Err(ErrorCode::InfiniteLeaseDurationRequired.into());
            }
            let state = self.new_state().await?;
            let data = self.nothing_of(&mut txn, state, source.kind).await?;
            let content = Content { blob_type, state, length: 0, data };
            let written = overwrite(&mut txn, path, &found, (&new, content, lease)).await?;
            let row = RemoteCopyRow {
                account: path.account.to_owned(),
                container: path.container.to_owned(),
                id: id.clone(),
                url: source.url.to_owned(),
                etag: source.etag.map(str::to_owned),
                lease: source.lease.map(str::to_owned),
                length: source.length,
                block_bytes: block_bytes(source.length),
                staging: StagingId(self.new_id().await?),
                started: txn.now(),
                form: source.kind.form(source.length),
            };
            txn.put(schema::remote_copy(found.container.id, path.blob), &row)?;
            txn.record(&entry("CopyBlob", path).bytes(Some(0)).etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                return Ok((written, id));
            }
        }
    }

    /// The content of a blob of a kind that is empty.
    async fn nothing_of(
        &self,
        txn: &mut Txn<'_>,
        state: StateId,
        kind: SourceKind,
    ) -> Result<BlobData, Refusal> {
        match kind {
            SourceKind::Block => Ok(BlobData::Empty),
            SourceKind::Append { sealed, .. } => self.begin_list(txn, state, sealed).await,
            SourceKind::Page { sequence } => self.begin_pages(txn, state, sequence).await,
        }
    }

    /// Takes back what a copy brought to a blob.
    async fn empty(&self, txn: &mut Txn<'_>, blob: &mut BlobRow) -> Result<(), Refusal> {
        let kind = match &blob.data {
            BlobData::Appended { sealed, .. } => {
                SourceKind::Append { blocks: None, sealed: *sealed }
            }
            BlobData::Pages(paged) => SourceKind::Page { sequence: paged.sequence },
            _ => return Ok(()),
        };
        release(txn, blob)?;
        blob.data = self.nothing_of(txn, blob.state, kind).await?;
        Ok(())
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

    /// How far a copy is: how many of its blocks are there, or the offset before which all pages are.
    pub async fn copied_so_far(&self, copy: &RemoteCopy) -> Result<u64, Refusal> {
        if copy.row.form == CopyForm::Blocks {
            let mut blocks = 0;
            self.each_row(schema::blocks(copy.row.staging), |_| {
                blocks += 1;
                Ok(())
            })
            .await?;
            return Ok(blocks);
        }
        let mut txn = self.begin();
        let blob = self.copied_onto(&mut txn, copy).await?.map(|(_, blob)| blob);
        Ok(match (blob.as_ref().map(|blob| &blob.data), copy.row.form) {
            (Some(BlobData::Appended { count, .. }), _) => u64::from(*count),
            (_, CopyForm::Pages) => blob.as_ref().map_or(0, copied_bytes),
            _ => 0,
        })
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

    /// Adds blocks to a copy, the first of them at `index`, and tells of the progress. `false` if the
    /// copy ended meanwhile.
    pub async fn add_copied(
        &self,
        copy: &RemoteCopy,
        (index, payloads): (u64, &[Payload]),
    ) -> Result<bool, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some((found, mut blob)) = self.copied_onto(&mut txn, copy).await? else {
                return Ok(false);
            };
            let id = found.container.id;
            if copy.row.form == CopyForm::Blocks {
                for (index, payload) in (index..).zip(payloads) {
                    self.stage_copied(&mut txn, copy, (index, payload)).await?;
                }
            } else {
                let at = (copied_bytes(&blob), payloads);
                blob = self.fill_list(&mut txn, found, at).await?;
                blob.length = 0;
            }
            let upto = copy.block_start(index + payloads.len() as u64);
            progressed(&mut txn, copy, id, (blob, upto))?;
            if self.commit(txn, &mut attempts).await? {
                return Ok(true);
            }
        }
    }

    /// Keeps a block of a block blob beside it.
    async fn stage_copied(
        &self,
        txn: &mut Txn<'_>,
        copy: &RemoteCopy,
        (index, payload): (u64, &Payload),
    ) -> Result<(), Refusal> {
        let Payload::Extent(piece, settled) = payload else { return Ok(()) };
        let key = schema::block(copy.row.staging, &block_id(index));
        let block = BlockRow {
            holder: self.new_id().await?,
            put: txn.now(),
            piece: StoredPiece::from(*piece),
        };
        if let Some(old) = txn.get::<BlockRow>(&key).await? {
            txn.delete(schema::extent_hold(ExtentId(old.piece.extent), old.holder));
        }
        hold_extent(txn, block.piece, block.holder, &key)?;
        txn.put(key, &block)?;
        txn.name_payload(settled);
        Ok(())
    }

    /// Adds pages to a copy, with which all pages before `upto` are there, and tells of the progress.
    /// `false` if the copy ended meanwhile.
    pub async fn add_copied_pages(
        &self,
        copy: &RemoteCopy,
        (pages, upto): (&[(PageRange, Bytes)], u64),
    ) -> Result<bool, Refusal> {
        let stowed = self.stow_all(pages).await?;
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some((found, blob)) = self.copied_onto(&mut txn, copy).await? else {
                return Ok(false);
            };
            self.fill_pages(&mut txn, &blob, &stowed).await?;
            progressed(&mut txn, copy, found.container.id, (blob, upto))?;
            if self.commit(txn, &mut attempts).await? {
                return Ok(true);
            }
        }
    }

    /// Makes what a copy brought the blob's content. `false` if the copy ended meanwhile.
    pub async fn finish_copy(&self, copy: &RemoteCopy) -> Result<bool, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some((found, mut blob)) = self.copied_onto(&mut txn, copy).await? else {
                return Ok(false);
            };
            let length = if copy.row.form == CopyForm::Blocks {
                self.unite_blocks(&mut txn, copy, &mut blob).await?
            } else {
                copied_bytes(&blob)
            };
            if length != copy.row.length {
                let what = format!("{length} of {} bytes were copied", copy.row.length);
                return Err(Refusal::new(ErrorCode::InternalError).with_cause(what));
            }
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

    /// Makes the blocks that are beside a block blob its content; gives how many bytes they have.
    async fn unite_blocks(
        &self,
        txn: &mut Txn<'_>,
        copy: &RemoteCopy,
        blob: &mut BlobRow,
    ) -> Result<u64, Refusal> {
        // Relied upon one by one: the collector moves the bytes of blocks, too.
        let rows = txn.scan(schema::blocks(copy.row.staging), BLOCKS_MAX as usize).await?;
        let mut blocks = Vec::with_capacity(rows.len());
        for row in &rows {
            let piece = BlockRow::decode(&row.value).map_err(|error| damaged(&error))?.piece;
            let id = schema::block_id(&row.key).unwrap_or_default().to_vec();
            blocks.push(ManifestBlock { id, piece });
            txn.rely_on(row);
        }
        let length = blocks.iter().map(|block| block.piece.len).sum();
        blob.data = self.name_blocks(txn, blob.state, blocks).await?;
        Ok(length)
    }

    /// Ends a copy that cannot be completed, and tells why. `false` if it ended meanwhile.
    pub async fn fail_copy(&self, copy: &RemoteCopy, why: &str) -> Result<bool, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some((found, mut blob)) = self.copied_onto(&mut txn, copy).await? else {
                return Ok(false);
            };
            self.empty(&mut txn, &mut blob).await?;
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
            self.empty(&mut txn, &mut blob).await?;
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

/// Bytes of a copy onto a blob that are there.
fn copied_bytes(blob: &BlobRow) -> u64 {
    blob.copy.as_ref().map_or(0, |copy| copy.copied)
}

/// Tells on a blob that a copy onto it has come to an offset.
fn progressed(
    txn: &mut Txn<'_>,
    copy: &RemoteCopy,
    container: schema::ContainerId,
    (mut blob, upto): (BlobRow, u64),
) -> Result<(), Refusal> {
    if let Some(state) = &mut blob.copy {
        state.copied = upto.min(copy.row.length);
    }
    txn.put(schema::blob(container, &copy.blob, None), &blob)?;
    txn.record(&Entry::system("CopyBlock"));
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::kind::APPENDED_BYTES_MAX;
    use super::*;

    fn appends(length: u64, blocks: Option<u64>) -> RemoteCopy {
        let kind = SourceKind::Append { blocks, sealed: false };
        let row = RemoteCopyRow {
            account: String::new(),
            container: String::new(),
            id: String::new(),
            url: String::new(),
            etag: None,
            lease: None,
            length,
            block_bytes: block_bytes(length),
            staging: StagingId(0),
            started: Timestamp::from_ticks(0),
            form: kind.form(length),
        };
        RemoteCopy { key: Bytes::new(), row, blob: String::new() }
    }

    #[test]
    fn an_append_blob_has_the_blocks_of_its_source_or_some_that_fit() {
        let mib = 1024 * 1024;
        for (length, told, blocks) in [
            (10, Some(6), 6),
            (10, Some(10), 10),
            (10, Some(11), 1),
            (10, Some(0), 1),
            (10, None, 1),
            (0, Some(0), 0),
            (0, Some(5), 0),
            (0, None, 0),
            (100_000, Some(50_000), 50_000),
            (100_000, Some(50_001), 1),
            (17 * mib, None, 3),
            // More than a block may have.
            (250 * mib, Some(2), 32),
            (250 * mib, Some(3), 3),
        ] {
            let copy = appends(length, told);
            assert_eq!(copy.row.form, CopyForm::Appends(blocks), "{length} {told:?}");
            let blocks = u64::from(blocks);
            let lengths: Vec<u64> = (0..blocks).map(|index| copy.block_len(index)).collect();
            assert!(lengths.iter().all(|bytes| (1..=APPENDED_BYTES_MAX).contains(bytes)));
            assert_eq!(lengths.iter().sum::<u64>(), length);
            assert_eq!(copy.block_len(blocks), 0);
        }
    }
}

//! Changes to a blob that leave its content: properties, metadata, tags, lease, snapshot, and the change that leaves nothing: delete.

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::conditions::Conditions;
use lazuli_model::content::ContentHeaders;
use lazuli_model::etag::ETag;
use lazuli_model::lease::{Lease, LeaseKind};
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{
    BlobPath, Found, Terms, Written, check_changeable, check_readable, check_settled,
    discard_staging, existing, find, hold_extent, index_tags, release, with_current,
};
use crate::journal::{Entry, Kind};
use crate::pages::Paged;
use crate::put::{Content, entry, no_earlier};
use crate::rows::{BlobData, BlobRow, ListHold, Stored};
use crate::schema;
use crate::txn::{Attempts, Txn, damaged};

/// Which of a blob and its snapshots Delete Blob removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteScope {
    /// The blob, which must have no snapshots; or one snapshot.
    Alone,
    /// The blob and its snapshots.
    WithSnapshots,
    /// The snapshots only.
    SnapshotsOnly,
}

/// Most snapshots one delete removes in its commit.
const SNAPSHOTS_PER_DELETE: usize = 10_000;

impl Store {
    /// Replaces a blob's content properties; an MD5 that is not given is cleared, too. What was told
    /// of a copy onto the blob is told no longer. Gives a page blob's sequence number, too.
    pub async fn set_blob_properties(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        content: &ContentHeaders,
    ) -> Result<(Written, Option<u64>), Refusal> {
        let change = |row: &mut BlobRow| {
            row.content = content.clone();
            row.copy = None;
        };
        let row = self.change_blob("SetBlobProperties", path, terms, change).await?;
        let paged = Paged::of(&row).filter(|_| row.blob_type == BlobType::Page);
        let written = Written { etag: row.etag, modified: row.modified };
        Ok((written, paged.map(|paged| paged.sequence)))
    }

    /// Replaces a blob's metadata.
    pub async fn set_blob_metadata(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        metadata: &Metadata,
    ) -> Result<Written, Refusal> {
        let change = |row: &mut BlobRow| row.metadata = metadata.clone();
        let row = self.change_blob("SetBlobMetadata", path, terms, change).await?;
        Ok(Written { etag: row.etag, modified: row.modified })
    }

    /// A change that makes a new entity tag.
    async fn change_blob(
        &self,
        operation: &str,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        change: impl Fn(&mut BlobRow),
    ) -> Result<BlobRow, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let lease = terms.check_write(found.committed(), txn.now())?;
            let mut row = existing(&found)?;
            check_changeable(&row)?;
            check_readable(&row)?;
            row.lease = lease;
            row.modified = no_earlier(txn.now(), Some(&row));
            row.etag = ETag::after(row.modified, Some(row.etag));
            change(&mut row);
            txn.put(schema::blob(found.container.id, path.blob, None), &row)?;
            txn.record(&entry(operation, path).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok(row);
            }
        }
    }

    /// Replaces the tags of a blob or snapshot. Entity tag, time of change and lease stay, but a
    /// lease keeps others from it. Snapshots are not found by their tags.
    pub async fn set_blob_tags(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        terms: &Terms<'_>,
        tags: &TagSet,
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, snapshot).await?;
            let current = found.committed();
            if current.is_none() {
                return Err(ErrorCode::BlobNotFound.into());
            }
            with_current(current, |current| terms.conditions.check_write(current, false))?;
            let mut row = existing(&found)?;
            row.lease.check_write(txn.now(), terms.lease, LeaseKind::Blob)?;
            check_settled(&row)?;
            if snapshot.is_none() {
                index_tags(&mut txn, path, &found.container, (&row.tags, tags))?;
            }
            row.tags = tags.clone();
            txn.put(schema::blob(found.container.id, path.blob, snapshot), &row)?;
            txn.record(&entry("SetBlobTags", path).blob(path, snapshot));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Changes a blob's lease by `change`, which gives the lease after it and an answer.
    pub async fn lease_blob<T>(
        &self,
        path: &BlobPath<'_>,
        (operation, conditions): (&str, &Conditions),
        change: impl Fn(&BlobRow, Timestamp) -> Result<(Lease, T), Refusal>,
    ) -> Result<(Written, T), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            with_current(found.committed(), |current| conditions.check_write(current, false))?;
            let mut row = existing(&found)?;
            let (lease, answer) = change(&row, txn.now())?;
            row.lease = lease;
            txn.put(schema::blob(found.container.id, path.blob, None), &row)?;
            txn.record(&entry(operation, path).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok((Written { etag: row.etag, modified: row.modified }, answer));
            }
        }
    }

    /// Takes a snapshot; with metadata, the snapshot has that and an entity tag of its own.
    pub async fn snapshot_blob(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        metadata: &Metadata,
    ) -> Result<(Timestamp, Written), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            with_current(found.committed(), |current| {
                terms.conditions.check_write(current, false)
            })?;
            let mut base = existing(&found)?;
            check_changeable(&base)?;
            check_settled(&base)?;
            if terms.lease.is_some() {
                base.lease.check_write(txn.now(), terms.lease, LeaseKind::Blob)?;
            }
            check_readable(&base)?;
            let taken = self.free_snapshot(&mut txn, path, &found).await?;
            let key = schema::blob(found.container.id, path.blob, Some(taken));
            let content = self.share_content(&mut txn, &mut base, &key).await?;
            let mut row = BlobRow { state: content.state, data: content.data, ..base.clone() };
            row.lease = Lease::default();
            if !metadata.is_empty() {
                row.metadata = metadata.clone();
                row.modified = no_earlier(txn.now(), Some(&base));
                row.etag = ETag::after(row.modified, Some(base.etag));
            }
            txn.put(key, &row)?;
            // The base row is written again: a delete that saw no snapshot conflicts with this.
            txn.put(schema::blob(found.container.id, path.blob, None), &base)?;
            let entry = entry("SnapshotBlob", path).blob(path, Some(taken));
            txn.record(&entry.bytes(Some(row.length)).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok((taken, Written { etag: row.etag, modified: row.modified }));
            }
        }
    }

    /// A snapshot time that no snapshot of the blob has.
    pub(crate) async fn free_snapshot(
        &self,
        txn: &mut Txn<'_>,
        path: &BlobPath<'_>,
        found: &Found,
    ) -> Result<Timestamp, Refusal> {
        let mut taken = txn.now();
        loop {
            let key = schema::blob(found.container.id, path.blob, Some(taken));
            if txn.get::<BlobRow>(&key).await?.is_none() {
                return Ok(taken);
            }
            taken = Timestamp::from_ticks(taken.ticks() + 1);
        }
    }

    /// Names the content of `base` for a state of the row at `key`: no byte moves, but for those
    /// few that live in the metadata. `base` may be changed by it and has to be written then.
    pub(crate) async fn share_content(
        &self,
        txn: &mut Txn<'_>,
        base: &mut BlobRow,
        key: &Bytes,
    ) -> Result<Content, Refusal> {
        let state = self.new_state().await?;
        let mut data = base.data.clone();
        match &mut data {
            BlobData::Empty => {}
            BlobData::Inline => {
                // It goes in the commit that overwrites its blob, which may be between the two reads.
                match self.find_inline(base).await? {
                    Some(bytes) => txn.put_raw(schema::inline(state), bytes),
                    None => txn.decide_again(schema::inline(base.state)),
                }
            }
            BlobData::Extent(piece) => hold_extent(txn, *piece, state.0, key)?,
            BlobData::Blocks { manifest, .. } => {
                let hold = ListHold::All.encode();
                txn.put_raw(schema::manifest_hold(*manifest, state), hold);
            }
            BlobData::Appended { list, count, owned, .. } => {
                let hold = ListHold::First(*count).encode();
                txn.put_raw(schema::manifest_hold(*list, state), hold);
                *owned = false;
            }
            BlobData::Pages(_) => data = crate::pages::share(txn, base, state).await?,
        }
        Ok(Content { blob_type: base.blob_type, state, length: base.length, data })
    }

    /// Deletes a blob, its snapshots, or both; or one snapshot. A name that has uncommitted blocks
    /// only is deleted, too.
    pub async fn delete_blob(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        terms: &Terms<'_>,
        scope: DeleteScope,
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, snapshot).await?;
            let Some(row) = &found.row else {
                with_current(None, |current| terms.conditions.check_write(current, false))?;
                return Err(ErrorCode::BlobNotFound.into());
            };
            with_current(Some(row), |current| terms.conditions.check_write(current, false))?;
            terms.conditions.check_tier(row.tier_changed.unwrap_or(row.created))?;
            if snapshot.is_some() {
                release(&mut txn, row)?;
                txn.delete(schema::blob(found.container.id, path.blob, snapshot));
            } else {
                row.lease.check_write(txn.now(), terms.lease, LeaseKind::Blob)?;
                check_settled(row)?;
                self.delete_all(&mut txn, path, &found, scope).await?;
            }
            let entry = Entry::new(Kind::Delete, "DeleteBlob", path.account).blob(path, snapshot);
            txn.record(&entry.bytes(Some(row.length)).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                return Ok(());
            }
        }
    }

    async fn delete_all(
        &self,
        txn: &mut Txn<'_>,
        path: &BlobPath<'_>,
        found: &Found,
        scope: DeleteScope,
    ) -> Result<(), Refusal> {
        let range = schema::snapshots(found.container.id, path.blob);
        let limit = if scope == DeleteScope::Alone { 1 } else { SNAPSHOTS_PER_DELETE };
        let snapshots = txn.scan(range, limit).await?;
        if scope == DeleteScope::Alone && !snapshots.is_empty() {
            return Err(ErrorCode::SnapshotsPresent.into());
        }
        for snapshot in snapshots {
            let row = BlobRow::decode(&snapshot.value).map_err(|error| damaged(&error))?;
            txn.rely_on(&snapshot);
            release(txn, &row)?;
            txn.delete(snapshot.key);
        }
        let Some(row) = found.row.as_ref().filter(|_| scope != DeleteScope::SnapshotsOnly) else {
            // The base row is written as it was, so that a snapshot taken at this moment conflicts.
            return found.row.as_ref().map_or(Ok(()), |row| {
                txn.put(schema::blob(found.container.id, path.blob, None), row)
            });
        };
        release(txn, row)?;
        discard_staging(txn, &found.container, path.blob).await?;
        index_tags(txn, path, &found.container, (&row.tags, &TagSet::default()))?;
        txn.delete(schema::blob(found.container.id, path.blob, None));
        Ok(())
    }
}

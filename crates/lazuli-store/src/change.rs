//! Changes to a blob that leave its content: properties, metadata, tags, tier, lease, snapshot,
//! and the change that leaves nothing: delete.

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_model::conditions::Conditions;
use lazuli_model::content::ContentHeaders;
use lazuli_model::etag::ETag;
use lazuli_model::lease::{Lease, LeaseKind};
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{
    BlobPath, Found, Terms, Written, check_settled, discard_staging, find, hold_extent, index_tags,
    release, with_current,
};
use crate::journal::{Entry, Kind};
use crate::put::{Content, entry, no_earlier};
use crate::rows::{BlobData, BlobRow, Stored};
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

/// The status of a change that takes effect later.
const ACCEPTED: u16 = 202;

/// Most snapshots one delete removes in its commit.
const SNAPSHOTS_PER_DELETE: usize = 10_000;

impl Store {
    /// Replaces a blob's content properties; an MD5 that is not given is cleared, too. What was told
    /// of a copy onto the blob is told no longer.
    pub async fn set_blob_properties(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        content: &ContentHeaders,
    ) -> Result<Written, Refusal> {
        let change = |row: &mut BlobRow| {
            row.content = content.clone();
            row.copy = None;
        };
        self.change_blob("SetBlobProperties", path, terms, change).await
    }

    /// Replaces a blob's metadata.
    pub async fn set_blob_metadata(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        metadata: &Metadata,
    ) -> Result<Written, Refusal> {
        let change = |row: &mut BlobRow| row.metadata = metadata.clone();
        self.change_blob("SetBlobMetadata", path, terms, change).await
    }

    /// A change that makes a new entity tag.
    async fn change_blob(
        &self,
        operation: &str,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        change: impl Fn(&mut BlobRow),
    ) -> Result<Written, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let lease = terms.check_write(found.committed(), txn.now())?;
            let mut row = existing(&found)?;
            if row.tier == Some(AccessTier::Archive) {
                return Err(ErrorCode::BlobArchived.into());
            }
            row.lease = lease;
            row.modified = no_earlier(txn.now(), Some(&row));
            row.etag = ETag::after(row.modified, Some(row.etag));
            change(&mut row);
            txn.put(schema::blob(found.container.id, path.blob, None), &row)?;
            txn.record(&entry(operation, path).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok(Written { etag: row.etag, modified: row.modified });
            }
        }
    }

    /// Replaces a blob's tags. Entity tag and time of change stay; the lease is asked for only if
    /// one is given.
    pub async fn set_blob_tags(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        tags: &TagSet,
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let current = found.committed();
            if current.is_none() {
                return Err(ErrorCode::BlobNotFound.into());
            }
            with_current(current, |current| terms.conditions.check_write(current, false))?;
            let mut row = existing(&found)?;
            row.lease.check_read(txn.now(), terms.lease, LeaseKind::Blob)?;
            check_settled(&row)?;
            index_tags(&mut txn, path, &found.container, (&row.tags, tags))?;
            row.tags = tags.clone();
            txn.put(schema::blob(found.container.id, path.blob, None), &row)?;
            txn.record(&entry("SetBlobTags", path));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Sets the tier of a blob or snapshot. `true` if the blob was archived: its rehydration, for
    /// which a caller has to be ready to wait, is complete at once, for its bytes are at hand.
    pub async fn set_blob_tier(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        terms: &Terms<'_>,
        tier: AccessTier,
    ) -> Result<bool, Refusal> {
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
            row.lease.check_read(txn.now(), terms.lease, LeaseKind::Blob)?;
            check_settled(&row)?;
            if !AccessTier::applies_to(row.blob_type) {
                return Err(ErrorCode::AccessTierNotSupportedForBlobType.into());
            }
            let archived = row.tier == Some(AccessTier::Archive);
            if row.tier != Some(tier) {
                row.tier = Some(tier);
                row.tier_changed = Some(txn.now());
            }
            row.rehydrating = None;
            txn.put(schema::blob(found.container.id, path.blob, snapshot), &row)?;
            let rehydrates = archived && tier != AccessTier::Archive;
            let status = rehydrates.then_some(ACCEPTED);
            txn.record(&entry("SetBlobTier", path).blob(path, snapshot).status(status));
            if self.commit(txn, &mut attempts).await? {
                return Ok(rehydrates);
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
            let base = existing(&found)?;
            check_settled(&base)?;
            if terms.lease.is_some() {
                base.lease.check_write(txn.now(), terms.lease, LeaseKind::Blob)?;
            }
            let taken = self.free_snapshot(&mut txn, path, &found).await?;
            let key = schema::blob(found.container.id, path.blob, Some(taken));
            let mut row = self.share(&mut txn, &base, &key).await?;
            row.lease = Lease::default();
            if !metadata.is_empty() {
                row.metadata = metadata.clone();
                row.modified = no_earlier(txn.now(), Some(&base));
                row.etag = ETag::after(row.modified, Some(base.etag));
            }
            txn.put(key, &row)?;
            // The base row is written as it was: a delete that saw no snapshot conflicts with this.
            txn.put(schema::blob(found.container.id, path.blob, None), &base)?;
            let entry = entry("SnapshotBlob", path).blob(path, Some(taken));
            txn.record(&entry.bytes(Some(row.length)).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok((taken, Written { etag: row.etag, modified: row.modified }));
            }
        }
    }

    /// A snapshot time later than any the blob has.
    async fn free_snapshot(
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

    /// A row for another name with everything of `base`, its content shared.
    async fn share(
        &self,
        txn: &mut Txn<'_>,
        base: &BlobRow,
        key: &Bytes,
    ) -> Result<BlobRow, Refusal> {
        let content = self.share_content(txn, base, key).await?;
        Ok(BlobRow { state: content.state, data: content.data, ..base.clone() })
    }

    /// Names the content of `base` for a state of the row at `key`: no byte moves, but for those
    /// few that live in the metadata.
    pub(crate) async fn share_content(
        &self,
        txn: &mut Txn<'_>,
        base: &BlobRow,
        key: &Bytes,
    ) -> Result<Content, Refusal> {
        let state = self.new_state().await?;
        match &base.data {
            BlobData::Empty => {}
            BlobData::Inline => {
                let bytes = self.inline_bytes(base).await?;
                txn.put_raw(schema::inline(state), bytes);
            }
            BlobData::Extent(piece) => hold_extent(txn, *piece, state.0, key)?,
            BlobData::Blocks { manifest, .. } => {
                txn.put_raw(schema::manifest_hold(*manifest, state), Bytes::new());
            }
        }
        Ok(Content { state, length: base.length, data: base.data.clone() })
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

/// The blob, which must be one.
fn existing(found: &Found) -> Result<BlobRow, Refusal> {
    found.committed().cloned().ok_or_else(|| ErrorCode::BlobNotFound.into())
}

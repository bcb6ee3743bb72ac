//! What operations on one blob have in common: finding it, holding the caller's terms against it,
//! and letting go of what it named.

use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::conditions::{Conditions, Current};
use lazuli_model::etag::ETag;
use lazuli_model::lease::{Lease, LeaseId, LeaseKind};
use lazuli_model::tags::TagSet;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::container::open_container;
use crate::rows::{
    BlobData, BlobRow, ContainerRow, ExtentHold, GarbageRow, StagingRow, StoredPiece, TagRow,
};
use crate::schema::{self, Garbage, StateId};
use crate::txn::Txn;

/// A blob's full name.
#[derive(Clone, Copy, Debug)]
pub struct BlobPath<'a> {
    /// The account.
    pub account: &'a str,
    /// The container.
    pub container: &'a str,
    /// The blob.
    pub blob: &'a str,
}

/// What a caller asks to hold before an operation does anything.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The conditional headers.
    pub conditions: &'a Conditions,
    /// The lease the caller holds.
    pub lease: Option<&'a LeaseId>,
    /// Whether the caller may overwrite a blob that exists.
    pub may_overwrite: bool,
}

/// Entity tag and time of the state an operation made or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The entity tag.
    pub etag: ETag,
    /// When the state was made.
    pub modified: Timestamp,
}

/// A blob and its container, as a transaction found them.
#[derive(Debug)]
pub(crate) struct Found {
    pub container: ContainerRow,
    pub row: Option<BlobRow>,
}

impl Found {
    /// The blob, unless it is but a name with uncommitted blocks.
    pub(crate) fn committed(&self) -> Option<&BlobRow> {
        self.row.as_ref().filter(|row| row.committed)
    }
}

/// Finds a blob, or a snapshot of it, inside a transaction.
pub(crate) async fn find(
    txn: &mut Txn<'_>,
    path: &BlobPath<'_>,
    snapshot: Option<Timestamp>,
) -> Result<Found, Refusal> {
    let container = open_container(txn, path.account, path.container).await?;
    let row = txn.get(&schema::blob(container.id, path.blob, snapshot)).await?;
    Ok(Found { container, row })
}

/// The state conditions are held against.
pub(crate) fn with_current<T>(
    row: Option<&BlobRow>,
    check: impl FnOnce(Option<Current<'_>>) -> T,
) -> T {
    match row {
        None => check(None),
        Some(row) => {
            let etag = row.etag.to_string();
            check(Some(Current { etag: &etag, modified: row.modified, tags: &row.tags }))
        }
    }
}

impl Terms<'_> {
    /// Holds the terms of a read against a blob, in the service's order: conditions, existence,
    /// lease.
    pub(crate) fn check_read<'r>(
        &self,
        row: Option<&'r BlobRow>,
        now: Timestamp,
    ) -> Result<&'r BlobRow, Refusal> {
        let row = row.filter(|row| row.committed);
        with_current(row, |current| self.conditions.check_read(current))?;
        let Some(row) = row else { return Err(ErrorCode::BlobNotFound.into()) };
        row.lease.check_read(now, self.lease, LeaseKind::Blob)?;
        Ok(row)
    }

    /// Holds the terms of a change against a blob that must exist; gives its lease after it.
    pub(crate) fn check_write(
        &self,
        row: Option<&BlobRow>,
        now: Timestamp,
    ) -> Result<Lease, Refusal> {
        with_current(row, |current| self.conditions.check_write(current, false))?;
        let Some(row) = row else { return Err(ErrorCode::BlobNotFound.into()) };
        let lease = row.lease.check_write(now, self.lease, LeaseKind::Blob)?;
        check_settled(row)?;
        Ok(lease)
    }

    /// Holds the terms of an operation that makes or overwrites a blob of a type; gives the lease
    /// the new state has, for a lease outlives the content it was taken on. A type that is not
    /// known yet is not held against the blob's.
    pub(crate) fn check_create(
        &self,
        row: Option<&BlobRow>,
        now: Timestamp,
        blob_type: Option<BlobType>,
    ) -> Result<Lease, Refusal> {
        with_current(row, |current| self.conditions.check_write(current, true))?;
        let Some(row) = row else {
            return Lease::default().check_write(now, self.lease, LeaseKind::Blob);
        };
        if !self.may_overwrite {
            return Err(ErrorCode::UnauthorizedBlobOverwrite.into());
        }
        let lease = row.lease.check_write(now, self.lease, LeaseKind::Blob)?;
        check_settled(row)?;
        if blob_type.is_some_and(|blob_type| blob_type != row.blob_type) {
            return Err(ErrorCode::InvalidBlobType.into());
        }
        check_changeable(row)?;
        check_readable(row)?;
        Ok(lease)
    }

    /// Holds the lease that is named, if one is, against a blob's: for what a lease does not keep
    /// others from.
    pub(crate) fn check_lease(&self, row: &BlobRow, now: Timestamp) -> Result<(), Refusal> {
        row.lease.check_read(now, self.lease, LeaseKind::Blob)
    }
}

/// Refuses to change a blob that is made of incremental copies.
pub(crate) fn check_changeable(row: &BlobRow) -> Result<(), Refusal> {
    match &row.data {
        BlobData::Pages(paged) => paged.check_changeable(),
        _ => Ok(()),
    }
}

/// The blob, which must be one.
pub(crate) fn existing(found: &Found) -> Result<BlobRow, Refusal> {
    found.committed().cloned().ok_or_else(|| ErrorCode::BlobNotFound.into())
}

/// Refuses to change, or to copy, a blob that a copy is under way onto.
pub(crate) fn check_settled(row: &BlobRow) -> Result<(), Refusal> {
    if row.is_being_copied() { Err(ErrorCode::PendingCopyOperation.into()) } else { Ok(()) }
}

/// Refuses to read or change the content of an archived blob.
pub(crate) fn check_readable(row: &BlobRow) -> Result<(), Refusal> {
    match (row.tier, row.rehydrating) {
        (Some(AccessTier::Archive), Some(_)) => Err(ErrorCode::BlobBeingRehydrated.into()),
        (Some(AccessTier::Archive), None) => Err(ErrorCode::BlobArchived.into()),
        _ => Ok(()),
    }
}

/// Lets go of the bytes a state names. What nothing else names, the collector frees.
pub(crate) fn release(txn: &mut Txn<'_>, row: &BlobRow) -> Result<(), Refusal> {
    match &row.data {
        BlobData::Empty => {}
        BlobData::Inline => txn.delete(schema::inline(row.state)),
        BlobData::Extent(piece) => {
            let extent = lazuli_engine::ExtentId(piece.extent);
            txn.delete(schema::extent_hold(extent, row.state.0));
        }
        BlobData::Blocks { manifest, .. } | BlobData::Appended { list: manifest, .. } => {
            txn.delete(schema::manifest_hold(*manifest, row.state));
            txn.put(schema::garbage(Garbage::Manifest(*manifest)), &GarbageRow::default())?;
        }
        BlobData::Pages(paged) => crate::pages::release(txn, paged, row.state)?,
    }
    Ok(())
}

/// Names bytes in an extent for a state: the back-reference that keeps the extent.
pub(crate) fn hold_extent(
    txn: &mut Txn<'_>,
    piece: StoredPiece,
    holder: u64,
    owner: &[u8],
) -> Result<(), Refusal> {
    let hold = ExtentHold { pieces: vec![(piece.offset, piece.len)], owner: owner.to_vec() };
    txn.put(schema::extent_hold(lazuli_engine::ExtentId(piece.extent), holder), &hold)
}

/// Discards a blob's uncommitted blocks, if it has any.
pub(crate) async fn discard_staging(
    txn: &mut Txn<'_>,
    container: &ContainerRow,
    name: &str,
) -> Result<(), Refusal> {
    let key = schema::staging(container.id, name);
    if let Some(staging) = txn.get::<StagingRow>(&key).await? {
        txn.delete(key);
        txn.put(schema::garbage(Garbage::Staging(staging.id)), &GarbageRow::default())?;
    }
    Ok(())
}

/// Brings the tag index from `old` to `new`.
pub(crate) fn index_tags(
    txn: &mut Txn<'_>,
    path: &BlobPath<'_>,
    container: &ContainerRow,
    (old, new): (&TagSet, &TagSet),
) -> Result<(), Refusal> {
    let key = |tag| schema::tag(path.account, tag, container.id, path.blob);
    for tag in old.iter().filter(|tag| !new.iter().any(|other| other == *tag)) {
        txn.delete(key(tag));
    }
    for tag in new.iter().filter(|tag| !old.iter().any(|other| other == *tag)) {
        txn.put(key(tag), &TagRow { container: path.container.to_owned() })?;
    }
    Ok(())
}

impl Store {
    /// A state id that was never used.
    pub(crate) async fn new_state(&self) -> Result<StateId, Refusal> {
        Ok(StateId(self.new_id().await?))
    }
}

//! Incremental Copy Blob: a blob whose snapshots are those of another, complete as soon as it is
//! answered, for no byte moves.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/incremental-copy-blob>

use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::copy::{CopyState, CopyStatus};
use lazuli_model::etag::ETag;
use lazuli_model::lease::{Lease, LeaseKind};
use lazuli_model::tags::TagSet;
use lazuli_model::{ErrorCode, Refusal};

use super::{IncrementalCopy, PageRole, Paged, share};
use crate::Store;
use crate::blob::{BlobPath, Found, Terms, Written, find, release, with_current};
use crate::copy::no_source;
use crate::put::{entry, no_earlier};
use crate::rows::{BlobData, BlobRow};
use crate::schema::{self, StateId};
use crate::txn::{Attempts, Txn};

/// What an incremental copy copies.
#[derive(Clone, Copy, Debug)]
pub struct IncrementalSource<'a> {
    /// The blob.
    pub path: BlobPath<'a>,
    /// The snapshot of it.
    pub snapshot: Option<Timestamp>,
    /// Its URL as it is told later.
    pub url: &'a str,
}

impl Store {
    /// Copies a snapshot of a page blob that is later than the one copied before, to a new snapshot
    /// of the destination. Gives the destination's state and the copy's id.
    pub async fn incremental_copy(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        source: &IncrementalSource<'_>,
    ) -> Result<(Written, String), Refusal> {
        let copied = source.snapshot.ok_or(ErrorCode::IncrementalCopySourceMustBeSnapshot)?;
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            check_destination(&txn, &found, terms)?;
            let from = find(&mut txn, &source.path, Some(copied)).await.map_err(no_source)?;
            let base = from.committed().cloned();
            let mut base = base.ok_or_else(|| no_source(ErrorCode::BlobNotFound.into()))?;
            if base.blob_type != BlobType::Page {
                return Err(ErrorCode::InvalidBlobType.into());
            }
            let made = self.free_snapshot(&mut txn, path, &found).await?;
            let copy = IncrementalCopy {
                container: from.container.id,
                blob: source.path.blob.to_owned(),
                created: base.created,
                copied,
                made,
            };
            follows(found.committed(), &copy)?;
            let id = self.entropy.uuid();
            let told = CopyState {
                id: id.clone(),
                source: source.url.to_owned(),
                status: CopyStatus::Success,
                copied: base.length,
                total: base.length,
                completed: Some(txn.now()),
                description: None,
            };
            let states = (self.new_state().await?, self.new_state().await?);
            let row =
                destination(&mut txn, found.row.as_ref(), (&mut base, states.0), told).await?;
            let row = with_role(row, PageRole::Destination(Box::new(copy)));
            let taken = share(&mut txn, &mut base, states.1).await?;
            let taken = BlobRow {
                state: states.1,
                data: taken,
                lease: Lease::default(),
                tags: TagSet::default(),
                ..row.clone()
            };
            let container = found.container.id;
            txn.put(schema::blob(container, path.blob, None), &row)?;
            let key = schema::blob(container, path.blob, Some(made));
            txn.put(key, &with_role(taken, PageRole::Snapshot))?;
            let entry = entry("IncrementalCopyBlob", path).bytes(Some(row.length));
            txn.record(&entry.etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok((Written { etag: row.etag, modified: row.modified }, id));
            }
        }
    }
}

fn check_destination(txn: &Txn<'_>, found: &Found, terms: &Terms<'_>) -> Result<(), Refusal> {
    with_current(found.committed(), |current| terms.conditions.check_write(current, true))?;
    let Some(row) = found.committed() else { return Ok(()) };
    row.lease.check_write(txn.now(), terms.lease, LeaseKind::Blob)?;
    if row.blob_type == BlobType::Page { Ok(()) } else { Err(ErrorCode::InvalidBlobType.into()) }
}

/// Whether a copy can come after the last one onto the same blob.
fn follows(destination: Option<&BlobRow>, copy: &IncrementalCopy) -> Result<(), Refusal> {
    let Some(row) = destination else { return Ok(()) };
    let Some(Paged { role: PageRole::Destination(last), .. }) = Paged::of(row) else {
        return Err(ErrorCode::IncrementalCopyBlobMismatch.into());
    };
    let is_same =
        (last.container, &last.blob, last.created) == (copy.container, &copy.blob, copy.created);
    if !is_same {
        return Err(ErrorCode::IncrementalCopyBlobMismatch.into());
    }
    if copy.copied <= last.copied {
        return Err(ErrorCode::IncrementalCopyOfEarlierSnapshotNotAllowed.into());
    }
    Ok(())
}

/// The destination with the content of a snapshot; what it named before is let go of.
async fn destination(
    txn: &mut Txn<'_>,
    old: Option<&BlobRow>,
    (source, state): (&mut BlobRow, StateId),
    copy: CopyState,
) -> Result<BlobRow, Refusal> {
    if let Some(old) = old {
        release(txn, old)?;
    }
    let data = share(txn, source, state).await?;
    let now = no_earlier(txn.now(), old);
    let before = old.filter(|old| old.committed);
    Ok(BlobRow {
        state,
        committed: true,
        blob_type: BlobType::Page,
        created: before.map_or(now, |old| old.created),
        modified: now,
        etag: ETag::after(now, old.map(|old| old.etag)),
        length: source.length,
        data,
        content: source.content.clone(),
        metadata: source.metadata.clone(),
        tags: before.map(|old| old.tags.clone()).unwrap_or_default(),
        tier: None,
        tier_changed: None,
        rehydrating: None,
        lease: before.map(|old| old.lease.clone()).unwrap_or_default(),
        copy: Some(copy),
    })
}

fn with_role(mut row: BlobRow, role: PageRole) -> BlobRow {
    if let BlobData::Pages(paged) = &mut row.data {
        paged.role = role;
    }
    row
}

//! Copies between blobs of this store: the destination names the source's bytes, none moves.

use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::conditions::Conditions;
use lazuli_model::copy::{CopyState, CopyStatus};
use lazuli_model::lease::{LeaseId, LeaseKind};
use lazuli_model::tier::AccessTier;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{BlobPath, Terms, Written, check_readable, check_settled, find, with_current};
use crate::pages::Paged;
use crate::put::{Content, NewBlob, entry, overwrite_archived};
use crate::rows::{BlobData, BlobRow};
use crate::schema::{self, ContainerId};
use crate::tier::Retiering;
use crate::txn::{Attempts, Txn};

/// What is copied, and on what terms.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The blob.
    pub path: BlobPath<'a>,
    /// The snapshot of it, if one is copied.
    pub snapshot: Option<Timestamp>,
    /// Conditions on it.
    pub conditions: &'a Conditions,
    /// The lease that must be the source's, if one is given.
    pub lease: Option<&'a LeaseId>,
    /// Most bytes it may have.
    pub bytes_max: u64,
}

/// How a copy ends up: the blob's new state, and what was copied.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The destination's new state.
    pub written: Written,
    /// The source as it was.
    pub source: BlobRow,
    /// The copy's id, if it has one.
    pub copy_id: Option<String>,
}

/// What the destination gets besides the bytes.
pub trait Destination: Sync {
    /// The new blob, given its source.
    fn build(&self, source: &BlobRow) -> Result<NewBlob, Refusal>;
    /// The source's URL, if the copy is to be told in the blob's copy properties.
    fn told_source(&self) -> Option<&str>;
    /// Whether a lease on the destination must be infinite, as Copy Blob asks.
    fn needs_infinite_lease(&self) -> bool;
    /// How the copy brings an archived source back: Copy Blob to an online tier.
    fn rehydrates(&self) -> Option<Retiering> {
        None
    }
    /// The type of the new blob: that of its source, unless the operation always makes the same.
    fn blob_type(&self, source: &BlobRow) -> BlobType {
        source.blob_type
    }
    /// Whether a new append blob is sealed; `None` if it is when its source is.
    fn seals(&self) -> Option<bool> {
        None
    }
}

impl Store {
    /// Makes or overwrites a blob with the content of another.
    pub async fn copy_blob(
        &self,
        operation: &str,
        (path, terms): (&BlobPath<'_>, &Terms<'_>),
        source: &Source<'_>,
        destination: &dyn Destination,
    ) -> Result<Copied, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let base = self.find_source(&mut txn, source).await;
            let blob_type = base.as_ref().ok().map(|(_, base)| destination.blob_type(base));
            let lease = terms.check_create(found.committed(), txn.now(), blob_type)?;
            let leased = found.committed().filter(|row| row.lease.duration(txn.now()).is_some());
            if destination.needs_infinite_lease()
                && leased.is_some_and(|row| !row.lease.is_infinite(txn.now()))
            {
                return Err(ErrorCode::InfiniteLeaseDurationRequired.into());
            }
            let (from_container, mut base) = base?;
            with_current(Some(&base), |current| source.conditions.check_source(current))?;
            base.lease.check_read(txn.now(), source.lease, LeaseKind::Blob)?;
            check_settled(&base)?;
            let way_back = destination
                .rehydrates()
                .filter(|_| base.tier == Some(AccessTier::Archive))
                .filter(|_| may_rehydrate(path, &source.path, &base));
            if way_back.is_none() {
                check_readable(&base)?;
            }
            if base.length > source.bytes_max {
                return Err(Refusal::new(ErrorCode::RequestBodyTooLarge)
                    .with_detail("MaxLimit", source.bytes_max.to_string()));
            }
            let mut new = destination.build(&base)?;
            new.copy = destination.told_source().map(|url| CopyState {
                id: self.entropy.uuid(),
                source: url.to_owned(),
                status: CopyStatus::Success,
                copied: base.length,
                total: base.length,
                completed: Some(txn.now()),
                description: None,
            });
            let key = schema::blob(found.container.id, path.blob, None);
            let was = base.data.clone();
            let mut content = self.share_content(&mut txn, &mut base, &key).await?;
            if base.data != was {
                let from = schema::blob(from_container, source.path.blob, source.snapshot);
                txn.put(from, &base)?;
            }
            shape(&mut content, &new, (destination, &base))?;
            let made = ((&new, content, lease), way_back.as_ref());
            let written = overwrite_archived(&mut txn, path, &found, made).await?;
            let entry = entry(operation, path).bytes(Some(base.length));
            txn.record(&entry.etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                if way_back.is_some() {
                    self.signals.rehydrations.notify_one();
                }
                let copy_id = new.copy.map(|copy| copy.id);
                return Ok(Copied { written, source: base, copy_id });
            }
        }
    }
}

impl Store {
    /// The blob that a copy copies, and the container it is in.
    async fn find_source(
        &self,
        txn: &mut Txn<'_>,
        source: &Source<'_>,
    ) -> Result<(ContainerId, BlobRow), Refusal> {
        let from = find(txn, &source.path, source.snapshot).await.map_err(no_source)?;
        let base = from.committed().cloned();
        let base = base.ok_or_else(|| no_source(ErrorCode::BlobNotFound.into()))?;
        Paged::of(&base).map_or(Ok(()), |paged| paged.check_changeable())?;
        Ok((from.container.id, base))
    }
}

/// Makes shared content that of the type of blob that the destination is.
fn shape(
    content: &mut Content,
    new: &NewBlob,
    (destination, base): (&dyn Destination, &BlobRow),
) -> Result<(), Refusal> {
    content.blob_type = destination.blob_type(base);
    if new.tier.is_some() && !AccessTier::applies_to(content.blob_type) {
        return Err(ErrorCode::AccessTierNotSupportedForBlobType.into());
    }
    if let BlobData::Appended { sealed, .. } = &mut content.data {
        let appends = content.blob_type == BlobType::Append;
        *sealed = appends && destination.seals().unwrap_or(*sealed);
    }
    Ok(())
}

/// Whether an archived source comes back by a copy to `to`: another blob of the same account.
///
/// <https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview>
fn may_rehydrate(to: &BlobPath<'_>, from: &BlobPath<'_>, source: &BlobRow) -> bool {
    let is_itself = to.container == from.container && to.blob == from.blob;
    to.account == from.account && !is_itself && source.rehydrating.is_none()
}

/// A source that is not there: the copy fails with the source's status.
pub(crate) fn no_source(refusal: Refusal) -> Refusal {
    match refusal.code() {
        ErrorCode::BlobNotFound | ErrorCode::ContainerNotFound => {
            Refusal::new(ErrorCode::CannotVerifyCopySource)
                .with_status(404)
                .with_message("The specified blob does not exist.")
                .with_detail("CopySourceStatusCode", "404")
                .with_detail("CopySourceErrorCode", refusal.code().name())
                .with_detail("CopySourceErrorMessage", refusal.message().to_owned())
        }
        _ => refusal,
    }
}

//! Copies between blobs of this store: the destination names the source's bytes, none moves.

use lazuli_base::Timestamp;
use lazuli_model::conditions::Conditions;
use lazuli_model::copy::{CopyState, CopyStatus};
use lazuli_model::lease::{LeaseId, LeaseKind};
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{BlobPath, Terms, Written, check_readable, check_settled, find, with_current};
use crate::put::{NewBlob, entry, overwrite};
use crate::rows::BlobRow;
use crate::schema;
use crate::txn::Attempts;

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
    /// Whether the copy brings an archived source back: Copy Blob to an online tier.
    fn rehydrates(&self) -> bool {
        false
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
            let lease = terms.check_create(found.committed(), txn.now())?;
            let leased = found.committed().filter(|row| row.lease.duration(txn.now()).is_some());
            if destination.needs_infinite_lease()
                && leased.is_some_and(|row| !row.lease.is_infinite(txn.now()))
            {
                return Err(ErrorCode::InfiniteLeaseDurationRequired.into());
            }
            let from = find(&mut txn, &source.path, source.snapshot).await.map_err(no_source)?;
            let base = from.committed().cloned();
            let base = base.ok_or_else(|| no_source(ErrorCode::BlobNotFound.into()))?;
            with_current(Some(&base), |current| source.conditions.check_source(current))?;
            base.lease.check_read(txn.now(), source.lease, LeaseKind::Blob)?;
            check_settled(&base)?;
            if !(destination.rehydrates() && may_rehydrate(path, &source.path, &base)) {
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
            let content = self.share_content(&mut txn, &base, &key).await?;
            let written = overwrite(&mut txn, path, &found, (&new, content, lease)).await?;
            let entry = entry(operation, path).bytes(Some(base.length));
            txn.record(&entry.etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                let copy_id = new.copy.map(|copy| copy.id);
                return Ok(Copied { written, source: base, copy_id });
            }
        }
    }
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

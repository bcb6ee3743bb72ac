//! Put Blob: a block blob from one payload, and what all that make a whole blob have in common.

use lazuli_base::Timestamp;
use lazuli_model::Refusal;
use lazuli_model::blob_type::BlobType;
use lazuli_model::content::ContentHeaders;
use lazuli_model::copy::CopyState;
use lazuli_model::etag::ETag;
use lazuli_model::lease::Lease;
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::AccessTier;

use crate::Store;
use crate::blob::{
    BlobPath, Found, Terms, Written, discard_staging, find, hold_extent, index_tags, release,
};
use crate::journal::{Entry, Kind};
use crate::payload::Payload;
use crate::rows::{BlobData, BlobRow};
use crate::schema::{self, StateId};
use crate::tier::{Retiering, schedule};
use crate::txn::{Attempts, Txn};

/// What a new blob is told besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct NewBlob {
    /// Content properties.
    pub content: ContentHeaders,
    /// Metadata.
    pub metadata: Metadata,
    /// Index tags.
    pub tags: TagSet,
    /// Tier; `None` inherits that of the blob overwritten.
    pub tier: Option<AccessTier>,
    /// The copy operation that makes it, if one does.
    pub copy: Option<CopyState>,
}

/// The content of a state about to be written.
pub(crate) struct Content {
    pub blob_type: BlobType,
    pub state: StateId,
    pub length: u64,
    pub data: BlobData,
}

impl Store {
    /// Refuses early what [`Store::put_blob`] would refuse, before a large body is received.
    pub async fn check_put(&self, path: &BlobPath<'_>, terms: &Terms<'_>) -> Result<(), Refusal> {
        let mut txn = self.begin();
        let found = find(&mut txn, path, None).await?;
        let blob_type = Some(BlobType::Block);
        terms.check_create(found.committed(), txn.now(), blob_type).map(|_| ())
    }

    /// Refuses early what a copy of whatever type would be refused for.
    pub async fn check_copy(&self, path: &BlobPath<'_>, terms: &Terms<'_>) -> Result<(), Refusal> {
        let mut txn = self.begin();
        let found = find(&mut txn, path, None).await?;
        terms.check_create(found.committed(), txn.now(), None).map(|_| ())
    }

    /// Makes or overwrites a block blob with the bytes of `payload`.
    pub async fn put_blob(
        &self,
        operation: &str,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        (new, payload): (&NewBlob, &Payload),
    ) -> Result<Written, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let blob_type = BlobType::Block;
            let lease = terms.check_create(found.committed(), txn.now(), Some(blob_type))?;
            let state = self.new_state().await?;
            let data = name_payload(&mut txn, state, path, &found, payload)?;
            let content = Content { blob_type, state, length: payload.len(), data };
            let written = overwrite(&mut txn, path, &found, (new, content, lease)).await?;
            let entry = entry(operation, path).bytes(Some(payload.len()));
            txn.record(&entry.etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                return Ok(written);
            }
        }
    }
}

/// Names a payload for a state.
fn name_payload(
    txn: &mut Txn<'_>,
    state: StateId,
    path: &BlobPath<'_>,
    found: &Found,
    payload: &Payload,
) -> Result<BlobData, Refusal> {
    match payload {
        Payload::Empty => Ok(BlobData::Empty),
        Payload::Inline(bytes) => {
            txn.put_raw(schema::inline(state), bytes.clone());
            Ok(BlobData::Inline)
        }
        Payload::Extent(piece, settled) => {
            let owner = schema::blob(found.container.id, path.blob, None);
            hold_extent(txn, (*piece).into(), state.0, &owner)?;
            txn.name_payload(settled);
            Ok(BlobData::Extent((*piece).into()))
        }
    }
}

/// Writes a new state over whatever has the name: what every operation that makes a whole blob
/// ends with. Snapshots and the lease stay; uncommitted blocks go.
pub(crate) async fn overwrite(
    txn: &mut Txn<'_>,
    path: &BlobPath<'_>,
    found: &Found,
    made: (&NewBlob, Content, Lease),
) -> Result<Written, Refusal> {
    overwrite_archived(txn, path, found, (made, None)).await
}

/// As [`overwrite`], with a state that is archived and on its way back if there is `way_back`.
pub(crate) async fn overwrite_archived(
    txn: &mut Txn<'_>,
    path: &BlobPath<'_>,
    found: &Found,
    ((new, content, lease), way_back): ((&NewBlob, Content, Lease), Option<&Retiering>),
) -> Result<Written, Refusal> {
    let old = found.row.as_ref();
    let committed = found.committed();
    if let Some(old) = old {
        release(txn, old)?;
    }
    discard_staging(txn, &found.container, path.blob).await?;
    let tags = (old.map_or(&TagSet::default(), |old| &old.tags).clone(), &new.tags);
    index_tags(txn, path, &found.container, (&tags.0, tags.1))?;
    let now = no_earlier(txn.now(), old);
    let tier_changed = match (new.tier, committed) {
        (Some(_), _) => Some(now),
        (None, Some(old)) => old.tier_changed,
        (None, None) => None,
    };
    let row = BlobRow {
        state: content.state,
        committed: true,
        blob_type: content.blob_type,
        created: now,
        modified: now,
        etag: ETag::after(now, old.map(|old| old.etag)),
        length: content.length,
        data: content.data,
        content: new.content.clone(),
        metadata: new.metadata.clone(),
        tags: new.tags.clone(),
        tier: match way_back {
            Some(_) => Some(AccessTier::Archive),
            None => new.tier.or_else(|| committed.and_then(|old| old.tier)),
        },
        tier_changed,
        rehydrating: way_back.map(|to| (to.tier, to.priority)),
        lease,
        copy: new.copy.clone(),
    };
    let key = schema::blob(found.container.id, path.blob, None);
    if let Some(to) = way_back {
        schedule(txn, &key, &row, to.wait).await?;
    }
    txn.put(key, &row)?;
    Ok(Written { etag: row.etag, modified: row.modified })
}

/// The time of a change to a blob: a clock that was set back does not take the blob back with it.
pub(crate) fn no_earlier(now: Timestamp, old: Option<&BlobRow>) -> Timestamp {
    old.map_or(now, |old| now.max(old.modified))
}

/// The journal entry of a write to a blob.
pub(crate) fn entry<'a>(operation: &'a str, path: &BlobPath<'a>) -> Entry<'a> {
    Entry::new(Kind::Write, operation, path.account).blob(path, None)
}

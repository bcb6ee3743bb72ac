//! Access tiers: setting one, and the way back of what was archived.
//!
//! An archived blob that is wanted online stays archived, and says so, until its time has come.
//! That time is a row, written in the commit that asks for the way back: a restart forgets
//! nothing. A second row names the first by the blob, so that the way can be made shorter.
//!
//! <https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview>

use std::time::Duration;

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_engine::Row;
use lazuli_model::tier::{AccessTier, RehydratePriority};
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{BlobPath, Terms, check_settled, existing, find, with_current};
use crate::journal::Entry;
use crate::put::entry;
use crate::rows::{BlobRow, RehydrationRow, Stored};
use crate::schema;
use crate::txn::{Attempts, Txn, damaged};

/// The status of a change that takes effect later.
const ACCEPTED: u16 = 202;

/// Blobs whose time has come that are looked up at once.
const BATCH: usize = 500;

/// A tier that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retiering {
    /// The tier.
    pub tier: AccessTier,
    /// How urgently an archived blob is wanted back.
    pub priority: RehydratePriority,
    /// How long an archived blob is on its way back.
    pub wait: Duration,
}

impl Store {
    /// Sets the tier of a blob or snapshot. `true` if it is archived and will have that tier later.
    ///
    /// `BlobBeingRehydrated` for a blob that is on its way to a tier, unless the same tier is asked
    /// for more urgently; `AccessTierNotSupportedForBlobType` for page and append blobs.
    pub async fn set_blob_tier(
        &self,
        path: &BlobPath<'_>,
        snapshot: Option<Timestamp>,
        terms: &Terms<'_>,
        asked: &Retiering,
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
            terms.check_lease(&row, txn.now())?;
            check_settled(&row)?;
            if !AccessTier::applies_to(row.blob_type) {
                return Err(ErrorCode::AccessTierNotSupportedForBlobType.into());
            }
            let key = schema::blob(found.container.id, path.blob, snapshot);
            let comes_back = row.tier == Some(AccessTier::Archive)
                && (asked.tier != AccessTier::Archive || row.rehydrating.is_some());
            if comes_back {
                check_way_back(&row, asked)?;
                row.rehydrating = Some((asked.tier, asked.priority));
                schedule(&mut txn, &key, &row, asked.wait).await?;
            } else if row.tier != Some(asked.tier) {
                row.tier = Some(asked.tier);
                row.tier_changed = Some(txn.now());
            }
            txn.put(key, &row)?;
            let status = comes_back.then_some(ACCEPTED);
            txn.record(&entry("SetBlobTier", path).blob(path, snapshot).status(status));
            if self.commit(txn, &mut attempts).await? {
                if comes_back {
                    self.signals.rehydrations.notify_one();
                }
                return Ok(comes_back);
            }
        }
    }

    /// Brings back the archived blobs whose time has come; gives the time of the next one.
    pub async fn rehydrate(&self) -> Result<Option<Timestamp>, Refusal> {
        let store = self.own_work();
        loop {
            let rows = store.rows(schema::rehydrations(), BATCH).await?;
            let now = store.clock.now();
            let mut next = None;
            for row in &rows {
                let Some((due, blob)) = schema::rehydration_parts(&row.key) else {
                    return Err(Refusal::new(ErrorCode::InternalError).with_cause(format!(
                        "a rehydration's key does not parse: {:02x?}",
                        row.key
                    )));
                };
                if due > now {
                    next = Some(due);
                    break;
                }
                store.bring_back(row, (due, &Bytes::copy_from_slice(blob))).await?;
            }
            if next.is_some() || rows.len() < BATCH {
                return Ok(next);
            }
        }
    }

    /// Resolves when an archived blob was asked back, perhaps sooner than those before it.
    pub async fn rehydratable(&self) {
        self.signals.rehydrations.notified().await;
    }

    /// Gives an archived blob the tier it is on its way to. What was asked back anew, overwritten
    /// or deleted since is left as it is.
    async fn bring_back(&self, row: &Row, (due, blob): (Timestamp, &Bytes)) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            txn.delete(row.key.clone());
            let latest = schema::rehydration_of(blob);
            let latest_row: Option<RehydrationRow> = txn.get(&latest).await?;
            if let Some(known) = latest_row.filter(|known| known.due == due) {
                txn.delete(latest);
                let found: Option<BlobRow> = txn.get(blob).await?;
                let waiting = found.filter(|found| found.state == known.state);
                if let Some((mut found, (tier, _))) =
                    waiting.and_then(|found| found.rehydrating.map(|to| (found, to)))
                {
                    found.tier = Some(tier);
                    found.tier_changed = Some(txn.now());
                    found.rehydrating = None;
                    txn.put(blob.clone(), &found)?;
                }
            }
            txn.record(&Entry::system("RehydrateBlob"));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }
}

/// Whether an archived blob may be asked back so: for the first time, or more urgently.
fn check_way_back(row: &BlobRow, asked: &Retiering) -> Result<(), Refusal> {
    match row.rehydrating {
        None => Ok(()),
        Some((tier, RehydratePriority::Standard))
            if tier == asked.tier && asked.priority == RehydratePriority::High =>
        {
            Ok(())
        }
        Some(_) => Err(ErrorCode::BlobBeingRehydrated.into()),
    }
}

/// Writes when the blob whose row is `row`, at `key`, comes back; never later than was promised.
pub(crate) async fn schedule(
    txn: &mut Txn<'_>,
    key: &Bytes,
    row: &BlobRow,
    wait: Duration,
) -> Result<(), Refusal> {
    let latest = schema::rehydration_of(key);
    let before: Option<RehydrationRow> = match txn.get_raw(&latest).await? {
        None => None,
        Some(raw) => Some(RehydrationRow::decode(&raw.value).map_err(|error| damaged(&error))?),
    };
    let before = before.filter(|before| before.state == row.state);
    let mut due = txn.now().saturating_add(wait);
    if let Some(before) = before {
        due = due.min(before.due);
        txn.delete(schema::rehydration(before.due, key));
    }
    let promise = RehydrationRow { due, state: row.state };
    txn.put(latest, &promise)?;
    txn.put(schema::rehydration(due, key), &promise)
}

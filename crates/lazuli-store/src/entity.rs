//! Changes of entities: one, or up to a hundred of one partition together.
//!
//! A change relies on the rows of its own entities and on the table's, which only changes when the
//! table is deleted or its access policy is set: writers of different entities do not meet.

use std::collections::HashSet;
use std::sync::Arc;

use lazuli_base::Timestamp;
use lazuli_engine::{Proof, Receipt};
use lazuli_model::entity::{EntityKey, IfMatch, Properties};
use lazuli_model::etag::ETag;
use lazuli_model::names::TableName;
use lazuli_model::{ErrorCode, Refusal};
use sha2::{Digest as _, Sha256};

use crate::Store;
use crate::journal::{Entry, Kind, Object};
use crate::origin::Checksum;
use crate::rows::EntityRow;
use crate::schema::{self, TableId};
use crate::table::open_table;
use crate::txn::{Attempts, Outcome, Txn};

/// Most changes of one transaction.
pub const CHANGES_MAX: usize = 100;

/// What is done to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made; it must not be there.
    Insert,
    /// It is replaced; it must be there.
    Update(IfMatch),
    /// Properties are added or replaced; it must be there.
    Merge(IfMatch),
    /// It is made or replaced.
    InsertOrReplace,
    /// It is made, or properties are added or replaced.
    InsertOrMerge,
    /// It is removed; it must be there.
    Delete(IfMatch),
}

impl Action {
    /// The official name of the operation, in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "InsertEntity",
            Self::Update(_) => "UpdateEntity",
            Self::Merge(_) => "MergeEntity",
            Self::InsertOrReplace => "InsertOrReplaceEntity",
            Self::InsertOrMerge => "InsertOrMergeEntity",
            Self::Delete(_) => "DeleteEntity",
        }
    }

    /// What `If-Match` asks of the entity.
    const fn condition(self) -> Option<IfMatch> {
        match self {
            Self::Update(condition) | Self::Merge(condition) | Self::Delete(condition) => {
                Some(condition)
            }
            Self::Insert | Self::InsertOrReplace | Self::InsertOrMerge => None,
        }
    }
}

/// A change of one entity.
#[derive(Clone, Debug)]
pub struct Change {
    /// The entity's key.
    pub key: EntityKey,
    /// What is done to it.
    pub action: Action,
    /// The properties it is given; none for a delete.
    pub properties: Properties,
    /// The bytes it came in, to which the journal commits.
    pub content: Vec<u8>,
}

/// Why a transaction did not happen, and which of its changes was at fault.
#[derive(Debug)]
pub struct Failed {
    /// The change's place, from 0.
    pub index: usize,
    /// Why.
    pub refusal: Refusal,
}

/// Changes that were made together.
#[derive(Debug)]
pub struct Changed {
    /// The name of the table, in the case it was made with.
    pub table: String,
    /// When each entity changed, in the order of the changes.
    pub at: Vec<Timestamp>,
    /// The place of each change's entry in the commit.
    entries: Vec<usize>,
    proof: Option<Arc<dyn Proof>>,
}

impl Changed {
    /// The receipt of the change at `index`; `None` if nobody proves that it was entered in the
    /// journal. It is made here, for who sends it.
    pub fn receipt(&self, index: usize) -> Option<Receipt> {
        self.proof.as_ref()?.receipt(*self.entries.get(index)?)
    }
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The name of the table, in the case it was made with.
    pub table: String,
    /// When the entity changed.
    pub at: Timestamp,
}

/// An entity that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Its key.
    pub key: EntityKey,
    /// When it last changed.
    pub timestamp: Timestamp,
    /// Its properties.
    pub properties: Properties,
}

impl Store {
    /// An entity of a table, with the table's name in the case it was made with. `TableNotFound`,
    /// `ResourceNotFound`.
    pub async fn get_entity(
        &self,
        account: &str,
        table: &TableName,
        key: &EntityKey,
    ) -> Result<(String, Entity), Refusal> {
        let table = self.get_table(account, table).await?;
        let row: Option<EntityRow> = self.row(&schema::entity(table.id, key)).await?;
        let row = row.ok_or_else(|| Refusal::new(ErrorCode::ResourceNotFound))?;
        let (timestamp, properties) = (row.timestamp, Properties::trusted(row.properties));
        Ok((table.name, Entity { key: key.clone(), timestamp, properties }))
    }

    /// Makes one change. Codes as [`Store::change_entities`].
    pub async fn change_entity(
        &self,
        account: &str,
        table: &TableName,
        change: &Change,
    ) -> Result<Made, Refusal> {
        let changed = self.change_entities(account, table, std::slice::from_ref(change)).await;
        let Changed { table, at, entries, proof } = changed.map_err(|failed| failed.refusal)?;
        if let (Some(proof), Some(entry)) = (proof, entries.first()) {
            self.keep(proof, *entry);
        }
        Ok(Made { table, at: at.first().copied().unwrap_or_default() })
    }

    /// Makes all changes or none. Each has its own entry in the journal, and its own receipt.
    ///
    /// `TableNotFound`, `CommandsInBatchActOnDifferentPartitions`, `InvalidDuplicateRow`; of an
    /// entity `EntityAlreadyExists`, `ResourceNotFound`, `UpdateConditionNotSatisfied`,
    /// `TooManyProperties`, `EntityTooLarge`, and the codes of [`EntityKey::check`].
    pub async fn change_entities(
        &self,
        account: &str,
        table: &TableName,
        changes: &[Change],
    ) -> Result<Changed, Failed> {
        check_together(changes)?;
        let all = |refusal| Failed { index: 0, refusal };
        let digests: Vec<Option<Checksum>> = changes.iter().map(|it| self.digest(it)).collect();
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let row = open_table(&mut txn, account, table).await.map_err(all)?;
            let mut changed = Changed {
                table: row.name.clone(),
                at: Vec::with_capacity(changes.len()),
                entries: Vec::new(),
                proof: None,
            };
            for (index, change) in changes.iter().enumerate() {
                let made = make(&mut txn, row.id, change).await;
                let at = made.map_err(|refusal| Failed { index, refusal })?;
                changed.at.push(at);
                let predicate = change.key.predicate();
                let deletes = matches!(change.action, Action::Delete(_));
                let kind = if deletes { Kind::Delete } else { Kind::Write };
                let object =
                    Object { container: &row.name, blob: Some(&predicate), snapshot: None };
                let entry = Entry::new(kind, change.action.name(), account)
                    .object(Some(object))
                    .bytes(Some(change.content.len() as u64))
                    .etag(Some(ETag(at.ticks())))
                    .content(digests.get(index).copied().flatten());
                txn.record(&entry);
                changed.entries.extend(txn.recorded());
            }
            if let Outcome::Durable(proof) =
                self.commit_for_many(txn, &mut attempts).await.map_err(all)?
            {
                return Ok(Changed { proof, ..changed });
            }
        }
    }

    /// What the journal holds of a change's content, where there is a journal that tells of requests.
    fn digest(&self, change: &Change) -> Option<Checksum> {
        let told = self.origin().is_some() && !change.content.is_empty();
        told.then(|| Checksum::Sha256(Sha256::digest(&change.content).into()))
    }
}

/// Checks what a transaction's changes have to have in common, and each of their keys.
fn check_together(changes: &[Change]) -> Result<(), Failed> {
    let mut rows = HashSet::with_capacity(changes.len());
    let partition = changes.first().map(|change| change.key.partition.as_str());
    for (index, change) in changes.iter().enumerate() {
        let failed = |refusal| Failed { index, refusal };
        if index == CHANGES_MAX {
            return Err(failed(ErrorCode::InvalidInput.into()));
        }
        if Some(change.key.partition.as_str()) != partition {
            return Err(failed(ErrorCode::CommandsInBatchActOnDifferentPartitions.into()));
        }
        if !rows.insert(change.key.row.as_str()) {
            return Err(failed(ErrorCode::InvalidDuplicateRow.into()));
        }
        // What could not be stored is not there: only who makes an entity is told so.
        if change.action.condition().is_none() {
            change.key.check().map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes one change in a transaction; gives when the entity changed.
async fn make(txn: &mut Txn<'_>, table: TableId, change: &Change) -> Result<Timestamp, Refusal> {
    let key = schema::entity(table, &change.key);
    let row: Option<EntityRow> = txn.get(&key).await?;
    if let Some(condition) = change.action.condition() {
        let current = row.as_ref().ok_or_else(|| Refusal::new(ErrorCode::ResourceNotFound))?;
        match condition {
            IfMatch::Any => {}
            IfMatch::Changed(at) if at == Some(current.timestamp) => {}
            IfMatch::Changed(_) => return Err(ErrorCode::UpdateConditionNotSatisfied.into()),
        }
    }
    let before = row.as_ref().map(|row| row.timestamp);
    // Later than the state before, whatever the clock says.
    let timestamp =
        Timestamp::from_ticks(ETag::after(txn.now(), before.map(|it| ETag(it.ticks()))).0);
    let properties = match (change.action, row) {
        (Action::Insert, Some(_)) => return Err(ErrorCode::EntityAlreadyExists.into()),
        (Action::Delete(_), _) => {
            txn.delete(key);
            return Ok(before.unwrap_or(timestamp));
        }
        (Action::Merge(_) | Action::InsertOrMerge, Some(row)) => {
            change.properties.merged_into(&Properties::trusted(row.properties))?
        }
        _ => change.properties.clone(),
    };
    properties.check_size(&change.key)?;
    let properties = properties.as_slice().to_vec();
    txn.put(key, &EntityRow { timestamp, properties })?;
    Ok(timestamp)
}

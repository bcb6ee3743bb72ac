//! Rows nothing reaches any more: of deleted containers, queues and tables, finished stagings and orphaned manifests.
//!
//! The row of work goes last, in a commit that relies on it: a crash in between leaves the work to
//! be done again, and work added meanwhile is not forgotten.

use std::time::Duration;

use lazuli_engine::{ExtentId, KeyRange, Row};
use lazuli_model::Refusal;
use lazuli_model::tags::TagSet;

use super::Collected;
use crate::Store;
use crate::blob::release;
use crate::journal::Entry;
use crate::rows::{BlobData, BlobRow, BlockRow, GarbageRow, StagingRow, Stored};
use crate::schema::{self, ContainerId, Garbage, StagingId};
use crate::txn::{Attempts, Txn, damaged};

/// Rows removed in one commit.
pub(super) const BATCH: usize = 500;

/// Entities or messages removed in the first commit, and bytes of them after which no more are read
/// at a time.
const ROWS_AT_FIRST: usize = 16;
const ROW_BYTES: usize = 4 * 1024 * 1024;

/// How long uncommitted blocks are kept after the last Put Block.
///
/// <https://learn.microsoft.com/rest/api/storageservices/put-block#remarks>
const STAGING_KEPT: Duration = Duration::from_hours(168);

impl Store {
    /// Does all the work that rows of garbage tell of.
    pub(super) async fn collect_garbage(&self, collected: &mut Collected) -> Result<(), Refusal> {
        loop {
            let work = self.rows(schema::all_garbage(), BATCH).await?;
            // What is being read is left for a later round.
            let is_due = |row: &&Row| match schema::garbage_of(&row.key) {
                Some(Garbage::Manifest(id)) => !self.is_read(id),
                Some(Garbage::Map(id) | Garbage::Cells(id)) => !self.page_reads.is_read(id),
                _ => true,
            };
            let work: Vec<&Row> = work.iter().filter(is_due).collect();
            if work.is_empty() {
                return Ok(());
            }
            // The newest first: a map that goes takes itself off the older one that it is over, which
            // is then not kept, or copied to, for its sake.
            for row in work.into_iter().rev() {
                let garbage = GarbageRow::decode(&row.value).map_err(|error| damaged(&error))?;
                match schema::garbage_of(&row.key) {
                    Some(Garbage::Container(id)) => {
                        self.drop_container(id, &garbage.account, collected).await?;
                    }
                    Some(Garbage::Table(id)) => {
                        self.drop_rows(schema::entities(id), collected).await?;
                    }
                    Some(Garbage::Queue(id)) => {
                        self.drop_rows(schema::messages(id), collected).await?;
                        self.drop_rows(schema::texts(id), collected).await?;
                    }
                    Some(Garbage::Staging(id)) => self.drop_staging(id, collected).await?,
                    Some(Garbage::Manifest(id)) => self.drop_manifest(id, collected).await?,
                    Some(Garbage::Map(id)) if !self.trim_map(id, collected).await? => continue,
                    Some(Garbage::Cells(id)) if !self.trim_stale(id, collected).await? => continue,
                    Some(Garbage::Map(_) | Garbage::Cells(_)) | None => {}
                }
                let mut txn = self.begin();
                txn.rely_on_earlier(row);
                txn.delete(row.key.clone());
                txn.record(&Entry::system("CollectGarbage"));
                // On a conflict the row was written again: the next turn of the loop finds it.
                self.commit(txn, &mut Attempts::default()).await?;
                collected.rows += 1;
            }
        }
    }

    /// Removes everything keyed by a deleted container's id.
    async fn drop_container(
        &self,
        id: ContainerId,
        account: &str,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        loop {
            let rows = self.rows(schema::blobs(id, ""), BATCH).await?;
            if rows.is_empty() {
                break;
            }
            let mut txn = self.begin();
            let mut extents = Vec::new();
            for row in &rows {
                let blob = BlobRow::decode(&row.value).map_err(|error| damaged(&error))?;
                release(&mut txn, &blob)?;
                if let BlobData::Extent(piece) = &blob.data {
                    extents.push(ExtentId(piece.extent));
                }
                if let Some((name, None)) = schema::blob_name(&row.key) {
                    Self::drop_tags(&mut txn, account, (id, name), &blob.tags);
                }
                txn.delete(row.key.clone());
            }
            self.removed(txn, rows.len(), collected).await?;
            self.touched_all(extents);
        }
        loop {
            match self.drop_remote_copies(id).await? {
                0 => break,
                rows => collected.rows += rows,
            }
        }
        loop {
            let rows = self.rows(schema::stagings(Some(id)), BATCH).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut txn = self.begin();
            for row in &rows {
                let staging = StagingRow::decode(&row.value).map_err(|error| damaged(&error))?;
                txn.put(schema::garbage(Garbage::Staging(staging.id)), &GarbageRow::default())?;
                txn.delete(row.key.clone());
            }
            self.removed(txn, rows.len(), collected).await?;
        }
    }

    /// Removes the entities of a deleted table, or the messages of a queue: few at a time while they
    /// are large.
    async fn drop_rows(&self, range: KeyRange, collected: &mut Collected) -> Result<(), Refusal> {
        let mut limit = ROWS_AT_FIRST;
        loop {
            let rows = self.rows(range.clone(), limit).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut txn = self.begin();
            for row in &rows {
                txn.delete(row.key.clone());
            }
            let bytes: usize = rows.iter().map(|row| row.value.len()).sum();
            limit = if bytes > ROW_BYTES { ROWS_AT_FIRST } else { BATCH };
            self.removed(txn, rows.len(), collected).await?;
        }
    }

    fn drop_tags(txn: &mut Txn<'_>, account: &str, (id, name): (ContainerId, &str), tags: &TagSet) {
        for tag in tags.iter() {
            txn.delete(schema::tag(account, tag, id, name));
        }
    }

    /// Removes the blocks of a staging that was committed or discarded.
    async fn drop_staging(&self, id: StagingId, collected: &mut Collected) -> Result<(), Refusal> {
        loop {
            let rows = self.rows(schema::blocks(id), BATCH).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut txn = self.begin();
            let mut extents = Vec::new();
            for row in &rows {
                let block = BlockRow::decode(&row.value).map_err(|error| damaged(&error))?;
                let extent = ExtentId(block.piece.extent);
                txn.delete(schema::extent_hold(extent, block.holder));
                txn.delete(row.key.clone());
                extents.push(extent);
            }
            self.removed(txn, rows.len(), collected).await?;
            self.touched_all(extents);
        }
    }

    pub(super) async fn removed(
        &self,
        mut txn: Txn<'_>,
        rows: usize,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        txn.record(&Entry::system("CollectGarbage"));
        self.commit(txn, &mut Attempts::default()).await?;
        collected.rows += rows;
        Ok(())
    }

    /// Discards uncommitted blocks to which none was added for a week.
    pub(super) async fn expire_stagings(&self, collected: &mut Collected) -> Result<(), Refusal> {
        let limit = self.clock.now().saturating_sub(STAGING_KEPT);
        let mut old = Vec::new();
        self.each_row(schema::stagings(None), |row| {
            let staging = StagingRow::decode(&row.value).map_err(|error| damaged(&error))?;
            if staging.started < limit {
                old.push((row.clone(), staging));
            }
            Ok(())
        })
        .await?;
        for (row, staging) in old {
            let mut newest = staging.started;
            self.each_row(schema::blocks(staging.id), |row| {
                let block = BlockRow::decode(&row.value).map_err(|error| damaged(&error))?;
                newest = newest.max(block.put);
                Ok(())
            })
            .await?;
            if newest < limit {
                self.expire_staging(&row, staging.id, collected).await?;
            }
        }
        Ok(())
    }

    async fn expire_staging(
        &self,
        row: &Row,
        id: StagingId,
        collected: &mut Collected,
    ) -> Result<(), Refusal> {
        let mut txn = self.begin();
        txn.rely_on_earlier(row);
        txn.delete(row.key.clone());
        txn.put(schema::garbage(Garbage::Staging(id)), &GarbageRow::default())?;
        let container = schema::container_of(&row.key);
        let name = row.key.get(9..).and_then(|name| std::str::from_utf8(name).ok());
        if let (Some(container), Some(name)) = (container, name) {
            let key = schema::blob(container, name, None);
            if txn.get::<BlobRow>(&key).await?.is_some_and(|blob| !blob.committed) {
                txn.delete(key);
            }
        }
        txn.record(&Entry::system("ExpireUncommittedBlocks"));
        self.commit(txn, &mut Attempts::default()).await?;
        collected.rows += 1;
        Ok(())
    }
}

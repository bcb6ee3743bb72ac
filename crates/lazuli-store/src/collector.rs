//! The collector: takes back what nothing names, while the server runs.
//!
//! Changes leave rows of work behind (a deleted container, a committed or discarded staging, a
//! manifest that lost a holder), and extents that lost a back-reference. What is live is proved
//! from the metadata alone: an extent without a back-reference row is named by nothing, and since a
//! name can only be made from a name (a copy relies on its source's row), by nothing ever again.
//! Extents that are mostly dead are rewritten: their live runs move to a new extent, row by row,
//! each in a commit of its own.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use lazuli_engine::ExtentId;
use tokio::sync::Notify;

use crate::Store;
use crate::rows::{BlobData, BlobRow};
use crate::schema::{ManifestId, StagingId};

mod extents;
mod garbage;
mod lists;
mod maps;

pub use extents::ExtentUse;

/// Stagings whose blocks are counted in memory; beyond it the counts are forgotten and read again.
const COUNTED_STAGINGS_MAX: usize = 10_000;

/// What the collector is told between its rounds.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    wake: Notify,
    /// An archived blob was asked back.
    pub(crate) rehydrations: Notify,
    touched: Mutex<HashSet<ExtentId>>,
    staged: Mutex<HashMap<StagingId, usize>>,
    /// How many read the content of a manifest.
    reading: Mutex<HashMap<ManifestId, usize>>,
}

/// Keeps a manifest, with the pieces it lists, from being dropped while its content is read.
pub(crate) struct Reading {
    store: Store,
    manifest: ManifestId,
}

impl Reading {
    /// The manifest that is read.
    pub(crate) fn manifest(&self) -> ManifestId {
        self.manifest
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let reading = &self.store.signals.reading;
        let mut reading = reading.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry::Occupied(mut readers) = reading.entry(self.manifest) else { return };
        *readers.get_mut() -= 1;
        if *readers.get() == 0 {
            readers.remove();
            drop(reading);
            self.store.collect_soon();
        }
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Rows removed.
    pub rows: usize,
    /// Extents freed.
    pub extents: usize,
    /// Bytes moved out of extents that were mostly dead.
    pub moved_bytes: u64,
    /// Bytes of payload that are named.
    pub live_bytes: u64,
    /// Bytes on disk in extents that are not named.
    pub dead_bytes: u64,
}

impl Store {
    /// Tells the collector that there is work.
    pub(crate) fn collect_soon(&self) {
        self.signals.wake.notify_one();
    }

    /// Tells the collector that an extent lost a back-reference.
    pub(crate) fn touched(&self, extent: ExtentId) {
        let mut touched = self.signals.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.insert(extent);
        drop(touched);
        self.collect_soon();
    }

    /// Tells the collector that extents lost back-references.
    pub(crate) fn touched_all(&self, extents: impl IntoIterator<Item = ExtentId>) {
        for extent in extents {
            self.touched(extent);
        }
    }

    /// Tells the collector of a state that was overwritten or deleted.
    pub(crate) fn collect_after(&self, row: Option<&BlobRow>) {
        match row.map(|row| &row.data) {
            Some(BlobData::Extent(piece)) => self.touched(ExtentId(piece.extent)),
            Some(BlobData::Blocks { .. } | BlobData::Appended { .. } | BlobData::Pages(_)) => {
                self.collect_soon();
            }
            Some(BlobData::Empty | BlobData::Inline) | None => {}
        }
    }

    /// Begins to read the content of a manifest.
    pub(crate) fn read_manifest(&self, manifest: ManifestId) -> Reading {
        let mut reading = self.signals.reading.lock().unwrap_or_else(PoisonError::into_inner);
        *reading.entry(manifest).or_default() += 1;
        Reading { store: self.own_work(), manifest }
    }

    /// Whether the content of a manifest is being read.
    pub(crate) fn is_read(&self, manifest: ManifestId) -> bool {
        let reading = self.signals.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.contains_key(&manifest)
    }

    /// Resolves when there may be work.
    pub async fn collectable(&self) {
        self.signals.wake.notified().await;
    }

    /// How many blocks a staging has, if that is known.
    pub(crate) fn staged_blocks(&self, staging: StagingId) -> Option<usize> {
        let staged = self.signals.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.get(&staging).copied()
    }

    pub(crate) fn set_staged_blocks(&self, staging: StagingId, count: usize) {
        let mut staged = self.signals.staged.lock().unwrap_or_else(PoisonError::into_inner);
        if staged.len() >= COUNTED_STAGINGS_MAX {
            staged.clear();
        }
        staged.insert(staging, count);
    }

    /// Counts a block that was staged.
    pub(crate) fn staged_block(&self, staging: StagingId, new: bool) {
        let mut staged = self.signals.staged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = staged.get_mut(&staging).filter(|_| new) {
            *count += 1;
        }
    }

    /// One round: removes the rows of all garbage there is, then frees and rewrites extents.
    ///
    /// `full` looks at every extent on disk; otherwise at those that lost a back-reference since
    /// the last round. A full round also collects what a crash left behind.
    pub async fn collect(&self, full: bool) -> Result<Collected, lazuli_model::Refusal> {
        let mut collected = Collected::default();
        self.expire_stagings(&mut collected).await?;
        self.expire_messages(full, &mut collected).await?;
        self.collect_garbage(&mut collected).await?;
        let touched = {
            let mut touched = self.signals.touched.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *touched)
        };
        self.collect_extents(&touched, full, &mut collected).await?;
        Ok(collected)
    }
}

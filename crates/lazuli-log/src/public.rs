//! What outsiders may ask the log for: its checkpoint, its tiles, whom to trust, and the proof that a
//! receipt is upgraded to.
//!
//! An upgraded receipt is a `tlog-proof` of the segment's leaf in the spine. What leads from the
//! entry to that leaf is its extra data, a CBOR array: `[1, leaf, entry, index, size, path]`, with
//! the path from the entry to the root of the closed segment.
//!
//! <https://c2sp.org/tlog-tiles>, <https://c2sp.org/tlog-proof>

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use lazuli_engine::{Meta, Version};
use lazuli_evidence::cbor::Writer;
use lazuli_evidence::{Record, leaf_hash};
use lazuli_tlog::{
    Hash, MemoryTree, SignedCheckpoint, Tile, TileHashes, TlogProof, inclusion_proof,
};

use crate::rows::{self, SegmentRow};
use crate::spine::{CHECKPOINT, Files, POLICY};

/// Commits read at a time for the entries of a segment.
const PAGE: usize = 4096;

/// Segments that proofs were asked for last, kept in memory.
const SEGMENTS_MAX: usize = 4;

/// An answer to an outsider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The media type.
    pub content_type: &'static str,
    /// The bytes.
    pub body: Bytes,
    /// Whether the same question always has this answer.
    pub immutable: bool,
}

/// The side of the log that outsiders see.
#[derive(Debug)]
pub struct Public {
    meta: MetaHandle,
    files: Arc<Files>,
    policy: String,
    checkpoint: RwLock<Option<SignedCheckpoint>>,
    segments: Mutex<Vec<(u64, Arc<Entries>)>>,
}

/// The entries of a closed segment, and the tree over them.
#[derive(Debug)]
struct Entries {
    bytes: Vec<Vec<u8>>,
    tree: MemoryTree,
}

/// The store, without a text form of it.
struct MetaHandle(Arc<dyn Meta>);

impl std::fmt::Debug for MetaHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meta")
    }
}

impl Public {
    pub(crate) fn new(
        meta: Arc<dyn Meta>,
        files: Arc<Files>,
        policy: String,
    ) -> io::Result<Arc<Self>> {
        files.put(POLICY, policy.as_bytes(), false)?;
        Ok(Arc::new(Self {
            meta: MetaHandle(meta),
            files,
            policy,
            checkpoint: RwLock::default(),
            segments: Mutex::default(),
        }))
    }

    /// The last checkpoint, with the cosignatures that are there by now.
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.checkpoint.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The files of the log.
    pub fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// Makes a checkpoint the last one.
    pub(crate) fn publish(&self, signed: SignedCheckpoint) -> io::Result<()> {
        self.files.put(CHECKPOINT, signed.to_string().as_bytes(), false)?;
        *self.checkpoint.write().unwrap_or_else(PoisonError::into_inner) = Some(signed);
        Ok(())
    }

    /// Answers a question of an outsider; `None` if there is nothing of the kind.
    pub async fn answer(&self, path: &str) -> Option<Answer> {
        let text = |body: String, immutable| {
            Some(Answer { content_type: "text/plain; charset=utf-8", body: body.into(), immutable })
        };
        if path == CHECKPOINT {
            return text(self.checkpoint()?.to_string(), false);
        }
        if path == POLICY {
            return text(self.policy.clone(), false);
        }
        if let Some(place) = path.strip_prefix("proof/") {
            let (segment, index) = place.split_once('/')?;
            let (segment, index) = (segment.parse().ok()?, index.parse().ok()?);
            return text(self.upgrade(segment, index).await?.to_string(), false);
        }
        let tile: Tile = path.parse().ok()?;
        let size = self.checkpoint()?.checkpoint().head().size;
        let body = self.files.tile(tile, size).ok()??;
        Some(Answer { content_type: "application/octet-stream", body, immutable: true })
    }

    /// Proves that an entry of a closed segment is under the last checkpoint; `None` while it is
    /// not, or if there is no such entry.
    pub async fn upgrade(&self, segment: u64, index: u64) -> Option<TlogProof> {
        let checkpoint = self.checkpoint()?;
        let row = self.meta.0.get(&rows::segment(segment)).await.ok()??;
        let row = SegmentRow::decode(&row.value)?;
        let leaf = self.meta.0.get(&rows::leaf(row.leaf)).await.ok()??.value;
        let entries = self.segment(segment, row).await?;
        let entry = entries.bytes.get(usize::try_from(index).ok()?)?;
        let path = entries.tree.inclusion_proof(index, row.count)?;
        let path: Vec<[u8; 32]> = path.into_iter().map(|hash| hash.0).collect();
        let mut extra = Vec::with_capacity(leaf.len() + entry.len() + path.len() * 32 + 32);
        let mut writer = Writer::new(&mut extra);
        writer.array(6).uint(1).bytes(&leaf).bytes(entry).uint(index).uint(row.count);
        writer.bytes(path.as_flattened());
        let size = checkpoint.checkpoint().head().size;
        let fetch = |tile: Tile| match self.files.tile(tile, size) {
            Ok(Some(bytes)) => Ok(bytes.to_vec()),
            Ok(None) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Err(error),
        };
        let mut hashes = TileHashes::new(size, fetch);
        let path = inclusion_proof(&mut hashes, row.leaf, size).ok()?;
        Some(TlogProof { extra: Some(extra), index: row.leaf, path, checkpoint })
    }

    /// The entries of a closed segment with their tree, read from the journal.
    async fn segment(&self, segment: u64, row: SegmentRow) -> Option<Arc<Entries>> {
        let known = |known: &Vec<(u64, Arc<Entries>)>| {
            known.iter().find(|(n, _)| *n == segment).map(|(_, entries)| Arc::clone(entries))
        };
        if let Some(entries) = known(&self.segments.lock().unwrap_or_else(PoisonError::into_inner))
        {
            return Some(entries);
        }
        let bytes = self.entries(segment, row).await?;
        let mut tree = MemoryTree::new();
        for entry in &bytes {
            tree.append(Hash(leaf_hash(entry)));
        }
        let entries = Arc::new(Entries { bytes, tree });
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if segments.len() >= SEGMENTS_MAX {
            segments.remove(0);
        }
        segments.push((segment, Arc::clone(&entries)));
        Some(entries)
    }

    /// The bytes of the entries of a closed segment; `None` if the journal has not all of them.
    pub(crate) async fn entries(&self, segment: u64, row: SegmentRow) -> Option<Vec<Vec<u8>>> {
        let mut entries = Vec::new();
        let mut from = row.first;
        while row.count > 0 && from <= row.last {
            let page = self.meta.0.journal(Version(from), PAGE).await.ok()?;
            from = page.last()?.0.0 + 1;
            for stored in page.iter().flat_map(|(_, entries)| entries) {
                if let Some(record) = Record::decode(stored).filter(|record| record.seg == segment)
                {
                    entries.push(record.entry.to_vec());
                }
            }
        }
        (entries.len() as u64 == row.count).then_some(entries)
    }
}

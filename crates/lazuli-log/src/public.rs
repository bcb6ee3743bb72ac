//! What outsiders may ask the log for: its checkpoint, its tiles, whom to trust, and the proof that a
//! receipt is upgraded to.
//!
//! An upgraded receipt is a `tlog-proof` of the segment's leaf in the spine. What leads from the
//! entry to that leaf is its extra data, an [`Upgrade`].
//!
//! <https://c2sp.org/tlog-tiles>, <https://c2sp.org/tlog-proof>

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lazuli_engine::Meta;
use lazuli_evidence::{Upgrade, leaf_hash};
use lazuli_tlog::{
    Hash, MemoryTree, Policy, SignedCheckpoint, Tile, TileHashes, TlogProof, consistency_proof,
    inclusion_proof,
};

use crate::checkpoints::Checkpoints;
use crate::rows::{self, SegmentRow};
use crate::spine::{CHECKPOINT, Files, POLICY, WITNESSED};
use crate::stats::LogStats;
use crate::stored::records;

/// The media type of texts.
const TEXT: &str = "text/plain; charset=utf-8";

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
    checkpoints: Checkpoints,
    segments: Mutex<Vec<(u64, Arc<Entries>)>>,
}

/// The entries of a closed segment, and the tree over them.
#[derive(Debug)]
pub(crate) struct Entries {
    pub(crate) bytes: Vec<Vec<u8>>,
    pub(crate) tree: MemoryTree,
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
        policy: (String, Policy),
        stats: Arc<LogStats>,
    ) -> io::Result<Arc<Self>> {
        let (policy, parsed) = policy;
        files.put(POLICY, policy.as_bytes(), false)?;
        let checkpoints = Checkpoints::new(Arc::clone(&files), parsed, stats)?;
        let (meta, segments) = (MetaHandle(meta), Mutex::default());
        Ok(Arc::new(Self { meta, files, policy, checkpoints, segments }))
    }

    /// The last checkpoint, with the cosignatures that are there by now.
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.checkpoints.newest()
    }

    /// The largest checkpoint that a quorum of witnesses vouches for.
    pub fn witnessed(&self) -> Option<SignedCheckpoint> {
        self.checkpoints.witnessed()
    }

    pub(crate) const fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// The files of the log.
    pub fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// Makes a checkpoint the last one.
    pub(crate) fn publish(&self, signed: SignedCheckpoint) -> io::Result<()> {
        // Who deletes the files of a log that runs gets them anew, and this one changes no more.
        if !self.files.has(POLICY) {
            self.files.put(POLICY, self.policy.as_bytes(), false)?;
        }
        self.checkpoints.publish(signed)
    }

    /// The bytes of a tile of the tree under the last checkpoint.
    fn tile(&self, tile: Tile) -> io::Result<Option<Bytes>> {
        let size = || self.checkpoint().map_or(0, |signed| signed.checkpoint().head().size);
        let mut tried = size();
        loop {
            let found = self.files.tile(tile, tried)?;
            let now = size();
            // The tile may have grown under our eyes.
            if found.is_some() || now == tried {
                return Ok(found);
            }
            tried = now;
        }
    }

    /// A tile that a proof needs.
    fn needed(&self, tile: Tile) -> io::Result<Vec<u8>> {
        let bytes = self.tile(tile)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(bytes.to_vec())
    }

    /// Proves that the tree of `new` leaves continues the one of `old` leaves.
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        let mut hashes = TileHashes::new(new, |tile| self.needed(tile));
        consistency_proof(&mut hashes, old, new).ok()
    }

    /// Answers a question of an outsider; `None` if there is nothing of the kind.
    pub async fn answer(&self, path: &str) -> Option<Answer> {
        let text = |body: String, immutable| {
            Some(Answer { content_type: TEXT, body: body.into(), immutable })
        };
        if path == CHECKPOINT {
            return text(self.checkpoint()?.to_string(), false);
        }
        if path == WITNESSED {
            return text(self.witnessed()?.to_string(), false);
        }
        if path == POLICY {
            return text(self.policy.clone(), false);
        }
        if let Some(place) = path.strip_prefix("proof/") {
            // Who does not know the entry is not told that there is one: he could count them.
            let (place, leaf) = place.rsplit_once('/')?;
            let leaf = parse_leaf(leaf)?;
            return text(self.upgrade(place_of(place)?, Some(leaf)).await?.to_string(), false);
        }
        let tile: Tile = path.parse().ok()?;
        let body = self.tile(tile).ok()??;
        Some(Answer { content_type: "application/octet-stream", body, immutable: true })
    }

    /// Answers a question of whoever runs the server, who needs not know an entry to be shown its
    /// proof; `None` if there is nothing of the kind.
    pub(crate) async fn answer_operator(&self, path: &str) -> Option<Answer> {
        if let Some(place) = path.strip_prefix("proof/").and_then(place_of) {
            let body = self.upgrade(place, None).await?.to_string().into();
            return Some(Answer { content_type: TEXT, body, immutable: false });
        }
        self.answer(path).await
    }

    /// Proves that an entry of a closed segment is under the last witnessed checkpoint, or, while it
    /// is not, under the last one; `None` while it is not under that either, or if there is no such
    /// entry. With `leaf`, there is none either if it has another leaf hash.
    pub async fn upgrade(
        &self,
        (segment, index): (u64, u64),
        leaf: Option<Hash>,
    ) -> Option<TlogProof> {
        let row = self.segment(segment).await?;
        let entries = self.sealed(segment, row).await?;
        let entry = entries.bytes.get(usize::try_from(index).ok()?)?;
        if leaf.is_some_and(|leaf| leaf != Hash(leaf_hash(entry))) {
            return None;
        }
        let leaf = self.meta.0.get(&rows::leaf(row.leaf)).await.ok()??.value;
        let path = entries.tree.inclusion_proof(index, row.count)?;
        let path = path.into_iter().map(|hash| hash.0).collect();
        let extra = Upgrade { leaf: &leaf, entry, index, size: row.count, path }.encode();
        let covers = |signed: &SignedCheckpoint| signed.checkpoint().head().size > row.leaf;
        let checkpoint = match self.witnessed().filter(covers) {
            Some(witnessed) => witnessed,
            None => self.checkpoint()?,
        };
        let size = checkpoint.checkpoint().head().size;
        let mut hashes = TileHashes::new(size, |tile| self.needed(tile));
        let path = inclusion_proof(&mut hashes, row.leaf, size).ok()?;
        Some(TlogProof { extra: Some(extra), index: row.leaf, path, checkpoint })
    }

    /// Where the entries of a closed segment are; `None` if it is not closed.
    pub(crate) async fn segment(&self, segment: u64) -> Option<SegmentRow> {
        let row = self.meta.0.get(&rows::segment(segment)).await.ok()??;
        SegmentRow::decode(&row.value)
    }

    /// The entries of a closed segment with their tree, read from the journal.
    pub(crate) async fn sealed(&self, segment: u64, row: SegmentRow) -> Option<Arc<Entries>> {
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
        let read = records(&*self.meta.0, (segment, &row), PAGE, |record| {
            entries.push(record.entry.to_vec());
        });
        read.await.ok()?;
        (entries.len() as u64 == row.count).then_some(entries)
    }
}

/// A segment and the index of an entry in it, as `17/3`.
fn place_of(text: &str) -> Option<(u64, u64)> {
    let (segment, index) = text.split_once('/')?;
    Some((segment.parse().ok()?, index.parse().ok()?))
}

/// A leaf hash in 64 hexadecimal digits.
fn parse_leaf(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(Hash(hash))
}

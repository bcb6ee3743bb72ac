//! Append blobs: Put Blob, Append Block, Append Blob Seal.
//!
//! The blocks of an append blob are pieces in a list that only grows. A snapshot or a copy names
//! the list and how many pieces of it are its own, so it costs one row at any size. The blob goes
//! on appending to the list; a copy that is appended to begins a list of its own, with the pieces
//! it had. Appends from many connections are combined.

use lazuli_base::Timestamp;
use lazuli_model::blob_type::BlobType;
use lazuli_model::conditions::Conditions;
use lazuli_model::etag::ETag;
use lazuli_model::lease::{Lease, LeaseId};
use lazuli_model::limits::COMMITTED_BLOCKS_MAX;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::{BlobPath, Found, Terms, Written, find, release};
use crate::combine::{Change, Combiner, Name};
use crate::payload::Payload;
use crate::pieces::house;
use crate::put::{Content, NewBlob, entry, no_earlier, overwrite};
use crate::rows::{
    BlobData, BlobRow, ListHold, ListedPiece, PIECE_CHUNK_PIECES, PieceChunk, Stored,
};
use crate::schema::{self, ManifestId, StateId};
use crate::txn::{Attempts, Txn, damaged};

/// What a block asks of the blob that it is appended to, besides the general terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendTerms {
    /// The length that the blob must have, in bytes.
    pub position: Option<u64>,
    /// The length that the blob may have with the block, in bytes.
    pub bytes_max: Option<u64>,
}

/// A block that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The blob's new state.
    pub written: Written,
    /// Content offset of the block's first byte.
    pub offset: u64,
    /// Blocks that the blob has with it.
    pub count: u32,
}

impl Store {
    /// Makes or overwrites an append blob, which is empty.
    pub async fn create_append_blob(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        new: &NewBlob,
    ) -> Result<Written, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let blob_type = BlobType::Append;
            let lease = terms.check_create(found.committed(), txn.now(), Some(blob_type))?;
            let state = self.new_state().await?;
            let data = self.begin_list(&mut txn, state, false).await?;
            let content = Content { blob_type, state, length: 0, data };
            let written = overwrite(&mut txn, path, &found, (new, content, lease)).await?;
            txn.record(&entry("PutAppendBlob", path).bytes(Some(0)).etag(Some(written.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_after(found.row.as_ref());
                return Ok(written);
            }
        }
    }

    /// The content of an append blob that has no block yet.
    pub(crate) async fn begin_list(
        &self,
        txn: &mut Txn<'_>,
        state: StateId,
        sealed: bool,
    ) -> Result<BlobData, Refusal> {
        let list = ManifestId(self.new_id().await?);
        txn.put_raw(schema::manifest_hold(list, state), ListHold::All.encode());
        Ok(BlobData::Appended { list, count: 0, owned: true, sealed })
    }

    /// Adds blocks behind the first `length` bytes of an append blob that a copy fills. Its row is
    /// given back for the caller to write, with the length that its list has now.
    pub(crate) async fn fill_list(
        &self,
        txn: &mut Txn<'_>,
        found: Found,
        (length, payloads): (u64, &[Payload]),
    ) -> Result<BlobRow, Refusal> {
        let mut tail = Tail { found, last: None, began: false };
        tail.reach(self, txn).await?;
        if let Some(row) = &mut tail.found.row {
            row.length = length;
        }
        for payload in payloads {
            let home = house(txn, self.new_id().await?, payload)?;
            let piece = home.map(|home| ListedPiece { home, len: payload.len() });
            let (offset, _) = tail.push(txn, piece)?;
            if let Some(row) = &mut tail.found.row {
                row.length = offset + payload.len();
            }
        }
        let row = tail.found.row.ok_or_else(|| Refusal::new(ErrorCode::BlobNotFound))?;
        if let (BlobData::Appended { list, .. }, Some((number, chunk))) = (&row.data, &tail.last) {
            txn.put(schema::manifest_chunk(*list, *number), chunk)?;
        }
        Ok(row)
    }

    /// Refuses early what [`Store::append_block`] would refuse, before a large body is received.
    pub async fn check_append(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        at: AppendTerms,
    ) -> Result<(), Refusal> {
        let mut txn = self.begin();
        let found = find(&mut txn, path, None).await?;
        check(&found, txn.now(), terms, (at, 0)).map(|_| ())
    }

    /// Appends a block, together with those that others append to the blob at the same time.
    pub async fn append_block(
        &self,
        operation: &'static str,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        (at, payload): (AppendTerms, Payload),
    ) -> Result<Appended, Refusal> {
        if payload.is_empty() {
            return Err(Refusal::header_value("Content-Length", "0"));
        }
        let (conditions, lease) = (terms.conditions.clone(), terms.lease.cloned());
        let append = Append { operation, conditions, lease, at, payload };
        self.combine(Name::from(path), append).await
    }

    /// Seals an append blob: it takes no more blocks. One that is sealed stays so. Neither entity
    /// tag nor time of change is changed.
    pub async fn seal_append_blob(
        &self,
        path: &BlobPath<'_>,
        terms: &Terms<'_>,
        position: Option<u64>,
    ) -> Result<Written, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let found = find(&mut txn, path, None).await?;
            let lease = terms.check_write(found.committed(), txn.now())?;
            let mut row = append_blob(&found)?.clone();
            check_position(&row, position)?;
            row.lease = lease;
            if let BlobData::Appended { sealed, .. } = &mut row.data {
                *sealed = true;
            }
            txn.put(schema::blob(found.container.id, path.blob, None), &row)?;
            txn.record(&entry("AppendBlobSeal", path).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok(Written { etag: row.etag, modified: row.modified });
            }
        }
    }

    async fn piece_chunk(&self, list: ManifestId, chunk: u32) -> Result<PieceChunk, Refusal> {
        let row = self.row(&schema::manifest_chunk(list, chunk)).await?;
        row.ok_or_else(|| {
            Refusal::new(ErrorCode::InternalError)
                .with_cause(format!("the list {:x} has no chunk {chunk}", list.0))
        })
    }
}

/// The append blob, which must be one.
fn append_blob(found: &Found) -> Result<&BlobRow, Refusal> {
    match found.committed() {
        None => Err(ErrorCode::BlobNotFound.into()),
        Some(row) if row.blob_type != BlobType::Append => Err(ErrorCode::InvalidBlobType.into()),
        Some(row) => Ok(row),
    }
}

fn check_position(row: &BlobRow, position: Option<u64>) -> Result<(), Refusal> {
    match position {
        Some(position) if position != row.length => {
            Err(ErrorCode::AppendPositionConditionNotMet.into())
        }
        _ => Ok(()),
    }
}

/// Holds the terms of an append of `bytes` against a blob; gives its lease, its list and how many
/// blocks it has.
fn check(
    found: &Found,
    now: Timestamp,
    terms: &Terms<'_>,
    (at, bytes): (AppendTerms, u64),
) -> Result<(Lease, ManifestId, u32), Refusal> {
    let lease = terms.check_write(found.committed(), now)?;
    let row = append_blob(found)?;
    let BlobData::Appended { list, count, sealed, .. } = row.data else {
        return Err(ErrorCode::InvalidBlobType.into());
    };
    if sealed {
        return Err(ErrorCode::BlobIsSealed.into());
    }
    check_position(row, at.position)?;
    if at.bytes_max.is_some_and(|max| row.length.saturating_add(bytes) > max) {
        return Err(ErrorCode::MaxBlobSizeConditionNotMet.into());
    }
    if count as usize >= COMMITTED_BLOCKS_MAX {
        return Err(ErrorCode::BlockCountExceedsLimit.into());
    }
    Ok((lease, list, count))
}

/// A block on its way to the end of a blob.
pub(crate) struct Append {
    operation: &'static str,
    conditions: Conditions,
    lease: Option<LeaseId>,
    at: AppendTerms,
    payload: Payload,
}

/// An append blob that is being appended to.
pub(crate) struct Tail {
    found: Found,
    /// The last chunk of its list and the chunk's number, once a block goes there.
    last: Option<(u32, PieceChunk)>,
    /// Whether it began a list of its own.
    began: bool,
}

impl Change for Append {
    type Done = Appended;
    type State = Tail;

    fn combiner(store: &Store) -> &Combiner<Self> {
        &store.appends
    }

    fn bytes(&self) -> usize {
        match &self.payload {
            Payload::Inline(bytes) => bytes.len(),
            Payload::Empty | Payload::Extent(..) => 0,
        }
    }

    async fn open<'a>(
        _: &'a Store,
        txn: &'a mut Txn<'_>,
        path: &'a BlobPath<'_>,
    ) -> Result<Tail, Refusal> {
        Ok(Tail { found: find(txn, path, None).await?, last: None, began: false })
    }

    async fn make<'a>(
        &'a self,
        store: &'a Store,
        txn: &'a mut Txn<'_>,
        tail: &'a mut Tail,
        path: &'a BlobPath<'_>,
    ) -> Result<Appended, Refusal> {
        let lease = self.lease.as_ref();
        let terms = Terms { conditions: &self.conditions, lease, may_overwrite: true };
        let len = self.payload.len();
        let (lease, ..) = check(&tail.found, txn.now(), &terms, (self.at, len))?;
        // All that can fail comes before the first change.
        let id = store.new_id().await?;
        if tail.last.is_none() {
            tail.reach(store, txn).await?;
        }
        let home = house(txn, id, &self.payload)?;
        let piece = home.map(|home| ListedPiece { home, len });
        let (offset, count) = tail.push(txn, piece)?;
        let Some(row) = &mut tail.found.row else { return Err(ErrorCode::BlobNotFound.into()) };
        row.lease = lease;
        row.length = offset + len;
        row.modified = no_earlier(txn.now(), Some(row));
        row.etag = ETag::after(row.modified, Some(row.etag));
        let written = Written { etag: row.etag, modified: row.modified };
        txn.record(&entry(self.operation, path).bytes(Some(len)).etag(Some(row.etag)));
        Ok(Appended { written, offset, count })
    }

    fn close(tail: &Tail, txn: &mut Txn<'_>, path: &BlobPath<'_>) -> Result<(), Refusal> {
        let Some(row) = &tail.found.row else { return Ok(()) };
        if let (BlobData::Appended { list, .. }, Some((number, chunk))) = (&row.data, &tail.last) {
            txn.put(schema::manifest_chunk(*list, *number), chunk)?;
        }
        txn.put(schema::blob(tail.found.container.id, path.blob, None), row)
    }

    fn durable(store: &Store, tail: &Tail) {
        if tail.began {
            store.collect_soon();
        }
    }
}

impl Tail {
    /// Reads the end of the blob's list; begins a list of its own for one that has none.
    async fn reach(&mut self, store: &Store, txn: &mut Txn<'_>) -> Result<(), Refusal> {
        let Some(row) = &mut self.found.row else { return Err(ErrorCode::BlobNotFound.into()) };
        let BlobData::Appended { list, count, owned, sealed } = row.data else {
            return Err(ErrorCode::InvalidBlobType.into());
        };
        if owned {
            self.last = Some(match count.checked_sub(1) {
                None => (0, PieceChunk::default()),
                Some(last) => {
                    let number = last / PIECE_CHUNK_PIECES as u32;
                    (number, store.piece_chunk(list, number).await?)
                }
            });
            return Ok(());
        }
        let begun = ManifestId(store.new_id().await?);
        let mut chunks = store.first_pieces(list, count).await?;
        release(txn, row)?;
        if let Some(first) = chunks.first_mut() {
            first.begun_with = Some((list, count));
            let hold = ListHold::First(count).encode();
            txn.put_raw(schema::manifest_hold(list, StateId(begun.0)), hold);
        }
        txn.put_raw(schema::manifest_hold(begun, row.state), ListHold::All.encode());
        for (number, chunk) in (0..).zip(&chunks) {
            txn.put(schema::manifest_chunk(begun, number), chunk)?;
        }
        let last = chunks.len().saturating_sub(1) as u32;
        self.last = Some((last, chunks.pop().unwrap_or_default()));
        row.data = BlobData::Appended { list: begun, count, owned: true, sealed };
        self.began = true;
        Ok(())
    }

    /// Adds a piece to the list; gives the content offset it has there and how many there are with
    /// it.
    fn push(
        &mut self,
        txn: &mut Txn<'_>,
        piece: Option<ListedPiece>,
    ) -> Result<(u64, u32), Refusal> {
        let Some(row) = &mut self.found.row else { return Err(ErrorCode::BlobNotFound.into()) };
        let offset = row.length;
        let BlobData::Appended { list, count, .. } = &mut row.data else {
            return Err(ErrorCode::InvalidBlobType.into());
        };
        if let (Some(piece), Some((number, chunk))) = (piece, &mut self.last) {
            if chunk.pieces.len() >= PIECE_CHUNK_PIECES {
                txn.put(schema::manifest_chunk(*list, *number), chunk)?;
                *number += 1;
                *chunk = PieceChunk { start: offset, ..PieceChunk::default() };
            }
            chunk.pieces.push(piece);
            *count += 1;
        }
        Ok((offset, *count))
    }
}

impl Store {
    /// The chunks with the first `count` pieces of a list.
    async fn first_pieces(&self, list: ManifestId, count: u32) -> Result<Vec<PieceChunk>, Refusal> {
        let wanted = (count as usize).div_ceil(PIECE_CHUNK_PIECES);
        let rows = self.rows(schema::manifest(list), wanted.max(1)).await?;
        let mut left = count as usize;
        let mut chunks = Vec::with_capacity(wanted);
        for row in rows.iter().take(wanted) {
            let mut chunk = PieceChunk::decode(&row.value).map_err(|error| damaged(&error))?;
            chunk.pieces.truncate(left);
            chunk.begun_with = None;
            left -= chunk.pieces.len();
            chunks.push(chunk);
        }
        if left > 0 {
            return Err(Refusal::new(ErrorCode::InternalError)
                .with_cause(format!("the list {:x} is shorter than {count} pieces", list.0)));
        }
        Ok(chunks)
    }
}

//! The offline check of the references between rows, and from rows to bytes, in both directions: what
//! is named is there, and what is there is named or is work for the collector.
//!
//! [`Fsck::open`] has verified every checksum before; here the rows are believed and held against
//! each other. Memory grows with the containers, queues and tables, with 16 bytes for each long
//! message, and with 8 bytes for each blob whose
//! content is in the metadata or in a manifest, and for each piece.

use std::collections::{HashMap, HashSet};

use bytes::{BufMut as _, Bytes, BytesMut};
use lazuli_engine::{ASCENDING, Damage, ExtentId, Fsck, KeyRange, MetaError, Piece, Row};

use crate::pieces::Home;
use crate::rows::{
    BlobData, BlobRow, BlockRow, ContainerRow, EntityRow, ExtentHold, ListHold, ManifestChunk,
    PieceChunk, PieceRow, RehydrationRow, RemoteCopyRow, RowError, ServiceRow, StagingRow, Stored,
    StoredPiece, TableRow, TagRow,
};
use crate::schema::{self, ContainerId, Garbage, ManifestId, StagingId, StateId};

mod pages;
mod queues;

/// Rows read at a time.
const PAGE: usize = 1000;

/// Damages after which the check of references ends: what is broken on this scale is not found out
/// row by row.
const DAMAGES_MAX: usize = 1000;

/// Checks the references of the store whose rows `fsck` has open, and adds what is wrong to its
/// report.
///
/// # Errors
/// Rows that cannot be read at all.
pub fn check(fsck: &mut Fsck) -> Result<(), MetaError> {
    let mut check = Check { fsck, found: Vec::new(), named: Named::default() };
    for (table, of_row) in TABLES {
        check.each(&KeyRange::prefix(Bytes::copy_from_slice(&[*table])), *of_row)?;
    }
    let Check { found, .. } = check;
    for damage in found {
        fsck.add(damage);
    }
    Ok(())
}

type OfRow = fn(&mut Check<'_>, &Row) -> Result<(), Trouble>;

/// The tables, those that say what exists before those that refer to it.
const TABLES: &[(u8, OfRow)] = &[
    (b'g', |check, row| check.garbage(row)),
    (b'c', |check, row| check.container(row)),
    (b'S', |_, row| Ok(ServiceRow::decode(&row.value).map(drop)?)),
    (b'T', |check, row| check.table(row)),
    (b'e', |check, row| check.entity(row)),
    (b'Q', |check, row| check.queue(row)),
    (b'i', |check, row| check.home(row)),
    (b'q', |check, row| check.message(row)),
    (b'w', |check, row| check.text(row)),
    (b's', |check, row| check.staging(row)),
    (b'f', |check, row| check.remote_copy(row)),
    (b'b', |check, row| check.blob(row)),
    (b'u', |check, row| check.block(row)),
    (b'm', |check, row| check.manifest(row)),
    (b'P', |check, row| check.map(row)),
    (b'x', |check, row| check.cell(row)),
    (b'p', |check, row| check.piece(row)),
    (b'r', |check, row| check.hold(row)),
    (b't', |check, row| check.tag(row)),
    (b'h', |check, row| check.rehydration(row)),
    (ASCENDING | b'i', |check, row| check.inline(row)),
];

/// Why a row did not pass.
enum Trouble {
    /// What is wrong with it.
    Wrong(String),
    /// What it has to be held against cannot be read.
    Unreadable(MetaError),
}

impl From<RowError> for Trouble {
    fn from(error: RowError) -> Self {
        Self::Wrong(error.0)
    }
}

impl From<MetaError> for Trouble {
    fn from(error: MetaError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<&str> for Trouble {
    fn from(what: &str) -> Self {
        Self::Wrong(what.to_owned())
    }
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// What rows have said to exist.
#[derive(Default)]
struct Named {
    /// Account and name of each container.
    containers: HashMap<u64, (String, String)>,
    tables: HashSet<u64>,
    /// The messages of each queue.
    queues: HashSet<u64>,
    /// Messages with a text of their own row, by queue and number.
    texts: HashSet<(u64, u64)>,
    garbage: HashSet<(u8, u64)>,
    stagings: HashSet<u64>,
    /// States whose content is in the metadata.
    inline: HashSet<u64>,
    /// States whose content is in a manifest, and lists that were begun with another's pieces.
    in_manifests: HashSet<u64>,
    /// Pieces that are listed.
    pieces: HashSet<u64>,
    /// Page maps.
    maps: HashSet<u64>,
    /// Page maps, each with a state or a map that sees it.
    viewers: HashSet<(u64, u64)>,
}

impl Named {
    fn is_garbage(&self, work: Garbage) -> bool {
        schema::garbage(work)
            .get(1..10)
            .and_then(tagged)
            .is_some_and(|id| self.garbage.contains(&id))
    }

    fn holds_container(&self, id: Option<ContainerId>) -> bool {
        id.is_some_and(|id| {
            self.containers.contains_key(&id.0) || self.is_garbage(Garbage::Container(id))
        })
    }
}

/// The kind and number in the key of a garbage row, after its first byte.
fn tagged(key: &[u8]) -> Option<(u8, u64)> {
    let (kind, id) = key.split_first()?;
    Some((*kind, u64::from_be_bytes(id.try_into().ok()?)))
}

fn id_after(key: &[u8], start: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(start..start + 8)?.try_into().ok()?))
}

struct Check<'f> {
    fsck: &'f mut Fsck,
    found: Vec<Damage>,
    named: Named,
}

impl Check<'_> {
    fn each(&mut self, range: &KeyRange, of_row: OfRow) -> Result<(), MetaError> {
        let mut range = range.clone();
        loop {
            let rows = self.fsck.rows(&range, PAGE)?;
            for row in &rows {
                match of_row(self, row) {
                    Ok(()) => {}
                    Err(Trouble::Unreadable(error)) => return Err(error),
                    Err(Trouble::Wrong(what)) => {
                        let what = format!("row {}: {what}", row.key.escape_ascii());
                        self.found.push(Damage { file: "meta".to_owned(), offset: None, what });
                    }
                }
                if self.found.len() >= DAMAGES_MAX {
                    return Ok(());
                }
            }
            let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
            let mut next = BytesMut::from(&*last.key);
            next.put_u8(0);
            range.start = next.freeze();
        }
    }

    fn get(&self, key: Bytes) -> Result<Option<Bytes>, MetaError> {
        let mut end = BytesMut::from(&*key);
        end.put_u8(0);
        let rows = self.fsck.rows(&KeyRange { start: key, end: Some(end.freeze()) }, 1)?;
        Ok(rows.into_iter().next().map(|row| row.value))
    }

    fn garbage(&mut self, row: &Row) -> Result<(), Trouble> {
        let id = row.key.get(1..).and_then(tagged).ok_or("its key names no work")?;
        self.named.garbage.insert(id);
        Ok(())
    }

    fn container(&mut self, row: &Row) -> Result<(), Trouble> {
        let container = ContainerRow::decode(&row.value)?;
        let name = schema::container_name(&row.key).ok_or("its key names no container")?;
        let account = row.key.get(1..row.key.len() - name.len() - 1).unwrap_or_default();
        let names = (String::from_utf8_lossy(account).into_owned(), name.to_owned());
        let other = self.named.containers.insert(container.id.0, names);
        ensure(other.is_none(), "another container has the same id")
    }

    fn table(&mut self, row: &Row) -> Result<(), Trouble> {
        let table = TableRow::decode(&row.value)?;
        let named = row.key.ends_with(table.name.to_ascii_lowercase().as_bytes());
        ensure(named, "its key does not have its name")?;
        ensure(self.named.tables.insert(table.id.0), "another table has the same id")
    }

    fn entity(&mut self, row: &Row) -> Result<(), Trouble> {
        EntityRow::decode(&row.value)?;
        let (table, _) = schema::entity_parts(&row.key).ok_or("its key names no entity")?;
        let known =
            self.named.tables.contains(&table.0) || self.named.is_garbage(Garbage::Table(table));
        ensure(known, "its table does not exist")
    }

    fn staging(&mut self, row: &Row) -> Result<(), Trouble> {
        self.named.stagings.insert(StagingRow::decode(&row.value)?.id.0);
        let known = self.named.holds_container(schema::container_of(&row.key));
        ensure(known, "its container does not exist")
    }

    fn remote_copy(&mut self, row: &Row) -> Result<(), Trouble> {
        self.named.stagings.insert(RemoteCopyRow::decode(&row.value)?.staging.0);
        let known = self.named.holds_container(schema::container_of(&row.key));
        ensure(known, "its container does not exist")
    }

    /// Whether `holder` has said under the extent of `piece` that it names it.
    fn is_held(&self, piece: StoredPiece, holder: u64) -> Result<bool, MetaError> {
        let hold = self.get(schema::extent_hold(ExtentId(piece.extent), holder))?;
        let hold = hold.and_then(|value| ExtentHold::decode(&value).ok());
        Ok(hold.is_some_and(|hold| hold.pieces.contains(&(piece.offset, piece.len))))
    }

    fn blob(&mut self, row: &Row) -> Result<(), Trouble> {
        let blob = BlobRow::decode(&row.value)?;
        let Some((name, snapshot)) = schema::blob_name(&row.key) else {
            return Err("its key names no blob".into());
        };
        let container = schema::container_of(&row.key);
        if !self.named.holds_container(container) {
            return Err("its container does not exist".into());
        }
        let state = blob.state.0;
        let (length, there) = match blob.data {
            BlobData::Empty => (0, true),
            BlobData::Inline => {
                self.named.inline.insert(state);
                let payload = self.get(schema::inline(blob.state))?;
                (payload.as_ref().map_or(0, |bytes| bytes.len() as u64), payload.is_some())
            }
            BlobData::Extent(piece) => (piece.len, self.is_held(piece, state)?),
            BlobData::Blocks { manifest, count } => {
                self.named.in_manifests.insert(state);
                let held = self.holds_list(manifest, blob.state, ListHold::All)?;
                let (blocks, bytes) = self.measure(manifest)?;
                (bytes, held && blocks == u64::from(count))
            }
            BlobData::Appended { list, count, owned, .. } => {
                self.named.in_manifests.insert(state);
                let hold = if owned { ListHold::All } else { ListHold::First(count) };
                let held = self.holds_list(list, blob.state, hold)?;
                let (pieces, bytes) = self.measure_pieces(list, u64::from(count))?;
                let whole = if owned { pieces } else { pieces.min(u64::from(count)) };
                (bytes, held && whole == u64::from(count))
            }
            BlobData::Pages(ref paged) => (blob.length, self.has_pages(&blob, paged)?),
        };
        // What a copy brought so far is not yet the blob's.
        let filled = blob.copy.as_ref().filter(|_| blob.is_being_copied());
        let told = match (&blob.data, filled) {
            (BlobData::Appended { .. }, Some(copy)) => copy.copied,
            _ => blob.length,
        };
        if !there || length != told {
            let what = format!("{:?} does not hold its {} bytes", blob.data, blob.length);
            return Err(Trouble::Wrong(what));
        }
        let names = container.and_then(|id| Some((id, self.named.containers.get(&id.0)?)));
        let Some((id, (account, _))) = names.filter(|_| snapshot.is_none()) else {
            return Ok(());
        };
        for (key, value) in blob.tags.iter() {
            if self.get(schema::tag(account, (key, value), id, name))?.is_none() {
                return Err(Trouble::Wrong(format!("its tag {key} is not in the index")));
            }
        }
        Ok(())
    }

    /// Blocks and bytes of a committed block list.
    fn measure(&self, manifest: ManifestId) -> Result<(u64, u64), MetaError> {
        let rows = self.fsck.rows(&schema::manifest(manifest), PAGE)?;
        let chunks = rows.iter().filter_map(|row| ManifestChunk::decode(&row.value).ok());
        Ok(chunks
            .flat_map(|chunk| chunk.blocks)
            .fold((0, 0), |(blocks, bytes), block| (blocks + 1, bytes + block.piece.len)))
    }

    /// Whether a state has said that it names as much of a manifest.
    fn holds_list(
        &self,
        manifest: ManifestId,
        state: StateId,
        hold: ListHold,
    ) -> Result<bool, MetaError> {
        let said = self.get(schema::manifest_hold(manifest, state))?;
        Ok(said.is_some_and(|said| ListHold::decode(&said).as_ref() == Ok(&hold)))
    }

    /// Pieces in a list, and bytes in its first `count`.
    fn measure_pieces(&self, list: ManifestId, count: u64) -> Result<(u64, u64), MetaError> {
        let rows = self.fsck.rows(&schema::manifest(list), PAGE)?;
        let chunks = rows.iter().filter_map(|row| PieceChunk::decode(&row.value).ok());
        Ok(chunks.flat_map(|chunk| chunk.pieces).fold((0, 0), |(pieces, bytes), piece| {
            (pieces + 1, bytes + if pieces < count { piece.len } else { 0 })
        }))
    }

    fn block(&mut self, row: &Row) -> Result<(), Trouble> {
        let block = BlockRow::decode(&row.value)?;
        let known = id_after(&row.key, 1).is_some_and(|id| {
            self.named.stagings.contains(&id)
                || self.named.is_garbage(Garbage::Staging(StagingId(id)))
        });
        if !known {
            return Err("no blob has this uncommitted block".into());
        }
        let held = self.is_held(block.piece, block.holder)?;
        ensure(held, "its bytes are not held")
    }

    fn manifest(&mut self, row: &Row) -> Result<(), Trouble> {
        let Some(id) = id_after(&row.key, 1) else {
            return Err("its key names no block list".into());
        };
        let holds = self.fsck.rows(&schema::manifest_holds(ManifestId(id)), 1)?;
        if holds.is_empty() && !self.named.is_garbage(Garbage::Manifest(ManifestId(id))) {
            return Err("no blob has this block list".into());
        }
        if row.value.first() == Some(&PieceChunk::FORMAT) {
            return self.pieces(ManifestId(id), PieceChunk::decode(&row.value)?);
        }
        let chunk = ManifestChunk::decode(&row.value)?;
        for block in &chunk.blocks {
            if !self.is_held(block.piece, id)? {
                return Err(Trouble::Wrong(format!("{:?} is not held", block.piece)));
            }
        }
        Ok(())
    }

    /// The pieces of a chunk are there, and so is what holds those that are another list's.
    fn pieces(&mut self, list: ManifestId, chunk: PieceChunk) -> Result<(), Trouble> {
        if let Some((other, count)) = chunk.begun_with {
            self.named.in_manifests.insert(list.0);
            let held = self.holds_list(other, StateId(list.0), ListHold::First(count))?;
            ensure(held, "it does not hold the list that it was begun with")?;
        }
        for piece in chunk.pieces {
            self.named.pieces.insert(piece.home.id());
            let len = match piece.home {
                Home::Row(id) => self.get(schema::payload(id))?.map(|bytes| bytes.len() as u64),
                Home::Extent(id) => {
                    let row = self.get(schema::piece(id))?;
                    row.and_then(|row| PieceRow::decode(&row).ok()).map(|row| row.piece.len)
                }
            };
            if len != Some(piece.len) {
                let what = format!("{:?} does not hold its {} bytes", piece.home, piece.len);
                return Err(Trouble::Wrong(what));
            }
        }
        Ok(())
    }

    fn piece(&mut self, row: &Row) -> Result<(), Trouble> {
        let PieceRow { piece } = PieceRow::decode(&row.value)?;
        let id = id_after(&row.key, 1).filter(|id| self.named.pieces.contains(id));
        let id = id.ok_or("no list has this piece")?;
        let held = self.is_held(piece, id)?;
        ensure(held, "its bytes are not held")
    }

    /// A back-reference: from an extent to who names its bytes, or from a manifest to a state.
    fn hold(&mut self, row: &Row) -> Result<(), Trouble> {
        if row.key.get(1) == Some(&b'p') {
            return self.map_hold(row);
        }
        if row.key.get(1) == Some(&b'm') {
            let state = id_after(&row.key, 10);
            let known = state.is_some_and(|state| self.named.in_manifests.contains(&state));
            return ensure(known, "no blob has this state");
        }
        let Some((extent, holder)) = schema::extent_hold_parts(&row.key) else {
            return Err("its key names no extent".into());
        };
        let hold = ExtentHold::decode(&row.value)?;
        for (offset, len) in hold.pieces {
            if let Err(damage) = self.fsck.verify_piece(Piece { extent, offset, len }) {
                self.found.push(damage);
            }
        }
        let owner = self.get(Bytes::copy_from_slice(&hold.owner))?;
        let owns = match (hold.owner.first(), owner) {
            (Some(b'b'), Some(value)) => {
                BlobRow::decode(&value).is_ok_and(|blob| blob.state.0 == holder)
            }
            (Some(b'u'), Some(value)) => {
                BlockRow::decode(&value).is_ok_and(|block| block.holder == holder)
            }
            (Some(b'm' | b'p'), Some(_)) => id_after(&hold.owner, 1) == Some(holder),
            _ => false,
        };
        ensure(owns, "the row that held these bytes does not name them")
    }

    fn tag(&mut self, row: &Row) -> Result<(), Trouble> {
        TagRow::decode(&row.value)?;
        let Some((value, container, name)) = schema::tag_parts(&row.key) else {
            return Err("its key names no tag".into());
        };
        if self.named.is_garbage(Garbage::Container(container)) {
            return Ok(());
        }
        let blob = self.get(schema::blob(container, name, None))?;
        let blob = blob.and_then(|value| BlobRow::decode(&value).ok());
        let tagged = blob.is_some_and(|blob| blob.tags.iter().any(|(_, found)| found == value));
        ensure(tagged, "the blob does not have this tag")
    }

    /// When an archived blob comes back: the row by time and the row by blob say the same.
    fn rehydration(&mut self, row: &Row) -> Result<(), Trouble> {
        let promise = RehydrationRow::decode(&row.value)?;
        if row.key.get(1) == Some(&b't') {
            let due = schema::rehydration_parts(&row.key).map(|(due, _)| due);
            return ensure(due == Some(promise.due), "its key says another time");
        }
        let blob = row.key.get(2..).unwrap_or_default();
        let timed = self.get(schema::rehydration(promise.due, blob))?.is_some();
        ensure(timed, "nothing brings the blob back at that time")
    }

    fn inline(&mut self, row: &Row) -> Result<(), Trouble> {
        let known = id_after(&row.key, 1)
            .is_some_and(|id| self.named.inline.contains(&id) || self.named.pieces.contains(&id));
        ensure(known, "no blob has this content")
    }
}

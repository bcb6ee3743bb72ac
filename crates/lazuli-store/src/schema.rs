//! The one table of keys. Every row the store writes is named here and nowhere else.
//!
//! | first byte | key after it | row |
//! |---|---|---|
//! | `a` | account | [`AccountRow`]: what the Blob service's properties say |
//! | `S` | service, account | [`ServiceRow`]: what another service's properties say |
//! | `c` | account, 0, container | [`ContainerRow`] |
//! | `b` | container id, blob name, 0, `0xff` | [`BlobRow`] of the base blob |
//! | `b` | container id, blob name, 0, 1, snapshot | [`BlobRow`] of a snapshot |
//! | `s` | container id, blob name | [`StagingRow`]: the blob has uncommitted blocks |
//! | `f` | container id, blob name | [`RemoteCopyRow`]: the blob is being copied from elsewhere |
//! | `u` | staging id, block id | [`BlockRow`]: one uncommitted block |
//! | `m` | manifest id, chunk | [`ManifestChunk`]: part of a committed block list, or [`PieceChunk`]: part of an append blob's list of pieces |
//! | `P` | map id | [`MapRow`]: a page map |
//! | `x` | map id, cell, generation | [`CellRow`]: 64 KiB of a page map; the newest comes first |
//! | `p` | piece id | [`PieceRow`]: where a piece is that is in an extent |
//! | `r` | `e`, extent, holder | [`ExtentHold`]: what of an extent the holder still names |
//! | `r` | `m`, manifest id, state id | [`ListHold`]: the state, or the list of that id, names the manifest |
//! | `r` | `p`, map id, holder | [`MapHold`]: what of a page map a state, or a map of that id, sees |
//! | `t` | account, 0, tag key, 0, value, 0, container id, blob name | [`TagRow`]: the tag index |
//! | `T` | account, 0, table in lower case | [`TableRow`] |
//! | `e` | table id, partition key, 0, row key, both as below | [`EntityRow`] |
//! | `Q` | account, 0, queue | [`QueueRow`] |
//! | `i` | account, 0, queue | [`HomeRow`]: the id that the queue's messages are keyed by |
//! | `q` | queue id, time it becomes visible, message number | [`MessageRow`] |
//! | `w` | queue id, message number | [`TextRow`]: the text of a long message |
//! | `h` | `t`, time, key of a `b` row | [`RehydrationRow`]: the time an archived blob comes back |
//! | `h` | `b`, key of a `b` row | [`RehydrationRow`]: the same by the blob, which names the first |
//! | `g` | kind, id | [`GarbageRow`]: work for the collector |
//! | `R` | | [`RunRow`]: how often identifiers were begun anew |
//! | `0xe9` | state id or piece id | the payload of a blob, or of a piece, small enough to live here |
//!
//! Numbers are big-endian, so byte order is their order. Account and container names hold no zero
//! byte and neither do blob names, so a name ends at the first zero and a shorter name sorts before
//! its extensions: the key order of `b` rows is Azure's listing order, and a snapshot (first byte 1)
//! comes before its base blob (`0xff`). First bytes 2 to `0xfe` of that suffix are left for versions.
//!
//! Entities come in Azure's order, that of UTF-16 code units. UTF-8 has that order but for what is
//! beyond the basic plane, which UTF-16 writes in surrogates, below its last characters. So the
//! first bytes `0xee` and `0xef` of those, U+E000 to U+FFFF, are keyed as `0xf5` and `0xf6`, which
//! UTF-8 does not have. Keys hold no zero byte.
//!
//! Messages come in the order in which they are handed out. One that is got moves to the time at which
//! it becomes visible again; its pop receipt tells that time, and its identifier its number.
//!
//! Containers, queues, tables, block stagings and manifests have an id of their own, so that deleting one,
//! however large, is a single row: the collector removes what hangs on the id afterwards. The `h`
//! rows of a blob that was overwritten or deleted go when their time comes.
//!
//! [`AccountRow`]: crate::rows::AccountRow
//! [`ServiceRow`]: crate::rows::ServiceRow
//! [`ContainerRow`]: crate::rows::ContainerRow
//! [`BlobRow`]: crate::rows::BlobRow
//! [`StagingRow`]: crate::rows::StagingRow
//! [`RemoteCopyRow`]: crate::rows::RemoteCopyRow
//! [`BlockRow`]: crate::rows::BlockRow
//! [`ManifestChunk`]: crate::rows::ManifestChunk
//! [`PieceChunk`]: crate::rows::PieceChunk
//! [`PieceRow`]: crate::rows::PieceRow
//! [`ListHold`]: crate::rows::ListHold
//! [`MapRow`]: crate::pages::map::MapRow
//! [`MapHold`]: crate::pages::map::MapHold
//! [`CellRow`]: crate::pages::cell::CellRow
//! [`ExtentHold`]: crate::rows::ExtentHold
//! [`GarbageRow`]: crate::rows::GarbageRow
//! [`RehydrationRow`]: crate::rows::RehydrationRow
//! [`RunRow`]: crate::rows::RunRow
//! [`TagRow`]: crate::rows::TagRow
//! [`TableRow`]: crate::rows::TableRow
//! [`EntityRow`]: crate::rows::EntityRow
//! [`QueueRow`]: crate::rows::QueueRow
//! [`HomeRow`]: crate::rows::HomeRow
//! [`MessageRow`]: crate::rows::MessageRow
//! [`TextRow`]: crate::rows::TextRow

use bytes::{BufMut as _, Bytes, BytesMut};
use lazuli_base::Timestamp;
use lazuli_engine::{ExtentId, KeyRange};
use lazuli_model::Service;
use serde::{Deserialize, Serialize};

mod queues;
mod tables;

pub use queues::{
    QueueId, all_queues, home, message, message_parts, messages, queue, queue_name, queues, text,
    text_parts, texts,
};
pub use tables::{TableId, after_partition, entities, entity, entity_parts, table, tables};

/// Identifies a container for as long as it exists; a container made anew has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerId(pub u64);

/// Identifies one content of one blob or snapshot: every overwrite makes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateId(pub u64);

/// Identifies the uncommitted blocks of a blob, from the first of them to their commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StagingId(pub u64);

/// Identifies a committed block list, or an append blob's list of pieces; snapshots and copies of a
/// blob share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ManifestId(pub u64);

/// Identifies the map of a page blob's content; snapshots and copies of the blob see it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MapId(pub u64);

const BASE: u8 = 0xff;
const SNAPSHOT: u8 = 1;

/// Payloads are keyed by states, which are drawn in ascending order: see
/// [`lazuli_engine::ASCENDING`].
const INLINE: u8 = lazuli_engine::ASCENDING | b'i';

/// The key of the row that counts the store's runs.
pub fn run() -> Bytes {
    key(b'R', &[])
}

/// The key of an account's row.
pub fn account(account: &str) -> Bytes {
    key(b'a', &[account.as_bytes()])
}

/// The key of the row of an account's service other than Blob.
pub fn service(service: Service, account: &str) -> Bytes {
    let letter = match service {
        Service::Blob | Service::Dfs => b'b',
        Service::Queue => b'q',
        Service::Table => b't',
    };
    key(b'S', &[&[letter], account.as_bytes()])
}

/// The key of a container's row.
pub fn container(account: &str, container: &str) -> Bytes {
    key(b'c', &[account.as_bytes(), &[0], container.as_bytes()])
}

/// An account's containers whose names begin with `prefix`.
pub fn containers(account: &str, prefix: &str) -> KeyRange {
    KeyRange::prefix(container(account, prefix))
}

/// The container's name in the key of its row.
pub fn container_name(key: &[u8]) -> Option<&str> {
    let start = key.iter().position(|&byte| byte == 0)? + 1;
    std::str::from_utf8(key.get(start..)?).ok()
}

/// The key of a blob's row, or of its snapshot's.
pub fn blob(container: ContainerId, name: &str, snapshot: Option<Timestamp>) -> Bytes {
    let id = container.0.to_be_bytes();
    match snapshot {
        None => key(b'b', &[&id, name.as_bytes(), &[0, BASE]]),
        Some(taken) => {
            key(b'b', &[&id, name.as_bytes(), &[0, SNAPSHOT], &taken.ticks().to_be_bytes()])
        }
    }
}

/// A container's blob rows whose names begin with `prefix`.
pub fn blobs(container: ContainerId, prefix: &str) -> KeyRange {
    KeyRange::prefix(key(b'b', &[&container.0.to_be_bytes(), prefix.as_bytes()]))
}

/// The rows of a blob's snapshots.
pub fn snapshots(container: ContainerId, name: &str) -> KeyRange {
    KeyRange::prefix(key(b'b', &[&container.0.to_be_bytes(), name.as_bytes(), &[0, SNAPSHOT]]))
}

/// The name and, for a snapshot's row, the snapshot in a blob row's key.
pub fn blob_name(key: &[u8]) -> Option<(&str, Option<Timestamp>)> {
    let after_id = key.get(9..)?;
    let end = after_id.iter().position(|&byte| byte == 0)?;
    let name = std::str::from_utf8(after_id.get(..end)?).ok()?;
    match after_id.get(end + 1..)? {
        [BASE] => Some((name, None)),
        [SNAPSHOT, ticks @ ..] => {
            let ticks = u64::from_be_bytes(ticks.try_into().ok()?);
            Some((name, Some(Timestamp::from_ticks(ticks))))
        }
        _ => None,
    }
}

/// The container id in the key of a blob's or staging's row.
pub fn container_of(key: &[u8]) -> Option<ContainerId> {
    Some(ContainerId(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?)))
}

/// The key of a blob's staging row.
pub fn staging(container: ContainerId, name: &str) -> Bytes {
    key(b's', &[&container.0.to_be_bytes(), name.as_bytes()])
}

/// A container's staging rows; all containers' for `None`.
pub fn stagings(container: Option<ContainerId>) -> KeyRange {
    match container {
        Some(container) => KeyRange::prefix(key(b's', &[&container.0.to_be_bytes()])),
        None => KeyRange::prefix(key(b's', &[])),
    }
}

/// The key of the row of a copy from elsewhere onto a blob.
pub fn remote_copy(container: ContainerId, name: &str) -> Bytes {
    key(b'f', &[&container.0.to_be_bytes(), name.as_bytes()])
}

/// The copies from elsewhere onto a container's blobs; onto all containers' for `None`.
pub fn remote_copies(container: Option<ContainerId>) -> KeyRange {
    match container {
        Some(container) => KeyRange::prefix(key(b'f', &[&container.0.to_be_bytes()])),
        None => KeyRange::prefix(key(b'f', &[])),
    }
}

/// The key of an uncommitted block's row; `block` is the decoded block id.
pub fn block(staging: StagingId, block: &[u8]) -> Bytes {
    key(b'u', &[&staging.0.to_be_bytes(), block])
}

/// The rows of a staging's blocks, ordered by block id.
pub fn blocks(staging: StagingId) -> KeyRange {
    KeyRange::prefix(key(b'u', &[&staging.0.to_be_bytes()]))
}

/// The decoded block id in the key of a block's row.
pub fn block_id(key: &[u8]) -> Option<&[u8]> {
    key.get(9..)
}

/// The key of a chunk of a manifest.
pub fn manifest_chunk(manifest: ManifestId, chunk: u32) -> Bytes {
    key(b'm', &[&manifest.0.to_be_bytes(), &chunk.to_be_bytes()])
}

/// The chunks of a manifest, in order.
pub fn manifest(manifest: ManifestId) -> KeyRange {
    KeyRange::prefix(key(b'm', &[&manifest.0.to_be_bytes()]))
}

/// The key of the payload of a state that lives in the metadata.
pub fn inline(state: StateId) -> Bytes {
    payload(state.0)
}

/// The key of a payload that lives in the metadata: that of a state or of a piece.
pub fn payload(id: u64) -> Bytes {
    key(INLINE, &[&id.to_be_bytes()])
}

/// The key of the row that says where a piece is.
pub fn piece(id: u64) -> Bytes {
    key(b'p', &[&id.to_be_bytes()])
}

/// The key of a page map.
pub fn map(map: MapId) -> Bytes {
    key(b'P', &[&map.0.to_be_bytes()])
}

/// The key of a cell's row of a generation.
pub fn cell(map: MapId, cell: u32, generation: u64) -> Bytes {
    let generation = (!generation).to_be_bytes();
    key(b'x', &[&map.0.to_be_bytes(), &cell.to_be_bytes(), &generation])
}

/// The rows of a cell, the newest first.
pub fn cell_rows(map: MapId, cell: u32) -> KeyRange {
    KeyRange::prefix(key(b'x', &[&map.0.to_be_bytes(), &cell.to_be_bytes()]))
}

/// The rows of a map's cells before `end`, beginning with those of a cell that are of no later
/// generation.
pub fn cells(map: MapId, (first, generation): (u32, u64), end: u32) -> KeyRange {
    let after = key(b'x', &[&map.0.to_be_bytes(), &end.to_be_bytes()]);
    KeyRange { start: cell(map, first, generation), end: Some(after) }
}

/// The rows of all of a map's cells.
pub fn all_cells(map: MapId) -> KeyRange {
    KeyRange::prefix(key(b'x', &[&map.0.to_be_bytes()]))
}

/// The cell and the generation in the key of a cell's row.
pub fn cell_parts(key: &[u8]) -> Option<(u32, u64)> {
    let cell = u32::from_be_bytes(key.get(9..13)?.try_into().ok()?);
    let generation = u64::from_be_bytes(key.get(13..21)?.try_into().ok()?);
    Some((cell, !generation))
}

/// The key that says what of a page map a holder sees: a state, or a map that is begun over it.
pub fn map_hold(map: MapId, holder: u64) -> Bytes {
    key(b'r', &[b"p", &map.0.to_be_bytes(), &holder.to_be_bytes()])
}

/// All that see something of a page map.
pub fn map_holds(map: MapId) -> KeyRange {
    KeyRange::prefix(key(b'r', &[b"p", &map.0.to_be_bytes()]))
}

/// The key of a back-reference: `holder` still names bytes of `extent`. Holders are state ids,
/// staging-block ids, piece ids and manifest ids, all drawn from one space of numbers.
pub fn extent_hold(extent: ExtentId, holder: u64) -> Bytes {
    key(b'r', &[b"e", &extent.0.to_be_bytes(), &holder.to_be_bytes()])
}

/// All holders of an extent; of every extent for `None`.
pub fn extent_holds(extent: Option<ExtentId>) -> KeyRange {
    match extent {
        Some(extent) => KeyRange::prefix(key(b'r', &[b"e", &extent.0.to_be_bytes()])),
        None => KeyRange::prefix(key(b'r', &[b"e"])),
    }
}

/// The extent and holder in a back-reference's key.
pub fn extent_hold_parts(key: &[u8]) -> Option<(ExtentId, u64)> {
    let extent = u64::from_be_bytes(key.get(2..10)?.try_into().ok()?);
    let holder = u64::from_be_bytes(key.get(10..18)?.try_into().ok()?);
    Some((ExtentId(extent), holder))
}

/// The key that says a state names a manifest. A list that was begun with pieces of another holds
/// that under its own id.
pub fn manifest_hold(manifest: ManifestId, state: StateId) -> Bytes {
    key(b'r', &[b"m", &manifest.0.to_be_bytes(), &state.0.to_be_bytes()])
}

/// All states that name a manifest.
pub fn manifest_holds(manifest: ManifestId) -> KeyRange {
    KeyRange::prefix(key(b'r', &[b"m", &manifest.0.to_be_bytes()]))
}

/// The key of a tag index row.
pub fn tag(account: &str, tag: (&str, &str), container: ContainerId, name: &str) -> Bytes {
    let (tag_key, value) = tag;
    let id = container.0.to_be_bytes();
    let parts: [&[u8]; 8] = [
        account.as_bytes(),
        &[0],
        tag_key.as_bytes(),
        &[0],
        value.as_bytes(),
        &[0],
        &id,
        name.as_bytes(),
    ];
    key(b't', &parts)
}

/// The prefix of the tag index rows of a tag key; of one of its values if given.
pub fn tag_prefix(account: &str, tag_key: &str, value: Option<&str>) -> Bytes {
    let head: [&[u8]; 4] = [account.as_bytes(), &[0], tag_key.as_bytes(), &[0]];
    match value {
        None => key(b't', &head),
        Some(value) => {
            let [account, zero, tag_key, end] = head;
            key(b't', &[account, zero, tag_key, end, value.as_bytes(), &[0]])
        }
    }
}

/// The tag value, container and blob name in a tag index row's key.
pub fn tag_parts(key: &[u8]) -> Option<(&str, ContainerId, &str)> {
    let mut rest = key.get(1..)?;
    for _ in 0..2 {
        let end = rest.iter().position(|&byte| byte == 0)?;
        rest = rest.get(end + 1..)?;
    }
    let end = rest.iter().position(|&byte| byte == 0)?;
    let value = std::str::from_utf8(rest.get(..end)?).ok()?;
    let id = u64::from_be_bytes(rest.get(end + 1..end + 9)?.try_into().ok()?);
    let name = std::str::from_utf8(rest.get(end + 9..)?).ok()?;
    Some((value, ContainerId(id), name))
}

/// The key of the row that says when an archived blob, whose row is at `blob`, comes back.
pub fn rehydration(due: Timestamp, blob: &[u8]) -> Bytes {
    key(b'h', &[b"t", &due.ticks().to_be_bytes(), blob])
}

/// All rows of archived blobs on their way back, the next first.
pub fn rehydrations() -> KeyRange {
    KeyRange::prefix(key(b'h', &[b"t"]))
}

/// The time and the key of the blob's row in the key of a row that says when it comes back.
pub fn rehydration_parts(key: &[u8]) -> Option<(Timestamp, &[u8])> {
    let ticks = u64::from_be_bytes(key.get(2..10)?.try_into().ok()?);
    Some((Timestamp::from_ticks(ticks), key.get(10..)?))
}

/// The key of the row that says, by the key of a blob's row, when that comes back.
pub fn rehydration_of(blob: &[u8]) -> Bytes {
    key(b'h', &[b"b", blob])
}

/// The kinds of work the collector is left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// Everything that hangs on a deleted container's id.
    Container(ContainerId),
    /// The entities of a deleted table.
    Table(TableId),
    /// The messages of a queue that was deleted or cleared.
    Queue(QueueId),
    /// The blocks of a staging that was committed or discarded.
    Staging(StagingId),
    /// A committed block list that lost a holder, perhaps its last.
    Manifest(ManifestId),
    /// A page map of which less is seen than before, or that is over too many others.
    Map(MapId),
    /// A page map of which cells were written beside a reader.
    Cells(MapId),
}

/// The key of a garbage row.
pub fn garbage(garbage: Garbage) -> Bytes {
    let (kind, id) = match garbage {
        Garbage::Container(id) => (b'c', id.0),
        Garbage::Table(id) => (b't', id.0),
        Garbage::Queue(id) => (b'q', id.0),
        Garbage::Staging(id) => (b's', id.0),
        Garbage::Manifest(id) => (b'm', id.0),
        Garbage::Map(id) => (b'p', id.0),
        Garbage::Cells(id) => (b'x', id.0),
    };
    key(b'g', &[&[kind], &id.to_be_bytes()])
}

/// All garbage rows.
pub fn all_garbage() -> KeyRange {
    KeyRange::prefix(key(b'g', &[]))
}

/// The work a garbage row's key names.
pub fn garbage_of(key: &[u8]) -> Option<Garbage> {
    let id = u64::from_be_bytes(key.get(2..10)?.try_into().ok()?);
    match key.get(1)? {
        b'c' => Some(Garbage::Container(ContainerId(id))),
        b't' => Some(Garbage::Table(TableId(id))),
        b'q' => Some(Garbage::Queue(QueueId(id))),
        b's' => Some(Garbage::Staging(StagingId(id))),
        b'm' => Some(Garbage::Manifest(ManifestId(id))),
        b'p' => Some(Garbage::Map(MapId(id))),
        b'x' => Some(Garbage::Cells(MapId(id))),
        _ => None,
    }
}

fn key(table: u8, parts: &[&[u8]]) -> Bytes {
    let len = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut key = BytesMut::with_capacity(len);
    key.put_u8(table);
    for part in parts {
        key.put_slice(part);
    }
    key.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_keys_sort_as_listings_do() {
        let id = ContainerId(7);
        let at = |ticks| Some(Timestamp::from_ticks(ticks));
        let ordered = [
            blob(id, "a", at(1)),
            blob(id, "a", at(2)),
            blob(id, "a", None),
            blob(id, "a!", None),
            blob(id, "a/b", None),
            blob(id, "aa", None),
            blob(id, "b", None),
            blob(id, "ä", None),
            blob(ContainerId(8), "a", None),
        ];
        assert!(ordered.is_sorted());
    }

    #[test]
    fn keys_tell_what_made_them() {
        let taken = Timestamp::from_ticks(638_000_000_000_000_001);
        assert_eq!(blob_name(&blob(ContainerId(1), "x/y", None)), Some(("x/y", None)));
        assert_eq!(blob_name(&blob(ContainerId(1), "x", Some(taken))), Some(("x", Some(taken))));
        assert_eq!(container_of(&blob(ContainerId(9), "x", None)), Some(ContainerId(9)));
        assert_eq!(cell_parts(&cell(MapId(1), 7, 9)), Some((7, 9)));
        assert_eq!(container_name(&container("acct", "cont")), Some("cont"));
        assert_eq!(extent_hold_parts(&extent_hold(ExtentId(3), 4)), Some((ExtentId(3), 4)));
        assert_eq!(
            tag_parts(&tag("acct", ("k", "v"), ContainerId(5), "n")),
            Some(("v", ContainerId(5), "n"))
        );
        let (due, row) = (Timestamp::from_ticks(5), blob(ContainerId(1), "x", None));
        assert_eq!(rehydration_parts(&rehydration(due, &row)), Some((due, &*row)));
        for work in [
            Garbage::Container(ContainerId(1)),
            Garbage::Table(TableId(4)),
            Garbage::Staging(StagingId(2)),
            Garbage::Manifest(ManifestId(3)),
            Garbage::Map(MapId(4)),
            Garbage::Cells(MapId(5)),
        ] {
            assert_eq!(garbage_of(&garbage(work)), Some(work));
        }
    }
}

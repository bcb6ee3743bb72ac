//! The one table of keys. Every row the store writes is named here and nowhere else.
//!
//! | first byte | key after it | row |
//! |---|---|---|
//! | `a` | account | [`AccountRow`]: what the Blob service's properties say |
//! | `p` | service, account | [`ServiceRow`]: what another service's properties say |
//! | `c` | account, 0, container | [`ContainerRow`] |
//! | `b` | container id, blob name, 0, `0xff` | [`BlobRow`] of the base blob |
//! | `b` | container id, blob name, 0, 1, snapshot | [`BlobRow`] of a snapshot |
//! | `s` | container id, blob name | [`StagingRow`]: the blob has uncommitted blocks |
//! | `u` | staging id, block id | [`BlockRow`]: one uncommitted block |
//! | `m` | manifest id, chunk | [`ManifestChunk`]: part of a committed block list |
//! | `r` | `e`, extent, holder | [`ExtentHold`]: what of an extent the holder still names |
//! | `r` | `m`, manifest id, state id | empty: the state names the manifest |
//! | `t` | account, 0, tag key, 0, value, 0, container id, blob name | [`TagRow`]: the tag index |
//! | `T` | account, 0, table in lower case | [`TableRow`] |
//! | `e` | table id, partition key, 0, row key, both as below | [`EntityRow`] |
//! | `g` | kind, id | [`GarbageRow`]: work for the collector |
//! | `R` | | [`RunRow`]: how often identifiers were begun anew |
//! | `0xe9` | state id | the payload of a blob small enough to live here |
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
//! Containers, tables, block stagings and manifests have an id of their own, so that deleting one,
//! however large, is a single row: the collector removes what hangs on the id afterwards.
//!
//! [`AccountRow`]: crate::rows::AccountRow
//! [`ServiceRow`]: crate::rows::ServiceRow
//! [`ContainerRow`]: crate::rows::ContainerRow
//! [`BlobRow`]: crate::rows::BlobRow
//! [`StagingRow`]: crate::rows::StagingRow
//! [`BlockRow`]: crate::rows::BlockRow
//! [`ManifestChunk`]: crate::rows::ManifestChunk
//! [`ExtentHold`]: crate::rows::ExtentHold
//! [`GarbageRow`]: crate::rows::GarbageRow
//! [`RunRow`]: crate::rows::RunRow
//! [`TagRow`]: crate::rows::TagRow
//! [`TableRow`]: crate::rows::TableRow
//! [`EntityRow`]: crate::rows::EntityRow

use std::borrow::Cow;

use bytes::{BufMut as _, Bytes, BytesMut};
use lazuli_base::Timestamp;
use lazuli_engine::{ExtentId, KeyRange};
use lazuli_model::Service;
use lazuli_model::entity::EntityKey;
use serde::{Deserialize, Serialize};

/// Identifies a container for as long as it exists; a container made anew has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerId(pub u64);

/// Identifies one content of one blob or snapshot: every overwrite makes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateId(pub u64);

/// Identifies the uncommitted blocks of a blob, from the first of them to their commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StagingId(pub u64);

/// Identifies a committed block list; snapshots and copies of a blob share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ManifestId(pub u64);

/// Identifies a table for as long as it exists; a table made anew has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableId(pub u64);

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
    key(b'p', &[&[letter], account.as_bytes()])
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

/// The key of a chunk of a committed block list.
pub fn manifest_chunk(manifest: ManifestId, chunk: u32) -> Bytes {
    key(b'm', &[&manifest.0.to_be_bytes(), &chunk.to_be_bytes()])
}

/// The chunks of a committed block list, in order.
pub fn manifest(manifest: ManifestId) -> KeyRange {
    KeyRange::prefix(key(b'm', &[&manifest.0.to_be_bytes()]))
}

/// The key of a payload that lives in the metadata.
pub fn inline(state: StateId) -> Bytes {
    key(INLINE, &[&state.0.to_be_bytes()])
}

/// The key of a back-reference: `holder` still names bytes of `extent`. Holders are state ids,
/// staging-block ids and manifest ids, all drawn from one space of random numbers.
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

/// The key that says a state names a manifest.
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

/// The key of a table's row; `folded` is its name in lower case.
pub fn table(account: &str, folded: &str) -> Bytes {
    key(b'T', &[account.as_bytes(), &[0], folded.as_bytes()])
}

/// An account's tables.
pub fn tables(account: &str) -> KeyRange {
    KeyRange::prefix(table(account, ""))
}

/// The key of an entity's row.
pub fn entity(table: TableId, at: &EntityKey) -> Bytes {
    let id = table.0.to_be_bytes();
    key(b'e', &[&id, &in_key_order(&at.partition), &[0], &in_key_order(&at.row)])
}

/// A table's entities.
pub fn entities(table: TableId) -> KeyRange {
    KeyRange::prefix(key(b'e', &[&table.0.to_be_bytes()]))
}

/// The first key after all entities of a partition, and before those of the next one.
pub fn after_partition(table: TableId, partition: &str) -> Bytes {
    key(b'e', &[&table.0.to_be_bytes(), &in_key_order(partition), &[1]])
}

/// The table's id and the entity's key in the key of an entity's row.
pub fn entity_parts(key: &[u8]) -> Option<(TableId, EntityKey)> {
    let id = TableId(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?));
    let rest = key.get(9..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    let (partition, row) =
        (from_key_order(rest.get(..end)?)?, from_key_order(rest.get(end + 1..)?)?);
    Some((id, EntityKey { partition, row }))
}

/// The bytes of a text in the order of its UTF-16 code units.
fn in_key_order(text: &str) -> Cow<'_, [u8]> {
    let last = |byte: &u8| matches!(byte, 0xee | 0xef);
    if !text.as_bytes().iter().any(last) {
        return Cow::Borrowed(text.as_bytes());
    }
    text.bytes().map(|byte| if last(&byte) { byte + 7 } else { byte }).collect()
}

fn from_key_order(bytes: &[u8]) -> Option<String> {
    let byte = |&byte: &u8| if matches!(byte, 0xf5 | 0xf6) { byte - 7 } else { byte };
    String::from_utf8(bytes.iter().map(byte).collect()).ok()
}

/// The kinds of work the collector is left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// Everything that hangs on a deleted container's id.
    Container(ContainerId),
    /// The entities of a deleted table.
    Table(TableId),
    /// The blocks of a staging that was committed or discarded.
    Staging(StagingId),
    /// A committed block list that lost a holder, perhaps its last.
    Manifest(ManifestId),
}

/// The key of a garbage row.
pub fn garbage(garbage: Garbage) -> Bytes {
    let (kind, id) = match garbage {
        Garbage::Container(id) => (b'c', id.0),
        Garbage::Table(id) => (b't', id.0),
        Garbage::Staging(id) => (b's', id.0),
        Garbage::Manifest(id) => (b'm', id.0),
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
        b's' => Some(Garbage::Staging(StagingId(id))),
        b'm' => Some(Garbage::Manifest(ManifestId(id))),
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
    fn entity_keys_sort_by_code_units() {
        let id = TableId(7);
        let texts = [
            "",
            "a",
            "a b",
            "aa",
            "b",
            "\u{d7ff}",
            "\u{10000}",
            "\u{10ffff}",
            "\u{e000}",
            "\u{ffff}",
        ];
        let mut before = entities(id).start;
        for partition in texts {
            for row in texts {
                let at = EntityKey::new(partition, row);
                let key = entity(id, &at);
                assert!(before < key, "{at:?}");
                assert_eq!(entity_parts(&key), Some((id, at)));
                before = key;
            }
            let after = after_partition(id, partition);
            assert!(before < after);
            before = after;
        }
        assert!(before < entities(TableId(8)).start);
    }

    #[test]
    fn keys_tell_what_made_them() {
        let taken = Timestamp::from_ticks(638_000_000_000_000_001);
        assert_eq!(blob_name(&blob(ContainerId(1), "x/y", None)), Some(("x/y", None)));
        assert_eq!(blob_name(&blob(ContainerId(1), "x", Some(taken))), Some(("x", Some(taken))));
        assert_eq!(container_of(&blob(ContainerId(9), "x", None)), Some(ContainerId(9)));
        assert_eq!(container_name(&container("acct", "cont")), Some("cont"));
        assert_eq!(extent_hold_parts(&extent_hold(ExtentId(3), 4)), Some((ExtentId(3), 4)));
        assert_eq!(
            tag_parts(&tag("acct", ("k", "v"), ContainerId(5), "n")),
            Some(("v", ContainerId(5), "n"))
        );
        for work in [
            Garbage::Container(ContainerId(1)),
            Garbage::Table(TableId(4)),
            Garbage::Staging(StagingId(2)),
            Garbage::Manifest(ManifestId(3)),
        ] {
            assert_eq!(garbage_of(&garbage(work)), Some(work));
        }
    }
}

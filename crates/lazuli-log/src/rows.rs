//! The log's own rows in the store, beside the journal they follow from.
//!
//! | key | row |
//! |---|---|
//! | `L` `l` leaf index | the bytes of a leaf of the spine |
//! | `L` `s` segment | [`SegmentRow`]: where the entries of a closed segment are |
//! | `L` `h` label | the account's last number and head as of the last closed segment |
//! | `L` `m` leaf index | all heads as of the leaf with their root |
//! | `L` `p` | how far the spine has come |
//! | `L` `g` | the window of the last gap |
//!
//! Numbers are big-endian.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use lazuli_engine::KeyRange;
use lazuli_evidence::Digest;
use lazuli_evidence::heads::Head;

const PREFIX: u8 = b'L';

/// Where the entries of a closed segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRow {
    /// The index of its leaf in the spine.
    pub(crate) leaf: u64,
    /// The first commit with an entry in it; 0 without one.
    pub(crate) first: u64,
    /// The last commit with an entry in it.
    pub(crate) last: u64,
    /// How many entries it has.
    pub(crate) count: u64,
}

impl SegmentRow {
    pub(crate) fn encode(&self) -> Bytes {
        let numbers = [self.leaf, self.first, self.last, self.count];
        numbers.into_iter().flat_map(u64::to_be_bytes).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let [leaf, first, last, count] = *<&[_; 4]>::try_from(numbers).ok()?;
        let [leaf, first, last, count] = [leaf, first, last, count].map(u64::from_be_bytes);
        Some(Self { leaf, first, last, count })
    }
}

fn key(kind: u8, rest: &[u8]) -> Bytes {
    let mut key = BytesMut::with_capacity(2 + rest.len());
    key.put_u8(PREFIX);
    key.put_u8(kind);
    key.put_slice(rest);
    key.freeze()
}

/// All rows of a log.
pub(crate) fn all() -> KeyRange {
    KeyRange::prefix([PREFIX].as_slice().to_vec())
}

pub(crate) fn leaf(index: u64) -> Bytes {
    key(b'l', &index.to_be_bytes())
}

/// The leaves from `index` on.
pub(crate) fn leaves(index: u64) -> KeyRange {
    KeyRange { start: leaf(index), end: Some(key(b'm', &[])) }
}

pub(crate) fn segment(n: u64) -> Bytes {
    key(b's', &n.to_be_bytes())
}

/// How far the spine has come.
pub(crate) fn progress() -> Bytes {
    key(b'p', &[])
}

/// The window of the last gap.
pub(crate) fn gap() -> Bytes {
    key(b'g', &[])
}

pub(crate) fn encode_gap(from_ms: u64, to_ms: u64) -> Bytes {
    [from_ms, to_ms].into_iter().flat_map(u64::to_be_bytes).collect()
}

pub(crate) fn decode_gap(bytes: &[u8]) -> Option<[u64; 2]> {
    let (numbers, []) = bytes.as_chunks::<8>() else { return None };
    Some(<[_; 2]>::try_from(numbers).ok()?.map(u64::from_be_bytes))
}

/// The heads of all accounts.
pub(crate) fn heads() -> KeyRange {
    KeyRange::prefix(key(b'h', &[]))
}

pub(crate) fn head(label: &Digest) -> Bytes {
    key(b'h', label)
}

pub(crate) fn map(leaf: u64) -> Bytes {
    key(b'm', &leaf.to_be_bytes())
}

/// The heads of all accounts as of the leaves from `from` on and before `until`.
pub(crate) fn maps(from: u64, until: u64) -> KeyRange {
    KeyRange { start: map(from), end: Some(map(until)) }
}

/// The leaf that a row of [`maps`] is about.
pub(crate) fn leaf_of_map(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(2..)?.try_into().ok()?))
}

pub(crate) fn encode_head(head: &Head) -> Bytes {
    [&head.seq.to_be_bytes()[..], &head.hash].concat().into()
}

pub(crate) fn decode_head(key: &[u8], value: &[u8]) -> Option<(Digest, Head)> {
    let label = key.get(2..)?.try_into().ok()?;
    let (seq, head) = value.split_first_chunk()?;
    Some((label, Head { seq: u64::from_be_bytes(*seq), hash: head.try_into().ok()? }))
}

pub(crate) fn encode_map(map: &BTreeMap<Digest, Head>) -> Bytes {
    let mut bytes = BytesMut::with_capacity(map.len() * 72);
    for (label, head) in map {
        bytes.put_slice(label);
        bytes.put_u64(head.seq);
        bytes.put_slice(&head.hash);
    }
    bytes.freeze()
}

pub(crate) fn decode_map(bytes: &[u8]) -> Option<BTreeMap<Digest, Head>> {
    let (items, []) = bytes.as_chunks::<72>() else { return None };
    let item = |item: &[u8; 72]| {
        let (label, rest) = item.split_first_chunk::<32>()?;
        let (seq, head) = rest.split_first_chunk::<8>()?;
        let head = Head { seq: u64::from_be_bytes(*seq), hash: head.try_into().ok()? };
        Some((*label, head))
    };
    items.iter().map(item).collect()
}

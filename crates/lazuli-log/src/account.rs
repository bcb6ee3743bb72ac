//! The evidence about one account: its entries with the way to their segments' roots and all fields
//! opened, and the proved heads between which they are all.
//!
//! It is given in pages, so that no request holds more than a few megabytes. What a page holds are
//! the items of a bundle, as `docs/internals/journal.md` draws them, each behind its length in 32
//! bits; the leaves and tiles that they need are public, and are asked for like any others.
//!
//! ```text
//! page  = [2, label bstr32, first segment, end segment, next null | text,
//!          leaves bstr, entries bstr, heads bstr, [* [pseudonym bstr16, id text]]]
//! entry = [segment, index, count, path bstr, entry bstr, commitments bstr,
//!          [* [group, salt bstr16, value bstr]]]
//! head  = [leaf, label bstr32, null | seq, null | hash bstr32, proof]
//! ```
//!
//! Principals stand in entries under pseudonyms; the page tells those of its entries back, which takes
//! the account's key.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use lazuli_engine::{Row, Version};
use lazuli_evidence::cbor::{Reader, Writer};
use lazuli_evidence::spine::Leaf;
use lazuli_evidence::{
    DayKeys, Digest, Entry, Group, Place, Pseudonym, Record, Sealed, day_of, heads,
};
use lazuli_tlog::Hash;

use crate::admin::AdminLog;
use crate::keys::AccountKey;
use crate::principals::Principals;
use crate::recover::Progress;
use crate::rows::{self, SegmentRow};

/// The version of the layout of pages.
const VERSION: u64 = 2;

/// Bytes of entries after which a page ends.
const PAGE_BYTES: usize = 1024 * 1024;

/// Commits that are read for one page.
const COMMITS_MAX: usize = 65_536;

/// Segments that are looked at for one page.
const SEGMENTS_MAX: u64 = 4096;

/// Commits read at a time.
const COMMITS_PAGE: usize = 1024;

/// A place in the log: a segment and an index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The segment.
    pub segment: u64,
    /// The index of an entry in it.
    pub index: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.segment, self.index)
    }
}

/// A text that is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (segment, index) = text.split_once('.').ok_or(InvalidCursor)?;
        let number = |text: &str| text.parse().map_err(|_| InvalidCursor);
        Ok(Self { segment: number(segment)?, index: number(index)? })
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) account: String,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// Where the last page ended; `None` for the first one.
    pub(crate) at: Option<Cursor>,
    /// The segment before which the pages end, where the first one ended earlier than the log now.
    pub(crate) end: Option<u64>,
}

/// A part of the evidence about an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The account's label.
    pub label: Digest,
    /// The first segment that all pages together cover, and the one after the last.
    pub segments: (u64, u64),
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Cursor>,
    /// The leaves of the spine that the items need.
    pub leaves: Vec<u64>,
    /// Items of entries.
    pub entries: Vec<u8>,
    /// Items of heads; they are on the first page.
    pub heads: Vec<u8>,
    /// The ids behind the pseudonyms in the entries, as far as they are known.
    pub principals: BTreeMap<Pseudonym, String>,
}

impl Page {
    /// The bytes of the page.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.entries.len() + self.heads.len());
        let mut writer = Writer::new(&mut out);
        let (first, end) = self.segments;
        writer.array(9).uint(VERSION).bytes(&self.label).uint(first).uint(end);
        match self.next {
            Some(next) => writer.text(&next.to_string()),
            None => writer.null(),
        };
        let leaves: Vec<u8> = self.leaves.iter().flat_map(|leaf| leaf.to_be_bytes()).collect();
        writer.bytes(&leaves).bytes(&self.entries).bytes(&self.heads);
        writer.array(self.principals.len());
        for (pseudonym, id) in &self.principals {
            writer.array(2).bytes(pseudonym).text(id);
        }
        out
    }

    /// Reads a page; `None` if the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.array(9)?;
        if reader.uint()? != VERSION {
            return None;
        }
        let (label, segments) = (reader.bytes_of()?, (reader.uint()?, reader.uint()?));
        let next = if reader.null() { None } else { Some(reader.text()?.parse().ok()?) };
        let (leaves, rest) = reader.bytes()?.as_chunks::<8>();
        let leaves = leaves.iter().map(|leaf| u64::from_be_bytes(*leaf)).collect();
        let (entries, heads) = (reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
        let mut principals = BTreeMap::new();
        for _ in 0..reader.list()? {
            reader.array(2)?;
            principals.insert(reader.bytes_of()?, reader.text()?.to_owned());
        }
        reader.end()?;
        let page = Self { label, segments, next, leaves, entries, heads, principals };
        rest.is_empty().then_some(page)
    }

    /// Adds an item behind its length.
    fn push(file: &mut Vec<u8>, item: &[u8]) {
        file.extend_from_slice(&(item.len() as u32).to_be_bytes());
        file.extend_from_slice(item);
    }
}

/// The items in a file of them, each without its length; `None` if it is none.
pub fn items(mut file: &[u8]) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    while !file.is_empty() {
        let (length, rest) = file.split_first_chunk()?;
        let (item, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        items.push(item);
        file = rest;
    }
    Some(items)
}

/// The segments that a query is about, and the heads around them.
pub(crate) struct Window {
    /// The first segment, and the one after the last.
    segments: (u64, u64),
    /// The rows of the maps before and after.
    maps: Vec<Row>,
}

/// A closed segment whose entries are looked through.
struct Look {
    segment: u64,
    row: SegmentRow,
    /// The entries before this one are on other pages.
    from: u64,
}

impl AdminLog {
    /// One page of the evidence; `None` if it cannot be read.
    pub(crate) async fn page(&self, query: Query, window: Window) -> Option<Page> {
        let key = self.identity.keys.account(&query.account)?;
        let label = key.label(&query.account);
        let Window { segments: (first, end), maps } = window;
        let mut page = Page { label, segments: (first, end), ..Page::default() };
        if query.at.is_none() {
            for map in maps {
                page.leaves.push(rows::leaf_of_map(&map.key)?);
                Page::push(&mut page.heads, &head_item(&map, &label)?);
            }
        }
        let begin = Cursor { segment: first, index: 0 };
        let mut at = query.at.unwrap_or(begin).max(begin);
        let stop = end.min(at.segment.saturating_add(SEGMENTS_MAX));
        let (mut opener, mut commits) = (Opener::new(key, label), COMMITS_MAX);
        while at.segment < stop {
            let row = self.public.segment(at.segment).await?;
            if row.count > 0 {
                let look = Look { segment: at.segment, row, from: at.index };
                let before = page.entries.len();
                let next = self.look(&look, &mut opener, &mut page, &mut commits).await?;
                if page.entries.len() > before {
                    page.leaves.push(row.leaf);
                }
                if next < row.count {
                    page.next = Some(Cursor { segment: at.segment, index: next });
                    return Some(page);
                }
            }
            at = Cursor { segment: at.segment + 1, index: 0 };
        }
        page.next = (at.segment < end).then_some(at);
        Some(page)
    }

    /// Adds the account's entries of a segment to a page; the index up to which it came before the
    /// page was full.
    async fn look(
        &self,
        look: &Look,
        opener: &mut Opener<'_>,
        page: &mut Page,
        commits: &mut usize,
    ) -> Option<u64> {
        let mut from = look.row.first;
        let mut next = look.from;
        while from <= look.row.last {
            let rows = self.meta.journal(Version(from), COMMITS_PAGE).await.ok()?;
            from = rows.last()?.0.0 + 1;
            for stored in rows.iter().flat_map(|(_, entries)| entries) {
                let Some(record) = Record::decode(stored) else { continue };
                if record.seg != look.segment || record.index < next {
                    continue;
                }
                if page.entries.len() >= PAGE_BYTES {
                    return Some(record.index);
                }
                next = record.index + 1;
                let entry = Entry::decode(record.entry)?;
                if entry.label == opener.label {
                    // Asked for here, for most segments have no entry of the account.
                    let sealed = self.public.sealed(look.segment, look.row).await?;
                    let path = sealed.tree.inclusion_proof(record.index, look.row.count)?;
                    let item = opener.item(&record, &entry, (look.row.count, path))?;
                    Page::push(&mut page.entries, &item);
                    page.principals.extend(opener.principal.take());
                }
            }
            *commits = commits.saturating_sub(rows.len());
            if *commits == 0 {
                return Some(next);
            }
        }
        Some(look.row.count)
    }

    /// The segments that a query is about: from the last map of heads before the time asked about to
    /// the first one after it, so that completeness can be proved; `None` if there is no such account.
    pub(crate) async fn window(&self, query: &Query) -> Option<Window> {
        self.identity.keys.account(&query.account)?;
        let progress = self.meta.get(&rows::progress()).await.ok()??;
        let Progress { segments, size, .. } = Progress::decode(&progress.value)?;
        let first = self.first_after(query.from_ms, segments).await?;
        let last = self.first_after(query.to_ms, segments).await?;
        let mut window = Window { segments: (0, segments), maps: Vec::new() };
        let begin = if first < segments { self.public.segment(first).await?.leaf } else { size };
        if let Some(map) = self.map_before(begin).await?.pop() {
            window.segments.0 = self.covered(&map).await? + 1;
            window.maps.push(map);
        }
        let end = if last < segments { self.public.segment(last).await?.leaf } else { size };
        let after = self.meta.scan(rows::maps(end, u64::MAX), 1).await.ok()?.pop();
        if let Some(map) = after {
            window.segments.1 = self.covered(&map).await? + 1;
            window.maps.push(map);
        } else if let Some(map) = self.map_before(size).await?.pop()
            && window.maps.last().is_none_or(|known| known.key != map.key)
        {
            // What came after the last map is given, too, though no head covers it yet.
            window.maps.push(map);
        }
        window.segments.1 = window.segments.1.min(query.end.unwrap_or(u64::MAX));
        Some(window)
    }

    /// The first closed segment that ended at or after a time.
    async fn first_after(&self, t_ms: u64, segments: u64) -> Option<u64> {
        let (mut low, mut high) = (0, segments);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.public.segment(middle).await?;
            let leaf = self.meta.get(&rows::leaf(row.leaf)).await.ok()??;
            let Leaf::Segment(leaf) = Leaf::decode(&leaf.value)? else { return None };
            if leaf.t1_ms < t_ms { low = middle + 1 } else { high = middle }
        }
        Some(low)
    }

    /// The last map of heads before a leaf, or none. There is one a minute, so it is not far.
    async fn map_before(&self, leaf: u64) -> Option<Vec<Row>> {
        let mut back = 256_u64;
        loop {
            let from = leaf.saturating_sub(back);
            let mut maps = self.meta.scan(rows::maps(from, leaf), usize::MAX).await.ok()?;
            if !maps.is_empty() || from == 0 {
                maps.drain(..maps.len().saturating_sub(1));
                return Some(maps);
            }
            back = back.saturating_mul(4);
        }
    }

    /// The last segment that a map covers.
    async fn covered(&self, map: &Row) -> Option<u64> {
        let leaf = rows::leaf(rows::leaf_of_map(&map.key)?);
        let leaf = self.meta.get(&leaf).await.ok()??;
        let Leaf::Heads(heads) = Leaf::decode(&leaf.value)? else { return None };
        Some(heads.n)
    }
}

/// What a map says of an account, with the proof.
fn head_item(map: &Row, label: &Digest) -> Option<Vec<u8>> {
    let leaf = rows::leaf_of_map(&map.key)?;
    let map = rows::decode_map(&map.value)?;
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.array(5).uint(leaf).bytes(label);
    match map.get(label) {
        Some(head) => writer.uint(head.seq).bytes(&head.hash),
        None => writer.null().null(),
    };
    heads::prove(&map, label).encode_into(&mut out);
    Some(out)
}

/// Opens the entries of one account.
struct Opener<'k> {
    key: &'k AccountKey,
    label: Digest,
    days: DayKeys,
    sealed: Sealed,
    principals: Principals,
    /// Whose the last entry is.
    principal: Option<(Pseudonym, String)>,
}

impl<'k> Opener<'k> {
    fn new(key: &'k AccountKey, label: Digest) -> Self {
        let (days, principals) = (DayKeys::derive(&key.log_key, 0), Principals::new(&key.log_key));
        Self { key, label, days, sealed: Sealed::new(), principals, principal: None }
    }

    /// The item of an entry of the account; `None` if it is damaged.
    /// It comes with the number of entries of its segment, and the way to the segment's root.
    fn item(
        &mut self,
        record: &Record<'_>,
        entry: &Entry<'_>,
        (count, path): (u64, Vec<Hash>),
    ) -> Option<Vec<u8>> {
        if self.days.day() != day_of(entry.t_ms) {
            self.days = DayKeys::derive(&self.key.log_key, day_of(entry.t_ms));
        }
        let place = Place { label: entry.label, boot: entry.boot, seq: entry.seq };
        let values = self.sealed.open(&self.days, &place, &record.sealed);
        if self.sealed.fields_root() != entry.fields_root {
            return None;
        }
        let said = &values[Group::Principal.place()];
        let known = self.principals.id_of(&self.key.log_key, entry.t_ms, said);
        self.principal = known.map(|(pseudonym, id)| (pseudonym, id.to_owned()));
        let path: Vec<Digest> = path.into_iter().map(|hash| hash.0).collect();
        let length: usize = values.iter().map(|value| value.len() + 32).sum();
        let mut out = Vec::with_capacity(640 + path.len() * 32 + length);
        let mut writer = Writer::new(&mut out);
        writer.array(7).uint(record.seg).uint(record.index).uint(count);
        writer.bytes(path.as_flattened()).bytes(record.entry);
        writer.bytes(self.sealed.commitments().as_flattened()).array(values.len());
        for ((group, salt), value) in (1..).zip(self.sealed.salts()).zip(&values) {
            writer.array(3).uint(group).bytes(salt).bytes(value);
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_back_as_it_was_and_nothing_shorter_does() {
        let next = Some(Cursor { segment: 5, index: 7 });
        let (entries, heads) = (vec![0, 0, 0, 1, 9], vec![]);
        let (label, segments, leaves) = ([1; 32], (3, 9), vec![1, 1 << 40]);
        let principals = BTreeMap::from([([3; 16], "key1".to_owned())]);
        let page = Page { label, segments, next, leaves, entries, heads, principals };
        let bytes = page.encode();
        assert_eq!(Page::decode(&bytes), Some(page.clone()));
        for length in 0..bytes.len() {
            assert_eq!(Page::decode(&bytes[..length]), None);
        }
        let last = Page { next: None, ..page };
        assert_eq!(Page::decode(&last.encode()), Some(last));
        assert_eq!(items(b"\0\0\0\x01a\0\0\0\0"), Some(vec![b"a".as_slice(), b""]));
        assert_eq!(items(b"\0\0\0\x02a"), None);
        for text in ["", "1", "1.", ".1", "1.x", "1.1.1"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}

//! Find Blobs by Tags: reads of the tag index, each candidate held against its blob.
//!
//! The index rows of one value of one tag lie in the order of their blobs, so that any number of
//! equalities are joined by seeking each in turn to where another has got: what a search costs
//! follows the rarest of them. Where a range of values is rarer than that, its rows are read
//! instead; a look at the first rows of each term tells. A page takes a bounded number of steps and
//! may end early with a marker, which also says the way it came.

use std::collections::HashMap;
use std::ops::Bound;

use bytes::Bytes;
use lazuli_engine::{KeyRange, Row};
use lazuli_model::tag_expression::{FindExpression, FindTerm};
use lazuli_model::tags::TagSet;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blocks::following;
use crate::list::{Page, bad_marker};
use crate::rows::{BlobRow, Stored, TagRow};
use crate::schema::{self, ContainerId};
use crate::txn::damaged;

/// Steps one page takes: rows of the index that are sought or looked at.
const STEPS_MAX: usize = 20_000;

/// Index rows of a range read at a time.
const INDEX_ROWS: usize = 512;

/// Index rows read after a seek.
const SOUGHT_ROWS: usize = 8;

/// Index rows of each term that are looked at to tell which term is rare: a few, then more.
const PROBES: [usize; 2] = [32, 1024];

/// A blob that was found.
#[derive(Clone, Debug)]
pub struct FoundBlob {
    /// Its container.
    pub container: String,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: TagSet,
}

/// Where and what to find.
#[derive(Clone, Copy, Debug)]
pub struct FindQuery<'a> {
    /// The account.
    pub account: &'a str,
    /// The container, if only one is searched.
    pub container: Option<&'a str>,
    /// The expression.
    pub expression: &'a FindExpression,
    /// Where the page begins.
    pub position: Option<&'a [u8]>,
    /// Most blobs of the page.
    pub max: usize,
}

/// The way a search takes through the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The equalities are joined.
    Join,
    /// The rows of this term's range are read.
    Range(usize),
}

impl Way {
    /// The marker's position: the way, then the place on it.
    fn position(self, place: &[u8]) -> Vec<u8> {
        let way = match self {
            Self::Join => 0,
            Self::Range(term) => 1 + term as u8,
        };
        [&[way], place].concat()
    }

    /// The way and place of a position, which anybody may have made.
    fn of<'p>(position: &'p [u8], terms: &[FindTerm]) -> Result<(Self, &'p [u8]), Refusal> {
        let way = match position.split_first() {
            Some((0, place)) if terms.iter().any(|term| equality(term).is_some()) => {
                Some((Self::Join, place))
            }
            Some((&way, place)) if way > 0 && usize::from(way) <= terms.len() => {
                Some((Self::Range(usize::from(way) - 1), place))
            }
            _ => None,
        };
        way.ok_or_else(bad_marker)
    }
}

impl Store {
    /// A page of the blobs whose tags match, in the order of the index.
    pub async fn find_blobs(&self, query: &FindQuery<'_>) -> Result<Page<FoundBlob>, Refusal> {
        let terms = query.expression.terms();
        if terms.is_empty() {
            return Err(Refusal::query_value("where", "", "No tag is compared."));
        }
        let from = query.position.map(|position| Way::of(position, terms)).transpose()?;
        let container = query.container.or(query.expression.container());
        let only = match container {
            None => None,
            Some(name) => match self.find_container(query.account, name).await? {
                Some(row) => Some(row.id),
                None if query.container.is_some() => {
                    return Err(ErrorCode::ContainerNotFound.into());
                }
                None => return Ok(Page { items: Vec::new(), next: None }),
            },
        };
        let (way, place) = match from {
            Some(from) => from,
            None => (self.way(query.account, terms, only).await?, &[][..]),
        };
        let mut search = Search {
            store: self,
            query,
            only,
            alive: HashMap::new(),
            page: Page { items: Vec::new(), next: None },
        };
        match way {
            Way::Join => search.join(place).await?,
            Way::Range(term) => search.read(term, place).await?,
        }
        Ok(search.page)
    }

    /// The way to the term with the fewest rows, as far as a look at the first of them tells.
    async fn way(
        &self,
        account: &str,
        terms: &[FindTerm],
        only: Option<ContainerId>,
    ) -> Result<Way, Refusal> {
        let way_of = |index: usize| match terms.get(index).and_then(equality) {
            Some(_) => Way::Join,
            None => Way::Range(index),
        };
        if terms.iter().all(|term| equality(term).is_some()) {
            return Ok(Way::Join);
        }
        for limit in PROBES {
            for (index, term) in terms.iter().enumerate() {
                let range = index_range(account, term, only);
                if is_empty(&range) || self.rows(range, limit).await?.len() < limit {
                    return Ok(way_of(index));
                }
            }
        }
        let first = terms.iter().position(|term| equality(term).is_some());
        Ok(way_of(first.unwrap_or_default()))
    }
}

/// A search on its way.
struct Search<'s> {
    store: &'s Store,
    query: &'s FindQuery<'s>,
    only: Option<ContainerId>,
    /// Containers that were looked up: index rows of a deleted one stay until the collector comes.
    alive: HashMap<ContainerId, bool>,
    page: Page<FoundBlob>,
}

impl Search<'_> {
    /// Joins the equalities from `place` on: container id and blob name, the end of an index key.
    async fn join(&mut self, place: &[u8]) -> Result<(), Refusal> {
        let account = self.query.account;
        let mut cursors = Vec::new();
        for term in self.query.expression.terms() {
            let Some(value) = equality(term) else { continue };
            let prefix = schema::tag_prefix(account, &term.key, Some(value));
            let end = index_range(account, term, self.only).end;
            cursors.push(Cursor { prefix, end, rows: Vec::new(), at: 0, ended: false });
        }
        let first = self.only.map(|id| id.0.to_be_bytes());
        let mut target = place.max(first.as_ref().map_or(&[][..], |id| &id[..])).to_vec();
        let mut steps = 0;
        loop {
            let mut agreed = 0;
            let mut turn = 0;
            let row = loop {
                let Some(cursor) = cursors.get_mut(turn) else { return Ok(()) };
                let Some(row) = cursor.seek(self.store, &target).await? else { return Ok(()) };
                let found = row.key.get(cursor.prefix.len()..).unwrap_or_default();
                if found == &*target {
                    agreed += 1;
                } else {
                    target = found.to_vec();
                    agreed = 1;
                }
                if agreed == cursors.len() {
                    break row;
                }
                turn = (turn + 1) % cursors.len();
                steps += 1;
            };
            steps += 1;
            if self.page.items.len() == self.query.max || steps > STEPS_MAX {
                self.page.next = Some(Way::Join.position(&target));
                return Ok(());
            }
            self.take(&row).await?;
            target.push(0);
        }
    }

    /// Reads the rows of a term's range from the key at `place` on.
    async fn read(&mut self, term: usize, place: &[u8]) -> Result<(), Refusal> {
        let Some(driver) = self.query.expression.terms().get(term) else { return Ok(()) };
        let mut range = index_range(self.query.account, driver, self.only);
        range.start = range.start.max(Bytes::copy_from_slice(place));
        let mut steps = 0;
        while !is_empty(&range) {
            let rows = self.store.rows(range.clone(), INDEX_ROWS).await?;
            for row in &rows {
                if self.page.items.len() == self.query.max || steps == STEPS_MAX {
                    self.page.next = Some(Way::Range(term).position(&row.key));
                    return Ok(());
                }
                steps += 1;
                self.take(row).await?;
            }
            match rows.last() {
                Some(last) if rows.len() == INDEX_ROWS => range.start = following(&last.key),
                _ => break,
            }
        }
        Ok(())
    }

    /// Takes the blob of an index row, if it is there and matches.
    async fn take(&mut self, row: &Row) -> Result<(), Refusal> {
        let Some((_, id, name)) = schema::tag_parts(&row.key) else { return Ok(()) };
        if self.only.is_some_and(|only| only != id) {
            return Ok(());
        }
        let TagRow { container } = TagRow::decode(&row.value).map_err(|error| damaged(&error))?;
        let alive = if let Some(alive) = self.alive.get(&id) {
            *alive
        } else {
            let found = self.store.find_container(self.query.account, &container).await?;
            let alive = found.is_some_and(|found| found.id == id);
            self.alive.insert(id, alive);
            alive
        };
        if !alive {
            return Ok(());
        }
        let blob: Option<BlobRow> = self.store.row(&schema::blob(id, name, None)).await?;
        let expression = self.query.expression;
        let matching =
            blob.filter(|blob| blob.committed && expression.matches(&container, &blob.tags));
        self.page.items.extend(matching.map(|blob| FoundBlob {
            container,
            name: name.to_owned(),
            tags: blob.tags,
        }));
        Ok(())
    }
}

/// The index rows of one value of one tag, read in order and ahead as far as that pays.
struct Cursor {
    prefix: Bytes,
    end: Option<Bytes>,
    rows: Vec<Row>,
    /// Where among `rows` the cursor is.
    at: usize,
    /// Whether no row follows those read.
    ended: bool,
}

impl Cursor {
    /// The first row whose key ends with `target` or something after it; never one before the last.
    async fn seek(&mut self, store: &Store, target: &[u8]) -> Result<Option<Row>, Refusal> {
        let skip = self.prefix.len();
        let rest = self.rows.get(self.at..).unwrap_or_default();
        self.at += rest.partition_point(|row| row.key.get(skip..).unwrap_or_default() < target);
        if let Some(row) = self.rows.get(self.at) {
            return Ok(Some(row.clone()));
        }
        let range =
            KeyRange { start: [&*self.prefix, target].concat().into(), end: self.end.clone() };
        if self.ended || is_empty(&range) {
            return Ok(None);
        }
        // Rows that were used one after the other are likely to be used on.
        let next_to_last = self.rows.last().is_some_and(|last| range.start == following(&last.key));
        let limit = if next_to_last { (self.rows.len() * 4).min(INDEX_ROWS) } else { SOUGHT_ROWS };
        self.rows = store.rows(range, limit).await?;
        self.at = 0;
        self.ended = self.rows.len() < limit;
        Ok(self.rows.first().cloned())
    }
}

/// The value a term asks for, if it asks for one.
fn equality(term: &FindTerm) -> Option<&str> {
    match (&term.lower, &term.upper) {
        (Bound::Included(lower), Bound::Included(upper)) if lower == upper => Some(lower),
        _ => None,
    }
}

fn is_empty(range: &KeyRange) -> bool {
    range.end.as_ref().is_some_and(|end| range.start >= *end)
}

/// The index rows that can match a term.
fn index_range(account: &str, term: &FindTerm, only: Option<ContainerId>) -> KeyRange {
    let prefix = |value: &str| schema::tag_prefix(account, &term.key, Some(value));
    if let Some(value) = equality(term) {
        let mut key = prefix(value).to_vec();
        if let Some(id) = only {
            key.extend_from_slice(&id.0.to_be_bytes());
        }
        return KeyRange::prefix(key);
    }
    let whole = KeyRange::prefix(schema::tag_prefix(account, &term.key, None));
    let start = match &term.lower {
        Bound::Included(value) => prefix(value),
        Bound::Excluded(value) => KeyRange::after_prefix(&prefix(value)).unwrap_or_default(),
        Bound::Unbounded => whole.start,
    };
    let end = match &term.upper {
        Bound::Included(value) => KeyRange::after_prefix(&prefix(value)),
        Bound::Excluded(value) => Some(prefix(value)),
        Bound::Unbounded => whole.end,
    };
    KeyRange { start, end }
}

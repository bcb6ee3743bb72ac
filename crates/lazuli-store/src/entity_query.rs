//! Queries of entities: a filter's bounds on the keys become the range that is read; what is in it
//! is held against the filter, in bounded pages of one point in time each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazuli_engine::{KeyRange, Row};
use lazuli_model::entity::{EntityKey, KeySpan, Properties};
use lazuli_model::filter::{Bounds, EntityRecord, Filter, Reach};
use lazuli_model::names::TableName;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::entity::Entity;
use crate::rows::{EntityRow, Stored as _};
use crate::schema::{self, TableId};
use crate::txn::{damaged, unavailable};

/// Most entities of a page.
pub const PAGE_MAX: usize = 1000;
/// Rows that a page looks at, however few match.
const EXAMINED_ROWS_MAX: usize = 20_000;
/// Bytes of rows that a page looks at, however few match.
const EXAMINED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Comparisons of a filter beyond which a row counts more than once, and once more for as many
/// again: the service itself promises to take 15.
const COMPARISONS: usize = 16;
/// Bytes of matching rows after which a page ends.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows of the first read of a page.
const ROWS_AT_FIRST: usize = 16;

/// What a query asks for.
#[derive(Clone, Copy, Debug)]
pub struct EntityQuery<'a> {
    /// What an entity has to match.
    pub filter: Option<&'a Filter>,
    /// The keys that the caller may see.
    pub span: &'a KeySpan,
    /// Where the page begins.
    pub from: Option<&'a EntityKey>,
    /// Most entities of the page.
    pub max: usize,
}

/// A page of entities.
#[derive(Clone, Debug)]
pub struct EntityPage {
    /// The name of the table, in the case it was made with.
    pub table: String,
    /// The entities, in the order of their keys.
    pub items: Vec<Entity>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<EntityKey>,
}

impl Store {
    /// A page of a table's entities. `TableNotFound` if there is no such table.
    pub async fn query_entities(
        &self,
        account: &str,
        table: &TableName,
        query: &EntityQuery<'_>,
    ) -> Result<EntityPage, Refusal> {
        let table = self.get_table(account, table).await?;
        let end = |items| EntityPage { table: table.name.clone(), items, next: None };
        let Some(range) = range_of(table.id, query) else { return Ok(end(Vec::new())) };
        // Most pages are short: one small read, where the caller is, tells.
        let limit = ROWS_AT_FIRST.min(query.max + 1);
        let rows = self.rows(range.clone(), limit).await?;
        let mut reading = Reading::new(query);
        let goes_on = rows.iter().all(|row| reading.take(row));
        if goes_on && rows.len() == limit {
            // What was read is of a moment that is over. A page is of one moment, or it could have
            // a part of a transaction: it is read anew.
            reading = self.read_page(range, query).await?;
        }
        let Reading { items, next, failed, .. } = reading;
        match failed {
            Some(refusal) => Err(refusal),
            None => Ok(EntityPage { next, ..end(items) }),
        }
    }

    /// Reads a page from one point in time, however many rows it takes.
    async fn read_page(
        &self,
        range: KeyRange,
        query: &EntityQuery<'_>,
    ) -> Result<Reading, Refusal> {
        let reading = Arc::new(Mutex::new(Reading::new(query)));
        let readers = Arc::clone(&reading);
        let visitor = move |row| lock(&readers).take(&row);
        let visited = self.meta.visit(range, Box::new(visitor)).await;
        visited.map_err(|error| unavailable(&error))?;
        Ok(std::mem::take(&mut *lock(&reading)))
    }
}

fn lock(reading: &Mutex<Reading>) -> MutexGuard<'_, Reading> {
    reading.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A page being read.
#[derive(Default)]
struct Reading {
    filter: Option<Filter>,
    max: usize,
    /// How many rows a row counts as.
    weight: usize,
    rows_left: usize,
    bytes_left: usize,
    page_bytes: usize,
    items: Vec<Entity>,
    next: Option<EntityKey>,
    failed: Option<Refusal>,
}

impl Reading {
    fn new(query: &EntityQuery<'_>) -> Self {
        Self {
            filter: query.filter.cloned(),
            max: query.max,
            weight: 1 + query.filter.map_or(0, Filter::comparisons) / COMPARISONS,
            rows_left: EXAMINED_ROWS_MAX,
            bytes_left: EXAMINED_BYTES_MAX,
            page_bytes: PAGE_BYTES_MAX,
            ..Self::default()
        }
    }

    /// Takes the next row. `false` if the page ends with it, or before it.
    fn take(&mut self, row: &Row) -> bool {
        let (key, entity) = match read(row) {
            Ok(found) => found,
            Err(refusal) => {
                self.failed = Some(refusal);
                return false;
            }
        };
        let full = self.items.len() == self.max || self.page_bytes == 0;
        if full || self.rows_left == 0 || self.bytes_left == 0 {
            self.next = Some(key);
            return false;
        }
        self.rows_left = self.rows_left.saturating_sub(self.weight);
        self.bytes_left = self.bytes_left.saturating_sub(row.value.len() * self.weight);
        let properties = Properties::trusted(entity.properties);
        let timestamp = entity.timestamp;
        let record = EntityRecord { key: &key, timestamp, properties: &properties };
        if self.filter.as_ref().is_none_or(|filter| filter.matches(&record)) {
            self.page_bytes = self.page_bytes.saturating_sub(row.value.len());
            self.items.push(Entity { key, timestamp, properties });
        }
        true
    }
}

fn read(row: &Row) -> Result<(EntityKey, EntityRow), Refusal> {
    let Some((_, key)) = schema::entity_parts(&row.key) else {
        return Err(Refusal::new(ErrorCode::InternalError)
            .with_cause(format!("an entity's key does not parse: {:02x?}", row.key)));
    };
    Ok((key, EntityRow::decode(&row.value).map_err(|error| damaged(&error))?))
}

/// The rows a page may touch; `None` if there are none.
fn range_of(table: TableId, query: &EntityQuery<'_>) -> Option<KeyRange> {
    let reach = query.filter.map(Filter::reach).unwrap_or_default();
    if reach.is_empty() {
        return None;
    }
    let whole = schema::entities(table);
    let mut start = whole.start;
    let mut end = whole.end;
    if let Some((partition, row)) = &query.span.first {
        let row = row.as_deref().unwrap_or_default();
        start = start.max(schema::entity(table, &EntityKey::new(partition.as_str(), row)));
    }
    if let Some((partition, row)) = &query.span.last {
        end_by(&mut end, end_at(table, partition, row.as_deref()));
    }
    start = start.max(reach_start(table, &reach));
    if let Some(last) = reach_end(table, &reach) {
        end_by(&mut end, last);
    }
    if let Some(from) = query.from {
        start = start.max(schema::entity(table, from));
    }
    let empty = end.as_ref().is_some_and(|end| start >= *end);
    (!empty).then_some(KeyRange { start, end })
}

/// Ends a range no later than at `other`.
fn end_by(end: &mut Option<Bytes>, other: Bytes) {
    if end.as_ref().is_none_or(|end| other < *end) {
        *end = Some(other);
    }
}

/// The first key after an entity, or after a whole partition.
fn end_at(table: TableId, partition: &str, row: Option<&str>) -> Bytes {
    match row {
        Some(row) => {
            crate::blocks::following(&schema::entity(table, &EntityKey::new(partition, row)))
        }
        None => schema::after_partition(table, partition),
    }
}

/// The first key that the reach has. Bounds of row keys narrow it within a single partition only.
fn reach_start(table: TableId, reach: &Reach) -> Bytes {
    let partition = reach.partition.first.as_deref().unwrap_or_default();
    let row = reach.row.first.as_deref().filter(|_| reach.partition.exact().is_some());
    schema::entity(table, &EntityKey::new(partition, row.unwrap_or_default()))
}

/// The first key after those that the reach has; `None` if it has no end.
///
/// A zero character, which no key has, would be taken for the end of the partition key.
fn reach_end(table: TableId, reach: &Reach) -> Option<Bytes> {
    let Bounds { last, .. } = &reach.partition;
    let partition = last.as_deref().filter(|last| !last.contains('\0'))?;
    let row = reach.row.last.as_deref().filter(|_| reach.partition.exact().is_some());
    Some(end_at(table, partition, row))
}

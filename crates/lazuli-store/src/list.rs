//! Listings: a page is a bounded number of range reads that skip what they do not return.
//!
//! The key order of blob rows is the listing order, so a page begins where the marker says and ends
//! when it is full, wherever in the container that is. Under a delimiter everything behind a common
//! prefix is passed over by seeking to the first key after it, and so are the snapshots of a blob
//! when they are not asked for.

use bytes::{Bytes, BytesMut};
use lazuli_base::Timestamp;
use lazuli_engine::KeyRange;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::rows::{BlobRow, ContainerRow, Stored};
use crate::schema::{self, ContainerId};
use crate::txn::damaged;

/// Rows of the same blob or prefix that are passed over one by one before seeking past the rest.
const PASSED_MAX: usize = 8;

/// Rows read after seeking, and at first where something may have to be passed over.
const SEEKING_ROWS: usize = 16;

/// How many times more rows are read after rows of which none had to be passed over.
const GROWTH: usize = 4;

/// What a listing of blobs is asked for.
#[derive(Clone, Copy, Debug)]
pub struct BlobQuery<'a> {
    /// Only names that begin with this.
    pub prefix: &'a str,
    /// Names that go on after the prefix with something and this are told as one prefix.
    pub delimiter: Option<&'a str>,
    /// Where the page begins: the position an earlier page ended with.
    pub position: Option<&'a [u8]>,
    /// Only names from this on.
    pub start_from: Option<&'a str>,
    /// Only names before this.
    pub end_before: Option<&'a str>,
    /// Most items of the page.
    pub max: usize,
    /// Whether snapshots are listed.
    pub snapshots: bool,
    /// Whether names that have uncommitted blocks only are listed.
    pub uncommitted: bool,
}

/// An item of a listing of blobs.
#[derive(Clone, Debug)]
pub enum Listed {
    /// A blob or snapshot.
    Blob {
        /// Its name.
        name: String,
        /// The snapshot's time.
        snapshot: Option<Timestamp>,
        /// Its row.
        row: Box<BlobRow>,
    },
    /// Names with this prefix in common.
    Prefix(String),
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Vec<u8>>,
}

impl Store {
    /// A page of an account's containers whose names begin with `prefix`.
    pub async fn list_containers(
        &self,
        account: &str,
        prefix: &str,
        position: Option<&[u8]>,
        max: usize,
    ) -> Result<Page<(String, ContainerRow)>, Refusal> {
        let mut range = schema::containers(account, prefix);
        if let Some(position) = position {
            let name = std::str::from_utf8(position).map_err(|_| bad_marker())?;
            range.start = range.start.max(schema::container(account, name));
        }
        if range.end.as_ref().is_some_and(|end| range.start >= *end) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let mut page = Page { items: Vec::new(), next: None };
        for row in self.rows(range, max + 1).await? {
            let name = schema::container_name(&row.key).unwrap_or_default().to_owned();
            if page.items.len() == max {
                page.next = Some(name.into_bytes());
                break;
            }
            let container = ContainerRow::decode(&row.value).map_err(|error| damaged(&error))?;
            page.items.push((name, container));
        }
        Ok(page)
    }

    /// A page of a container's blobs.
    pub async fn list_blobs(
        &self,
        container: ContainerId,
        query: &BlobQuery<'_>,
    ) -> Result<Page<Listed>, Refusal> {
        let mut listing = Listing {
            query,
            range: range_of(container, query),
            page: Page { items: Vec::new(), next: None },
        };
        // What is read follows what is returned: where rows are passed over, few are read at once.
        let passes = query.delimiter.is_some() || !query.snapshots;
        let mut most = if passes { SEEKING_ROWS } else { usize::MAX };
        while listing.page.next.is_none() && !listing.range_is_empty() {
            let limit = (query.max + 1 - listing.page.items.len()).min(most);
            let rows = self.rows(listing.range.clone(), limit).await?;
            let exhausted = rows.len() < limit;
            let sought = listing.take(&rows)?;
            if !sought {
                if exhausted {
                    break;
                }
                if let Some(last) = rows.last() {
                    listing.range.start = crate::blocks::following(&last.key);
                }
            }
            most = if sought { SEEKING_ROWS } else { most.saturating_mul(GROWTH) };
        }
        Ok(listing.page)
    }
}

struct Listing<'q> {
    query: &'q BlobQuery<'q>,
    range: KeyRange,
    page: Page<Listed>,
}

impl Listing<'_> {
    fn range_is_empty(&self) -> bool {
        self.range.end.as_ref().is_some_and(|end| self.range.start >= *end)
    }

    /// Takes rows in order. `true` if the next read begins elsewhere than behind the last of them.
    fn take(&mut self, rows: &[lazuli_engine::Row]) -> Result<bool, Refusal> {
        let mut passed = 0;
        let mut pass_until: Option<Bytes> = None;
        for row in rows {
            if let Some(until) = &pass_until {
                if row.key < *until {
                    passed += 1;
                    if passed > PASSED_MAX {
                        self.range.start = until.clone();
                        return Ok(true);
                    }
                    continue;
                }
                pass_until = None;
            }
            passed = 0;
            let Some((name, snapshot)) = schema::blob_name(&row.key) else {
                return Err(Refusal::new(ErrorCode::InternalError)
                    .with_cause(format!("a blob's key does not parse: {:02x?}", row.key)));
            };
            let item = if let Some(prefix) = self.common_prefix(name) {
                let head = row.key.get(..9).unwrap_or_default();
                pass_until = KeyRange::after_prefix(&[head, prefix.as_bytes()].concat());
                Listed::Prefix(prefix.to_owned())
            } else if snapshot.is_some() && !self.query.snapshots {
                pass_until = schema::container_of(&row.key).map(|id| schema::blob(id, name, None));
                continue;
            } else {
                let decoded = BlobRow::decode(&row.value).map_err(|error| damaged(&error))?;
                if !decoded.committed && !self.query.uncommitted {
                    continue;
                }
                Listed::Blob { name: name.to_owned(), snapshot, row: Box::new(decoded) }
            };
            if self.page.items.len() == self.query.max {
                self.page.next = row.key.get(9..).map(<[u8]>::to_vec);
                return Ok(true);
            }
            self.page.items.push(item);
        }
        if let Some(until) = pass_until {
            self.range.start = until;
            return Ok(true);
        }
        Ok(false)
    }

    /// The part of a name up to the first delimiter after the listing's prefix.
    fn common_prefix<'n>(&self, name: &'n str) -> Option<&'n str> {
        let delimiter = self.query.delimiter?;
        let from = self.query.prefix.len();
        let found = name.get(from..)?.find(delimiter)?;
        name.get(..from + found + delimiter.len())
    }
}

/// The keys a page may touch.
fn range_of(container: ContainerId, query: &BlobQuery<'_>) -> KeyRange {
    let mut range = schema::blobs(container, query.prefix);
    if let Some(position) = query.position {
        let mut start = BytesMut::from(schema::blobs(container, "").start.as_ref());
        start.extend_from_slice(position);
        range.start = range.start.max(start.freeze());
    } else if let Some(name) = query.start_from {
        range.start = range.start.max(schema::blobs(container, name).start);
    }
    if let Some(name) = query.end_before {
        let end = schema::blobs(container, name).start;
        range.end = Some(range.end.map_or(end.clone(), |before| before.min(end)));
    }
    range
}

pub(crate) fn bad_marker() -> Refusal {
    Refusal::query_value("marker", "", "The marker is not one this server gave.")
}

//! Find Blobs by Tags: range reads of the tag index, each candidate held against its blob.
//!
//! One term of the expression drives the read, an equality if there is one; the others are checked
//! on the blob's tags. A page reads a bounded number of candidates and may end early with a marker.

use std::ops::Bound;

use bytes::Bytes;
use lazuli_engine::KeyRange;
use lazuli_model::tag_expression::{FindExpression, FindTerm};
use lazuli_model::tags::TagSet;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::list::Page;
use crate::rows::{BlobRow, Stored, TagRow};
use crate::schema::{self, ContainerId};
use crate::txn::damaged;

/// Candidates one page looks at.
const CANDIDATES_MAX: usize = 20_000;

/// Index rows read at a time.
const INDEX_ROWS: usize = 512;

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

impl Store {
    /// A page of the blobs whose tags match.
    pub async fn find_blobs(&self, query: &FindQuery<'_>) -> Result<Page<FoundBlob>, Refusal> {
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
        let Some(driver) = driver(query.expression) else {
            return Err(Refusal::query_value("where", "", "No tag is compared."));
        };
        let mut range = index_range(query.account, driver, only);
        if let Some(position) = query.position {
            range.start = range.start.max(Bytes::copy_from_slice(position));
        }
        let mut page = Page { items: Vec::new(), next: None };
        let mut looked_at = 0;
        while range.end.as_ref().is_none_or(|end| range.start < *end) {
            let rows = self.rows(range.clone(), INDEX_ROWS).await?;
            for row in &rows {
                if page.items.len() == query.max || looked_at == CANDIDATES_MAX {
                    page.next = Some(row.key.to_vec());
                    return Ok(page);
                }
                looked_at += 1;
                page.items.extend(self.candidate(query, only, row).await?);
            }
            match rows.last() {
                Some(last) if rows.len() == INDEX_ROWS => {
                    range.start = crate::blocks::following(&last.key);
                }
                _ => break,
            }
        }
        Ok(page)
    }

    /// The blob of an index row, if it is there and matches.
    async fn candidate(
        &self,
        query: &FindQuery<'_>,
        only: Option<ContainerId>,
        row: &lazuli_engine::Row,
    ) -> Result<Option<FoundBlob>, Refusal> {
        let Some((_, id, name)) = schema::tag_parts(&row.key) else { return Ok(None) };
        if only.is_some_and(|only| only != id) {
            return Ok(None);
        }
        let TagRow { container } = TagRow::decode(&row.value).map_err(|error| damaged(&error))?;
        // Index rows of a deleted container stay until the collector comes by.
        let alive = self.find_container(query.account, &container).await?;
        if alive.is_none_or(|alive| alive.id != id) {
            return Ok(None);
        }
        let blob: Option<BlobRow> = self.row(&schema::blob(id, name, None)).await?;
        let matching =
            blob.filter(|blob| blob.committed && query.expression.matches(&container, &blob.tags));
        Ok(matching.map(|blob| FoundBlob { container, name: name.to_owned(), tags: blob.tags }))
    }
}

/// The term whose index rows are read: the one that is likely to have the fewest.
fn driver(expression: &FindExpression) -> Option<&FindTerm> {
    let terms = expression.terms();
    terms.iter().find(|term| equality(term).is_some()).or(terms.first())
}

/// The value a term asks for, if it asks for one.
fn equality(term: &FindTerm) -> Option<&str> {
    match (&term.lower, &term.upper) {
        (Bound::Included(lower), Bound::Included(upper)) if lower == upper => Some(lower),
        _ => None,
    }
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

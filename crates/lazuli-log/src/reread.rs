//! The entries of a closed segment, read once more before its root is signed: a bit that flipped in
//! memory or on the disk must not become what everybody is shown.

use lazuli_engine::{Meta, MetaError};
use lazuli_evidence::leaf_hash;
use lazuli_tlog::{Frontier, Hash, TreeHead};

use crate::rows::SegmentRow;
use crate::stored::records;

/// Commits read at a time: few enough that the store reads them without another thread.
const COMMITS: usize = 256;

/// Why a segment was not read as it was entered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RereadError {
    /// What is stored is not what was entered; the text says where.
    Damaged(String),
    /// The store cannot be read now.
    Unavailable(String),
}

/// Holds the entries of segment `n`, as they are stored, against the root of those that were entered.
pub(crate) async fn check(
    meta: &dyn Meta,
    n: u64,
    row: &SegmentRow,
    root: &[u8; 32],
) -> Result<(), RereadError> {
    let damaged = |what: String| RereadError::Damaged(format!("segment {n}: {what}"));
    let (mut tree, mut in_place) = (Frontier::new(), true);
    let read = records(meta, (n, row), COMMITS, |record| {
        in_place &= tree.append(Hash(leaf_hash(record.entry))) == record.index;
    });
    read.await.map_err(|error| match error {
        MetaError::Unavailable(why) => RereadError::Unavailable(why),
        error => damaged(error.to_string()),
    })?;
    if in_place && tree.head() == (TreeHead { size: row.count, root: Hash(*root) }) {
        return Ok(());
    }
    let (stored, entered) = (tree.head().size, row.count);
    Err(damaged(format!("the {stored} stored entries are not the {entered} that were entered")))
}

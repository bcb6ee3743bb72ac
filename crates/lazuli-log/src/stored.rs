//! The entries of a closed segment, as the journal holds them.

use lazuli_engine::{Meta, MetaError, Version};
use lazuli_evidence::Record;

use crate::rows::SegmentRow;

/// Gives the records of segment `n` to `each`, in the order they are stored. `commits` are read at a
/// time: a few are read by the store without another thread.
///
/// What is no record was committed while nobody wrote the log. Whether all are there, and in their
/// places, is for whoever takes them to see.
pub(crate) async fn records(
    meta: &dyn Meta,
    (n, row): (u64, &SegmentRow),
    commits: usize,
    mut each: impl FnMut(Record<'_>),
) -> Result<(), MetaError> {
    let mut from = row.first;
    while row.count > 0 && from <= row.last {
        let left = usize::try_from(row.last - from + 1).unwrap_or(usize::MAX);
        let page = meta.journal(Version(from), commits.min(left)).await?;
        let Some((last, _)) = page.last() else { break };
        from = last.0 + 1;
        for stored in page.iter().flat_map(|(_, stored)| stored) {
            if let Some(record) = Record::decode(stored).filter(|record| record.seg == n) {
                each(record);
            }
        }
    }
    Ok(())
}

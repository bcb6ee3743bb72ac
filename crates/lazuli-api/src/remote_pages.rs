//! The pages of a page blob on another server. Which it has is asked of it first, a part of the list at
//! a time, and only these are read, so that a blob that is mostly empty is copied in a moment and its
//! copy is as empty.
//!
//! The place up to which the list was worked off is kept with the copy: from there it goes on after a
//! crash.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-page-ranges>

use bytes::{Bytes, BytesMut};
use lazuli_fetch::FetchError;
use lazuli_store::pages::PageRange;
use lazuli_store::remote_copy::RemoteCopy;
use lazuli_wire::body::page_list::{self, PageListRange};

use crate::remote_copies::{Incoming, RemoteCopies, Trouble, ask, changed};

/// Most ranges in a part of the list that is asked for.
const RANGES_MAX: u32 = 10_000;

/// Pages that one commit writes: ranges, and bytes.
const BATCH_RANGES: usize = 512;
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes between two ranges that are rather read, and thrown away, than not asked for.
const GAP_BYTES: u64 = 32 * 1024;

/// Pages that arrived and are not stored yet.
#[derive(Default)]
struct Batch {
    pages: Vec<(PageRange, Bytes)>,
    bytes: u64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.pages.len() >= BATCH_RANGES || self.bytes >= BATCH_BYTES
    }
}

impl RemoteCopies {
    /// Copies the pages from offset `next` on. `false` if the copy ended meanwhile.
    pub(crate) async fn stream_pages(
        &self,
        copy: &RemoteCopy,
        next: &mut u64,
    ) -> Result<bool, Trouble> {
        while *next < copy.row().length {
            let (ranges, upto) = self.list_pages(copy, *next).await?;
            let mut batch = Batch::default();
            for run in runs(&ranges) {
                if !self.read_run(copy, run, (&mut batch, next)).await? {
                    return Ok(false);
                }
            }
            if !self.store_batch(copy, &mut batch, (next, upto)).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A part of the list of pages that the source has from `from` on, and the offset up to which
    /// these are all.
    async fn list_pages(
        &self,
        copy: &RemoteCopy,
        from: u64,
    ) -> Result<(Vec<PageRange>, u64), Trouble> {
        self.check_age(copy)?;
        let row = copy.row();
        // Without an entity tag the list and the pages could be of different states.
        let mut wanted = ask(copy, true)?;
        wanted.target = wanted.target.with_query(&format!("comp=pagelist&maxresults={RANGES_MAX}"));
        if from > 0 {
            wanted.headers.push(("x-ms-range", format!("bytes={from}-{}", row.length - 1)));
        }
        let told = self.fetcher.whole(wanted, page_list::BODY_BYTES_MAX as u64).await;
        let told = told.map_err(changed)?;
        if told.headers.get("etag").is_some_and(|etag| Some(etag) != row.etag.as_deref()) {
            return Err(FetchError::Changed.into());
        }
        let listed = page_list::read(&told.bytes).ok().and_then(|(listed, has_more)| {
            let ranges = clip(&listed, (from, row.length))?;
            let upto =
                if has_more { ranges.last().map(|range| range.end()) } else { Some(row.length) };
            Some((ranges, upto?))
        });
        let strange = || FetchError::Malformed("it does not list its pages".to_owned());
        Ok(listed.ok_or_else(strange)?)
    }

    /// Reads ranges that lie near each other, and stores them as they come. `false` if the copy ended
    /// meanwhile.
    async fn read_run(
        &self,
        copy: &RemoteCopy,
        run: &[PageRange],
        (batch, next): (&mut Batch, &mut u64),
    ) -> Result<bool, Trouble> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(true) };
        let whole = (first.first(), Some(last.end() - 1));
        let mut incoming = Incoming::new(self.open(copy, whole).await?);
        let mut at = first.first();
        for range in run {
            while at < range.first() {
                at += incoming.take(range.first() - at).await?.len() as u64;
            }
            while at < range.end() {
                self.check_age(copy)?;
                // Cut where commits of Put Page are, so that no cell is written twice.
                let end = range.end().min((at / BATCH_BYTES + 1) * BATCH_BYTES);
                let bytes = collect(&mut incoming, end - at).await?;
                batch.bytes += bytes.len() as u64;
                batch.pages.push((PageRange::new(at, end - 1)?, bytes));
                at = end;
                if batch.is_full() && !self.store_batch(copy, batch, (next, at)).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Stores what arrived, with which all before `upto` is there. `false` if the copy ended meanwhile.
    async fn store_batch(
        &self,
        copy: &RemoteCopy,
        batch: &mut Batch,
        (next, upto): (&mut u64, u64),
    ) -> Result<bool, Trouble> {
        let Batch { pages, .. } = std::mem::take(batch);
        if !self.store.add_copied_pages(copy, (&pages, upto)).await? {
            return Ok(false);
        }
        *next = upto;
        Ok(true)
    }
}

/// So many bytes, in one piece.
async fn collect(incoming: &mut Incoming, length: u64) -> Result<Bytes, FetchError> {
    let mut whole = BytesMut::with_capacity(usize::try_from(length).unwrap_or_default());
    while (whole.len() as u64) < length {
        let part = incoming.take(length - whole.len() as u64).await?;
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// What of listed ranges lies between two offsets. `None` if they are not whole pages, or not in order.
fn clip(listed: &[PageListRange], (from, end): (u64, u64)) -> Option<Vec<PageRange>> {
    let mut ranges = Vec::with_capacity(listed.len());
    let mut at = from;
    for range in listed.iter().filter(|range| !range.cleared) {
        let (first, last) = (range.start.max(from), range.end.min(end - 1));
        if first > last {
            continue;
        }
        let range = PageRange::new(first, last).ok().filter(|range| range.first() >= at)?;
        at = range.end();
        ranges.push(range);
    }
    Some(ranges)
}

/// Ranges by what is asked for at a time.
fn runs(ranges: &[PageRange]) -> impl Iterator<Item = &[PageRange]> {
    ranges.chunk_by(|a, b| b.first() - a.end() <= GAP_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, end: u64) -> PageRange {
        PageRange::new(first, end - 1).unwrap()
    }

    #[test]
    fn ranges_that_lie_near_each_other_are_asked_for_together() {
        let far = GAP_BYTES + 512;
        let ranges = [
            range(0, 512),
            range(1024, 2048),
            range(2048 + GAP_BYTES, 4096 + GAP_BYTES),
            range(4096 + GAP_BYTES + far, 8192 + GAP_BYTES + far),
        ];
        let lengths: Vec<usize> = runs(&ranges).map(<[PageRange]>::len).collect();
        assert_eq!(lengths, [3, 1]);
        assert_eq!(runs(&[]).count(), 0);
    }

    #[test]
    fn a_list_that_is_none_of_pages_is_not_taken() {
        let listed = |start, end| PageListRange { start, end, cleared: false };
        let within = (1024, 4096);
        assert_eq!(clip(&[listed(0, 511)], within), Some(Vec::new()));
        assert_eq!(clip(&[listed(512, 1535)], within), Some(vec![range(1024, 1536)]));
        assert_eq!(clip(&[listed(3584, u64::MAX)], within), Some(vec![range(3584, 4096)]));
        assert_eq!(clip(&[listed(2048, 2559), listed(1024, 1535)], within), None);
        assert_eq!(clip(&[listed(1024, 2047), listed(1536, 2559)], within), None);
        assert_eq!(clip(&[listed(1025, 1536)], within), None);
        assert_eq!(clip(&[listed(1024, 1534)], within), None);
        assert_eq!(
            clip(&[PageListRange { cleared: true, ..listed(1024, 2047) }], within),
            Some(vec![])
        );
    }
}

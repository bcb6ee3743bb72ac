//! Page blobs that all clients write to: each page holds, whole, the value of a write that no other
//! one replaced for sure; and what was written together is there together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use lazuli_testkit::{Client, Random, Request, fill, is_filled};

use crate::actor::CONTAINER;

/// Blobs that are written to at the same time.
const BLOBS: u64 = 2;

/// Pages of a blob: a few cells of 128.
const PAGES: u64 = 300;

const PAGE_BYTES: usize = 512;

/// The order in which requests were sent and answered.
static CLOCK: AtomicU64 = AtomicU64::new(1);

fn tick() -> u64 {
    CLOCK.fetch_add(1, Ordering::SeqCst)
}

fn names() -> impl Iterator<Item = String> {
    (0..BLOBS).map(|blob| format!("pages-{blob}"))
}

/// Makes the blobs.
pub(crate) fn create(client: &mut Client) -> Result<(), String> {
    for name in names() {
        let path = format!("/{CONTAINER}/{name}");
        let length = (PAGES * PAGE_BYTES as u64).to_string();
        let headers =
            [("x-ms-blob-type", "PageBlob"), ("x-ms-blob-content-length", length.as_str())];
        let request =
            Request { method: "PUT", path: &path, headers: &headers, ..Request::default() };
        let made = client.send(&request).map_err(|error| error.to_string())?;
        if made.status != 201 {
            return Err(format!("{name}: {}: {}", made.status, made.text()));
        }
    }
    Ok(())
}

/// A write of some pages.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) blob: String,
    first: u64,
    pages: u64,
    /// What its pages hold; zeros are 0.
    value: u64,
    begun: u64,
    /// When it was answered; never, for all that is known, if it was not.
    ended: u64,
}

/// What one client wrote since the blobs were looked at.
#[derive(Debug, Default)]
pub(crate) struct PageWrites {
    client: u64,
    count: u64,
    writes: Vec<Write>,
}

fn seed(value: u64, page: u64) -> u64 {
    value.wrapping_mul(1_000).wrapping_add(page)
}

impl PageWrites {
    pub(crate) fn of(client: u64) -> Self {
        Self { client, ..Self::default() }
    }

    /// The next write. It counts as one that may have been made until it is answered.
    pub(crate) fn next(&mut self, random: &mut Random) -> Write {
        let pages = match random.between(0, 4) {
            0 => random.between(1, 160),
            _ => random.between(1, 9),
        };
        self.count += 1;
        let clears = random.between(0, 6) == 0;
        let write = Write {
            blob: format!("pages-{}", random.between(0, BLOBS)),
            first: random.between(0, PAGES - pages + 1),
            pages,
            value: if clears { 0 } else { (self.client + 1) << 40 | self.count },
            begun: tick(),
            ended: u64::MAX,
        };
        self.writes.push(write.clone());
        write
    }

    /// Notes that the last write was answered.
    pub(crate) fn answered(&mut self) {
        if let Some(write) = self.writes.last_mut() {
            write.ended = tick();
        }
    }
}

impl Write {
    /// The value of `x-ms-page-write`, that of `x-ms-range`, and the body.
    pub(crate) fn request(&self) -> (&'static str, String, Vec<u8>) {
        let (first, end) = (self.first, self.first + self.pages);
        let last = end * PAGE_BYTES as u64 - 1;
        let range = format!("bytes={}-{last}", first * PAGE_BYTES as u64);
        if self.value == 0 {
            return ("clear", range, Vec::new());
        }
        let mut body = Vec::new();
        for page in first..end {
            body.extend_from_slice(&self.value.to_le_bytes());
            body.extend_from_slice(&fill(seed(self.value, page), PAGE_BYTES - 8));
        }
        ("update", range, body)
    }

    fn covers(&self, page: u64) -> bool {
        (self.first..self.first + self.pages).contains(&page)
    }
}

/// What each page of each blob held when they were looked at, 0 for zeros.
pub(crate) type Seen = BTreeMap<String, Vec<u64>>;

/// The values of a blob's pages, each of which must be whole.
fn values(content: &[u8]) -> Result<Vec<u64>, String> {
    let mut found = Vec::new();
    for (number, page) in (0..).zip(content.chunks(PAGE_BYTES)) {
        let head = page.first_chunk().map(|head| u64::from_le_bytes(*head));
        let value = head.ok_or_else(|| format!("page {number} is cut off"))?;
        let body = page.get(8..).unwrap_or_default();
        let is_whole = match value {
            0 => body.iter().all(|byte| *byte == 0),
            _ => is_filled(body, seed(value, number), PAGE_BYTES - 8),
        };
        if !is_whole {
            return Err(format!("page {number} is not whole"));
        }
        found.push(value);
    }
    Ok(found)
}

/// Reads the blobs and holds them against what all clients wrote since they were last looked at.
pub(crate) fn verify(
    client: &mut Client,
    all: &mut [&mut PageWrites],
    seen: &mut Seen,
) -> Result<(), String> {
    let writes: Vec<Write> =
        all.iter_mut().flat_map(|client| std::mem::take(&mut client.writes)).collect();
    for name in names() {
        let path = format!("/{CONTAINER}/{name}");
        let request = Request { method: "GET", path: &path, ..Request::default() };
        let read = client.send(&request).map_err(|error| error.to_string())?;
        if read.status != 200 || read.body.len() != PAGES as usize * PAGE_BYTES {
            return Err(format!("{name}: {}, {} bytes", read.status, read.body.len()));
        }
        let found = values(&read.body).map_err(|error| format!("{name}: {error}"))?;
        let of_blob: Vec<&Write> = writes.iter().filter(|write| write.blob == name).collect();
        let before = seen.entry(name.clone()).or_insert_with(|| vec![0; PAGES as usize]);
        compare(&of_blob, before, &found).map_err(|error| format!("{name}: {error}"))?;
        *before = found;
    }
    Ok(())
}

fn compare(writes: &[&Write], before: &[u64], found: &[u64]) -> Result<(), String> {
    // What is seen of a write that was not answered says that it was made.
    let seen: BTreeSet<u64> = found.iter().copied().filter(|value| *value != 0).collect();
    let is_made = |write: &Write| write.ended != u64::MAX || seen.contains(&write.value);
    for (page, (value, old)) in (0..).zip(found.iter().zip(before)) {
        let of_page = || writes.iter().filter(|write| write.covers(page));
        // When what the page holds was over at the latest.
        let mut over =
            of_page().filter(|write| write.value == *value).map(|write| write.ended).max();
        if over.is_none() && value == old {
            over = Some(0);
        }
        let over =
            over.ok_or_else(|| format!("page {page} holds {value:x}, which nobody wrote"))?;
        if let Some(later) = of_page().find(|write| is_made(write) && write.begun > over) {
            return Err(format!("page {page} holds {value:x} and not the later {later:?}"));
        }
    }
    Ok(())
}

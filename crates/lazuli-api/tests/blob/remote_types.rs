//! Copy Blob from another server of page blobs and append blobs: the copy is of the same type, and as
//! sparse; what was copied is gone on with; whatever a source tells of its pages, nothing is kept of a
//! copy that fails.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Answer, Blobs, delete, get, head, put, put_blob};
use crate::remote::{blobs, settle, work, write};
use crate::source::{Source, Then, answer};

const PAGE_HEADERS: &str = "ETag: \"0x1\"\r\nLast-Modified: Tue, 24 Nov 2026 07:00:00 GMT\r\n\
                            Accept-Ranges: bytes\r\nContent-Type: text/plain\r\n\
                            x-ms-blob-type: PageBlob\r\nx-ms-blob-sequence-number: 7\r\n\
                            x-ms-meta-OwnerTeam: a\r\n";

const APPEND_HEADERS: &str = "ETag: \"0x1\"\r\nAccept-Ranges: bytes\r\nx-ms-blob-type: AppendBlob\r\n\
                              x-ms-blob-committed-block-count: 6\r\nx-ms-blob-sealed: true\r\n";

/// A page blob that has bytes in some places.
#[derive(Clone)]
struct Sparse {
    total: u64,
    /// Where they begin, in order, and the bytes.
    written: Vec<(u64, Vec<u8>)>,
    /// Ranges in a part of its list.
    part: usize,
}

/// The numbers of a range that a request names in a header.
fn range_of(request: &str, header: &str) -> Option<(u64, Option<u64>)> {
    let value = request.split_once(&format!("\r\n{header}: bytes="))?.1.split_once("\r\n")?.0;
    let (first, last) = value.split_once('-')?;
    Some((first.parse().unwrap(), last.parse().ok()))
}

impl Sparse {
    fn list(&self, request: &str) -> Vec<u8> {
        let (from, last) = range_of(request, "x-ms-range").unwrap_or((0, None));
        assert_eq!(last.is_some(), from > 0);
        let later = |written: &&(u64, Vec<u8>)| written.0 + written.1.len() as u64 > from;
        let later: Vec<_> = self.written.iter().filter(later).collect();
        let mut list = String::from("<?xml version=\"1.0\"?><PageList>");
        for (first, bytes) in later.iter().take(self.part) {
            let (first, last) = (*first.max(&from), first + bytes.len() as u64 - 1);
            write!(list, "<PageRange><Start>{first}</Start><End>{last}</End></PageRange>").unwrap();
        }
        if later.len() > self.part {
            list += "<NextMarker>more</NextMarker>";
        }
        list += "</PageList>";
        format!(
            "HTTP/1.1 200 OK\r\nETag: \"0x1\"\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{list}\r\n0\r\n\r\n",
            list.len()
        )
        .into_bytes()
    }

    fn answer(&self, request: &str) -> Vec<u8> {
        if request.contains("comp=pagelist") {
            return self.list(request);
        }
        let (first, last) = range_of(request, "Range").unwrap();
        let last = last.unwrap();
        assert!(last - first < 64 << 20, "{request}");
        let mut bytes = vec![0; (last - first + 1) as usize];
        for (start, content) in &self.written {
            let from = first.max(*start);
            let to = (last + 1).min(start + content.len() as u64);
            if from < to {
                let part = &content[(from - start) as usize..(to - start) as usize];
                bytes[(from - first) as usize..(to - first) as usize].copy_from_slice(part);
            }
        }
        let total = self.total;
        let mut answer = format!(
            "HTTP/1.1 206 X\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{last}/{total}\r\n\
             {PAGE_HEADERS}\r\n",
            bytes.len()
        )
        .into_bytes();
        answer.extend(bytes);
        answer
    }

    fn source(&self) -> Source {
        let own = self.clone();
        Source::new(move |request, _| (own.answer(request), Then::Stay))
    }

    /// A source that, while `stuck`, says nothing of what comes after the first 64 MiB.
    fn sticking(&self, stuck: &Arc<AtomicBool>) -> Source {
        let (own, stuck) = (self.clone(), Arc::clone(stuck));
        Source::new(move |request, _| {
            let first = range_of(request, "Range").map_or(0, |(first, _)| first);
            if stuck.load(Ordering::Relaxed) && first > 64 << 20 {
                return (Vec::new(), Then::Hang);
            }
            (own.answer(request), Then::Stay)
        })
    }
}

/// The ranges that `box/to` has.
fn ranges(blobs: &Blobs) -> Vec<(u64, u64)> {
    let list = blobs.send(&get("/box/to?comp=pagelist")).is(200).text();
    let number = |text: &str, name: &str| {
        text.split_once(&format!("<{name}>"))
            .and_then(|(_, rest)| rest.split_once('<')?.0.parse().ok())
            .unwrap()
    };
    list.split("<PageRange>")
        .skip(1)
        .map(|text| (number(text, "Start"), number(text, "End")))
        .collect()
}

fn abort(blobs: &Blobs, id: &str) {
    let call = put(&format!("/box/to?comp=copy&copyid={id}")).header("x-ms-copy-action", "abort");
    blobs.send(&call).is(204);
}

/// Bytes that are kept once all that is not needed is gone.
fn live(blobs: &Blobs) -> u64 {
    let mut bytes = 0;
    for _ in 0..2 {
        bytes = blobs.run(blobs.store.collect(true)).unwrap().live_bytes;
    }
    bytes
}

fn progress(answer: &Answer) -> String {
    answer.header("x-ms-copy-progress")
}

#[test]
fn a_page_blob_is_copied_as_sparse_as_it_is() {
    let total: u64 = 1 << 40;
    let page = |byte| vec![byte; 512];
    let written = vec![(0, page(1)), (1024, page(2)), (1 << 39, page(3)), (total - 512, page(4))];
    let places = written.clone();
    let source = Sparse { total, written, part: 2 }.source();
    let blobs = blobs();
    let begun = blobs.send(&write("copy", &source.url())).is(202);
    begun.has("x-ms-copy-status", "pending");
    let pending = blobs.send(&head("/box/to")).is(200);
    pending.has("x-ms-blob-type", "PageBlob").has("content-length", "0");
    blobs.send(&get("/box/to?comp=pagelist")).is(200);
    let refused = put("/box/to?comp=page").header("x-ms-range", "bytes=0-511");
    let refused = refused.header("x-ms-page-write", "update").body([0; 512]);
    blobs.send(&refused).refused(409, "PendingCopyOperation");
    let done = settle(&blobs);
    done.has("x-ms-copy-status", "success").has("x-ms-copy-source", &source.told());
    done.has("content-length", &total.to_string()).has("x-ms-blob-sequence-number", "7");
    done.has("content-type", "text/plain").has("x-ms-meta-ownerteam", "a");
    assert_eq!(progress(&done), format!("{total}/{total}"));
    let wanted: Vec<(u64, u64)> = places.iter().map(|(first, _)| (*first, first + 511)).collect();
    assert_eq!(ranges(&blobs), wanted);
    for (first, bytes) in &places {
        let read = get("/box/to").header("x-ms-range", format!("bytes={first}-{}", first + 511));
        assert_eq!(blobs.send(&read).is(206).body, *bytes);
    }
    // The first byte, two parts of the list, and what is in three places; each of the same state.
    let requests = source.requests();
    assert_eq!(requests.len(), 6, "{requests:?}");
    assert!(requests[1..].iter().all(|request| request.contains("If-Match: \"0x1\"\r\n")));
    // It is a page blob like any other.
    let new = put("/box/to?comp=page").header("x-ms-range", "bytes=512-1023");
    let new = new.header("x-ms-page-write", "update").body([5; 512]);
    blobs.send(&new).is(201);
    assert_eq!(ranges(&blobs)[0], (0, 1535));
}

#[test]
fn an_empty_page_blob_is_copied_too() {
    for total in [512 * 1024, 0] {
        let blobs = blobs();
        let source = Source::new(move |request, _| {
            let sparse = Sparse { total, written: Vec::new(), part: 1 };
            match total {
                0 => (answer(PAGE_HEADERS, b"", request), Then::Stay),
                _ => (sparse.answer(request), Then::Stay),
            }
        });
        blobs.send(&write("copy", &source.url())).is(202);
        let done = settle(&blobs);
        done.has("x-ms-copy-status", "success").has("content-length", &total.to_string());
        assert_eq!(ranges(&blobs), []);
    }
}

#[test]
fn a_copy_of_pages_goes_on_where_it_was_and_leaves_nothing_behind() {
    // More ranges than one commit takes, of which each is too far from the next to be read with it,
    // then more bytes than one takes.
    let mut written: Vec<(u64, Vec<u8>)> =
        (0..600).map(|at| (at * 128 * 1024, vec![(at % 250) as u8 + 1; 512])).collect();
    written.push((96 << 20, (0..9 << 20).map(|at: u32| (at % 251) as u8).collect()));
    let sparse = Sparse { total: 128 << 20, written, part: 10_000 };
    let stuck = Arc::new(AtomicBool::new(true));
    let (source, blobs) = (sparse.sticking(&stuck), blobs());
    let begun = blobs.send(&write("copy", &source.url())).is(202).header("x-ms-copy-id");
    let stopped = work(&blobs, true);
    stopped.has("x-ms-copy-status", "pending").has("content-length", "0");
    let at: u64 = progress(&stopped).split_once('/').unwrap().0.parse().unwrap();
    assert!(at > 0 && at < sparse.total, "{at}");
    let asked = source.requests().len();
    abort(&blobs, &begun);
    blobs
        .send(&head("/box/to"))
        .is(200)
        .has("x-ms-copy-status", "aborted")
        .has("content-length", "0");
    assert_eq!(live(&blobs), 0);
    // Once more, to its end.
    blobs.send(&write("copy", &source.url())).is(202);
    let stopped = work(&blobs, true);
    let at: u64 = progress(&stopped).split_once('/').unwrap().0.parse().unwrap();
    let before = source.requests().len();
    assert!(before > asked);
    stuck.store(false, Ordering::Relaxed);
    let done = settle(&blobs);
    done.has("x-ms-copy-status", "success").has("content-length", &sparse.total.to_string());
    for request in &source.requests()[before..] {
        let header = if request.contains("comp=pagelist") { "x-ms-range" } else { "Range" };
        assert!(range_of(request, header).is_some_and(|(first, _)| first >= at), "{request}");
    }
    let wanted: Vec<(u64, u64)> = sparse
        .written
        .iter()
        .map(|(first, bytes)| (*first, first + bytes.len() as u64 - 1))
        .collect();
    assert_eq!(ranges(&blobs), wanted);
    for (first, bytes) in sparse.written.iter().rev().take(20) {
        let last = first + bytes.len() as u64 - 1;
        let read = get("/box/to").header("x-ms-range", format!("bytes={first}-{last}"));
        assert!(blobs.send(&read).is(206).body == *bytes, "{first}");
    }
    assert_eq!(live(&blobs), 9 << 20);
    blobs.send(&delete("/box/to")).is(202);
    assert_eq!(live(&blobs), 0);
}

#[test]
fn lists_of_pages_that_make_no_sense_end_a_copy() {
    let list = |inner: &str| {
        let body = format!("<PageList>{inner}</PageList>");
        let head = format!("ETag: \"0x1\"\r\nContent-Length: {}", body.len());
        format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}")
    };
    let range =
        |start, end| format!("<PageRange><Start>{start}</Start><End>{end}</End></PageRange>");
    for (why, told) in [
        ("500 CannotVerifyCopySource", list("<NextMarker>more</NextMarker>")),
        ("500 CannotVerifyCopySource", list(&range(1, 511))),
        ("500 CannotVerifyCopySource", list(&(range(1024, 1535) + &range(0, 511)))),
        ("500 CannotVerifyCopySource", "HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\nabc".to_owned()),
        (
            "500 CannotVerifyCopySource",
            "HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
        ),
        ("403 CannotVerifyCopySource", "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("412 SourceConditionNotMet", "HTTP/1.1 412 X\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("412 SourceConditionNotMet", list("").replace("0x1", "0x2")),
        ("412 SourceConditionNotMet", list(&range(0, 511))),
    ] {
        let (blobs, sparse) = (blobs(), Sparse { total: 4096, written: Vec::new(), part: 1 });
        let source = Source::new(move |request, number| {
            if number > 0 && request.contains("comp=pagelist") {
                return (told.clone().into_bytes(), Then::Close);
            }
            let mut content = sparse.answer(request);
            if number > 0 {
                content = String::from_utf8(content).unwrap().replace("0x1", "0x2").into_bytes();
            }
            (content, Then::Stay)
        });
        blobs.send(&write("copy", &source.url())).is(202);
        let failed = settle(&blobs);
        failed.has("x-ms-copy-status", "failed").has("content-length", "0");
        failed.has("x-ms-blob-type", "PageBlob");
        let description = failed.header("x-ms-copy-status-description");
        assert!(description.starts_with(why), "{description} and not {why}");
        assert_eq!(live(&blobs), 0);
    }
}

#[test]
fn an_append_blob_has_as_many_blocks_as_its_source() {
    let (blobs, source) = (blobs(), Source::honest(APPEND_HEADERS, b"0123456789"));
    let id = blobs.send(&write("copy", &source.url())).is(202).header("x-ms-copy-id");
    let pending = blobs.send(&head("/box/to")).is(200);
    pending.has("x-ms-blob-type", "AppendBlob").has("x-ms-blob-committed-block-count", "0");
    abort(&blobs, &id);
    let block = || put("/box/to?comp=appendblock").body("x");
    // What is asked of the copy counts, and what the source is, if nothing is.
    blobs.send(&write("copy", &source.url()).header("x-ms-seal-blob", "false")).is(202);
    let done = settle(&blobs);
    done.has("x-ms-copy-status", "success").has("x-ms-blob-committed-block-count", "6");
    assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "0123456789");
    blobs.send(&block()).is(201).has("x-ms-blob-append-offset", "10");
    let appended = blobs.send(&get("/box/to")).is(200);
    assert_eq!(appended.text(), "0123456789x");
    appended.has("x-ms-blob-committed-block-count", "7");
    blobs.send(&write("copy", &source.url())).is(202);
    settle(&blobs).has("x-ms-blob-sealed", "true");
    blobs.send(&block()).refused(409, "BlobIsSealed");
}

#[test]
fn a_copy_of_an_append_blob_goes_on_where_it_was() {
    let content: &'static [u8] =
        (0..17 << 20).map(|at: u32| (at % 251) as u8).collect::<Vec<_>>().leak();
    let headers = "ETag: \"0x1\"\r\nAccept-Ranges: bytes\r\nx-ms-blob-type: AppendBlob\r\n\
                   x-ms-blob-committed-block-count: 300\r\n";
    let stuck = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&stuck);
    let source = Source::new(move |request, number| {
        let mut whole = answer(headers, content, request);
        let is_whole = number == 0 || !held.load(Ordering::Relaxed);
        whole.truncate(if is_whole { whole.len() } else { 10 << 20 });
        (whole, if is_whole { Then::Stay } else { Then::Hang })
    });
    let blobs = blobs();
    let id = blobs.send(&write("copy", &source.url())).is(202).header("x-ms-copy-id");
    let stopped = work(&blobs, true);
    stopped.has("x-ms-copy-status", "pending").has("content-length", "0");
    stopped.has("x-ms-blob-committed-block-count", "0");
    assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "");
    abort(&blobs, &id);
    assert_eq!(live(&blobs), 0);
    blobs.send(&write("copy", &source.url())).is(202);
    work(&blobs, true);
    let before = source.requests().len();
    stuck.store(false, Ordering::Relaxed);
    let done = settle(&blobs);
    done.has("x-ms-copy-status", "success").has("x-ms-blob-committed-block-count", "300");
    assert!(source.requests()[before..].iter().all(|request| request.contains("Range: bytes=")));
    assert!(blobs.send(&get("/box/to")).is(200).body == content);
    let part = get("/box/to").header("x-ms-range", "bytes=9000000-9000999");
    assert_eq!(blobs.send(&part).is(206).body, content[9_000_000..9_001_000]);
    assert_eq!(live(&blobs), content.len() as u64);
    blobs.send(&delete("/box/to")).is(202);
    assert_eq!(live(&blobs), 0);
}

#[test]
fn a_copy_overwrites_a_blob_of_its_own_type_only() {
    let blobs = blobs();
    let types = ["BlockBlob", "AppendBlob", "PageBlob"];
    let sources = [
        Source::honest("x-ms-blob-type: BlockBlob\r\nETag: \"1\"\r\n", b""),
        Source::honest("x-ms-blob-type: AppendBlob\r\nETag: \"1\"\r\n", b""),
        Source::honest("x-ms-blob-type: PageBlob\r\nETag: \"1\"\r\n", b""),
    ];
    for there in types {
        blobs.send(&delete("/box/to"));
        let made = match there {
            "BlockBlob" => put_blob("/box/to", ""),
            "PageBlob" => put("/box/to")
                .header("x-ms-blob-type", there)
                .header("x-ms-blob-content-length", "512"),
            _ => put("/box/to").header("x-ms-blob-type", there),
        };
        blobs.send(&made).is(201);
        for (copied, source) in types.iter().zip(&sources) {
            let call = write("copy", &source.url());
            if *copied == there {
                blobs.send(&call).is(202);
                settle(&blobs).has("x-ms-copy-status", "success").has("x-ms-blob-type", there);
            } else {
                blobs.send(&call).refused(409, "InvalidBlobType");
            }
        }
    }
    // What is complete when it answers makes block blobs of block blobs.
    for source in &sources[1..] {
        blobs.send(&delete("/box/to"));
        let sync = write("sync copy", &source.url());
        blobs.send(&sync).refused(409, "InvalidSourceBlobType");
        let tiered = write("copy", &source.url()).header("x-ms-access-tier", "Hot");
        blobs.send(&tiered).refused(400, "AccessTierNotSupportedForBlobType");
        blobs.send(&head("/box/to")).refused(404, "BlobNotFound");
    }
    for source in [&sources[0], &sources[2]] {
        let sealed = write("copy", &source.url()).header("x-ms-seal-blob", "true");
        blobs.send(&sealed).refused(400, "InvalidHeaderValue");
    }
    let ragged = Source::honest("x-ms-blob-type: PageBlob\r\nETag: \"1\"\r\n", b"content");
    blobs.send(&write("copy", &ragged.url())).refused(500, "CannotVerifyCopySource");
    blobs.send(&head("/box/to")).refused(404, "BlobNotFound");
}

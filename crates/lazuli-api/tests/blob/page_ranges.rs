//! Get Page Ranges, what it tells of changes, and Incremental Copy Blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-page-ranges>

use crate::harness::{ACCOUNT, Answer, HOST, get, head, put};
use crate::pages::{clear_page, put_page, put_page_blob, with_page_blob};

/// The ranges of an answer as text: `0-511`, and `!0-511` for what was cleared.
fn ranges(answer: &Answer) -> String {
    let text = answer.text();
    let mut told = Vec::new();
    for part in text.split("Range><Start>").skip(1) {
        let start = part.split('<').next().unwrap();
        let end = part.split("<End>").nth(1).unwrap().split('<').next().unwrap();
        told.push(format!("{start}-{end}"));
    }
    let mut marks = text.match_indices("<PageRange>").map(|(at, _)| (at, "")).collect::<Vec<_>>();
    marks.extend(text.match_indices("<ClearRange>").map(|(at, _)| (at, "!")));
    marks.sort_unstable();
    let marked = marks.iter().zip(told).map(|((_, mark), range)| format!("{mark}{range}"));
    marked.collect::<Vec<_>>().join(" ")
}

#[test]
fn ranges_are_merged_and_clipped() {
    let blobs = with_page_blob(1 << 20);
    let answer = blobs.send(&get("/box/p?comp=pagelist")).is(200);
    answer.has("x-ms-blob-content-length", "1048576").says("<PageList><NextMarker />");
    for (first, len) in [(0, 512), (512, 512), (2048, 1024), (65_024, 1024), (1_048_064, 512)] {
        blobs.send(&put_page("/box/p", first, &vec![1; len])).is(201);
    }
    let list = |range: &str| {
        let call = get("/box/p?comp=pagelist");
        let call = if range.is_empty() { call } else { call.header("x-ms-range", range) };
        ranges(&blobs.send(&call).is(200))
    };
    assert_eq!(list(""), "0-1023 2048-3071 65024-66047 1048064-1048575");
    assert_eq!(list("bytes=512-2559"), "512-1023 2048-2559");
    assert_eq!(list("bytes=66048-"), "1048064-1048575");
    blobs.send(&clear_page("/box/p", 0, 2560)).is(201);
    assert_eq!(list(""), "2560-3071 65024-66047 1048064-1048575");
    let beyond = get("/box/p?comp=pagelist").header("x-ms-range", "bytes=1048576-");
    blobs.send(&beyond).refused(416, "InvalidRange");
    blobs.send(&get("/box/none?comp=pagelist")).refused(404, "BlobNotFound");
}

#[test]
fn ranges_come_in_parts() {
    let blobs = with_page_blob(1 << 20);
    for first in (0..10).map(|number| number * 100 * 1024) {
        blobs.send(&put_page("/box/p", first, &[1; 512])).is(201);
    }
    let whole = ranges(&blobs.send(&get("/box/p?comp=pagelist")).is(200));
    let (mut parts, mut marker) = (Vec::new(), String::new());
    loop {
        let call = get(&format!("/box/p?comp=pagelist&maxresults=3&marker={marker}"));
        let answer = blobs.send(&call).is(200);
        parts.push(ranges(&answer));
        marker = answer.elements("NextMarker").pop().unwrap_or_default();
        if marker.is_empty() {
            break;
        }
    }
    assert_eq!((parts.len(), parts.join(" ")), (4, whole.clone()));
    blobs
        .send(&get("/box/p?comp=pagelist&maxresults=0"))
        .refused(400, "OutOfRangeQueryParameterValue");
    let call = get("/box/p?comp=pagelist&marker=x");
    blobs.send(&call).refused(400, "InvalidQueryParameterValue");
    // Older versions tell all.
    let old = get("/box/p?comp=pagelist&maxresults=3").version("2019-12-12");
    let old = blobs.send(&old).is(200);
    old.hides("NextMarker");
    assert_eq!(ranges(&old), whole);
}

#[test]
fn changes_since_a_snapshot() {
    let blobs = with_page_blob(8192);
    let snapshot = || {
        blobs.pass(1);
        blobs.send(&put("/box/p?comp=snapshot")).is(201).header("x-ms-snapshot")
    };
    blobs.send(&put_page("/box/p", 0, &[1; 2048])).is(201);
    let first = snapshot();
    blobs.send(&put_page("/box/p", 512, &[1; 512])).is(201);
    blobs.send(&clear_page("/box/p", 1024, 1536)).is(201);
    blobs.send(&put_page("/box/p", 4096, &[2; 512])).is(201);
    let second = snapshot();
    blobs.send(&clear_page("/box/p", 0, 8192)).is(201);
    let diff = |query: &str| blobs.send(&get(&format!("/box/p?comp=pagelist{query}")));
    let told = |query: &str| ranges(&diff(query).is(200));
    let changed = "512-1023 !1024-1535 4096-4607";
    assert_eq!(told(&format!("&snapshot={second}&prevsnapshot={first}")), changed);
    assert_eq!(told(&format!("&prevsnapshot={first}")), "!0-2047");
    assert_eq!(told(&format!("&prevsnapshot={second}")), "!0-1023 !1536-2047 !4096-4607");
    assert_eq!(told(&format!("&snapshot={first}&prevsnapshot={first}")), "");
    let range = get(&format!("/box/p?comp=pagelist&snapshot={second}&prevsnapshot={first}"));
    let range = range.header("x-ms-range", "bytes=512-1279");
    assert_eq!(ranges(&blobs.send(&range).is(200)), "512-1023 !1024-1279");
    let url = |blob: &str, snapshot: &str| {
        let url = format!("http://{HOST}/{ACCOUNT}/box/{blob}?snapshot={snapshot}");
        let call = get(&format!("/box/p?comp=pagelist&snapshot={second}"));
        blobs.send(&call.header("x-ms-previous-snapshot-url", url))
    };
    assert_eq!(ranges(&url("p", &first).is(200)), changed);
    url("q", &first).refused(409, "PreviousSnapshotNotFound");
    url("p", "never").refused(400, "InvalidHeaderValue");
    diff(&format!("&snapshot={first}&prevsnapshot={second}"))
        .refused(400, "PreviousSnapshotCannotBeNewer");
    diff("&prevsnapshot=2020-01-01T00:00:00.0000000Z").refused(409, "PreviousSnapshotNotFound");
    diff("&prevsnapshot=never").refused(400, "InvalidQueryParameterValue");
    blobs.pass(1);
    blobs.send(&put_page_blob("/box/p", 8192)).is(201);
    diff(&format!("&prevsnapshot={first}")).refused(409, "BlobOverwritten");
}

#[test]
fn incremental_copies_follow_each_other() {
    let blobs = with_page_blob(4096);
    let snapshot = |of: &str| {
        blobs.pass(1);
        blobs.send(&put(&format!("{of}?comp=snapshot"))).is(201).header("x-ms-snapshot")
    };
    let copy = |blob: &str, snapshot: &str| {
        blobs.pass(1);
        let query =
            if snapshot.is_empty() { String::new() } else { format!("?snapshot={snapshot}") };
        let source = format!("http://{HOST}/{ACCOUNT}/box/{blob}{query}");
        blobs.send(&put("/box/copy?comp=incrementalcopy").header("x-ms-copy-source", source))
    };
    blobs.send(&put_page("/box/p", 0, &[1; 1024])).is(201);
    copy("p", "").refused(409, "IncrementalCopySourceMustBeSnapshot");
    let first = snapshot("/box/p");
    let answer = copy("p", &first).is(202);
    answer.has("x-ms-copy-status", "success");
    let told = blobs.send(&head("/box/copy")).is(200);
    told.has("x-ms-incremental-copy", "true").has("x-ms-copy-id", &answer.header("x-ms-copy-id"));
    let made_first = told.header("x-ms-copy-destination-snapshot");
    blobs.send(&put_page("/box/p", 512, &[2; 512])).is(201);
    let second = snapshot("/box/p");
    copy("p", &second).is(202);
    let told = blobs.send(&head("/box/copy")).is(200);
    let made_second = told.header("x-ms-copy-destination-snapshot");
    let read = |snapshot: &str| {
        let answer = blobs.send(&get(&format!("/box/copy?snapshot={snapshot}"))).is(200);
        answer.has("x-ms-incremental-copy", "true");
        answer.body
    };
    assert_eq!(read(&made_first)[..1024], [1; 1024]);
    assert_eq!(read(&made_second)[512..1024], [2; 512]);
    let diff =
        get(&format!("/box/copy?comp=pagelist&snapshot={made_second}&prevsnapshot={made_first}"));
    assert_eq!(ranges(&blobs.send(&diff).is(200)), "512-1023");
    copy("p", &first).refused(409, "IncrementalCopyOfEarlierSnapshotNotAllowed");
    blobs.send(&put_page_blob("/box/other", 4096)).is(201);
    let other = snapshot("/box/other");
    copy("other", &other).refused(409, "IncrementalCopyBlobMismatch");
    // The blob itself can be neither read nor changed.
    for call in [
        get("/box/copy"),
        put_page("/box/copy", 0, &[1; 512]),
        get("/box/copy?comp=pagelist"),
        put("/box/copy?comp=snapshot"),
        put("/box/copy?comp=metadata").header("x-ms-meta-a", "1"),
        put("/box/copy?comp=properties").header("x-ms-blob-content-length", 512),
    ] {
        blobs.send(&call).refused(409, "OperationNotAllowedOnIncrementalCopyBlob");
    }
    let list = blobs.send(&get("/box?restype=container&comp=list&include=copy")).is(200);
    list.says("<IncrementalCopy>true</IncrementalCopy>").says("<CopyDestinationSnapshot>");
}

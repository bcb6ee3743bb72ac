//! Reads: ranges, checksums of ranges, properties, snapshots.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob>,
//! <https://learn.microsoft.com/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations>

use crate::harness::{Blobs, delete, get, head, put, put_blob};

const DIGITS: &str = "0123456789";
/// MD5 of `234`.
const MIDDLE_MD5: &str = "KJ3/B2adeiPeDviNL3Ep5w==";

#[test]
fn ranges() {
    let blobs = Blobs::with_blob(DIGITS);
    // What is asked, what is sent, and which bytes it says they are; empty if it sends all.
    let cases = [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=2-2", "2", "bytes 2-2/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=0-", DIGITS, "bytes 0-9/10"),
        ("bytes=7-100", "789", "bytes 7-9/10"),
        ("bytes=0-18446744073709551615", DIGITS, "bytes 0-9/10"),
        // Other forms than the two are passed over.
        ("bytes=-5", DIGITS, ""),
        ("bytes=0-1,4-5", DIGITS, ""),
        ("bytes=5-2", DIGITS, ""),
        ("bytes=a-b", DIGITS, ""),
        ("lines=0-1", DIGITS, ""),
        ("bytes=", DIGITS, ""),
    ];
    for header in ["range", "x-ms-range"] {
        for (range, content, told) in cases {
            let answer = blobs.send(&get("/box/b").header(header, range));
            let answer = answer.is(if told.is_empty() { 200 } else { 206 });
            assert_eq!(answer.text(), content, "{range} of {answer}");
            answer.has("content-range", told).has("accept-ranges", "bytes");
            answer.has("content-length", &content.len().to_string());
        }
        for range in ["bytes=10-", "bytes=10-12", "bytes=11-11"] {
            let answer = blobs.send(&get("/box/b").header(header, range));
            answer.refused(416, "InvalidRange").has("content-range", "bytes */10");
        }
    }
}

#[test]
fn the_range_of_its_own_header_wins() {
    let blobs = Blobs::with_blob(DIGITS);
    let both = |own: &str, standard: &str| {
        let call = get("/box/b").header("x-ms-range", own).header("range", standard);
        blobs.send(&call)
    };
    assert_eq!(both("bytes=1-2", "bytes=5-6").is(206).text(), "12");
    both("bytes=20-", "bytes=5-6").refused(416, "InvalidRange");
}

#[test]
fn ranges_of_nothing() {
    let blobs = Blobs::with_blob("");
    for range in ["bytes=0-", "bytes=0-0", "bytes=1-"] {
        let answer = blobs.send(&get("/box/b").header("range", range));
        answer.refused(416, "InvalidRange").has("content-range", "bytes */0");
    }
    assert!(blobs.send(&get("/box/b")).is(200).body.is_empty());
    // Properties know no ranges.
    let blobs = Blobs::with_blob(DIGITS);
    let answer = blobs.send(&head("/box/b").header("range", "bytes=2-4")).is(200);
    answer.has("content-length", "10").has("content-range", "");
}

#[test]
fn checksums_of_ranges() {
    let blobs = Blobs::with_blob(DIGITS);
    let whole = blobs.send(&get("/box/b")).is(200).header("content-md5");
    assert_eq!(whole, "eB5eJF1ptWaXm4bijSPyxw==");
    let range = || get("/box/b").header("range", "bytes=2-4");
    let answer = blobs.send(&range()).is(206);
    answer.has("content-md5", "").has("x-ms-blob-content-md5", &whole);
    let answer = blobs.send(&range().header("x-ms-range-get-content-md5", "true")).is(206);
    answer.has("content-md5", MIDDLE_MD5).has("x-ms-blob-content-md5", &whole).says("234");
    let call = range().header("x-ms-range-get-content-crc64", "true");
    let crc = blobs.send(&call).is(206).header("x-ms-content-crc64");
    blobs.send(&put_blob("/box/middle", "234")).is(201).has("x-ms-content-crc64", &crc);
    let none = range().header("x-ms-range-get-content-md5", "false");
    blobs.send(&none).is(206).has("content-md5", "");
    // Both, neither of a range, and neither of a large one.
    let (md5, crc) = ("x-ms-range-get-content-md5", "x-ms-range-get-content-crc64");
    let both = range().header(md5, "true").header(crc, "true");
    blobs.send(&both).refused(400, "InvalidHeaderValue");
    blobs.send(&range().header(md5, "maybe")).refused(400, "InvalidHeaderValue");
    for header in [md5, crc] {
        let call = get("/box/b").header(header, "true");
        blobs.send(&call).refused(400, "InvalidHeaderValue");
    }
    let large = 4 * 1024 * 1024;
    blobs.send(&put_blob("/box/large", vec![1; large + 1])).is(201);
    let range = |last: usize| get("/box/large").header("range", format!("bytes=0-{last}"));
    assert_eq!(blobs.send(&range(large - 1).header(md5, "true")).is(206).body.len(), large);
    blobs.send(&range(large).header(md5, "true")).refused(400, "OutOfRangeInput");
    assert_eq!(blobs.send(&range(large)).is(206).body.len(), large + 1);
}

#[test]
fn ranges_across_blocks() {
    let blobs = Blobs::with_container();
    let contents: Vec<Vec<u8>> = [300_000, 1, 70_000]
        .iter()
        .map(|len| (0..*len).map(|at| (at % 251) as u8).collect())
        .collect();
    let mut list = Vec::new();
    for (index, content) in contents.iter().enumerate() {
        let id = ["YWFh", "YmJi", "Y2Nj"][index];
        blobs.send(&put(&format!("/box/b?comp=block&blockid={id}")).body(content)).is(201);
        list.push(format!("<Latest>{id}</Latest>"));
    }
    let list = format!("<BlockList>{}</BlockList>", list.concat());
    blobs.send(&put("/box/b?comp=blocklist").body(list)).is(201);
    let whole = contents.concat();
    assert!(blobs.send(&get("/box/b")).is(200).body == whole);
    for (first, last) in [
        (0, 0),
        (299_998, 300_002),
        (299_999, 299_999),
        (300_000, 300_000),
        (300_001, 370_000),
        (1, 370_000),
    ] {
        let call = get("/box/b").header("x-ms-range", format!("bytes={first}-{last}"));
        let answer = blobs.send(&call).is(206);
        answer.has("content-range", &format!("bytes {first}-{last}/370001"));
        assert!(answer.body == whole[first..=last], "{first}-{last}");
    }
}

#[test]
fn what_is_not_there() {
    let blobs = Blobs::with_container();
    for call in [get, head] {
        blobs.send(&call("/box/missing")).refused(404, "BlobNotFound");
        blobs.send(&call("/nowhere/b")).refused(404, "ContainerNotFound");
        blobs.send(&call("/nowhere?restype=container")).refused(404, "ContainerNotFound");
    }
    blobs.send(&delete("/box/missing")).refused(404, "BlobNotFound");
    blobs.send(&put("/box?restype=container")).refused(409, "ContainerAlreadyExists");
}

#[test]
fn snapshots_are_read_by_their_moment() {
    let blobs = Blobs::with_container();
    blobs.send(&put_blob("/box/b", "first").header("x-ms-meta-a", "1")).is(201);
    let etag = blobs.send(&head("/box/b")).header("etag");
    blobs.pass(1);
    let answer = blobs.send(&put("/box/b?comp=snapshot")).is(201);
    answer.has("etag", &etag).has("last-modified", "Tue, 24 Nov 2026 08:00:00 GMT");
    let first = answer.header("x-ms-snapshot");
    assert_eq!(first, "2026-11-24T08:00:01.0000000Z");
    // Two snapshots are never of one moment; one with metadata of its own has its own entity tag.
    let answer = blobs.send(&put("/box/b?comp=snapshot").header("x-ms-meta-a", "2")).is(201);
    let second = answer.header("x-ms-snapshot");
    assert!(second > first, "{answer}");
    assert_ne!(answer.header("etag"), etag, "{answer}");
    blobs.send(&put_blob("/box/b", "second")).is(201);
    for (moment, metadata) in [(&first, "1"), (&second, "2")] {
        let answer = blobs.send(&get(&format!("/box/b?snapshot={moment}"))).is(200);
        answer.has("x-ms-meta-a", metadata).says("first");
        let answer = blobs.send(&head(&format!("/box/b?snapshot={moment}"))).is(200);
        answer.has("content-length", "5").has("x-ms-meta-a", metadata);
    }
    let other = "2026-11-24T07:00:00.0000000Z";
    blobs.send(&get(&format!("/box/b?snapshot={other}"))).refused(404, "BlobNotFound");
    for text in ["yesterday", "2026-11-24", "2026-13-24T07:00:00.0000000Z"] {
        let call = get(&format!("/box/b?snapshot={text}"));
        let answer = blobs.send(&call).refused(400, "InvalidQueryParameterValue");
        answer.says("<QueryParameterName>snapshot</QueryParameterName>");
    }
}

#[test]
fn deleting_with_and_without_snapshots() {
    let blobs = Blobs::with_blob("content");
    let snap = || blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let (first, second) = (snap(), snap());
    let at = |moment: &str| format!("/box/b?snapshot={moment}");
    blobs.send(&delete("/box/b")).refused(409, "SnapshotsPresent");
    let call = delete("/box/b").header("x-ms-delete-snapshots", "all");
    blobs.send(&call).refused(400, "InvalidHeaderValue");
    blobs.send(&delete(&at(&first))).is(202);
    blobs.send(&head(&at(&first))).refused(404, "BlobNotFound");
    let both = delete(&at(&second)).header("x-ms-delete-snapshots", "only");
    assert_eq!(blobs.send(&both).status(), 400);
    blobs.send(&delete("/box/b").header("x-ms-delete-snapshots", "only")).is(202);
    blobs.send(&head(&at(&second))).refused(404, "BlobNotFound");
    blobs.send(&head("/box/b")).is(200);
    let third = snap();
    blobs.send(&delete("/box/b").header("x-ms-delete-snapshots", "include")).is(202);
    blobs.send(&head("/box/b")).refused(404, "BlobNotFound");
    blobs.send(&head(&at(&third))).refused(404, "BlobNotFound");
}

#[test]
fn the_root_container_goes_without_saying() {
    let blobs = Blobs::new();
    blobs.send(&put("/$root?restype=container")).is(201);
    blobs.send(&put_blob("/b", "root")).is(201);
    assert_eq!(blobs.send(&get("/b")).is(200).text(), "root");
    assert_eq!(blobs.send(&get("/$root/b")).is(200).text(), "root");
}

#[test]
fn names_are_taken_as_they_are() {
    let blobs = Blobs::with_container();
    // Written, and other spellings it is read by.
    for (written, read, other) in [
        ("/box/a%20b", "/box/%61%20b".to_owned(), "/box/a+b"),
        ("/box/a+b", "/box/a%2Bb".to_owned(), "/box/a%252Bb"),
        ("/box/dir/b", "/box/dir%2Fb".to_owned(), "/box/dir//b"),
        ("/box/%E2%82%AC", "/box/%e2%82%ac".to_owned(), "/box/%C2%82"),
        ("/box/Case", "/box/%43ase".to_owned(), "/box/case"),
    ] {
        blobs.send(&put_blob(written, written)).is(201);
        assert_eq!(blobs.send(&get(&read)).is(200).text(), written);
        blobs.send(&get(other)).refused(404, "BlobNotFound");
        blobs.send(&delete(written)).is(202);
    }
}

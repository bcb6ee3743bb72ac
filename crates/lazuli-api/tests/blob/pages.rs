//! Page blobs: writing, clearing, resizing and numbering them, and what is refused.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-page>

use crate::harness::{ACCOUNT, Blobs, Call, HOST, delete, get, head, put, put_blob};

const TIB: u64 = 1 << 40;

/// Put Blob of a page blob.
pub(crate) fn put_page_blob(target: &str, length: u64) -> Call {
    put(target).header("x-ms-blob-type", "PageBlob").header("x-ms-blob-content-length", length)
}

/// Put Page of bytes at an offset.
pub(crate) fn put_page(target: &str, first: u64, content: &[u8]) -> Call {
    let last = first + content.len() as u64 - 1;
    put(&format!("{target}?comp=page"))
        .header("x-ms-page-write", "update")
        .header("x-ms-range", format!("bytes={first}-{last}"))
        .body(content)
}

/// Put Page that clears from an offset to before another.
pub(crate) fn clear_page(target: &str, first: u64, end: u64) -> Call {
    put(&format!("{target}?comp=page"))
        .header("x-ms-page-write", "clear")
        .header("x-ms-range", format!("bytes={first}-{}", end - 1))
}

pub(crate) fn with_page_blob(length: u64) -> Blobs {
    let blobs = Blobs::with_container();
    blobs.send(&put_page_blob("/box/p", length)).is(201);
    blobs
}

fn ranged(first: u64, end: u64) -> Call {
    get("/box/p").header("x-ms-range", format!("bytes={first}-{}", end - 1))
}

#[test]
fn pages_are_written_and_read() {
    let blobs = with_page_blob(256 * 1024);
    let answer = blobs.send(&head("/box/p")).is(200);
    answer.has("x-ms-blob-type", "PageBlob").has("x-ms-blob-sequence-number", "0");
    answer.has("content-length", "262144").has("x-ms-access-tier", "");
    let before = answer.header("etag");
    // Over the border of two cells.
    let bytes: Vec<u8> = (0..1024_u32).map(|at| (at / 5) as u8).collect();
    let answer = blobs.send(&put_page("/box/p", 65_024, &bytes)).is(201);
    answer.has("x-ms-blob-sequence-number", "0").has("x-ms-request-server-encrypted", "true");
    assert!(!answer.header("x-ms-content-crc64").is_empty());
    assert_ne!(answer.header("etag"), before);
    blobs.send(&head("/box/p")).is(200).has("etag", &answer.header("etag"));
    let whole = blobs.send(&get("/box/p")).is(200).body;
    assert_eq!(whole.len(), 262_144);
    assert_eq!(whole[65_024..66_048], bytes);
    assert!(whole[..65_024].iter().chain(&whole[66_048..]).all(|byte| *byte == 0));
    assert_eq!(blobs.send(&ranged(65_025, 65_600)).is(206).body, bytes[1..576]);
    blobs.send(&clear_page("/box/p", 65_024, 65_536)).is(201).has("content-md5", "");
    let part = blobs.send(&ranged(65_024, 66_048)).is(206).body;
    assert!(part[..512].iter().all(|byte| *byte == 0) && part[512..] == bytes[512..]);
    // The plain header will do.
    let plain = put("/box/p?comp=page").header("x-ms-page-write", "Update");
    blobs.send(&plain.header("Range", "bytes=0-511").body([7; 512])).is(201);
    assert_eq!(blobs.send(&ranged(0, 512)).is(206).body, [7; 512]);
}

#[test]
fn large_writes_lie_where_they_were_put() {
    let blobs = with_page_blob(8 << 20);
    let bytes: Vec<u8> = (0..4_u32 << 20).map(|at| (at / 1000) as u8).collect();
    blobs.send(&put_page("/box/p", 512, &bytes)).is(201);
    blobs.send(&put_page("/box/p", 1 << 20, &vec![9; 70_144])).is(201);
    let mut wanted = bytes;
    wanted[(1 << 20) - 512..(1 << 20) - 512 + 70_144].fill(9);
    assert!(blobs.send(&ranged(512, (4 << 20) + 512)).is(206).body == wanted);
    let one = put_page("/box/p", 0, &vec![1; (4 << 20) + 512]);
    blobs.send(&one).refused(413, "RequestBodyTooLarge").says("4194304");
}

#[test]
fn checksums_are_held_against_the_pages() {
    let blobs = with_page_blob(4096);
    let wrong = put_page("/box/p", 0, &[1; 512]).header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    blobs.send(&wrong).refused(400, "Md5Mismatch");
    let wrong = put_page("/box/p", 0, &[1; 512]).header("x-ms-content-crc64", "AAAAAAAAAAA=");
    blobs.send(&wrong).refused(400, "Crc64Mismatch");
    assert_eq!(blobs.send(&ranged(0, 512)).is(206).body, [0; 512]);
    let md5 = "OToPoPNI+wOHGrk3JgV93A==";
    let right = put_page("/box/p", 0, &[1; 512]).header("content-md5", md5);
    blobs.send(&right).is(201).has("content-md5", md5).has("x-ms-content-crc64", "");
}

#[test]
fn a_sparse_blob_is_as_large_as_it_says() {
    let blobs = with_page_blob(8 * TIB);
    for first in [0, TIB, 8 * TIB - 512] {
        blobs.send(&put_page("/box/p", first, &[5; 512])).is(201);
        let around = blobs.send(&ranged(first, first + 512)).is(206).body;
        assert_eq!(around, [5; 512]);
    }
    let part = blobs.send(&ranged(TIB - 1_000_000, TIB + 512)).is(206).body;
    assert!(part[..1_000_000].iter().all(|byte| *byte == 0) && part[1_000_000..] == [5; 512]);
    blobs.send(&head("/box/p")).is(200).has("content-length", "8796093022208");
    // All of it is cleared at once, but not what a snapshot has.
    let taken = blobs.send(&put("/box/p?comp=snapshot")).is(201).header("x-ms-snapshot");
    blobs.send(&clear_page("/box/p", 0, 8 * TIB)).is(201);
    assert_eq!(blobs.send(&ranged(TIB, TIB + 512)).is(206).body, [0; 512]);
    let old = get(&format!("/box/p?snapshot={taken}"));
    let old = old.header("x-ms-range", format!("bytes={TIB}-{}", TIB + 511));
    assert_eq!(blobs.send(&old).is(206).body, [5; 512]);
}

#[test]
fn what_is_not_a_page_range_is_refused() {
    let blobs = with_page_blob(4096);
    let update = |range: &str, bytes: usize| {
        let call = put("/box/p?comp=page").header("x-ms-page-write", "update");
        call.header("x-ms-range", range).body(vec![1; bytes])
    };
    for (range, bytes) in [
        ("bytes=1-512", 512),
        ("bytes=0-510", 511),
        ("bytes=0-512", 513),
        ("bytes=4096-4607", 512),
        ("bytes=3584-4607", 1024),
        ("bytes=0-1023", 512),
        ("bytes=0-", 4096),
        ("bytes=18446744073709551104-18446744073709551615", 512),
    ] {
        blobs.send(&update(range, bytes)).refused(416, "InvalidPageRange");
    }
    blobs.send(&update("pages=0-511", 512)).refused(400, "InvalidHeaderValue");
    let none = put("/box/p?comp=page").header("x-ms-page-write", "update").body([1; 512]);
    blobs.send(&none).refused(400, "MissingRequiredHeader");
    let none = put("/box/p?comp=page").header("x-ms-range", "bytes=0-511").body([1; 512]);
    blobs.send(&none).refused(400, "MissingRequiredHeader").says("x-ms-page-write");
    let other = none.header("x-ms-page-write", "erase");
    blobs.send(&other).refused(400, "InvalidHeaderValue");
    blobs.send(&update("bytes=0-511", 0)).refused(400, "InvalidHeaderValue");
    let body = clear_page("/box/p", 0, 512).body([1; 512]);
    blobs.send(&body).refused(400, "InvalidHeaderValue");
    blobs.send(&clear_page("/box/p", 0, 8192)).refused(416, "InvalidPageRange");
    blobs.send(&put_page("/box/none", 0, &[1; 512])).refused(404, "BlobNotFound");
    let whole = blobs.send(&get("/box/p")).is(200).body;
    assert!(whole.iter().all(|byte| *byte == 0));
}

#[test]
fn a_page_blob_is_made_as_it_is_asked_for() {
    let blobs = Blobs::with_container();
    for length in [511, 513, 8 * TIB + 512] {
        let call = put_page_blob("/box/q", length);
        blobs.send(&call).refused(400, "InvalidHeaderValue").says("x-ms-blob-content-length");
    }
    let none = put("/box/q").header("x-ms-blob-type", "PageBlob");
    blobs.send(&none).refused(400, "MissingRequiredHeader").says("x-ms-blob-content-length");
    let body = put_page_blob("/box/q", 512).body([1; 512]);
    blobs.send(&body).refused(400, "InvalidHeaderValue").says("Content-Length");
    let tier = |name: &str| put_page_blob("/box/q", 512).header("x-ms-access-tier", name);
    blobs.send(&tier("P10")).refused(400, "BlobAccessTierNotSupportedForAccountType");
    blobs.send(&tier("Hot")).refused(400, "AccessTierNotSupportedForBlobType");
    let huge = put_page_blob("/box/q", 512).header("x-ms-blob-sequence-number", 1_u64 << 63);
    blobs.send(&huge).refused(400, "InvalidHeaderValue");
    blobs.send(&head("/box/q")).refused(404, "BlobNotFound");
    let call = put_page_blob("/box/q", 0)
        .header("x-ms-blob-sequence-number", 7)
        .header("x-ms-blob-content-type", "image/vhd")
        .header("x-ms-meta-disk", "a")
        .header("x-ms-tags", "k=v");
    blobs.send(&call).is(201);
    let answer = blobs.send(&get("/box/q")).is(200);
    answer.has("content-length", "0").has("x-ms-blob-sequence-number", "7");
    answer.has("content-type", "image/vhd").has("x-ms-meta-disk", "a").has("x-ms-tag-count", "1");
    let list = blobs.send(&get("/box?restype=container&comp=list")).is(200);
    list.says("<x-ms-blob-sequence-number>7</x-ms-blob-sequence-number>");
    list.says("<BlobType>PageBlob</BlobType>").hides("<AccessTier>");
}

#[test]
fn a_blob_of_another_type_has_no_pages() {
    let blobs = Blobs::with_blob("content");
    let list = get("/box/b?comp=pagelist");
    let resize = put("/box/b?comp=properties").header("x-ms-blob-content-length", 512);
    for call in [
        put_page("/box/b", 0, &[1; 512]),
        clear_page("/box/b", 0, 512),
        list,
        resize,
        put_page_blob("/box/b", 512),
    ] {
        blobs.send(&call).refused(409, "InvalidBlobType");
    }
    blobs.send(&put_page_blob("/box/p", 512)).is(201);
    let block = put("/box/p?comp=block&blockid=YWFh").body("a");
    let append = put("/box/p?comp=appendblock").body("a");
    for call in [put_blob("/box/p", "text"), block, append, get("/box/p?comp=blocklist")] {
        blobs.send(&call).refused(409, "InvalidBlobType");
    }
}

#[test]
fn sequence_numbers_order_writers() {
    let blobs = with_page_blob(1024);
    let set = |action: &str, number: Option<u64>| {
        let call = put("/box/p?comp=properties").header("x-ms-sequence-number-action", action);
        match number {
            Some(number) => call.header("x-ms-blob-sequence-number", number),
            None => call,
        }
    };
    for (action, number, after) in [
        ("update", Some(5), "5"),
        ("max", Some(3), "5"),
        ("max", Some(8), "8"),
        ("increment", None, "9"),
        ("Update", Some(4), "4"),
    ] {
        let answer = blobs.send(&set(action, number)).is(200);
        answer.has("x-ms-blob-sequence-number", after);
        blobs.send(&head("/box/p")).is(200).has("x-ms-blob-sequence-number", after);
    }
    for (action, number, code) in [
        ("increment", Some(1), "InvalidHeaderValue"),
        ("update", None, "MissingRequiredHeader"),
        ("max", None, "MissingRequiredHeader"),
        ("lower", Some(1), "InvalidHeaderValue"),
    ] {
        blobs.send(&set(action, number)).refused(400, code);
    }
    for (condition, number, holds) in [
        ("le", 4, true),
        ("le", 3, false),
        ("lt", 5, true),
        ("lt", 4, false),
        ("eq", 4, true),
        ("eq", 5, false),
    ] {
        let header = format!("x-ms-if-sequence-number-{condition}");
        for call in [put_page("/box/p", 0, &[1; 512]), clear_page("/box/p", 0, 512)] {
            let answer = blobs.send(&call.header(&header, number));
            if holds {
                answer.is(201).has("x-ms-blob-sequence-number", "4");
            } else {
                answer.refused(412, "SequenceNumberConditionNotMet");
            }
        }
    }
    blobs.send(&set("update", Some(i64::MAX as u64))).is(200);
    blobs.send(&set("increment", None)).refused(409, "SequenceNumberIncrementTooLarge");
    let answer = blobs.send(&put("/box/p?comp=properties")).is(200);
    answer.has("x-ms-blob-sequence-number", &i64::MAX.to_string());
}

#[test]
fn a_resized_blob_forgets_what_it_lost() {
    let blobs = with_page_blob(2048);
    let resize =
        |length: u64| put("/box/p?comp=properties").header("x-ms-blob-content-length", length);
    let content = resize(1024).header("x-ms-blob-content-type", "text/plain");
    blobs.send(&put_page("/box/p", 512, &[3; 1536])).is(201);
    let taken = blobs.send(&put("/box/p?comp=snapshot")).is(201).header("x-ms-snapshot");
    blobs.send(&content).is(200).has("x-ms-blob-sequence-number", "0");
    blobs.send(&head("/box/p")).is(200).has("content-length", "1024");
    blobs.send(&put_page("/box/p", 1024, &[1; 512])).refused(416, "InvalidPageRange");
    blobs.send(&resize(4096)).is(200);
    let whole = blobs.send(&get("/box/p")).is(200).body;
    assert_eq!(whole[512..1024], [3; 512]);
    assert!(whole[1024..].iter().all(|byte| *byte == 0) && whole.len() == 4096);
    let old = blobs.send(&get(&format!("/box/p?snapshot={taken}"))).is(200).body;
    assert_eq!(old[512..], [3; 1536]);
    blobs.send(&resize(100)).refused(400, "InvalidHeaderValue");
    let both = resize(512).header("x-ms-sequence-number-action", "increment");
    blobs.send(&both).is(200).has("x-ms-blob-sequence-number", "1");
}

#[test]
fn leases_and_conditions_hold() {
    let blobs = with_page_blob(1024);
    let lease = put("/box/p?comp=lease").header("x-ms-lease-action", "acquire");
    let id = blobs.send(&lease.header("x-ms-lease-duration", -1)).is(201).header("x-ms-lease-id");
    let write = || put_page("/box/p", 0, &[1; 512]);
    blobs.send(&write()).refused(412, "LeaseIdMissing");
    blobs.send(&clear_page("/box/p", 0, 512)).refused(412, "LeaseIdMissing");
    blobs.send(&write().header("x-ms-lease-id", &id)).is(201);
    let etag = blobs.send(&head("/box/p")).is(200).header("etag");
    let with = |name: &str| write().header("x-ms-lease-id", &id).header(name, &etag);
    blobs.send(&with("if-none-match")).refused(412, "ConditionNotMet");
    blobs.send(&with("if-match")).is(201);
    blobs.send(&with("if-match")).refused(412, "ConditionNotMet");
}

#[test]
fn copies_and_snapshots_go_ways_of_their_own() {
    let blobs = with_page_blob(4096);
    blobs.send(&put_page("/box/p", 0, &[1; 1024])).is(201);
    let source = format!("http://{HOST}/{ACCOUNT}/box/p");
    let copy = |to: &str, from: &str| put(to).header("x-ms-copy-source", from);
    let taken = blobs.send(&put("/box/p?comp=snapshot")).is(201).header("x-ms-snapshot");
    blobs.send(&copy("/box/q", &source)).is(202).has("x-ms-copy-status", "success");
    blobs.send(&put_page("/box/p", 512, &[2; 512])).is(201);
    blobs.send(&put_page("/box/q", 1024, &[3; 512])).is(201);
    let read = |target: &str| blobs.send(&get(target)).is(200).body;
    let pages = |parts: [u8; 4]| -> Vec<u8> {
        let full: Vec<u8> = parts.into_iter().flat_map(|byte| [byte; 512]).collect();
        [full, vec![0; 2048]].concat()
    };
    assert_eq!(read("/box/p"), pages([1, 2, 0, 0]));
    assert_eq!(read("/box/q"), pages([1, 1, 3, 0]));
    let snapshot = format!("/box/p?snapshot={taken}");
    assert_eq!(read(&snapshot), pages([1, 1, 0, 0]));
    // A snapshot is promoted by copying it over its blob.
    blobs.send(&copy("/box/p", &format!("{source}?snapshot={taken}"))).is(202);
    blobs.send(&put_page("/box/p", 1536, &[4; 512])).is(201);
    assert_eq!(read("/box/p"), pages([1, 1, 0, 4]));
    blobs.send(&delete("/box/p")).refused(409, "SnapshotsPresent");
    blobs.send(&delete("/box/p").header("x-ms-delete-snapshots", "include")).is(202);
    assert_eq!(read("/box/q"), pages([1, 1, 3, 0]));
}

#[test]
fn pages_come_from_another_blob() {
    let blobs = with_page_blob(4096);
    blobs
        .send(&put("/box?restype=container&comp=acl").header("x-ms-blob-public-access", "blob"))
        .is(200);
    blobs.send(&put_blob("/box/b", [6; 2048])).is(201);
    let from = |first: u64, end: u64, source: &str| {
        put("/box/p?comp=page")
            .header("x-ms-page-write", "update")
            .header("x-ms-copy-source", format!("http://{HOST}/{ACCOUNT}/box/b"))
            .header("x-ms-source-range", source)
            .header("x-ms-range", format!("bytes={first}-{}", end - 1))
    };
    let answer = blobs.send(&from(512, 1536, "bytes=512-1535")).is(201);
    answer.has("x-ms-blob-sequence-number", "0");
    assert!(!answer.header("x-ms-content-crc64").is_empty());
    assert_eq!(blobs.send(&ranged(512, 1536)).is(206).body, [6; 1024]);
    blobs.send(&from(0, 1024, "bytes=0-511")).refused(416, "InvalidPageRange");
    let wrong = from(0, 512, "bytes=0-511").header("x-ms-source-content-crc64", "AAAAAAAAAAA=");
    blobs.send(&wrong).refused(400, "Crc64Mismatch");
    let late = from(0, 512, "bytes=0-511").header("x-ms-if-sequence-number-lt", 0);
    blobs.send(&late).refused(412, "SequenceNumberConditionNotMet");
    let changed = from(0, 512, "bytes=0-511").header("x-ms-source-if-match", "\"0x1\"");
    assert_eq!(blobs.send(&changed).status(), 412);
    assert_eq!(blobs.send(&ranged(0, 512)).is(206).body, [0; 512]);
}

//! Append blobs: what an append tells and asks for, sealing, and what else is done to such a blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/append-block>,
//! <https://learn.microsoft.com/rest/api/storageservices/append-blob-seal>

use lazuli_auth::{ServiceSasToken, service_sas};

use crate::harness::{
    ACCOUNT, Blobs, Call, HOST, VERSION, delete, get, head, key_of, put, put_blob,
};
use crate::scribe::{Logged, receipt};

const HELLO: &str = "hello world";
const HELLO_MD5: &str = "XrY7u+Ae7tCTyyK7j1rNww==";
const HELLO_CRC: &str = "vo7q9sPVKY0=";

fn create(target: &str) -> Call {
    put(target).header("x-ms-blob-type", "AppendBlob")
}

fn append(content: impl AsRef<[u8]>) -> Call {
    put("/box/log?comp=appendblock").body(content)
}

fn at(position: impl ToString) -> Call {
    append("more").header("x-ms-blob-condition-appendpos", position)
}

/// A service with the append blob `box/log` that says `hello world`.
fn with_log() -> Blobs {
    let blobs = Blobs::with_container();
    blobs.send(&create("/box/log")).is(201);
    blobs.send(&append(HELLO)).is(201);
    blobs
}

#[test]
fn what_is_told() {
    let blobs = Blobs::with_container();
    let made = blobs.send(&create("/box/log").header("x-ms-meta-a", "1")).is(201);
    made.has("x-ms-request-server-encrypted", "true").has("x-ms-blob-append-offset", "");
    blobs.pass(10);
    let answer = blobs.send(&append(HELLO)).is(201);
    answer.has("x-ms-blob-append-offset", "0").has("x-ms-blob-committed-block-count", "1");
    answer.has("x-ms-content-crc64", HELLO_CRC).has("content-md5", "");
    answer.has("last-modified", "Tue, 24 Nov 2026 08:00:10 GMT");
    assert_ne!(answer.header("etag"), made.header("etag"));
    let answer = blobs.send(&append(HELLO).header("content-md5", HELLO_MD5)).is(201);
    answer.has("x-ms-blob-append-offset", "11").has("x-ms-blob-committed-block-count", "2");
    answer.has("content-md5", HELLO_MD5).has("x-ms-content-crc64", "");
    for call in [get("/box/log"), head("/box/log")] {
        let found = blobs.send(&call).is(200);
        found.has("etag", &answer.header("etag")).has("x-ms-meta-a", "1");
        found.has("x-ms-blob-type", "AppendBlob").has("content-length", "22");
        found.has("x-ms-blob-committed-block-count", "2").has("x-ms-blob-sealed", "");
        found.has("x-ms-access-tier", "").has("content-md5", "");
    }
    let range = get("/box/log").header("x-ms-range", "bytes=9-13");
    assert_eq!(blobs.send(&range).is(206).text(), "ldhel");
    let listed = blobs.send(&get("/box?restype=container&comp=list")).is(200);
    assert_eq!(listed.elements("BlobType"), ["AppendBlob"]);
    assert!(listed.elements("AccessTier").is_empty() && listed.elements("Sealed").is_empty());
    // An empty one has no range.
    blobs.send(&create("/box/log")).is(201);
    blobs.send(&get("/box/log").header("x-ms-range", "bytes=0-1")).refused(416, "InvalidRange");
    assert_eq!(blobs.send(&get("/box/log")).is(200).text(), "");
}

#[test]
fn what_is_refused_changes_nothing() {
    let blobs = with_log();
    blobs.send(&put_blob("/box/b", "content")).is(201);
    let etag = blobs.send(&head("/box/log")).is(200).header("etag");
    let maxed = |max: u32| append("more").header("x-ms-blob-condition-maxsize", max);
    let other = |name: &str| put(&format!("/box/{name}?comp=appendblock")).body("more");
    let lease = "aaaaaaaa-0000-0000-0000-000000000000";
    for (call, status, code) in [
        (at(10), 412, "AppendPositionConditionNotMet"),
        (at("x"), 400, "InvalidHeaderValue"),
        (maxed(14), 412, "MaxBlobSizeConditionNotMet"),
        (append(""), 400, "InvalidHeaderValue"),
        (append("more").header("if-match", "\"0x1\""), 412, "ConditionNotMet"),
        (append("more").header("x-ms-lease-id", lease), 412, "LeaseNotPresentWithBlobOperation"),
        (append("more").header("content-md5", HELLO_MD5), 400, "Md5Mismatch"),
        (append("more").header("x-ms-content-crc64", HELLO_CRC), 400, "Crc64Mismatch"),
        (other("none"), 404, "BlobNotFound"),
        (other("b"), 409, "InvalidBlobType"),
        (put("/none/log?comp=appendblock").body("more"), 404, "ContainerNotFound"),
        (create("/box/log").body("content"), 400, "InvalidHeaderValue"),
        (create("/box/b"), 409, "InvalidBlobType"),
        (put_blob("/box/log", "content"), 409, "InvalidBlobType"),
        (put("/box/log?comp=block&blockid=YWFh").body("more"), 409, "InvalidBlobType"),
        (put("/box/log?comp=blocklist").body("<BlockList></BlockList>"), 409, "InvalidBlobType"),
        (get("/box/log?comp=blocklist"), 409, "InvalidBlobType"),
        (put("/box/b?comp=seal"), 409, "InvalidBlobType"),
        (put("/box/none?comp=seal"), 404, "BlobNotFound"),
        (
            put("/box/log?comp=tier").header("x-ms-access-tier", "Cool"),
            400,
            "AccessTierNotSupportedForBlobType",
        ),
    ] {
        blobs.send(&call).refused(status, code);
        blobs.send(&get("/box/log")).is(200).has("etag", &etag).says(HELLO);
    }
    blobs.send(&maxed(15)).is(201).has("x-ms-blob-append-offset", "11");
    blobs.send(&at(15)).is(201).has("x-ms-blob-committed-block-count", "3");
}

#[test]
fn blocks_are_as_large_as_the_version_allows() {
    const MIB: u64 = 1024 * 1024;
    let blobs = with_log();
    for (version, max) in [("2021-12-02", 4 * MIB), ("2022-11-02", 100 * MIB)] {
        let over = append("").announced(max + 1).version(version);
        let answer = blobs.send(&over).refused(413, "RequestBodyTooLarge");
        answer.says(&format!("<MaxLimit>{max}</MaxLimit>"));
    }
    let whole = vec![b'x'; 4 * MIB as usize];
    blobs.send(&append(&whole).version("2021-12-02")).is(201);
    let answer = blobs.send(&append("end")).is(201);
    answer.has("x-ms-blob-append-offset", &(4 * MIB + 11).to_string());
    let end = get("/box/log").header("x-ms-range", format!("bytes={}-", 4 * MIB + 9));
    assert_eq!(blobs.send(&end).is(206).text(), "xxend");
    let long = append("").announced(MIB).header("x-ms-blob-condition-appendpos", "5");
    blobs.send(&long).refused(412, "AppendPositionConditionNotMet");
}

#[test]
fn a_sealed_blob_takes_no_more() {
    let blobs = with_log();
    let etag = blobs.send(&head("/box/log")).is(200).header("etag");
    let seal = || put("/box/log?comp=seal");
    let misplaced = seal().header("x-ms-blob-condition-appendpos", "3");
    blobs.send(&misplaced).refused(412, "AppendPositionConditionNotMet");
    blobs.send(&append("")).refused(400, "InvalidHeaderValue");
    for _ in 0..2 {
        let sealed = blobs.send(&seal()).is(200);
        sealed.has("x-ms-blob-sealed", "true").has("etag", &etag);
        blobs.send(&append("more")).refused(409, "BlobIsSealed");
    }
    for call in [get("/box/log"), head("/box/log")] {
        blobs.send(&call).is(200).has("x-ms-blob-sealed", "true").has("etag", &etag);
    }
    let listed = blobs.send(&get("/box?restype=container&comp=list")).is(200);
    assert_eq!(listed.elements("Sealed"), ["true"]);
    // What is not content may change, and a snapshot is sealed as well.
    blobs.send(&put("/box/log?comp=metadata").header("x-ms-meta-a", "1")).is(200);
    let taken = blobs.send(&put("/box/log?comp=snapshot")).is(201).header("x-ms-snapshot");
    let snapshot = head(&format!("/box/log?snapshot={taken}"));
    blobs.send(&snapshot).is(200).has("x-ms-blob-sealed", "true");
    // A copy is sealed as its source is, unless the request says otherwise.
    let copy = |to: &str| {
        let url = format!("http://{HOST}/{ACCOUNT}/box/log");
        put(&format!("/box/{to}")).header("x-ms-copy-source", url)
    };
    blobs.send(&copy("sealed")).is(202);
    blobs.send(&copy("open").header("x-ms-seal-blob", "false")).is(202);
    blobs.send(&put("/box/sealed?comp=appendblock").body("!")).refused(409, "BlobIsSealed");
    blobs.send(&put("/box/open?comp=appendblock").body("!")).is(201);
    assert_eq!(blobs.send(&get("/box/open")).is(200).text(), "hello world!");
    // It can be made anew.
    blobs.send(&create("/box/log")).is(201);
    blobs.send(&append("new")).is(201).has("x-ms-blob-append-offset", "0");
}

#[test]
fn snapshots_and_copies_keep_what_they_had() {
    let blobs = with_log();
    let taken = blobs.send(&put("/box/log?comp=snapshot")).is(201).header("x-ms-snapshot");
    let url = format!("http://{HOST}/{ACCOUNT}/box/log");
    let copy = |to: &str, of: &str| put(to).header("x-ms-copy-source", format!("{url}{of}"));
    blobs.send(&copy("/box/copy", "")).is(202);
    blobs.send(&append(" and more")).is(201);
    blobs.send(&copy("/box/older", &format!("?snapshot={taken}"))).is(202);
    blobs.send(&put("/box/copy?comp=appendblock").body("!")).is(201);
    let snapshot = format!("/box/log?snapshot={taken}");
    for (target, content, count) in [
        ("/box/log", "hello world and more", "2"),
        (&snapshot, HELLO, "1"),
        ("/box/copy", "hello world!", "2"),
        ("/box/older", HELLO, "1"),
    ] {
        let found = blobs.send(&get(target)).is(200);
        found.has("x-ms-blob-committed-block-count", count);
        assert_eq!(found.text(), content, "{target}");
    }
    blobs.send(&put_blob("/box/b", "content")).is(201);
    blobs.send(&copy("/box/b", "")).refused(409, "InvalidBlobType");
    let tiered = copy("/box/new", "").header("x-ms-access-tier", "Cool");
    blobs.send(&tiered).refused(400, "AccessTierNotSupportedForBlobType");
    blobs.send(&delete("/box/log")).refused(409, "SnapshotsPresent");
    blobs.send(&delete("/box/log").header("x-ms-delete-snapshots", "include")).is(202);
    assert_eq!(blobs.send(&get("/box/older")).is(200).text(), HELLO);
}

#[test]
fn blocks_come_from_other_blobs() {
    let blobs = with_log();
    blobs.send(&put_blob("/box/from", "0123456789")).is(201);
    let readable = |name: &str| {
        let fields = [("sp", "r"), ("se", "2026-11-24T09:00:00Z")];
        let sas = ServiceSasToken {
            account: ACCOUNT,
            container: "box",
            name,
            version: VERSION,
            resource: "b",
            moment: "",
            fields: &fields,
        };
        let token = service_sas(&key_of(ACCOUNT), &sas);
        format!("http://{HOST}/{ACCOUNT}/box/{name}?{token}")
    };
    let from = |name: &str| append("").header("x-ms-copy-source", readable(name));
    let part = from("from").header("x-ms-source-range", "bytes=2-4");
    let answer = blobs.send(&part).is(201);
    answer.has("x-ms-blob-append-offset", "11").has("x-ms-blob-committed-block-count", "2");
    assert!(!answer.header("x-ms-content-crc64").is_empty());
    // A blob may be its own source.
    let own = from("log").header("x-ms-source-range", "bytes=0-4");
    blobs.send(&own).is(201).has("x-ms-blob-append-offset", "14");
    assert_eq!(blobs.send(&get("/box/log")).is(200).text(), "hello world234hello");
    for (call, status, code) in [
        (from("none"), 404, "CannotVerifyCopySource"),
        (from("from").header("x-ms-source-range", "bytes=10-"), 416, "InvalidRange"),
        (from("from").header("x-ms-source-content-md5", HELLO_MD5), 400, "Md5Mismatch"),
        (from("from").header("x-ms-source-if-match", "\"0x1\""), 412, "SourceConditionNotMet"),
        (
            from("from").header("x-ms-blob-condition-appendpos", "1"),
            412,
            "AppendPositionConditionNotMet",
        ),
        (from("from").body("body"), 400, "InvalidHeaderValue"),
    ] {
        blobs.send(&call).refused(status, code);
    }
    assert_eq!(blobs.send(&get("/box/log")).is(200).text(), "hello world234hello");
    // Put Blob From URL makes a block blob of it, whatever the source is.
    let whole = put("/box/whole").header("x-ms-blob-type", "BlockBlob");
    blobs.send(&whole.header("x-ms-copy-source", readable("log"))).is(201);
    let found = blobs.send(&get("/box/whole")).is(200);
    found.has("x-ms-blob-type", "BlockBlob").has("x-ms-blob-committed-block-count", "");
    assert_eq!(found.text(), "hello world234hello");
    let sync = put("/box/sync").header("x-ms-requires-sync", "true");
    let sync = sync.header("x-ms-copy-source", readable("log"));
    blobs.send(&sync).refused(409, "InvalidSourceBlobType");
}

#[test]
fn a_leased_blob_takes_blocks_of_its_holder() {
    let blobs = with_log();
    let lease = "aaaaaaaa-0000-0000-0000-000000000000";
    let acquire = put("/box/log?comp=lease")
        .header("x-ms-lease-action", "acquire")
        .header("x-ms-lease-duration", "-1")
        .header("x-ms-proposed-lease-id", lease);
    blobs.send(&acquire).is(201);
    blobs.send(&append("more")).refused(412, "LeaseIdMissing");
    blobs.send(&put("/box/log?comp=seal")).refused(412, "LeaseIdMissing");
    blobs.send(&append("more").header("x-ms-lease-id", lease)).is(201);
    blobs.send(&put("/box/log?comp=seal").header("x-ms-lease-id", lease)).is(200);
}

#[test]
fn who_may_add_may_append_and_not_overwrite() {
    let blobs = with_log();
    let token = |permissions: &str| {
        let fields = [("sp", permissions), ("se", "2026-11-24T09:00:00Z")];
        let sas = ServiceSasToken {
            account: ACCOUNT,
            container: "box",
            name: "log",
            version: VERSION,
            resource: "b",
            moment: "",
            fields: &fields,
        };
        service_sas(&key_of(ACCOUNT), &sas)
    };
    for (permissions, status) in [("a", 201), ("w", 201), ("r", 403), ("c", 403)] {
        let answer = blobs.send(&append("more").token(&token(permissions)));
        assert_eq!(answer.status(), status, "{permissions}");
    }
    let seal = put("/box/log?comp=seal").token(&token("a"));
    blobs.send(&seal).refused(403, "AuthorizationPermissionMismatch");
}

#[test]
fn each_append_has_an_entry_and_a_receipt_of_its_own() {
    let blobs = with_log();
    let from = blobs.scribe.entries(0).len();
    let first = blobs.send(&append("one")).is(201);
    let second = blobs.send(&append("two").header("content-md5", HELLO_MD5));
    second.refused(400, "Md5Mismatch");
    let third = blobs.send(&append("three")).is(201);
    let entries = blobs.scribe.entries(from);
    assert_eq!(entries.iter().map(Logged::op).collect::<Vec<_>>(), ["AppendBlock"; 2]);
    first.has("x-lz-receipt", &receipt(from));
    third.has("x-lz-receipt", &receipt(from + 1));
}

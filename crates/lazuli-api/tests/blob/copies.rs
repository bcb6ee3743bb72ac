//! Copies: what of the source comes along, who may read it, and what is told of it later.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>,
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url>,
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url>

use lazuli_auth::{ServiceSasToken, service_sas};

use crate::harness::{
    ACCOUNT, Blobs, Call, HOST, OTHER_ACCOUNT, VERSION, delete, get, head, key_of, put, put_blob,
};

/// The four ways to write from a source.
const WAYS: [&str; 4] = ["copy", "sync copy", "put", "block"];

/// A write of `box/to` from a source in one of [`WAYS`].
fn write(way: &str, source: &str) -> Call {
    let call = match way {
        "copy" => put("/box/to"),
        "sync copy" => put("/box/to").header("x-ms-requires-sync", "true"),
        "put" => put("/box/to").header("x-ms-blob-type", "BlockBlob"),
        _ => put("/box/to?comp=block&blockid=YWFh"),
    };
    call.header("x-ms-copy-source", source)
}

fn success(way: &str) -> u16 {
    if way.ends_with("copy") { 202 } else { 201 }
}

fn url(account: &str, path: &str) -> String {
    format!("http://{HOST}/{account}{path}")
}

/// The URL of `box/from` of an account with a token to read it.
fn readable(account: &str) -> String {
    let fields = [("sp", "r"), ("se", "2026-11-24T09:00:00Z")];
    let sas = ServiceSasToken {
        account,
        container: "box",
        name: "from",
        version: VERSION,
        resource: "b",
        moment: "",
        fields: &fields,
    };
    format!("{}?{}", url(account, "/box/from"), service_sas(&key_of(account), &sas))
}

/// A service with a source that has everything a blob can have, in both accounts.
fn with_source() -> Blobs {
    let blobs = Blobs::with_container();
    blobs.send(&put("/box?restype=container").account(OTHER_ACCOUNT)).is(201);
    for account in [ACCOUNT, OTHER_ACCOUNT] {
        let call = put_blob("/box/from", "content")
            .account(account)
            .header("x-ms-blob-content-type", "text/plain")
            .header("x-ms-blob-content-language", "de")
            .header("x-ms-blob-cache-control", "no-cache")
            .header("x-ms-meta-a", "1")
            .header("x-ms-tags", "k=v");
        blobs.send(&call).is(201);
    }
    blobs.pass(10);
    blobs
}

#[test]
fn what_comes_along() {
    for way in &WAYS[..3] {
        let blobs = with_source();
        let source = blobs.send(&get("/box/from")).is(200);
        let answer = blobs.send(&write(way, &readable(ACCOUNT))).is(success(way));
        answer.has("last-modified", "Tue, 24 Nov 2026 08:00:10 GMT");
        assert_ne!(answer.header("etag"), source.header("etag"));
        let copy = blobs.send(&get("/box/to")).is(200);
        copy.has("etag", &answer.header("etag")).says("content");
        for name in ["content-type", "content-language", "cache-control", "content-md5"] {
            assert!(!source.header(name).is_empty());
            copy.has(name, &source.header(name));
        }
        copy.has("x-ms-meta-a", "1").has("x-ms-tag-count", "");
        copy.has("x-ms-creation-time", "Tue, 24 Nov 2026 08:00:10 GMT");
    }
}

#[test]
fn what_may_be_given_instead() {
    for way in &WAYS[..3] {
        let blobs = with_source();
        let call = write(way, &readable(ACCOUNT)).header("x-ms-meta-b", "2");
        let call = call.header("x-ms-tags", "n=m").header("x-ms-access-tier", "Cool");
        blobs.send(&call).is(success(way));
        let copy = blobs.send(&head("/box/to")).is(200);
        copy.has("x-ms-meta-a", "").has("x-ms-meta-b", "2").has("x-ms-tag-count", "1");
        copy.has("x-ms-access-tier", "Cool").has("content-type", "text/plain");
        let tags = blobs.send(&get("/box/to?comp=tags")).is(200);
        tags.says("<Key>n</Key><Value>m</Value>");
    }
    for way in ["sync copy", "put"] {
        let blobs = with_source();
        let with_tags =
            || write(way, &readable(ACCOUNT)).header("x-ms-copy-source-tag-option", "COPY");
        blobs.send(&with_tags()).is(success(way));
        let tags = blobs.send(&get("/box/to?comp=tags")).is(200);
        tags.says("<Key>k</Key><Value>v</Value>");
        let both = with_tags().header("x-ms-tags", "n=m");
        blobs.send(&both).refused(400, "BothUserTagsAndSourceTagsCopyPresentException");
    }
    let blobs = with_source();
    let bare = write("put", &readable(ACCOUNT)).header("x-ms-copy-source-blob-properties", "false");
    blobs.send(&bare.header("x-ms-blob-content-type", "a/b")).is(201);
    let copy = blobs.send(&head("/box/to")).is(200);
    copy.has("content-type", "a/b").has("content-language", "").has("cache-control", "");
}

#[test]
fn a_copy_is_told_of_until_it_is_overwritten() {
    for way in &WAYS[..2] {
        let blobs = with_source();
        let answer = blobs.send(&write(way, &readable(ACCOUNT))).is(202);
        let id = answer.header("x-ms-copy-id");
        assert_eq!(id.len(), 36, "{answer}");
        answer.has("x-ms-copy-status", "success");
        for call in [get("/box/to"), head("/box/to")] {
            let copy = blobs.send(&call).is(200);
            copy.has("x-ms-copy-id", &id).has("x-ms-copy-status", "success");
            copy.has("x-ms-copy-progress", "7/7");
            copy.has("x-ms-copy-completion-time", "Tue, 24 Nov 2026 08:00:10 GMT");
            // The token is nobody's business.
            copy.has("x-ms-copy-source", &url(ACCOUNT, "/box/from"));
        }
        blobs.send(&put("/box/to?comp=block&blockid=YWFh").body("a")).is(201);
        blobs.send(&head("/box/to")).is(200).has("x-ms-copy-id", &id);
        for change in [
            put("/box/to?comp=properties").header("x-ms-blob-content-type", "a/b"),
            put_blob("/box/to", "new"),
            put("/box/to?comp=blocklist").body("<BlockList></BlockList>"),
        ] {
            blobs.send(&delete("/box/to")).is(202);
            blobs.send(&write(way, &readable(ACCOUNT))).is(202);
            assert!(blobs.send(&change).status() < 300);
            let changed = blobs.send(&head("/box/to")).is(200);
            changed.has("x-ms-copy-id", "").has("x-ms-copy-source", "");
        }
    }
    let blobs = with_source();
    blobs.send(&write("put", &readable(ACCOUNT))).is(201).has("x-ms-copy-id", "");
    blobs.send(&head("/box/to")).is(200).has("x-ms-copy-id", "");
}

#[test]
fn who_may_read_the_source() {
    let own = url(ACCOUNT, "/box/from");
    let other = url(OTHER_ACCOUNT, "/box/from");
    for way in WAYS {
        let of_key = if way == "copy" { 0 } else { 401 };
        for (source, refused) in [
            (own.clone(), of_key),
            (other.clone(), 401),
            (readable(ACCOUNT), 0),
            (readable(OTHER_ACCOUNT), 0),
            (readable(ACCOUNT).replace("sig=", "sig=AAAA"), 403),
            (readable(ACCOUNT).replace("sp=r", "sp=w"), 403),
            (readable(ACCOUNT).replace("/box/from", "/box/other"), 403),
        ] {
            let blobs = with_source();
            let answer = blobs.send(&write(way, &source));
            if refused == 0 {
                answer.is(success(way));
                continue;
            }
            answer.refused(refused, "CannotVerifyCopySource");
            blobs.send(&head("/box/to")).refused(404, "BlobNotFound");
        }
        // A public source is anybody's.
        let blobs = with_source();
        let acl = put("/box?restype=container&comp=acl").account(OTHER_ACCOUNT);
        blobs.send(&acl.header("x-ms-blob-public-access", "blob")).is(200);
        blobs.send(&write(way, &other)).is(success(way));
    }
    // By another of the server's names it is the same source, and no other port is the server's.
    for (own_name, status) in [("localhost:10000", 0), ("[::1]:10000", 0), ("localhost:10001", 403)]
    {
        for way in WAYS {
            let blobs = with_source();
            let answer = blobs.send(&write(way, &readable(ACCOUNT).replace(HOST, own_name)));
            if status == 0 {
                answer.is(success(way));
            } else {
                answer.refused(status, "CannotVerifyCopySource");
            }
            let unread = write(way, &other.replace(HOST, own_name));
            let want = if status == 0 { 401 } else { status };
            blobs.send(&unread).refused(want, "CannotVerifyCopySource");
        }
    }
    // Who has but a token brings one for the source, too.
    let blobs = with_source();
    let fields = [("sp", "cw"), ("se", "2026-11-24T09:00:00Z")];
    let token = service_sas(
        &key_of(ACCOUNT),
        &ServiceSasToken {
            account: ACCOUNT,
            container: "box",
            name: "",
            version: VERSION,
            resource: "c",
            moment: "",
            fields: &fields,
        },
    );
    blobs.send(&write("copy", &own).token(&token)).refused(401, "CannotVerifyCopySource");
    blobs.send(&write("copy", &readable(ACCOUNT)).token(&token)).is(202);
}

#[test]
fn sources_that_are_none() {
    for way in WAYS {
        let blobs = with_source();
        let token = readable(ACCOUNT).split_once('?').unwrap().1.to_owned();
        blobs.send(&delete("/box/from")).is(202);
        let gone = format!("{}?{token}", url(ACCOUNT, "/box/from"));
        let answer = blobs.send(&write(way, &gone)).refused(404, "CannotVerifyCopySource");
        answer.says("<CopySourceStatusCode>404</CopySourceStatusCode>");
        answer.says("<CopySourceErrorCode>BlobNotFound</CopySourceErrorCode>");
        for source in ["box/from", "/box/from", "ftp://127.0.0.1/a/b/c", "http://", "http://a b/c"]
        {
            let answer = blobs.send(&write(way, source)).refused(400, "InvalidHeaderValue");
            answer.says("<HeaderName>x-ms-copy-source</HeaderName>");
        }
        let long = url(ACCOUNT, &format!("/box/{}", "a".repeat(2048)));
        blobs.send(&write(way, &long)).refused(400, "InvalidHeaderValue");
        // Elsewhere is out of reach unless the operator said otherwise.
        let elsewhere = "http://192.0.2.1:10000/lazurite/box/from";
        blobs.send(&write(way, elsewhere)).refused(403, "CannotVerifyCopySource");
    }
}

#[test]
fn a_copy_of_a_snapshot_and_onto_its_own_blob() {
    let blobs = with_source();
    let snapshot = blobs.send(&put("/box/from?comp=snapshot")).is(201).header("x-ms-snapshot");
    blobs.send(&put_blob("/box/from", "newer")).is(201);
    let source = format!("{}?snapshot={snapshot}", url(ACCOUNT, "/box/from"));
    blobs.send(&write("copy", &source)).is(202);
    let copy = blobs.send(&get("/box/to")).is(200);
    copy.has("x-ms-copy-source", &source).says("content");
    // Promoted, the snapshot stays.
    blobs.send(&put("/box/from").header("x-ms-copy-source", &source)).is(202);
    assert_eq!(blobs.send(&get("/box/from")).is(200).text(), "content");
    let snapshot = get(&format!("/box/from?snapshot={snapshot}"));
    assert_eq!(blobs.send(&snapshot).is(200).text(), "content");
    // A blob may be its own source.
    let own = url(ACCOUNT, "/box/from");
    let call = put("/box/from").header("x-ms-copy-source", own).header("x-ms-meta-b", "2");
    blobs.send(&call).is(202);
    blobs.send(&get("/box/from")).is(200).has("x-ms-meta-b", "2").says("content");
}

#[test]
fn a_copy_goes_its_own_way() {
    for way in &WAYS[..3] {
        let blobs = with_source();
        blobs.send(&put_blob("/box/to", "old")).is(201);
        blobs.send(&write(way, &readable(ACCOUNT))).is(success(way));
        blobs.send(&put_blob("/box/from", "newer")).is(201);
        assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "content");
        blobs.send(&delete("/box/from")).is(202);
        assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "content");
    }
}

#[test]
fn blocks_from_ranges_of_a_source() {
    let blobs = with_source();
    for (id, range) in [("YWFh", "bytes=4-"), ("YmJi", "bytes=0-2"), ("Y2Nj", "")] {
        let call = put(&format!("/box/to?comp=block&blockid={id}"));
        let call = call.header("x-ms-copy-source", readable(ACCOUNT));
        blobs.send(&call.header("x-ms-source-range", range)).is(201);
    }
    let list =
        "<BlockList><Latest>YWFh</Latest><Latest>YmJi</Latest><Latest>Y2Nj</Latest></BlockList>";
    blobs.send(&put("/box/to?comp=blocklist").body(list)).is(201);
    assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "entconcontent");
    let block = || write("block", &readable(ACCOUNT));
    let body = block().body("a body");
    blobs.send(&body).refused(400, "InvalidHeaderValue");
    let answer = blobs.send(&block().header("x-ms-source-range", "bytes=7-"));
    assert_eq!(answer.status(), 416, "{answer}");
    blobs.send(&block().header("x-ms-source-range", "all")).refused(400, "InvalidHeaderValue");
}

/// MD5 and CRC-64 of `content`, and of nothing.
const MD5: &str = "mgNkuembtIDdJeHwKEyFVQ==";
const EMPTY_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

#[test]
fn the_checksum_of_the_source_is_verified() {
    let header = "x-ms-source-content-md5";
    for way in &WAYS[1..] {
        let blobs = with_source();
        let call = |md5: &str| write(way, &readable(ACCOUNT)).header(header, md5);
        blobs.send(&call(EMPTY_MD5)).refused(400, "Md5Mismatch");
        blobs.send(&call("AAAA")).refused(400, "InvalidMd5");
        blobs.send(&head("/box/to")).refused(404, "BlobNotFound");
        blobs.send(&call(MD5)).is(success(way));
        // It is that of the content, not the one the source's owner stored.
        let list = "<BlockList><Latest>YWFh</Latest></BlockList>";
        blobs.send(&put("/box/from?comp=block&blockid=YWFh").body("content")).is(201);
        let commit = put("/box/from?comp=blocklist").body(list);
        for stored in ["", EMPTY_MD5] {
            blobs.send(&put("/box/from?comp=block&blockid=YWFh").body("content")).is(201);
            blobs.send(&commit.clone().header("x-ms-blob-content-md5", stored)).is(201);
            blobs.send(&call(EMPTY_MD5)).refused(400, "Md5Mismatch");
            blobs.send(&call(MD5)).is(success(way));
        }
    }
    let blobs = with_source();
    let header = "x-ms-source-content-crc64";
    let crc = blobs.send(&put_blob("/box/other", "content")).header("x-ms-content-crc64");
    let call = |crc: &str| write("block", &readable(ACCOUNT)).header(header, crc);
    blobs.send(&call(&crc)).is(201).has("x-ms-content-crc64", &crc);
    blobs.send(&call("AAAAAAAAAAA=")).refused(400, "Crc64Mismatch");
}

#[test]
fn nothing_is_pending() {
    let blobs = with_source();
    let id = blobs.send(&write("copy", &readable(ACCOUNT))).is(202).header("x-ms-copy-id");
    let abort =
        |query: &str| put(&format!("/box/to?comp=copy{query}")).header("x-ms-copy-action", "abort");
    let call = abort(&format!("&copyid={id}"));
    blobs.send(&call).refused(409, "NoPendingCopyOperation");
    blobs.send(&abort("")).refused(400, "MissingRequiredQueryParameter");
    let call = put("/box/to?comp=copy&copyid=1");
    blobs.send(&call).refused(400, "MissingRequiredHeader");
    let call = call.header("x-ms-copy-action", "stop");
    blobs.send(&call).refused(400, "InvalidHeaderValue");
    assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "content");
}

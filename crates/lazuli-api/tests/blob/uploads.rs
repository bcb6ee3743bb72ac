//! Uploads, whole and in blocks: checksums, block ids, block lists and limits.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob>,
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-list>

use crate::harness::{Blobs, Call, delete, get, head, put, put_blob};

/// `hello world` and its checksums.
const HELLO: &str = "hello world";
const HELLO_MD5: &str = "XrY7u+Ae7tCTyyK7j1rNww==";
const HELLO_CRC: &str = "vo7q9sPVKY0=";
const EMPTY_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";
const EMPTY_CRC: &str = "AAAAAAAAAAA=";

const MIB: u64 = 1024 * 1024;

fn block(id: &str, content: &str) -> Call {
    put(&format!("/box/b?comp=block&blockid={id}")).body(content)
}

/// Commits blocks written as `Latest:YWFh Committed:YmJi`.
fn commit(blocks: &str) -> Call {
    let items = blocks.split_whitespace().map(|item| item.split_once(':').unwrap());
    let items = items.map(|(kind, id)| format!("<{kind}>{id}</{kind}>"));
    let items = items.collect::<Vec<_>>().concat();
    let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{items}</BlockList>");
    put("/box/b?comp=blocklist").body(xml)
}

/// Asserts the two lists of blocks of `box/b`, each as `name=size` joined by spaces.
#[track_caller]
fn has_blocks(blobs: &Blobs, committed: &str, uncommitted: &str) {
    let answer = blobs.send(&get("/box/b?comp=blocklist&blocklisttype=all")).is(200);
    let sections = [("CommittedBlocks", committed), ("UncommittedBlocks", uncommitted)];
    for (section, expected) in sections {
        let text = answer.elements(section).concat();
        let blocks = text.split("<Block><Name>").skip(1).map(|block| {
            let (name, rest) = block.split_once("</Name><Size>").unwrap();
            format!("{name}={}", rest.split("</Size>").next().unwrap())
        });
        assert_eq!(blocks.collect::<Vec<_>>().join(" "), expected, "{section} of {answer}");
    }
}

#[test]
fn what_a_write_tells() {
    let blobs = Blobs::with_container();
    let answer = blobs.send(&put_blob("/box/b", HELLO)).is(201);
    answer.has("content-md5", HELLO_MD5).has("x-ms-content-crc64", HELLO_CRC);
    answer.has("x-ms-request-server-encrypted", "true");
    answer.has("last-modified", "Tue, 24 Nov 2026 08:00:00 GMT");
    let etag = answer.header("etag");
    assert!(etag.starts_with("\"0x8") && etag.ends_with('"'), "{etag}");
    let again = blobs.send(&put_blob("/box/b", HELLO)).is(201).header("etag");
    assert_ne!(again, etag, "within one tick of the clock");
    // The MD5 is stored; a block's response has the checksum that was sent, or the CRC.
    blobs.send(&head("/box/b")).is(200).has("content-md5", HELLO_MD5);
    let answer = blobs.send(&block("YWFh", HELLO)).is(201);
    answer.has("x-ms-content-crc64", HELLO_CRC).has("content-md5", "").has("etag", "");
    let answer = blobs.send(&block("YWFh", HELLO).header("content-md5", HELLO_MD5)).is(201);
    answer.has("content-md5", HELLO_MD5).has("x-ms-content-crc64", "");
    let answer = blobs.send(&put_blob("/box/empty", "")).is(201);
    answer.has("content-md5", EMPTY_MD5).has("x-ms-content-crc64", EMPTY_CRC);
}

#[test]
fn checksums_that_were_sent_are_verified() {
    let list = "<BlockList></BlockList>";
    let cases = [
        ("content-md5", HELLO_MD5, ""),
        ("content-md5", EMPTY_MD5, "Md5Mismatch"),
        ("content-md5", "XrY7u+Ae7tCTyyK7j1rN", "InvalidMd5"),
        ("content-md5", "not base64!", "InvalidMd5"),
        ("x-ms-content-crc64", HELLO_CRC, ""),
        ("x-ms-content-crc64", EMPTY_CRC, "Crc64Mismatch"),
        ("x-ms-content-crc64", "vo7q9sPV", "InvalidHeaderValue"),
    ];
    for (header, value, code) in cases {
        let status = if code.is_empty() { 201 } else { 400 };
        let blobs = Blobs::with_container();
        blobs.send(&put_blob("/box/b", HELLO).header(header, value)).outcome(status, code);
        blobs.send(&block("YWFh", HELLO).header(header, value)).outcome(status, code);
        if code.is_empty() {
            blobs.send(&get("/box/b")).is(200).has("content-md5", HELLO_MD5);
            has_blocks(&blobs, "", "YWFh=11");
        } else {
            // What is damaged is not kept.
            let blocks = get("/box/b?comp=blocklist&blocklisttype=all");
            blobs.send(&blocks).refused(404, "BlobNotFound");
            let call = put("/box/b?comp=blocklist").body(list).header(header, value);
            blobs.send(&call).refused(400, code);
            blobs.send(&get("/box/b")).refused(404, "BlobNotFound");
        }
    }
    let blobs = Blobs::with_container();
    for call in [put_blob("/box/b", HELLO), block("YWFh", HELLO), commit("").body(HELLO)] {
        let both = call.header("content-md5", HELLO_MD5).header("x-ms-content-crc64", HELLO_CRC);
        blobs.send(&both).refused(400, "BothCrc64AndMd5HeaderPresent");
    }
    let answer = blobs.send(&put_blob("/box/b", HELLO).header("content-md5", EMPTY_MD5));
    let answer = answer.refused(400, "Md5Mismatch");
    answer.says(&format!("<UserSpecifiedMd5>{EMPTY_MD5}</UserSpecifiedMd5>"));
    answer.says(&format!("<ServerCalculatedMd5>{HELLO_MD5}</ServerCalculatedMd5>"));
}

#[test]
fn the_md5_of_a_blob_of_blocks_is_the_callers() {
    let blobs = Blobs::with_container();
    blobs.send(&block("YWFh", HELLO)).is(201);
    blobs.send(&commit("Latest:YWFh").header("x-ms-blob-content-md5", EMPTY_MD5)).is(201);
    blobs.send(&get("/box/b")).is(200).has("content-md5", EMPTY_MD5).says(HELLO);
    blobs.send(&commit("Latest:YWFh")).is(201);
    blobs.send(&get("/box/b")).is(200).has("content-md5", "").says(HELLO);
}

#[test]
fn ids_of_blocks() {
    let cases = [
        ("YWFh", 201, ""),
        ("YWFhYQ==", 201, ""),
        (&"YWFh".repeat(21), 201, ""),
        (&"YWFh".repeat(22), 400, "OutOfRangeInput"),
        ("not%20base64", 400, "InvalidQueryParameterValue"),
        ("YWFhY", 400, "InvalidQueryParameterValue"),
        ("", 400, "MissingRequiredQueryParameter"),
    ];
    for (id, status, code) in cases {
        let blobs = Blobs::with_container();
        blobs.send(&block(id, "a")).outcome(status, code);
    }
    let blobs = Blobs::with_container();
    blobs.send(&put("/box/b?comp=block").body("a")).refused(400, "MissingRequiredQueryParameter");
    // All ids of a blob's uncommitted blocks are of one length.
    blobs.send(&block("YWFh", "a")).is(201);
    blobs.send(&block("YWFhYQ==", "a")).refused(400, "InvalidBlobOrBlock");
    blobs.send(&block("YmJi", "b")).is(201);
    blobs.send(&commit("Latest:YWFh Latest:YmJi")).is(201);
    // Those that were committed do not count.
    blobs.send(&block("YWFhYQ==", "a")).is(201);
    has_blocks(&blobs, "YWFh=1 YmJi=1", "YWFhYQ===1");
}

#[test]
fn a_list_makes_the_blob() {
    let blobs = Blobs::with_container();
    for (id, content) in [("Y2Nj", "ccc"), ("YWFh", "a"), ("YmJi", "bb"), ("ZGRk", "unused")] {
        blobs.send(&block(id, content)).is(201);
    }
    // Uncommitted blocks are told in the order of their ids.
    has_blocks(&blobs, "", "YWFh=1 YmJi=2 Y2Nj=3 ZGRk=6");
    blobs.send(&commit("Latest:Y2Nj Uncommitted:YWFh Latest:YmJi Latest:YWFh")).is(201);
    assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "cccabba");
    // What was not used is gone.
    has_blocks(&blobs, "Y2Nj=3 YWFh=1 YmJi=2 YWFh=1", "");
    blobs.send(&block("YWFh", "new")).is(201);
    assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "cccabba");
    let mixed = commit("Committed:YWFh Uncommitted:YWFh Latest:YWFh Latest:Y2Nj");
    blobs.send(&mixed).is(201);
    assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "anewnewccc");
    blobs.send(&commit("")).is(201);
    blobs.send(&get("/box/b")).is(200).has("content-length", "0");
}

#[test]
fn lists_of_blocks_that_are_not_there() {
    let blobs = Blobs::with_container();
    blobs.send(&block("YWFh", "a")).is(201);
    blobs.send(&commit("Latest:YWFh")).is(201);
    blobs.send(&block("YmJi", "b")).is(201);
    for list in [
        "Latest:eHh4",
        "Committed:eHh4",
        "Uncommitted:YWFh",
        "Committed:YmJi",
        "Latest:YWFh Uncommitted:eHh4",
        "Latest:YWFhYQ==",
    ] {
        blobs.send(&commit(list)).refused(400, "InvalidBlockList");
        assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "a");
        has_blocks(&blobs, "YWFh=1", "YmJi=1");
    }
    // A blob that was put whole has no committed blocks.
    blobs.send(&put_blob("/box/b", "whole")).is(201);
    has_blocks(&blobs, "", "");
    blobs.send(&commit("Committed:YWFh")).refused(400, "InvalidBlockList");
    blobs.send(&commit("Uncommitted:YmJi")).refused(400, "InvalidBlockList");
}

#[test]
fn lists_that_are_no_lists() {
    let blobs = Blobs::with_container();
    blobs.send(&block("YWFh", "a")).is(201);
    for (body, code) in [
        ("", "InvalidXmlDocument"),
        ("<BlockList>", "InvalidXmlDocument"),
        ("<BlockList><Latest>YWFh</BlockList></Latest>", "InvalidXmlDocument"),
        ("no xml", "InvalidXmlDocument"),
        ("<!DOCTYPE a [<!ENTITY b 'YWFh'>]><BlockList/>", "InvalidXmlDocument"),
        ("<BlockList><Newest>YWFh</Newest></BlockList>", "UnsupportedXmlNode"),
        ("<BlockList><Latest>not base64!</Latest></BlockList>", "InvalidBlockId"),
    ] {
        let call = put("/box/b?comp=blocklist").body(body);
        blobs.send(&call).refused(400, code);
    }
    let many = "<Latest>YWFh</Latest>".repeat(50_001);
    let call = put("/box/b?comp=blocklist").body(format!("<BlockList>{many}</BlockList>"));
    blobs.send(&call).refused(400, "BlockListTooLong");
    blobs.send(&get("/box/b")).refused(404, "BlobNotFound");
    // A byte order mark and white space are not in the way.
    let body = "\u{feff}<?xml version=\"1.0\"?>\r\n<BlockList>\r\n <Latest>YWFh</Latest>\r\n\
                </BlockList>\r\n";
    blobs.send(&put("/box/b?comp=blocklist").body(body)).is(201);
    assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "a");
}

#[test]
fn a_blob_of_uncommitted_blocks_is_hardly_there() {
    let blobs = Blobs::with_container();
    blobs.send(&block("YWFh", "first")).is(201);
    blobs.send(&block("YWFh", "last")).is(201);
    for call in [get("/box/b"), head("/box/b"), put("/box/b?comp=metadata")] {
        blobs.send(&call).refused(404, "BlobNotFound");
    }
    has_blocks(&blobs, "", "YWFh=4");
    let committed = blobs.send(&get("/box/b?comp=blocklist")).is(200);
    committed.has("etag", "").has("last-modified", "").hides("YWFh");
    let list = "/box?restype=container&comp=list";
    blobs.send(&get(list)).is(200).hides("<Name>");
    let answer = blobs.send(&get(&format!("{list}&include=uncommittedblobs"))).is(200);
    answer.says("<Name>b</Name>").says("<Content-Length>0</Content-Length>");
    blobs.send(&delete("/box/b")).is(202);
    let blocks = get("/box/b?comp=blocklist&blocklisttype=all");
    blobs.send(&blocks).refused(404, "BlobNotFound");
    // Staging does not touch a blob that is there.
    let etag = blobs.send(&put_blob("/box/b", "whole")).is(201).header("etag");
    blobs.pass(5);
    blobs.send(&block("YWFh", "staged")).is(201);
    blobs.send(&get("/box/b")).is(200).has("etag", &etag).says("whole");
}

#[test]
fn limits_of_versions() {
    // Version, most bytes of Put Blob and of Put Block.
    for (version, blob, block) in [
        ("2015-12-11", 64, 4),
        ("2016-05-31", 256, 100),
        ("2019-07-07", 256, 100),
        ("2019-12-12", 5000, 4000),
        ("2026-10-06", 5000, 4000),
    ] {
        let blobs = Blobs::with_container();
        let calls = [
            (put_blob("/box/b", ""), blob * MIB),
            (put("/box/b?comp=block&blockid=YWFh"), block * MIB),
        ];
        for (call, max) in calls {
            let call = call.version(version);
            let answer = blobs.send(&call.clone().announced(max + 1));
            let answer = answer.refused(413, "RequestBodyTooLarge");
            answer.says(&format!("<MaxLimit>{max}</MaxLimit>"));
            // One byte less is not too much: it is missed, for nothing was sent.
            blobs.send(&call.announced(max)).refused(400, "InvalidInput");
        }
        blobs.send(&get("/box/b")).refused(404, "BlobNotFound");
    }
    let blobs = Blobs::with_container();
    let content = vec![7; 4 * MIB as usize + 1];
    let call = put("/box/b?comp=block&blockid=YWFh").version("2015-12-11");
    blobs.send(&call.clone().body(&content[1..])).is(201);
    blobs.send(&call.clone().body(&content)).refused(413, "RequestBodyTooLarge");
    let unannounced = call.body(&content).unannounced().header("transfer-encoding", "chunked");
    blobs.send(&unannounced).refused(413, "RequestBodyTooLarge");
    has_blocks(&blobs, "", "YWFh=4194304");
}

#[test]
fn lengths() {
    let blobs = Blobs::with_container();
    let unannounced = put_blob("/box/b", HELLO).unannounced();
    blobs.send(&unannounced).refused(411, "MissingContentLengthHeader");
    let chunked = unannounced.header("transfer-encoding", "chunked");
    blobs.send(&chunked).is(201).has("content-md5", HELLO_MD5);
    blobs.send(&put_blob("/box/b", "cut off").announced(8)).refused(400, "InvalidInput");
    assert_eq!(blobs.send(&get("/box/b")).is(200).text(), HELLO);
    let answer = blobs.send(&block("YWFh", "")).refused(400, "InvalidHeaderValue");
    answer.says("<HeaderName>Content-Length</HeaderName>");
}

#[test]
fn what_a_put_sets_and_what_it_clears() {
    let blobs = Blobs::with_container();
    let full = put_blob("/box/b", "1")
        .header("content-type", "text/plain")
        .header("content-encoding", "gzip")
        .header("x-ms-blob-content-language", "de")
        .header("x-ms-blob-content-disposition", "inline")
        .header("cache-control", "no-cache")
        .header("x-ms-meta-a", "1")
        .header("x-ms-tags", "k=v")
        .header("x-ms-access-tier", "Cool");
    blobs.send(&full).is(201);
    let answer = blobs.send(&head("/box/b")).is(200);
    answer.has("content-type", "text/plain").has("content-encoding", "gzip");
    answer.has("content-language", "de").has("content-disposition", "inline");
    answer.has("cache-control", "no-cache").has("x-ms-meta-a", "1").has("x-ms-tag-count", "1");
    answer.has("x-ms-access-tier", "Cool").has("x-ms-access-tier-inferred", "");
    answer.has("x-ms-blob-type", "BlockBlob").has("x-ms-server-encrypted", "true");
    answer.has("x-ms-creation-time", "Tue, 24 Nov 2026 08:00:00 GMT");
    blobs.pass(60);
    blobs.send(&put_blob("/box/b", "2").header("x-ms-blob-content-type", "a/b")).is(201);
    let answer = blobs.send(&head("/box/b")).is(200);
    answer.has("content-type", "a/b").has("content-encoding", "").has("x-ms-meta-a", "");
    answer.has("x-ms-tag-count", "").has("cache-control", "");
    answer.has("last-modified", "Tue, 24 Nov 2026 08:01:00 GMT");
    // The tier is the overwritten blob's, unless another is given.
    answer.has("x-ms-access-tier", "Cool");
    blobs.send(&put_blob("/box/plain", "1")).is(201);
    let answer = blobs.send(&head("/box/plain")).is(200);
    answer.has("content-type", "application/octet-stream");
    answer.has("x-ms-access-tier", "Hot").has("x-ms-access-tier-inferred", "true");
    // The header of the blob's own properties wins.
    let both = put_blob("/box/both", "1").header("content-type", "a/a");
    blobs.send(&both.header("x-ms-blob-content-type", "b/b")).is(201);
    blobs.send(&head("/box/both")).is(200).has("content-type", "b/b");
}

#[test]
fn types_of_blobs() {
    let blobs = Blobs::with_container();
    let answer = blobs.send(&put("/box/b").body("a")).refused(400, "MissingRequiredHeader");
    answer.says("<HeaderName>x-ms-blob-type</HeaderName>");
    let answer = blobs.send(&put("/box/b").header("x-ms-blob-type", "Blob"));
    let answer = answer.refused(400, "InvalidHeaderValue");
    answer.says("<HeaderValue>Blob</HeaderValue>");
    blobs.send(&put_blob("/nowhere/b", "a")).refused(404, "ContainerNotFound");
    let call = put("/nowhere/b?comp=block&blockid=YWFh").body("a");
    blobs.send(&call).refused(404, "ContainerNotFound");
}

#[test]
fn structured_messages() {
    // Version 1, 50 bytes, with checksums, one segment: number 1, 11 bytes, and both CRCs.
    let crc = [0xbe, 0x8e, 0xea, 0xf6, 0xc3, 0xd5, 0x29, 0x8d];
    let mut message = vec![1, 50, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0];
    message.extend([1, 0, 11, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(HELLO.as_bytes());
    message.extend(crc);
    message.extend(crc);
    let header = "XSM/1.0; properties=crc64";
    let call = |message: &[u8], length: u64| {
        let call = put_blob("/box/b", message).header("x-ms-structured-body", header);
        call.header("x-ms-structured-content-length", length)
    };
    let blobs = Blobs::with_container();
    let answer = blobs.send(&call(&message, 11)).is(201);
    answer.has("x-ms-structured-body", header).has("x-ms-content-crc64", HELLO_CRC);
    blobs.send(&get("/box/b")).is(200).has("content-length", "11").says(HELLO);
    let read = get("/box/b").header("x-ms-structured-body", header);
    let answer = blobs.send(&read).is(200);
    answer.has("x-ms-structured-body", header).has("x-ms-structured-content-length", "11");
    assert_eq!(answer.body, message);
    for (at, length) in [(0, 11), (13, 11), (30, 11), (36, 11), (45, 11), (50, 12)] {
        let mut damaged = message.clone();
        if let Some(byte) = damaged.get_mut(at) {
            *byte ^= 1;
        }
        let answer = blobs.send(&call(&damaged, length));
        assert_eq!(answer.status(), 400, "{at}: {answer}");
        assert_eq!(blobs.send(&get("/box/b")).is(200).text(), HELLO);
    }
    let unsized_message = put_blob("/box/b", &message).header("x-ms-structured-body", header);
    blobs.send(&unsized_message).refused(400, "MissingRequiredHeader");
}

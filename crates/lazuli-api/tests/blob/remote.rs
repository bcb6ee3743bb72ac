//! Copies whose source is on another server: what is asked of it, what comes along, what is told
//! when it cannot be read, and copies that go on beside the requests.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>,
//! <https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob>,
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url>

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::harness::{Answer, Blobs, Call, Setup, delete, get, head, put, put_blob};
use crate::source::{Source, Then, answer};

/// The ways that are complete when they answer.
const AT_ONCE: [&str; 3] = ["sync copy", "put", "block"];

/// All ways to write from a source.
const WAYS: [&str; 4] = ["sync copy", "put", "block", "copy"];

/// What a source has besides its content.
const HEADERS: &str = "ETag: \"0x1\"\r\nLast-Modified: Tue, 24 Nov 2026 07:00:00 GMT\r\n\
                       Accept-Ranges: bytes\r\nContent-Type: text/plain\r\n\
                       Content-Language: de\r\nx-ms-blob-type: BlockBlob\r\n\
                       x-ms-meta-OwnerTeam: a\r\n";

/// MD5 of `content`.
const MD5: &str = "mgNkuembtIDdJeHwKEyFVQ==";

pub(crate) fn write(way: &str, source: &str) -> Call {
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

/// A service with the container `box` that may read from this machine.
pub(crate) fn blobs() -> Blobs {
    let blobs = Blobs::set_up(Setup { remote: true, ..Setup::default() });
    blobs.send(&put("/box?restype=container")).is(201);
    blobs
}

/// Works on copies until there are none, or, if asked to, until one has a block; gives the
/// properties of `box/to`.
#[track_caller]
pub(crate) fn work(blobs: &Blobs, stops_at_block: bool) -> Answer {
    let work = blobs.remote_copies().with_retry(Duration::from_millis(5));
    let looked = async {
        while let [copy, ..] = &*blobs.store.remote_copies().await.unwrap() {
            if stops_at_block && blobs.store.copied_so_far(copy).await.unwrap() > 0 {
                break;
            }
            sleep(Duration::from_millis(2)).await;
        }
    };
    blobs.run(async {
        tokio::select! {
            () = work.run() => {}
            ended = timeout(Duration::from_mins(1), looked) => ended.unwrap(),
        }
    });
    blobs.send(&head("/box/to")).is(200)
}

/// Works on copies until there are none.
#[track_caller]
pub(crate) fn settle(blobs: &Blobs) -> Answer {
    work(blobs, false)
}

#[test]
fn what_comes_along_and_what_is_asked() {
    for way in AT_ONCE {
        let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
        let call = write(way, &source.url()).header("x-ms-source-content-md5", MD5);
        let answer = blobs.send(&call.header("x-ms-source-if-match", "\"0x1\"")).is(success(way));
        answer.has("content-md5", MD5);
        let request = source.requests().remove(0);
        assert!(request.starts_with("GET /box/from?sv=1&sig=secret HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("If-Match: \"0x1\"\r\n"), "{request}");
        if way == "block" {
            let list = "<BlockList><Latest>YWFh</Latest></BlockList>";
            blobs.send(&put("/box/to?comp=blocklist").body(list)).is(201);
            assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "content");
            continue;
        }
        let copy = blobs.send(&get("/box/to")).is(200);
        copy.has("content-type", "text/plain")
            .has("content-language", "de")
            .has("x-ms-meta-ownerteam", "a")
            .has("content-md5", MD5);
        assert_eq!(copy.text(), "content");
        if way == "sync copy" {
            copy.has("x-ms-copy-source", &source.told()).has("x-ms-copy-status", "success");
            copy.has("x-ms-copy-id", &answer.header("x-ms-copy-id"));
        }
    }
    let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
    let call = write("block", &source.url()).header("x-ms-source-range", "bytes=1-3");
    blobs.send(&call).is(201);
    let behind = write("block", &source.url()).header("x-ms-source-range", "bytes=9-");
    assert_eq!(blobs.send(&behind).status(), 416);
    let list = "<BlockList><Latest>YWFh</Latest></BlockList>";
    blobs.send(&put("/box/to?comp=blocklist").body(list)).is(201);
    assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "ont");
}

#[test]
fn tags_come_along_if_they_are_asked_for() {
    for way in ["sync copy", "put"] {
        let blobs = blobs();
        let source = Source::new(|request, _| {
            let tags = b"<Tags><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tags>";
            let content: &[u8] = if request.contains("comp=tags") { tags } else { b"content" };
            (answer(HEADERS, content, request), Then::Stay)
        });
        let call = write(way, &source.url()).header("x-ms-copy-source-tag-option", "COPY");
        blobs.send(&call).is(success(way));
        blobs.send(&get("/box/to?comp=tags")).is(200).says("<Key>k</Key><Value>v</Value>");
    }
}

#[test]
fn hostile_sources_store_nothing() {
    let md5 = "1B2M2Y8AsgTpgAmY7PhCfg==";
    for way in AT_ONCE {
        for (status, code, source) in [
            (
                404,
                "CannotVerifyCopySource",
                Source::always(
                    "HTTP/1.1 404 X\r\nx-ms-error-code: BlobNotFound\r\nContent-Length: 0\r\n\r\n",
                    Then::Close,
                ),
            ),
            (
                403,
                "CannotVerifyCopySource",
                Source::always("HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n", Then::Close),
            ),
            (
                400,
                "CannotVerifyCopySource",
                Source::always(
                    "HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
                    Then::Close,
                ),
            ),
            (412, "SourceConditionNotMet", Source::always("HTTP/1.1 304 X\r\n\r\n", Then::Close)),
            (500, "CannotVerifyCopySource", Source::always("", Then::Hang)),
            (
                500,
                "CannotVerifyCopySource",
                Source::always("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0123", Then::Close),
            ),
            (
                500,
                "CannotVerifyCopySource",
                Source::always("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0123", Then::Hang),
            ),
            (
                500,
                "CannotVerifyCopySource",
                Source::always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Then::Hang),
            ),
            (
                500,
                "CannotVerifyCopySource",
                Source::always(
                    format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(1000)),
                    Then::Hang,
                ),
            ),
            (
                413,
                "RequestBodyTooLarge",
                Source::always(
                    "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n0123",
                    Then::Hang,
                ),
            ),
            (400, "Md5Mismatch", Source::honest(HEADERS, b"content")),
        ] {
            let blobs = blobs();
            let call = write(way, &source.url()).header("x-ms-source-content-md5", md5);
            let answer = blobs.send(&call).refused(status, code);
            if status == 404 {
                answer.has("x-ms-copy-source-status-code", "404");
                answer.has("x-ms-copy-source-error-code", "BlobNotFound");
                answer.says("<CopySourceErrorCode>BlobNotFound</CopySourceErrorCode>");
            }
            blobs.send(&head("/box/to")).refused(404, "BlobNotFound");
            blobs
                .send(&get("/box/to?comp=blocklist&blocklisttype=all"))
                .refused(404, "BlobNotFound");
        }
    }
}

#[test]
fn conditions_are_held_against_a_source_that_ignores_them() {
    for way in WAYS {
        let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
        for (name, value) in [
            ("x-ms-source-if-match", "\"0x2\""),
            ("x-ms-source-if-none-match", "\"0x1\""),
            ("x-ms-source-if-modified-since", "Tue, 24 Nov 2026 07:00:00 GMT"),
            ("x-ms-source-if-unmodified-since", "Tue, 24 Nov 2026 06:00:00 GMT"),
        ] {
            let call = write(way, &source.url()).header(name, value);
            blobs.send(&call).refused(412, "SourceConditionNotMet");
        }
        blobs.send(&head("/box/to")).refused(404, "BlobNotFound");
    }
}

#[test]
fn a_token_for_the_source_takes_https() {
    for way in AT_ONCE {
        let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
        let call = write(way, &source.url()).header("x-ms-copy-source-authorization", "Bearer t");
        blobs.send(&call).refused(400, "InvalidHeaderValue");
        assert_eq!(source.requests().len(), 0);
    }
}

#[test]
fn a_file_share_is_told_why_it_is_read() {
    let header = "x-ms-file-request-intent";
    for way in AT_ONCE {
        let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
        let call = || write(way, &source.url());
        blobs.send(&call().header(header, "restore")).refused(400, "InvalidHeaderValue");
        assert_eq!(source.requests().len(), 0);
        blobs.send(&call().header(header, "backup"));
        let asked = source.requests().join("\n");
        assert!(asked.contains("x-ms-file-request-intent: backup"), "{asked}");
        assert!(asked.contains("x-ms-version: 2022-11-02"), "{asked}");
    }
}

#[test]
fn a_token_for_a_source_here_is_refused_as_by_its_server() {
    let (blobs, here) = (Blobs::with_blob("content"), "http://127.0.0.1:10000/lazurite/box/b");
    let header = "x-ms-copy-source-authorization";
    for way in AT_ONCE {
        let call = || write(way, here).header(header, "Bearer t");
        let refused = blobs.send(&call()).refused(403, "CannotVerifyCopySource");
        refused.has("x-ms-copy-source-error-code", "AuthenticationFailed");
        let refused = blobs.send(&call().secure()).refused(401, "CannotVerifyCopySource");
        refused.has("x-ms-copy-source-status-code", "401");
        refused.has("x-ms-copy-source-error-code", "InvalidAuthenticationInfo");
        // What is no bearer token is not tried, and not told.
        let call = write(way, here).header(header, "SharedKey lazurite:c2VjcmV0");
        let refused = blobs.send(&call).refused(400, "InvalidHeaderValue");
        assert!(!refused.text().contains("c2VjcmV0"), "{refused}");
        blobs.send(&head("/box/to")).refused(404, "BlobNotFound");
    }
    // Copy Blob does not know the header; its source is in the caller's own account.
    blobs.send(&write("copy", here).header(header, "Bearer t")).is(202);
}

#[test]
fn an_incremental_copy_takes_a_source_of_this_server() {
    let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
    let call = put("/box/to?comp=incrementalcopy").header("x-ms-copy-source", source.url());
    blobs.send(&call).refused(409, "InvalidSourceBlobUrl");
    assert_eq!(source.requests().len(), 0);
}

#[test]
fn a_name_of_azure_is_not_taken_for_an_account_here() {
    let blobs = Blobs::with_blob("content");
    for way in WAYS {
        let call = write(way, "https://lazurite.blob.core.windows.net/box/b");
        blobs.send(&call).refused(403, "CannotVerifyCopySource");
    }
}

#[test]
fn a_copy_goes_on_beside_the_requests() {
    let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
    blobs.send(&put_blob("/box/to", "old")).is(201);
    let answer = blobs.send(&write("copy", &source.url())).is(202);
    answer.has("x-ms-copy-status", "pending");
    let id = answer.header("x-ms-copy-id");
    let pending = blobs.send(&get("/box/to")).is(200);
    pending
        .has("x-ms-copy-status", "pending")
        .has("x-ms-copy-id", &id)
        .has("x-ms-copy-progress", "0/7");
    pending.has("etag", &answer.header("etag")).has("content-type", "text/plain");
    assert_eq!(pending.text(), "");
    let done = settle(&blobs);
    done.has("x-ms-copy-status", "success").has("x-ms-copy-progress", "7/7");
    done.has("x-ms-copy-source", &source.told()).has("x-ms-meta-ownerteam", "a");
    assert_ne!(done.header("etag"), pending.header("etag"));
    assert_eq!(blobs.send(&get("/box/to")).is(200).text(), "content");
    blobs.send(&put("/box/to?comp=metadata").header("x-ms-meta-a", "b")).is(200);
    // An empty source is copied, too.
    let source = Source::honest(HEADERS, b"");
    blobs.send(&write("copy", &source.url())).is(202);
    settle(&blobs).has("x-ms-copy-status", "success").has("content-length", "0");
}

#[test]
fn the_destination_of_a_copy_is_locked_until_it_ends() {
    let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
    let id = blobs.send(&write("copy", &source.url())).is(202).header("x-ms-copy-id");
    let here = "http://127.0.0.1:10000/lazurite/box/to";
    for call in [
        put_blob("/box/to", "new"),
        put("/box/to?comp=block&blockid=YWFh").body("a"),
        put("/box/to?comp=blocklist").body("<BlockList></BlockList>"),
        put("/box/to?comp=metadata"),
        put("/box/to?comp=properties"),
        put("/box/to?comp=tier").header("x-ms-access-tier", "Cool"),
        put("/box/to?comp=tags").body("<Tags><TagSet></TagSet></Tags>"),
        put("/box/to?comp=snapshot"),
        delete("/box/to"),
        write("copy", &source.url()),
        write("put", &source.url()),
        put("/box/other").header("x-ms-copy-source", here),
    ] {
        blobs.send(&call).refused(409, "PendingCopyOperation");
    }
    let abort = |id: &str| {
        put(&format!("/box/to?comp=copy&copyid={id}")).header("x-ms-copy-action", "abort")
    };
    blobs.send(&abort("6ba7b810-9dad-11d1-80b4-00c04fd430c8")).refused(409, "CopyIdMismatch");
    blobs.send(&abort(&id)).is(204);
    blobs.send(&abort(&id)).refused(409, "NoPendingCopyOperation");
    let aborted = blobs.send(&get("/box/to")).is(200);
    aborted
        .has("x-ms-copy-status", "aborted")
        .has("x-ms-copy-id", &id)
        .has("x-ms-meta-ownerteam", "a");
    assert_eq!(aborted.text(), "");
    settle(&blobs).has("x-ms-copy-status", "aborted").has("content-length", "0");
    blobs.send(&put_blob("/box/to", "new")).is(201).has("x-ms-copy-id", "");
}

#[test]
fn copies_that_fail_say_why() {
    for (why, later) in [
        ("412 SourceConditionNotMet", "HTTP/1.1 412 X\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("404 CannotVerifyCopySource", "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (
            "412 SourceConditionNotMet",
            "HTTP/1.1 200 X\r\nETag: \"0x2\"\r\nContent-Length: 7\r\n\r\ncontent".to_owned(),
        ),
        (
            "412 SourceConditionNotMet",
            "HTTP/1.1 200 X\r\nETag: \"0x1\"\r\nContent-Length: 6\r\n\r\nconten".to_owned(),
        ),
        (
            "500 CannotVerifyCopySource",
            "HTTP/1.1 200 X\r\nETag: \"0x1\"\r\nContent-Length: 7\r\n\r\nco".to_owned(),
        ),
    ] {
        let blobs = blobs();
        let source = Source::new(move |request, number| match number {
            0 => (answer(HEADERS, b"content", request), Then::Stay),
            _ => (later.clone().into_bytes(), Then::Close),
        });
        blobs.send(&write("copy", &source.url())).is(202);
        let failed = settle(&blobs);
        failed.has("x-ms-copy-status", "failed").has("content-length", "0");
        let told = failed.header("x-ms-copy-status-description");
        assert!(told.starts_with(why), "{told}");
        assert!(!failed.header("x-ms-copy-completion-time").is_empty());
        blobs.send(&put_blob("/box/to", "new")).is(201);
    }
}

/// More than two blocks of a copy.
const LARGE: usize = 17 * 1024 * 1024;

#[test]
fn a_copy_goes_on_where_it_was_and_leaves_nothing_behind() {
    let blobs = blobs();
    let content: &'static [u8] = (0..LARGE).map(|at| (at % 251) as u8).collect::<Vec<_>>().leak();
    // Each connection breaks after 6 MiB, so that every block takes several.
    let source = Source::new(move |request, _| {
        let mut whole = answer(HEADERS, content, request);
        whole.truncate(6 * 1024 * 1024);
        (whole, Then::Close)
    });
    blobs.send(&write("copy", &source.url())).is(202);
    let progress = |properties: &Answer| properties.header("x-ms-copy-progress");
    let begun = work(&blobs, true);
    begun.has("x-ms-copy-status", "pending").has("content-length", "0");
    assert_ne!(progress(&begun), format!("0/{LARGE}"));
    let done = settle(&blobs);
    done.has("x-ms-copy-status", "success").has("x-ms-copy-progress", &format!("{LARGE}/{LARGE}"));
    assert_eq!(blobs.send(&get("/box/to")).is(200).body, content);
    let list = blobs.send(&get("/box/to?comp=blocklist&blocklisttype=all")).is(200);
    assert_eq!(list.text().matches("<Block>").count(), 3, "{list}");
    // What it needed on the way is taken back, and so is the rest once the blob goes.
    let live = |blobs: &Blobs| blobs.run(blobs.store.collect(true)).unwrap().live_bytes;
    live(&blobs);
    assert_eq!(live(&blobs), LARGE as u64);
    blobs.send(&delete("/box/to")).is(202);
    live(&blobs);
    assert_eq!(live(&blobs), 0);
}

#[test]
fn a_copy_onto_a_container_that_goes_is_forgotten() {
    let (blobs, source) = (blobs(), Source::honest(HEADERS, b"content"));
    blobs.send(&write("copy", &source.url())).is(202);
    blobs.send(&delete("/box?restype=container")).is(202);
    blobs.run(blobs.store.collect(true)).unwrap();
    assert!(blobs.run(blobs.store.remote_copies()).unwrap().is_empty());
}

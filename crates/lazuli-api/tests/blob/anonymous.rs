//! Calls without any authorisation: what a container's public access level opens.
//!
//! <https://learn.microsoft.com/azure/storage/blobs/anonymous-read-access-overview>

use crate::harness::{Blobs, Call, delete, get, head, put, put_blob};

/// A service whose container `box` has a public access level.
fn public(level: &str) -> Blobs {
    let blobs = Blobs::with_blob("content");
    blobs.send(&put("/box/b?comp=block&blockid=YWFh").body("secret")).is(201);
    if !level.is_empty() {
        let acl = put("/box?restype=container&comp=acl");
        blobs.send(&acl.header("x-ms-blob-public-access", level)).is(200);
    }
    blobs
}

fn reads_of_blobs() -> [Call; 4] {
    [
        get("/box/b"),
        head("/box/b"),
        get("/box/b?comp=metadata"),
        get("/box/b?comp=blocklist&blocklisttype=committed"),
    ]
}

fn reads_of_containers() -> [Call; 3] {
    [
        get("/box?restype=container"),
        get("/box?restype=container&comp=metadata"),
        get("/box?restype=container&comp=list"),
    ]
}

fn never() -> [Call; 9] {
    [
        get("/?comp=list"),
        get("/?restype=service&comp=properties"),
        get("/box?restype=container&comp=acl"),
        get("/box/b?comp=tags"),
        get("/box/b?comp=blocklist&blocklisttype=all"),
        put_blob("/box/b", "other"),
        put("/box/b?comp=metadata"),
        delete("/box/b"),
        delete("/box?restype=container"),
    ]
}

#[test]
fn public_access_levels() {
    for (level, blob, container) in
        [("", false, false), ("blob", true, false), ("container", true, true)]
    {
        let blobs = public(level);
        let calls = (reads_of_blobs().into_iter().map(|call| (call, blob)))
            .chain(reads_of_containers().into_iter().map(|call| (call, container)))
            .chain(never().into_iter().map(|call| (call, false)));
        for (call, open) in calls {
            let answer = blobs.send(&call.unsigned());
            if open {
                answer.is(200);
            } else {
                let answer = answer.refused(401, "NoAuthenticationInformation");
                let challenge = answer.header("www-authenticate");
                assert!(challenge.starts_with("Bearer authorization_uri="), "{answer}");
            }
        }
        assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "content");
    }
}

#[test]
fn older_versions_and_browsers_are_told_of_nothing() {
    let blobs = public("");
    for version in ["", "2019-07-07"] {
        for call in reads_of_blobs().into_iter().chain(reads_of_containers()) {
            let answer = blobs.send(&call.unsigned().version(version));
            answer.refused(404, "ResourceNotFound").has("www-authenticate", "");
        }
    }
    let blobs = public("blob");
    blobs.send(&get("/box/b").unsigned().version("")).is(200).says("content");
    let missing = get("/box/missing").unsigned().version("");
    blobs.send(&missing).refused(404, "BlobNotFound");
}

#[test]
fn a_level_can_be_told_and_taken_back() {
    let blobs = public("blob");
    blobs.send(&head("/box?restype=container")).is(200).has("x-ms-blob-public-access", "blob");
    let acl = || put("/box?restype=container&comp=acl");
    blobs.send(&acl()).is(200);
    blobs.send(&head("/box?restype=container")).is(200).has("x-ms-blob-public-access", "");
    blobs.send(&get("/box/b").unsigned()).refused(401, "NoAuthenticationInformation");
    let wrong = acl().header("x-ms-blob-public-access", "everybody");
    let answer = blobs.send(&wrong).refused(400, "InvalidHeaderValue");
    answer.says("<HeaderName>x-ms-blob-public-access</HeaderName>");
    let create = put("/open?restype=container").header("x-ms-blob-public-access", "container");
    blobs.send(&create).is(201);
    blobs.send(&get("/open?restype=container&comp=list").unsigned()).is(200);
}

#[test]
fn the_whole_answer_is_as_for_a_signed_call() {
    let blobs = public("blob");
    let (signed, open) = (blobs.send(&get("/box/b")), blobs.send(&get("/box/b").unsigned()));
    for name in ["etag", "last-modified", "content-length", "content-md5", "x-ms-blob-type"] {
        assert!(!signed.header(name).is_empty(), "{name} of {signed}");
        open.has(name, &signed.header(name));
    }
}

//! Access tiers: what changing one changes, and what an archived blob refuses.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tier>

use crate::harness::{ACCOUNT, Blobs, Call, HOST, delete, get, head, put, put_blob};

fn tier(name: &str) -> Call {
    put("/box/b?comp=tier").header("x-ms-access-tier", name)
}

#[test]
fn a_tier_is_no_change_of_the_blob() {
    let blobs = Blobs::with_blob("content");
    let etag = blobs.send(&head("/box/b")).header("etag");
    blobs.pass(60);
    for name in ["Cool", "Cold", "Hot"] {
        blobs.send(&tier(name)).is(200);
        let answer = blobs.send(&head("/box/b")).is(200);
        answer.has("x-ms-access-tier", name).has("x-ms-access-tier-inferred", "");
        answer.has("x-ms-access-tier-change-time", "Tue, 24 Nov 2026 08:01:00 GMT");
        answer.has("etag", &etag).has("last-modified", "Tue, 24 Nov 2026 08:00:00 GMT");
    }
    // The content tells the tier from 2026-10-06 on.
    blobs.send(&get("/box/b")).is(200).has("x-ms-access-tier", "");
    let newest = get("/box/b").version("2026-10-06");
    blobs.send(&newest).is(200).has("x-ms-access-tier", "Hot");
    blobs
        .send(&put("/box/missing?comp=tier").header("x-ms-access-tier", "Hot"))
        .refused(404, "BlobNotFound");
}

#[test]
fn an_archived_blob_is_put_away() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&tier("Archive")).is(200);
    let source = format!("http://{HOST}/{ACCOUNT}/box/b");
    for call in [
        get("/box/b"),
        put_blob("/box/b", "other"),
        put("/box/b?comp=blocklist").body("<BlockList></BlockList>"),
        put("/box/b?comp=metadata").header("x-ms-meta-a", "1"),
        put("/box/copy").header("x-ms-copy-source", &source),
    ] {
        blobs.send(&call).refused(409, "BlobArchived");
    }
    // What it is can be told, and it can be found and deleted.
    blobs.send(&head("/box/b")).is(200).has("x-ms-access-tier", "Archive");
    blobs.send(&get("/box/b?comp=metadata")).is(200);
    blobs.send(&get("/box/b?comp=tags")).is(200);
    let list = blobs.send(&get("/box?restype=container&comp=list")).is(200);
    list.says("<AccessTier>Archive</AccessTier>");
    blobs.send(&delete("/box/b")).is(202);
}

#[test]
fn a_copy_to_an_online_tier_comes_back() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&put("/box/b?comp=snapshot")).is(201);
    blobs.send(&tier("Archive")).is(200);
    let source = format!("http://{HOST}/{ACCOUNT}/box/b");
    let copy = |to: &str| put(to).header("x-ms-copy-source", &source);
    for refused in [
        // No tier, or none that is online.
        copy("/box/copy"),
        copy("/box/copy").header("x-ms-access-tier", "Archive"),
        // Onto itself.
        copy("/box/b").header("x-ms-access-tier", "Hot"),
    ] {
        blobs.send(&refused).refused(409, "BlobArchived");
        blobs.send(&head("/box/copy")).refused(404, "BlobNotFound");
    }
    let wrong = copy("/box/copy").header("x-ms-access-tier", "Hot");
    let wrong = wrong.header("x-ms-rehydrate-priority", "Whenever");
    blobs.send(&wrong).refused(400, "InvalidHeaderValue");
    for name in ["Hot", "Cool", "Cold"] {
        // The second and third overwrite a copy that is online.
        let call = copy("/box/copy").header("x-ms-access-tier", name);
        let answer = blobs.send(&call.header("x-ms-rehydrate-priority", "High")).is(202);
        answer.has("x-ms-copy-status", "success");
        blobs.send(&get("/box/copy")).is(200).says("content");
        blobs.send(&head("/box/copy")).is(200).has("x-ms-access-tier", name);
    }
    // The source stays where it is, and the copy lives on without it.
    blobs.send(&head("/box/b")).is(200).has("x-ms-access-tier", "Archive");
    blobs.send(&get("/box/b")).refused(409, "BlobArchived");
    blobs.send(&delete("/box/b").header("x-ms-delete-snapshots", "include")).is(202);
    blobs.send(&get("/box/copy")).is(200).says("content");
}

#[test]
fn what_was_archived_comes_back() {
    for (name, priority) in [("Hot", ""), ("Cool", "Standard"), ("Cold", "High")] {
        let blobs = Blobs::with_blob("content");
        blobs.send(&tier("Archive")).is(200);
        let wrong = tier(name).header("x-ms-rehydrate-priority", "Whenever");
        blobs.send(&wrong).refused(400, "InvalidHeaderValue");
        let mut call = tier(name);
        if !priority.is_empty() {
            call = call.header("x-ms-rehydrate-priority", priority);
        }
        blobs.send(&call).is(202);
        assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "content");
        let answer = blobs.send(&head("/box/b")).is(200);
        answer.has("x-ms-access-tier", name).has("x-ms-archive-status", "");
    }
}

#[test]
fn a_blob_may_be_made_in_a_tier() {
    let blobs = Blobs::with_container();
    blobs.send(&put_blob("/box/b", "content").header("x-ms-access-tier", "Archive")).is(201);
    blobs.send(&get("/box/b")).refused(409, "BlobArchived");
    blobs.send(&put("/box/c?comp=block&blockid=YWFh").body("a")).is(201);
    let list = "<BlockList><Latest>YWFh</Latest></BlockList>";
    let commit = put("/box/c?comp=blocklist").body(list).header("x-ms-access-tier", "Cool");
    blobs.send(&commit).is(201);
    blobs.send(&head("/box/c")).is(200).has("x-ms-access-tier", "Cool");
}

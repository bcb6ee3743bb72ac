//! Access tiers: what changing one changes, and what an archived blob refuses.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tier>

use crate::harness::{ACCOUNT, Answer, Blobs, Call, HOST, delete, get, head, put, put_blob};

/// What brings archived blobs back, as a server's background work does.
fn look(blobs: &Blobs) {
    blobs.run(blobs.store.rehydrate()).unwrap();
}

/// Asserts the tier and, of a blob on its way back, where to and how urgently.
#[track_caller]
fn shows(blobs: &Blobs, path: &str, tier: &str, (to, priority): (&str, &str)) -> Answer {
    let answer = blobs.send(&head(path)).is(200);
    let status = if to.is_empty() { String::new() } else { format!("rehydrate-pending-to-{to}") };
    answer.has("x-ms-access-tier", tier).has("x-ms-archive-status", &status);
    answer.has("x-ms-rehydrate-priority", priority);
    answer
}

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
        put("/box/b?comp=snapshot"),
        put("/box/b?comp=properties"),
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
        shows(&blobs, "/box/copy", "Archive", (&name.to_lowercase(), "High"));
        blobs.send(&get("/box/copy")).refused(409, "BlobBeingRehydrated");
        blobs.send(&copy("/box/copy")).refused(409, "BlobBeingRehydrated");
        blobs.pass(1);
        look(&blobs);
        blobs.send(&get("/box/copy")).is(200).says("content");
        shows(&blobs, "/box/copy", name, ("", ""));
    }
    // The source stays where it is, and the copy lives on without it.
    blobs.send(&head("/box/b")).is(200).has("x-ms-access-tier", "Archive");
    blobs.send(&get("/box/b")).refused(409, "BlobArchived");
    blobs.send(&delete("/box/b").header("x-ms-delete-snapshots", "include")).is(202);
    blobs.send(&get("/box/copy")).is(200).says("content");
}

#[test]
fn what_was_archived_comes_back_in_its_time() {
    for (name, priority, seconds) in
        [("Hot", "", 10), ("Cool", "Standard", 10), ("Cold", "High", 1)]
    {
        let blobs = Blobs::with_blob("content");
        blobs.send(&tier("Archive")).is(200);
        let etag = blobs.send(&head("/box/b")).header("etag");
        let wrong = tier(name).header("x-ms-rehydrate-priority", "Whenever");
        blobs.send(&wrong).refused(400, "InvalidHeaderValue");
        let mut call = tier(name);
        if !priority.is_empty() {
            call = call.header("x-ms-rehydrate-priority", priority);
        }
        blobs.send(&call).is(202);
        let told = if priority.is_empty() { "Standard" } else { priority };
        let to = name.to_lowercase();
        shows(&blobs, "/box/b", "Archive", (&to, told));
        let list = blobs.send(&get("/box?restype=container&comp=list")).is(200);
        list.says(&format!("<ArchiveStatus>rehydrate-pending-to-{to}</ArchiveStatus>"));
        list.says(&format!("<RehydratePriority>{told}</RehydratePriority>"));
        let source = format!("http://{HOST}/{ACCOUNT}/box/b");
        for call in [
            get("/box/b"),
            put_blob("/box/b", "other"),
            put("/box/b?comp=metadata").header("x-ms-meta-a", "1"),
            put("/box/b?comp=snapshot"),
            put("/box/copy").header("x-ms-copy-source", &source).header("x-ms-access-tier", "Hot"),
            // The way cannot be turned, nor asked for once more.
            tier("Archive"),
            tier(if name == "Hot" { "Cool" } else { "Hot" }),
            tier(name),
            tier(name).header("x-ms-rehydrate-priority", "Standard"),
        ] {
            blobs.send(&call).refused(409, "BlobBeingRehydrated");
        }
        blobs.pass(seconds - 1);
        look(&blobs);
        shows(&blobs, "/box/b", "Archive", (&to, told));
        blobs.pass(1);
        look(&blobs);
        assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "content");
        let answer = shows(&blobs, "/box/b", name, ("", ""));
        answer.has("x-ms-access-tier-change-time", &blobs.http_date(0)).has("etag", &etag);
        // And what is back can be put away again.
        blobs.send(&tier("Archive")).is(200);
        blobs.send(&get("/box/b")).refused(409, "BlobArchived");
    }
}

#[test]
fn the_way_back_can_be_made_shorter() {
    let blobs = Blobs::with_blob("content");
    let high = || tier("Cool").header("x-ms-rehydrate-priority", "High");
    blobs.send(&tier("Archive")).is(200);
    blobs.send(&tier("Cool")).is(202);
    blobs.pass(2);
    blobs.send(&high()).is(202);
    shows(&blobs, "/box/b", "Archive", ("cool", "High"));
    blobs.send(&high()).refused(409, "BlobBeingRehydrated");
    blobs.pass(1);
    look(&blobs);
    shows(&blobs, "/box/b", "Cool", ("", ""));
    // What was promised is never put off.
    blobs.send(&tier("Archive")).is(200);
    blobs.send(&tier("Cool")).is(202);
    blobs.clock.advance(std::time::Duration::from_millis(9_500));
    blobs.send(&high()).is(202);
    blobs.clock.advance(std::time::Duration::from_millis(500));
    look(&blobs);
    shows(&blobs, "/box/b", "Cool", ("", ""));
}

#[test]
fn the_way_back_ends_with_the_blob() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&tier("Archive")).is(200);
    blobs.send(&tier("Hot")).is(202);
    blobs.send(&delete("/box/b")).is(202);
    blobs.send(&put_blob("/box/b", "other").header("x-ms-access-tier", "Archive")).is(201);
    blobs.pass(3);
    // The new blob has a way of its own, the old one's time is not its time.
    blobs.send(&tier("Cool")).is(202);
    blobs.pass(8);
    look(&blobs);
    shows(&blobs, "/box/b", "Archive", ("cool", "Standard"));
    blobs.pass(2);
    look(&blobs);
    shows(&blobs, "/box/b", "Cool", ("", ""));
    // A deleted container's rows go, too: nothing waits any more.
    blobs.send(&tier("Archive")).is(200);
    blobs.send(&tier("Hot")).is(202);
    blobs.send(&delete("/box?restype=container")).is(202);
    blobs.pass(10);
    assert_eq!(blobs.run(blobs.store.rehydrate()).unwrap(), None);
}

#[test]
fn the_way_back_outlives_the_server() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&put("/box/b?comp=snapshot")).is(201);
    blobs.send(&tier("Archive")).is(200);
    blobs.send(&tier("Cool")).is(202);
    let due = blobs.run(blobs.store.rehydrate()).unwrap().unwrap();
    blobs.pass(10);
    let again = blobs.store_again();
    assert_eq!(blobs.run(again.rehydrate()).unwrap(), None);
    assert_eq!(due, lazuli_base::Clock::now(&*blobs.clock));
    shows(&blobs, "/box/b", "Cool", ("", ""));
}

#[test]
fn a_snapshot_has_a_tier_of_its_own() {
    let blobs = Blobs::with_blob("content");
    let taken = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let snapshot = format!("/box/b?snapshot={taken}");
    let tier = |name: &str| {
        put(&format!("/box/b?comp=tier&snapshot={taken}")).header("x-ms-access-tier", name)
    };
    blobs.send(&tier("Archive")).is(200);
    blobs.send(&get(&snapshot)).refused(409, "BlobArchived");
    blobs.send(&get("/box/b")).is(200);
    blobs.send(&tier("Hot").header("x-ms-rehydrate-priority", "High")).is(202);
    shows(&blobs, &snapshot, "Archive", ("hot", "High"));
    blobs.pass(1);
    look(&blobs);
    blobs.send(&get(&snapshot)).is(200).says("content");
}

#[test]
fn tags_and_leases_guard_a_tier() {
    let blobs = Blobs::with_container();
    blobs.send(&put_blob("/box/b", "content").header("x-ms-tags", "state=done")).is(201);
    let open = tier("Cool").header("x-ms-if-tags", "state='open'");
    blobs.send(&open).refused(412, "ConditionNotMet");
    blobs.send(&tier("Cool").header("x-ms-if-tags", "state='done'")).is(200);
    let id = "aaaaaaaa-0000-4000-8000-000000000001";
    let lease = put("/box/b?comp=lease").header("x-ms-lease-action", "acquire");
    let lease = lease.header("x-ms-lease-duration", "-1").header("x-ms-proposed-lease-id", id);
    blobs.send(&lease).is(201);
    blobs.send(&tier("Hot")).is(200);
    blobs.send(&tier("Cool").header("x-ms-lease-id", id)).is(200);
    let other = tier("Hot").header("x-ms-lease-id", "bbbbbbbb-0000-4000-8000-000000000002");
    blobs.send(&other).refused(412, "LeaseIdMismatchWithBlobOperation");
    for (name, version, code) in [
        ("Lukewarm", "2025-11-05", "InvalidHeaderValue"),
        ("Cold", "2021-10-04", "InvalidHeaderValue"),
        ("P10", "2025-11-05", "AccessTierNotSupportedForBlobType"),
    ] {
        blobs.send(&tier(name).version(version)).refused(400, code);
    }
    blobs.send(&put("/box/b?comp=tier")).refused(400, "MissingRequiredHeader");
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

//! Containers: their properties and metadata, and what is gone with them; and the account.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/operations-on-containers>

use crate::harness::{ACCOUNT, Blobs, delete, get, head, put, put_blob};

#[test]
fn a_container_changes_by_itself_only() {
    let blobs = Blobs::new();
    let create = put("/box?restype=container").header("x-ms-meta-a", "1");
    let answer = blobs.send(&create).is(201);
    answer.has("last-modified", "Tue, 24 Nov 2026 08:00:00 GMT");
    let mut etag = answer.header("etag");
    blobs.send(&create).refused(409, "ContainerAlreadyExists");
    blobs.pass(10);
    // What happens inside is no change of the container.
    blobs.send(&put_blob("/box/b", "content")).is(201);
    let answer = blobs.send(&get("/box?restype=container")).is(200);
    answer.has("etag", &etag).has("x-ms-meta-a", "1").has("x-ms-lease-state", "available");
    answer.has("x-ms-has-immutability-policy", "false").has("x-ms-has-legal-hold", "false");
    for change in [
        put("/box?restype=container&comp=metadata").header("x-ms-meta-b", "2"),
        put("/box?restype=container&comp=acl").header("x-ms-blob-public-access", "blob"),
    ] {
        let answer = blobs.send(&change).is(200);
        answer.has("last-modified", "Tue, 24 Nov 2026 08:00:10 GMT");
        assert_ne!(answer.header("etag"), etag, "{answer}");
        etag = answer.header("etag");
        blobs.send(&head("/box?restype=container")).is(200).has("etag", &etag);
    }
    for call in [get, head] {
        let answer = blobs.send(&call("/box?restype=container&comp=metadata")).is(200);
        answer.has("x-ms-meta-a", "").has("x-ms-meta-b", "2").has("etag", &etag);
    }
}

#[test]
fn a_deleted_container_takes_its_blobs_along() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&put("/box/b?comp=snapshot")).is(201);
    blobs.send(&put("/box/c?comp=block&blockid=YWFh").body("a")).is(201);
    blobs.send(&put_blob("/box/d", "1").header("x-ms-tags", "a=b")).is(201);
    blobs.send(&delete("/box?restype=container")).is(202);
    blobs.send(&delete("/box?restype=container")).refused(404, "ContainerNotFound");
    for call in [get("/box/b"), put_blob("/box/b", "1"), get("/box?restype=container&comp=list")] {
        blobs.send(&call).refused(404, "ContainerNotFound");
    }
    blobs.send(&get("/?comp=list")).is(200).hides("<Name>");
    blobs.send(&get("/?comp=blobs&where=a%3D%27b%27")).is(200).hides("<Name>");
    // One of the same name is another one.
    blobs.send(&put("/box?restype=container")).is(201);
    let list = get("/box?restype=container&comp=list&include=snapshots,uncommittedblobs");
    blobs.send(&list).is(200).hides("<Name>");
    blobs.send(&get("/box/b")).refused(404, "BlobNotFound");
    blobs.send(&get("/?comp=blobs&where=a%3D%27b%27")).is(200).hides("<Name>");
}

#[test]
fn what_an_account_is() {
    let blobs = Blobs::with_blob("content");
    for path in ["/", "", "/box", "/box/b"] {
        for call in [get, head] {
            let answer = blobs.send(&call(&format!("{path}?restype=account&comp=properties")));
            let answer = answer.is(200);
            answer.has("x-ms-account-kind", "StorageV2").has("x-ms-is-hns-enabled", "false");
            assert!(!answer.header("x-ms-sku-name").is_empty(), "{answer}");
        }
    }
    let stats = get("/?restype=service&comp=stats");
    blobs.send(&stats).refused(400, "InvalidQueryParameterValue");
    let answer = blobs.send(&stats.at(&format!("{ACCOUNT}-secondary"))).is(200);
    answer.says("<GeoReplication><Status>live</Status><LastSyncTime>");
    let answer = blobs.send(&get("/?restype=service&comp=properties")).is(200);
    answer.says("<Logging><Version>1.0</Version>").says("<Cors");
}

#[test]
fn a_default_version_serves_requests_that_name_none() {
    let blobs = Blobs::with_blob("content");
    blobs
        .send(&put("/box?restype=container&comp=acl").header("x-ms-blob-public-access", "blob"))
        .is(200);
    let set = "<StorageServiceProperties><DefaultServiceVersion>2015-02-21\
               </DefaultServiceVersion></StorageServiceProperties>";
    blobs.send(&put("/?restype=service&comp=properties").body(set)).is(202);
    let plain = get("/box/b").unsigned().version("");
    blobs.send(&plain).is(200).has("x-ms-version", "2015-02-21");
    blobs.send(&get("/box/b")).is(200).has("x-ms-version", "2025-11-05");
    let named = get("/box/b?api-version=2019-12-12").unsigned().version("");
    blobs.send(&named).is(200).has("x-ms-version", "2019-12-12");
}

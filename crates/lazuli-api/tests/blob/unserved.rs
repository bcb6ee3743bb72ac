//! What is not served says so and names itself: it never looks like a success.

use lazuli_api::operations::BLOB;
use lazuli_api::spec::{Level, Selector, Spec, Status};

use crate::harness::{Blobs, Call, call, delete, get, put, put_blob};

/// A request that is an operation, going by its declaration.
fn request(spec: &Spec) -> Call {
    let path = match spec.level {
        Level::Account => "/",
        Level::Container => "/box?restype=container",
        _ => "/box/b",
    };
    spec.selectors.iter().fold(call(spec.methods[0].as_str(), path), |call, selector| {
        match *selector {
            Selector::Query("restype", _) if spec.level == Level::Container => call,
            Selector::Query(name, value) => call.query(&format!("{name}={value}")),
            Selector::Header(name, value) => call.header(name, value),
            Selector::HasHeader(name) => call.header(name, "http://127.0.0.1:10000/lazurite/box/b"),
            Selector::QueryNot(..)
            | Selector::NoQuery(_)
            | Selector::HeaderNot(..)
            | Selector::NoHeader(_) => call,
        }
    })
}

#[test]
fn operations_that_are_not_built() {
    let blobs = Blobs::with_blob("content");
    let etag = blobs.send(&get("/box/b")).header("etag");
    let mut names = Vec::new();
    for operation in BLOB {
        let Status::NotYet(reason) = operation.spec.status else { continue };
        let answer = blobs.send(&request(operation.spec)).refused(501, "NotImplemented");
        answer.says(&format!(
            "{} is not implemented on this server: {reason}.",
            operation.spec.title
        ));
        // Whoever may not call it is not told.
        let stranger = request(operation.spec).unsigned();
        blobs.send(&stranger).refused(401, "NoAuthenticationInformation");
        names.push(operation.spec.name);
    }
    assert!(names.contains(&"UndeleteBlob"), "{names:?}");
    blobs.send(&get("/box/b")).is(200).has("etag", &etag).says("content");
}

#[test]
fn without_identities_there_are_no_keys_of_theirs() {
    let blobs = Blobs::with_blob("content");
    let key = call("POST", "/?restype=service&comp=userdelegationkey");
    let answer = blobs.send(&key).refused(501, "NotImplemented");
    answer.says("Get User Delegation Key is not implemented on this server: no identities are");
    let old = key.clone().version("2018-03-28");
    blobs.send(&old).refused(400, "InvalidQueryParameterValue");
    blobs.send(&key.unsigned()).refused(401, "NoAuthenticationInformation");
}

#[test]
fn features_that_are_not_built() {
    let blobs = Blobs::with_blob("content");
    let encrypted = |call: Call| call.header("x-ms-encryption-key", "a2V5");
    let until = "Tue, 24 Nov 2026 09:00:00 GMT";
    for (call, feature) in [
        (encrypted(get("/box/b")), "Customer-provided keys"),
        (encrypted(put_blob("/box/b", "other")), "Customer-provided keys"),
        (encrypted(put("/box/b?comp=metadata")), "Customer-provided keys"),
        (put_blob("/box/b", "other").header("x-ms-encryption-scope", "s"), "Encryption scopes"),
        (
            put_blob("/box/b", "other").header("x-ms-immutability-policy-until-date", until),
            "Immutability policies",
        ),
        (put_blob("/box/b", "other").header("x-ms-legal-hold", "true"), "Legal holds"),
        (get("/box/b?versionid=2026-11-24T08:00:00.0000000Z"), "Blob versioning"),
        (delete("/box/b?versionid=2026-11-24T08:00:00.0000000Z"), "Blob versioning"),
        (delete("/box/b?deletetype=permanent"), "Soft delete"),
    ] {
        let answer = blobs.send(&call).refused(501, "NotImplemented");
        answer.says(&format!("{feature} is not implemented on this server: asked for by `"));
        assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "content");
    }
}

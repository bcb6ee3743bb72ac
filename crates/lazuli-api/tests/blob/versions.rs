//! What a version changed, seen from both sides of it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/previous-azure-storage-service-versions>

use crate::harness::{Answer, Blobs, Call, call, delete, get, head, put, put_blob};

/// A service with the tagged blob `box/b`, of a container that anybody may read.
fn filled() -> Blobs {
    let blobs = Blobs::new();
    let container = put("/box?restype=container").header("x-ms-blob-public-access", "container");
    blobs.send(&container).is(201);
    let blob = put_blob("/box/b", "content").header("x-ms-tags", "a=1");
    blobs.send(&blob.header("x-ms-access-tier", "Cool")).is(201);
    blobs
}

/// Sends a call as the version and as the day before it would have it.
fn both(blobs: &Blobs, call: &Call, (before, since): (&str, &str)) -> (Answer, Answer) {
    (blobs.send(&call.clone().version(before)), blobs.send(&call.clone().version(since)))
}

/// A header, a call whose answer has it, the last version without it and the first with it.
type Row = (&'static str, fn() -> Call, (&'static str, &'static str));

const HEADERS: &[Row] = &[
    ("x-ms-server-encrypted", || head("/box/b"), ("2015-07-08", "2015-12-11")),
    ("x-ms-request-server-encrypted", || put_blob("/box/c", "1"), ("2015-07-08", "2015-12-11")),
    ("x-ms-blob-public-access", || get("/box?restype=container"), ("2015-12-11", "2016-05-31")),
    ("x-ms-access-tier", || head("/box/b"), ("2016-05-31", "2017-04-17")),
    ("x-ms-access-tier-change-time", || head("/box/b"), ("2016-05-31", "2017-04-17")),
    ("x-ms-creation-time", || get("/box/b"), ("2017-07-29", "2017-11-09")),
    ("x-ms-has-legal-hold", || get("/box?restype=container"), ("2017-07-29", "2017-11-09")),
    ("x-ms-content-crc64", || put_blob("/box/c", "1"), ("2018-11-09", "2019-02-02")),
    (
        "x-ms-is-hns-enabled",
        || get("/?restype=account&comp=properties"),
        ("2019-02-02", "2019-07-07"),
    ),
    ("x-ms-tag-count", || head("/box/b"), ("2019-10-10", "2019-12-12")),
    (
        "x-ms-immutable-storage-with-versioning-enabled",
        || get("/box?restype=container"),
        ("2020-04-08", "2020-06-12"),
    ),
];

#[test]
fn headers_are_told_since_they_are_known() {
    let blobs = filled();
    for (header, call, versions) in HEADERS {
        let (before, since) = both(&blobs, &call(), *versions);
        assert_eq!(before.header(header), "", "{header} before {versions:?}: {before}");
        assert_ne!(since.header(header), "", "{header} since {versions:?}: {since}");
        assert_eq!(before.status(), since.status());
    }
    // The ACL always told the public access.
    let acl = get("/box?restype=container&comp=acl").version("2015-02-21");
    blobs.send(&acl).is(200).has("x-ms-blob-public-access", "container");
}

#[test]
fn listings_tell_what_the_version_knows() {
    let blobs = filled();
    let (list, all) = ("/box?restype=container&comp=list", "/?comp=list");
    for (element, target, versions) in [
        ("ServerEncrypted", list, ("2015-07-08", "2015-12-11")),
        ("PublicAccess", all, ("2015-12-11", "2016-05-31")),
        ("AccessTier", list, ("2016-05-31", "2017-04-17")),
        ("Creation-Time", list, ("2017-07-29", "2017-11-09")),
        ("HasLegalHold", all, ("2017-07-29", "2017-11-09")),
        ("DefaultEncryptionScope", all, ("2018-11-09", "2019-02-02")),
        ("TagCount", list, ("2019-10-10", "2019-12-12")),
        ("ImmutableStorageWithVersioningEnabled", all, ("2020-04-08", "2020-06-12")),
    ] {
        let (before, since) = both(&blobs, &get(target), versions);
        before.hides(&format!("<{element}>"));
        since.says(&format!("<{element}>"));
    }
}

#[test]
fn operations_are_served_since_they_are_known() {
    let blobs = filled();
    for (call, versions) in [
        (put("/box/b?comp=tier").header("x-ms-access-tier", "Hot"), ("2016-05-31", "2017-04-17")),
        (call("POST", "/?comp=batch"), ("2018-03-28", "2018-11-09")),
        (get("/box/b?comp=tags"), ("2019-10-10", "2019-12-12")),
        (get("/?comp=blobs&where=a%3D%271%27"), ("2019-10-10", "2019-12-12")),
    ] {
        let (before, since) = both(&blobs, &call, versions);
        before.refused(400, "InvalidQueryParameterValue").says("<QueryParameterName>comp");
        // A batch without a body is refused as a batch.
        assert_ne!(since.header("x-ms-error-code"), "InvalidQueryParameterValue", "{since}");
    }
}

#[test]
fn bodies_grew_with_the_versions() {
    let blobs = filled();
    let mib = 1024 * 1024;
    for (version, blob_bytes, block_bytes) in [
        ("2015-02-21", 64 * mib, 4 * mib),
        ("2015-12-11", 64 * mib, 4 * mib),
        ("2016-05-31", 256 * mib, 100 * mib),
        ("2019-10-10", 256 * mib, 100 * mib),
        ("2019-12-12", 5000 * mib, 4000 * mib),
        ("2026-10-06", 5000 * mib, 4000 * mib),
    ] {
        for (call, most) in [
            (put_blob("/box/c", ""), blob_bytes),
            (put("/box/c?comp=block&blockid=YWFh"), block_bytes),
        ] {
            let call = call.version(version).announced(most + 1);
            let answer = blobs.send(&call).refused(413, "RequestBodyTooLarge");
            answer.says(&format!("<MaxLimit>{most}</MaxLimit>"));
        }
    }
}

#[test]
fn policies_of_newer_permissions_are_not_shown_to_older_versions() {
    let blobs = filled();
    let acl = "/box?restype=container&comp=acl";
    let with = |letters: &str| {
        let body = format!(
            "<SignedIdentifiers><SignedIdentifier><Id>p</Id><AccessPolicy>\
             <Permission>{letters}</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
        );
        blobs.send(&put(acl).body(body)).is(200);
        both(&blobs, &get(acl), ("2015-02-21", "2015-04-05"))
    };
    let (before, since) = with("rwdl");
    drop((before.is(200), since.is(200)));
    let (before, since) = with("rac");
    before.refused(409, "FeatureVersionMismatch");
    since.is(200).says("<Permission>rac</Permission>");
}

#[test]
fn a_tier_may_be_a_condition_of_deletion() {
    let blobs = filled();
    blobs.pass(10);
    blobs.send(&put("/box/b?comp=tier").header("x-ms-access-tier", "Hot")).is(200);
    let (set, before) = (blobs.http_date(0), blobs.http_date(-1));
    let delete =
        |name: &str, at: &str| blobs.send(&delete("/box/b").version("2026-04-06").header(name, at));
    let (modified, unmodified) =
        ("x-ms-access-tier-if-modified-since", "x-ms-access-tier-if-unmodified-since");
    delete(modified, &set).refused(412, "ConditionNotMet");
    delete(unmodified, &before).refused(412, "ConditionNotMet");
    delete(modified, "yesterday").refused(400, "InvalidHeaderValue");
    delete(unmodified, &set).is(202);
    blobs.send(&put_blob("/box/b", "content").header("x-ms-access-tier", "Cool")).is(201);
    delete(modified, &before).is(202);
}

#[test]
fn entity_tags_stand_in_quotes_since_2011_08_18() {
    let blobs = filled();
    let etag = blobs.send(&head("/box/b")).is(200).header("etag");
    let stale = get("/box/b").header("if-none-match", &etag);
    for call in [head("/box/b"), get("/box/b"), stale] {
        let (before, since) = both(&blobs, &call, ("2009-09-19", "2011-08-18"));
        since.has("etag", &etag);
        before.has("etag", etag.trim_matches('"'));
        assert_eq!(before.status(), since.status());
    }
    // What was told without quotes is as good a condition as any.
    let call = put("/box/b?comp=metadata").version("2009-09-19");
    let told = blobs.send(&call.header("if-match", etag.trim_matches('"'))).is(200).header("etag");
    assert!(told.starts_with("0x") && told != etag.trim_matches('"'), "{told}");
    blobs.send(&head("/box/b")).is(200).has("etag", &format!("\"{told}\""));
}

#[test]
fn reads_take_several_conditions_since_2013_08_15() {
    let blobs = filled();
    let etag = blobs.send(&head("/box/b")).is(200).header("etag");
    blobs.pass(10);
    let (earlier, later) = (blobs.http_date(-60), blobs.http_date(60));
    let (match_, differ) = (("if-match", etag.as_str()), ("if-none-match", etag.as_str()));
    let other = ("if-none-match", "\"0x1\"");
    let multiple = "MultipleConditionHeadersNotSupported";
    let unmet = "ConditionNotMet";
    for (one, another, before, since) in [
        (match_, other, (400, multiple), (200, "")),
        (match_, ("if-modified-since", &*earlier), (400, multiple), (200, "")),
        (other, ("if-unmodified-since", &*later), (400, multiple), (200, "")),
        (
            ("if-modified-since", &*earlier),
            ("if-unmodified-since", &*later),
            (400, multiple),
            (200, ""),
        ),
        // Of these pairs, the entity tag decides.
        (match_, ("if-unmodified-since", &*earlier), (200, ""), (412, unmet)),
        (differ, ("if-modified-since", &*earlier), (304, unmet), (200, "")),
        (other, ("if-modified-since", &*later), (200, ""), (200, "")),
    ] {
        for call in [get("/box/b"), head("/box/b")] {
            let call = call.header(one.0, one.1).header(another.0, another.1);
            let (old, new) = both(&blobs, &call, ("2012-02-12", "2013-08-15"));
            old.outcome(before.0, before.1);
            new.outcome(since.0, since.1);
        }
    }
    let several = get("/box/b").header("if-match", format!("\"0x1\", {etag}"));
    let (old, new) = both(&blobs, &several, ("2012-02-12", "2013-08-15"));
    old.refused(400, multiple);
    new.is(200);
}

#[test]
fn leases_had_one_duration_before_2012_02_12() {
    let blobs = filled();
    let acquire = put("/box/b?comp=lease").header("x-ms-lease-action", "acquire");
    let since = blobs.send(&acquire.clone().version("2012-02-12"));
    since.refused(400, "MissingRequiredHeader");
    for call in [acquire.clone(), acquire.header("x-ms-lease-duration", "-1")] {
        blobs.send(&call.version("2011-08-18")).is(201);
        blobs.pass(59);
        blobs.send(&head("/box/b")).is(200).has("x-ms-lease-state", "leased");
        blobs.pass(1);
        blobs.send(&head("/box/b")).is(200).has("x-ms-lease-state", "expired");
    }
}

#[test]
fn settings_of_the_service_are_told_since_they_are_known() {
    let blobs = filled();
    let get = get("/?restype=service&comp=properties");
    for (element, versions) in [
        ("Cors", ("2012-02-12", "2013-08-15")),
        ("DeleteRetentionPolicy", ("2017-04-17", "2017-07-29")),
        ("StaticWebsite", ("2017-11-09", "2018-03-28")),
    ] {
        let (before, since) = both(&blobs, &get, versions);
        before.is(200).hides(element);
        since.is(200).says(element);
    }
}

//! Malformed requests: names, queries, headers and documents that are none.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes>,
//! <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>

use crate::harness::{Answer, Blobs, Call, call, delete, get, head, put, put_blob};

/// Asserts a refusal with 400 and one of several codes.
#[track_caller]
fn refused_as(answer: Answer, codes: &[&str]) -> Answer {
    let code = answer.header("x-ms-error-code");
    assert!(codes.contains(&code.as_str()), "none of {codes:?}: {answer}");
    answer.refused(400, &code)
}

#[test]
fn names_of_containers() {
    let blobs = Blobs::new();
    let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
    for (name, code) in [
        ("abc", ""),
        ("0-9", ""),
        ("$root", ""),
        ("$web", ""),
        (&longest, ""),
        (&too_long, "OutOfRangeInput"),
        ("ab", "OutOfRangeInput"),
        ("Box", "InvalidResourceName"),
        ("a_b", "InvalidResourceName"),
        ("a.b", "InvalidResourceName"),
        ("a--b", "InvalidResourceName"),
        ("-ab", "InvalidResourceName"),
        ("ab-", "InvalidResourceName"),
        ("$box", "InvalidResourceName"),
        ("b%C3%B6x", "InvalidResourceName"),
    ] {
        let status = if code.is_empty() { 201 } else { 400 };
        blobs.send(&put(&format!("/{name}?restype=container"))).outcome(status, code);
        if !code.is_empty() {
            blobs.send(&get(&format!("/{name}/b"))).refused(400, code);
        }
    }
}

#[test]
fn names_of_blobs() {
    let blobs = Blobs::with_container();
    let segments = |count: usize| vec!["a"; count].join("/");
    for (name, good) in [
        ("a".repeat(1024), true),
        ("a".repeat(1025), false),
        ("%E2%82%AC".repeat(1024), true),
        ("%E2%82%AC".repeat(1025), false),
        // A character beyond 16 bits counts twice.
        ("%F0%9F%92%8E".repeat(512), true),
        ("%F0%9F%92%8E".repeat(513), false),
        (segments(254), true),
        (segments(255), false),
        ("a%00b".to_owned(), false),
        ("a%0Ab".to_owned(), false),
        ("a%7Fb".to_owned(), false),
        ("a%zz".to_owned(), false),
        ("a%2".to_owned(), false),
        ("a%FF".to_owned(), false),
        ("%ED%A0%80".to_owned(), false),
    ] {
        let answer = blobs.send(&put_blob(&format!("/box/{name}"), "1"));
        if good {
            answer.is(201);
            blobs.send(&head(&format!("/box/{name}"))).is(200);
        } else {
            refused_as(answer, &["OutOfRangeInput", "InvalidResourceName", "InvalidUri"]);
        }
    }
    blobs.send(&put("/$root?restype=container")).is(201);
    refused_as(blobs.send(&put_blob("/$root/a/b", "1")), &["InvalidResourceName", "InvalidUri"]);
    // A backslash is a slash.
    blobs.send(&put_blob("/box/dir%5Cb", "1")).is(201);
    blobs.send(&get("/box/dir/b")).is(200);
}

#[test]
fn names_and_sizes_of_metadata() {
    let blobs = Blobs::with_blob("content");
    let (most, too_much) = ("v".repeat(8 * 1024 - 1), "v".repeat(8 * 1024));
    for (name, value, code) in [
        ("a", "1", ""),
        ("_a9", "", ""),
        ("a", most.as_str(), ""),
        ("a", too_much.as_str(), "MetadataTooLarge"),
        ("", "1", "EmptyMetadataKey"),
        ("a-b", "1", "InvalidMetadata"),
        ("9a", "1", "InvalidMetadata"),
        ("a.b", "1", "InvalidMetadata"),
    ] {
        let name = format!("x-ms-meta-{name}");
        for (call, success) in [
            (put_blob("/box/new", "1"), 201),
            (put("/box/b?comp=metadata"), 200),
            (put("/box/b?comp=snapshot"), 201),
            (put("/box/b?comp=blocklist").body("<BlockList/>"), 201),
            (put("/box?restype=container&comp=metadata"), 200),
        ] {
            let status = if code.is_empty() { success } else { 400 };
            blobs.send(&call.header(&name, value)).outcome(status, code);
        }
    }
    let twice = put("/box/b?comp=metadata").header("x-ms-meta-a", "1").header("x-ms-meta-a", "2");
    assert_eq!(blobs.send(&twice).status(), 400);
    let padded = put("/box/b?comp=metadata").header("x-ms-meta-a", "  1 2  ");
    blobs.send(&padded).is(200);
    blobs.send(&head("/box/b")).is(200).has("x-ms-meta-a", "1 2");
    // Metadata is replaced as a whole.
    blobs.send(&put("/box/b?comp=metadata").header("x-ms-meta-b", "1")).is(200);
    blobs.send(&head("/box/b")).is(200).has("x-ms-meta-a", "").has("x-ms-meta-b", "1");
}

#[test]
fn operations_that_do_not_exist() {
    let blobs = Blobs::with_blob("content");
    for (call, name, value) in [
        (get("/box/b?comp=everything"), "comp", "everything"),
        (put("/box/b?comp=everything"), "comp", "everything"),
        (get("/box?restype=container&comp=everything"), "comp", "everything"),
        (get("/?comp=everything"), "comp", "everything"),
    ] {
        let answer = blobs.send(&call).refused(400, "InvalidQueryParameterValue");
        answer.says(&format!("<QueryParameterName>{name}</QueryParameterName>"));
        answer.says(&format!("<QueryParameterValue>{value}</QueryParameterValue>"));
        answer.says("<Reason>");
    }
    for (call, allowed) in [
        (call("PATCH", "/box/b"), "GET"),
        (call("POST", "/box/b"), "PUT"),
        (call("DELETE", "/box/b?comp=metadata"), "PUT"),
    ] {
        let answer = blobs.send(&call).refused(405, "UnsupportedHttpVerb");
        assert!(answer.header("allow").contains(allowed), "{answer}");
    }
    blobs.send(&call("BREW", "/box/b")).refused(400, "InvalidHttpVerb");
}

#[test]
fn letter_case_and_strangers_in_queries() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&get("/box?RESTYPE=Container&Comp=LIST&unknown=1&timeout=30")).is(200);
    blobs.send(&get("/box/b?unknown=1&api=2")).is(200).says("content");
}

#[test]
fn dates_that_are_none() {
    let blobs = Blobs::with_blob("content");
    for name in ["if-modified-since", "if-unmodified-since"] {
        for date in ["yesterday", "2026-11-24T08:00:00Z", "Tue, 32 Nov 2026 08:00:00 GMT"] {
            for call in [get("/box/b"), put("/box/b?comp=metadata")] {
                let answer = blobs.send(&call.header(name, date));
                answer.refused(400, "InvalidHeaderValue").says(&format!("<HeaderValue>{date}<"));
            }
        }
        // The older form of dates is read, too.
        let date = "Monday, 23-Nov-26 08:00:00 GMT";
        let (status, code) =
            if name == "if-modified-since" { (200, "") } else { (412, "ConditionNotMet") };
        blobs.send(&get("/box/b").header(name, date)).outcome(status, code);
        let twice = get("/box/b").header(name, blobs.http_date(0)).header(name, date);
        assert_eq!(blobs.send(&twice).status(), 400);
    }
}

#[test]
fn headers_that_are_none() {
    let blobs = Blobs::with_blob("content");
    let tier = |name: &str| put("/box/b?comp=tier").header("x-ms-access-tier", name);
    refused_as(blobs.send(&tier("Lukewarm")), &["InvalidHeaderValue", "InvalidBlobTier"]);
    let early = tier("Cold").version("2020-10-02");
    refused_as(blobs.send(&early), &["InvalidHeaderValue", "InvalidBlobTier"]);
    blobs.send(&tier("Cold")).is(200);
    blobs.send(&put("/box/b?comp=tier")).refused(400, "MissingRequiredHeader");
    let md5 = put("/box/b?comp=properties").header("x-ms-blob-content-md5", "no hash");
    refused_as(blobs.send(&md5), &["InvalidMd5", "InvalidHeaderValue"]);
    for expression in ["a", "a =", "a = b", "a = 'b", "(a = 'b'", "a == 'b'"] {
        let call = get("/box/b").header("x-ms-if-tags", expression);
        let answer = blobs.send(&call).refused(400, "InvalidHeaderValue");
        answer.says("<HeaderName>x-ms-if-tags</HeaderName>");
    }
}

#[test]
fn tags() {
    let blobs = Blobs::with_blob("content");
    let many = (0..11).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
    let ten = (0..10).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
    let (key, long_key) = (format!("{}=", "k".repeat(128)), format!("{}=", "k".repeat(129)));
    let (value, long_value) = (format!("k={}", "v".repeat(256)), format!("k={}", "v".repeat(257)));
    for (tags, code) in [
        ("a=b", ""),
        ("a%20b=+-.%2F%3A%3D_", ""),
        (ten.as_str(), ""),
        (key.as_str(), ""),
        (value.as_str(), ""),
        (many.as_str(), "TagsTooLarge"),
        (long_key.as_str(), "TagsTooLarge"),
        (long_value.as_str(), "TagsTooLarge"),
        ("a=1&a=2", "DuplicateTagNames"),
        ("=1", "EmptyTagName"),
        ("a=%C3%A9", "InvalidTags"),
        ("a=b!", "InvalidTags"),
    ] {
        let status = if code.is_empty() { 201 } else { 400 };
        let call = put_blob("/box/tagged", "1").header("x-ms-tags", tags);
        blobs.send(&call).outcome(status, code);
    }
    let set = |tags: &str| {
        let xml = format!("<Tags><TagSet>{tags}</TagSet></Tags>");
        blobs.send(&put("/box/b?comp=tags").body(xml))
    };
    let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    set(&tag("a", "b")).is(204);
    for (tags, code) in [
        (tag("a", "1") + &tag("a", "2"), "DuplicateTagNames"),
        (tag("", "1"), "EmptyTagName"),
        (tag("a", "b!"), "InvalidTags"),
        ((0..11).map(|n| tag(&format!("k{n}"), "v")).collect(), "TagsTooLarge"),
        ("<Tag><Key>a</Key>".to_owned(), "InvalidXmlDocument"),
    ] {
        set(&tags).refused(400, code);
    }
    let answer = blobs.send(&get("/box/b?comp=tags")).is(200);
    answer.says("<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>");
    set("").is(204);
    blobs.send(&head("/box/b")).is(200).has("x-ms-tag-count", "");
}

#[test]
fn access_policies() {
    let blobs = Blobs::with_container();
    let set = |policies: &str| {
        let xml = format!("<SignedIdentifiers>{policies}</SignedIdentifiers>");
        blobs.send(&put("/box?restype=container&comp=acl").body(xml))
    };
    let policy = |id: &str, inner: &str| {
        format!(
            "<SignedIdentifier><Id>{id}</Id><AccessPolicy>{inner}</AccessPolicy></SignedIdentifier>"
        )
    };
    let good = policy("a", "<Start>2026-11-24</Start><Permission>rwdl</Permission>");
    set(&good).is(200);
    let five = (0..5).map(|n| policy(&n.to_string(), "")).collect::<Vec<_>>().concat();
    let xml = ["InvalidXmlDocument", "InvalidXmlNodeValue", "InvalidInput", "UnsupportedXmlNode"];
    for policies in [
        five.clone() + &policy("5", ""),
        policy(&"i".repeat(65), ""),
        policy("b", "<Start>soon</Start>"),
        policy("b", "<Expiry>2026-13-01</Expiry>"),
        policy("b", "<Allowed>r</Allowed>"),
        policy("b", "<Permission>wrld</Permission>"),
        "<SignedIdentifier>".to_owned(),
    ] {
        refused_as(set(&policies), &xml);
    }
    let acl = "/box?restype=container&comp=acl";
    let body = "<!DOCTYPE a><SignedIdentifiers/>";
    refused_as(blobs.send(&put(acl).body(body)), &["InvalidXmlDocument"]);
    let answer = blobs.send(&get(acl)).is(200);
    answer.says("<Id>a</Id>").says("<Start>2026-11-24").says("<Permission>rwdl</Permission>");
    set(&five).is(200);
    set(&policy(&"i".repeat(64), "")).is(200);
}

#[test]
fn service_properties() {
    let blobs = Blobs::new();
    let set = |body: &str| blobs.send(&put("/?restype=service&comp=properties").body(body));
    for (body, code) in [
        ("", "InvalidXmlDocument"),
        ("<StorageServiceProperties>", "InvalidXmlDocument"),
        ("<Properties/>", "InvalidXmlDocument"),
        ("<StorageServiceProperties><Colour/></StorageServiceProperties>", "UnsupportedXmlNode"),
        (
            "<StorageServiceProperties><DefaultServiceVersion>new</DefaultServiceVersion>\
             </StorageServiceProperties>",
            "InvalidXmlNodeValue",
        ),
        (
            "<StorageServiceProperties><Logging><Version>1.0</Version></Logging>\
             </StorageServiceProperties>",
            "MissingRequiredXmlNode",
        ),
    ] {
        let answer = set(body);
        let xml = ["InvalidXmlDocument", "UnsupportedXmlNode", code];
        refused_as(answer, if body == "<Properties/>" { &xml } else { &xml[2..] });
    }
    set("<StorageServiceProperties/>").is(202);
}

#[test]
fn a_snapshot_is_not_written() {
    let blobs = Blobs::with_blob("content");
    let snapshot = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let etag = blobs.send(&head("/box/b")).header("etag");
    let writes: [Call; 7] = [
        put_blob("/box/b", "other"),
        put("/box/b?comp=block&blockid=YWFh").body("a"),
        put("/box/b?comp=blocklist").body("<BlockList></BlockList>"),
        put("/box/b?comp=metadata").header("x-ms-meta-a", "1"),
        put("/box/b?comp=properties"),
        put("/box/b?comp=snapshot"),
        put("/box/b").header("x-ms-copy-source", "http://127.0.0.1:10000/lazurite/box/b"),
    ];
    for call in writes {
        let answer = blobs.send(&call.query(&format!("snapshot={snapshot}")));
        refused_as(answer, &["InvalidQueryParameterValue", "InvalidOperation"]);
        blobs.send(&get("/box/b")).is(200).has("etag", &etag).says("content");
    }
    blobs.send(&delete(&format!("/box/b?snapshot={snapshot}"))).is(202);
}

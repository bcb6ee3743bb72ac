//! Listings of blobs and containers, and blobs found by their tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs>,
//! <https://learn.microsoft.com/rest/api/storageservices/list-containers2>

use crate::harness::{ACCOUNT, Answer, Blobs, HOST, delete, get, put, put_blob};

const LIST: &str = "/box?restype=container&comp=list";

/// Names in the order of their bytes, in which listings tell them.
const NAMES: [&str; 9] = ["A", "B/x", "a", "a.b", "a/", "a/b", "a/c/d", "a0", "é"];

fn encoded(name: &str) -> String {
    name.replace('é', "%C3%A9")
}

fn with_names() -> Blobs {
    let blobs = Blobs::with_container();
    for name in NAMES.iter().rev() {
        blobs.send(&put_blob(&format!("/box/{}", encoded(name)), "content")).is(201);
    }
    blobs
}

/// The names a listing has, prefixes in brackets.
fn names(answer: &Answer) -> Vec<String> {
    let blobs = answer.elements("Blobs").concat();
    let items = blobs.split("<Name>").map(|item| item.split("</Name>").next().unwrap_or_default());
    let kinds = blobs.split("<Name>").map(|before| before.ends_with("<BlobPrefix>"));
    let named = items.skip(1).zip(kinds);
    named.map(|(name, prefix)| if prefix { format!("[{name}]") } else { name.to_owned() }).collect()
}

#[test]
fn a_listing_word_for_word() {
    let blobs = Blobs::with_blob("hello world");
    let etag = blobs.send(&get("/box/b")).header("etag");
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <EnumerationResults ServiceEndpoint=\"http://{HOST}/{ACCOUNT}/\" ContainerName=\"box\">\
         <Blobs><Blob><Name>b</Name><Properties>\
         <Creation-Time>Tue, 24 Nov 2026 08:00:00 GMT</Creation-Time>\
         <Last-Modified>Tue, 24 Nov 2026 08:00:00 GMT</Last-Modified>\
         <Etag>{}</Etag><Content-Length>11</Content-Length>\
         <Content-Type>application/octet-stream</Content-Type><Content-Encoding />\
         <Content-Language /><Content-CRC64 /><Content-MD5>XrY7u+Ae7tCTyyK7j1rNww==</Content-MD5>\
         <Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType>\
         <AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>\
         <LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>\
         <ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata /></Blob></Blobs>\
         <NextMarker /></EnumerationResults>",
        etag.trim_matches('"')
    );
    for call in [get(LIST), get(LIST).version("2019-12-12")] {
        let answer = blobs.send(&call).is(200);
        assert_eq!(answer.text().trim_start_matches('\u{feff}'), expected);
        answer.has("content-type", "application/xml");
    }
}

#[test]
fn prefixes_and_delimiters() {
    let blobs = with_names();
    for (query, expected) in [
        ("", "A|B/x|a|a.b|a/|a/b|a/c/d|a0|é"),
        ("&prefix=a", "a|a.b|a/|a/b|a/c/d|a0"),
        ("&prefix=a/", "a/|a/b|a/c/d"),
        ("&prefix=z", ""),
        ("&prefix=%C3%A9", "é"),
        ("&delimiter=/", "A|[B/]|a|a.b|[a/]|a0|é"),
        ("&delimiter=/&prefix=a", "a|a.b|[a/]|a0"),
        ("&delimiter=/&prefix=a/", "a/|a/b|[a/c/]"),
        ("&delimiter=/&prefix=a/c", "[a/c/]"),
        ("&delimiter=/&prefix=a/c/", "a/c/d"),
        ("&delimiter=.", "A|B/x|a|[a.]|a/|a/b|a/c/d|a0|é"),
        ("&delimiter=/c/", "A|B/x|a|a.b|a/|a/b|[a/c/]|a0|é"),
    ] {
        let answer = blobs.send(&get(&format!("{LIST}{query}"))).is(200);
        assert_eq!(names(&answer).join("|"), expected, "{answer}");
        // What was asked is echoed, and only that.
        for (parameter, element) in [("&prefix=", "Prefix"), ("&delimiter=", "Delimiter")] {
            let element = format!("<{element}>");
            assert_eq!(answer.text().contains(&element), query.contains(parameter), "{answer}");
        }
        answer.hides("<Marker>").hides("<MaxResults>").says("<NextMarker />");
    }
}

#[test]
fn pages_of_any_size_make_the_whole() {
    let blobs = with_names();
    for query in ["", "&prefix=a", "&delimiter=/", "&delimiter=/&prefix=a/"] {
        let whole = names(&blobs.send(&get(&format!("{LIST}{query}"))).is(200));
        for size in 1..=whole.len() + 1 {
            let (mut found, mut marker) = (Vec::new(), String::new());
            for _ in 0..=whole.len() {
                let target = format!("{LIST}{query}&maxresults={size}{marker}");
                let answer = blobs.send(&get(&target)).is(200);
                answer.says(&format!("<MaxResults>{size}</MaxResults>"));
                let page = names(&answer);
                assert!(page.len() <= size, "{answer}");
                found.extend(page);
                let next = answer.elements("NextMarker").concat();
                if next.is_empty() {
                    break;
                }
                marker = format!("&marker={next}");
            }
            assert_eq!(found, whole, "{query} by {size}");
        }
    }
}

#[test]
fn a_page_goes_on_whatever_happened_in_between() {
    let blobs = with_names();
    let answer = blobs.send(&get(&format!("{LIST}&maxresults=3"))).is(200);
    assert_eq!(names(&answer).join("|"), "A|B/x|a");
    let marker = answer.elements("NextMarker").concat();
    // The place it stopped at goes, and others come before and after it.
    for name in ["a", "a.b"] {
        blobs.send(&delete(&format!("/box/{name}"))).is(202);
    }
    for name in ["AA", "a.c"] {
        blobs.send(&put_blob(&format!("/box/{name}"), "new")).is(201);
    }
    let answer = blobs.send(&get(&format!("{LIST}&marker={marker}"))).is(200);
    assert_eq!(names(&answer).join("|"), "a.c|a/|a/b|a/c/d|a0|é");
    answer.says(&format!("<Marker>{marker}</Marker>"));
}

#[test]
fn parameters_that_are_none() {
    let blobs = with_names();
    for list in [LIST, "/?comp=list"] {
        for value in ["0", "-1", "many", "1.5"] {
            let answer = blobs.send(&get(&format!("{list}&maxresults={value}")));
            let answer = answer.refused(400, "OutOfRangeQueryParameterValue");
            answer.says("<QueryParameterName>maxresults</QueryParameterName>");
        }
        blobs.send(&get(&format!("{list}&maxresults=5001"))).is(200);
        for (name, value) in [("marker", "nonsense"), ("include", "everything")] {
            let answer = blobs.send(&get(&format!("{list}&{name}={value}")));
            let answer = answer.refused(400, "InvalidQueryParameterValue");
            answer.says(&format!("<QueryParameterName>{name}</QueryParameterName>"));
            answer.says(&format!("<QueryParameterValue>{value}</QueryParameterValue>"));
        }
    }
    let missing = get("/nowhere?restype=container&comp=list");
    blobs.send(&missing).refused(404, "ContainerNotFound");
}

#[test]
fn what_may_be_included() {
    let blobs = Blobs::with_container();
    let call = put_blob("/box/b", "1").header("x-ms-meta-color", "blue&green");
    blobs.send(&call.header("x-ms-tags", "stage=done")).is(201);
    blobs.pass(1);
    let snapshot = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let source = format!("http://{HOST}/{ACCOUNT}/box/b");
    blobs.send(&put("/box/copy").header("x-ms-copy-source", &source)).is(202);
    blobs.send(&put("/box/staged?comp=block&blockid=YWFh").body("a")).is(201);
    let metadata = "<Metadata><color>blue&amp;green</color></Metadata>";
    let tags = "<Tags><TagSet><Tag><Key>stage</Key><Value>done</Value></Tag></TagSet></Tags>";
    let snapshot = format!("<Name>b</Name><Snapshot>{snapshot}</Snapshot>");
    let copy = format!("<CopySource>{source}</CopySource>");
    let parts = [
        ("metadata", metadata),
        ("tags", tags),
        ("snapshots", snapshot.as_str()),
        ("copy", copy.as_str()),
        ("uncommittedblobs", "<Name>staged</Name>"),
    ];
    let plain = blobs.send(&get(LIST)).is(200);
    assert_eq!(names(&plain).join("|"), "b|copy");
    plain.says("<TagCount>1</TagCount>");
    for (included, _) in parts {
        let answer = blobs.send(&get(&format!("{LIST}&include={included}"))).is(200);
        for (other, text) in parts {
            assert_eq!(answer.text().contains(text), included == other, "{other} in {answer}");
        }
    }
    for include in [
        "include=metadata,tags,snapshots,copy,uncommittedblobs",
        "include=metadata&include=tags&include=snapshots,copy&include=UncommittedBlobs",
        "include=metadata%2Ctags%2Csnapshots%2Ccopy%2Cuncommittedblobs%2Cdeleted%2Cversions",
    ] {
        let answer = blobs.send(&get(&format!("{LIST}&{include}"))).is(200);
        assert_eq!(names(&answer).join("|"), "b|b|copy|staged", "{answer}");
        for (_, text) in parts {
            answer.says(text);
        }
        answer.says("<CopyStatus>success</CopyStatus>").says("<CopyProgress>1/1</CopyProgress>");
    }
    blobs.send(&get(&format!("{LIST}&include="))).is(200);
}

#[test]
fn snapshots_come_before_their_blob_and_pages_may_part_them() {
    let blobs = Blobs::with_blob("1");
    blobs.send(&put_blob("/box/a", "1")).is(201);
    blobs.send(&put_blob("/box/b.c", "1")).is(201);
    let moments = [1, 2, 3].map(|_| {
        blobs.pass(1);
        blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot")
    });
    let target = format!("{LIST}&include=snapshots");
    let answer = blobs.send(&get(&target)).is(200);
    assert_eq!(names(&answer).join("|"), "a|b|b|b|b|b.c");
    assert_eq!(answer.elements("Snapshot"), moments);
    let last = answer.text().rfind("<Snapshot>").unwrap();
    assert!(answer.text()[last..].contains("<Name>b</Name>"), "the blob itself comes last");
    // A snapshot has no lease to tell of.
    assert_eq!(answer.elements("LeaseState").len(), 3, "{answer}");
    let (mut found, mut marker) = (Vec::new(), String::new());
    for _ in 0..6 {
        let answer = blobs.send(&get(&format!("{target}&maxresults=1{marker}"))).is(200);
        found.push((names(&answer).concat(), answer.elements("Snapshot").concat()));
        marker = format!("&marker={}", answer.elements("NextMarker").concat());
    }
    let whole = ["a", "b", "b", "b", "b", "b.c"].map(str::to_owned);
    let [first, second, third] = moments;
    let moments = [String::new(), first, second, third, String::new(), String::new()];
    assert_eq!(found, whole.into_iter().zip(moments).collect::<Vec<_>>());
    assert_eq!(marker, "&marker=");
}

#[test]
fn names_that_xml_cannot_say_are_encoded() {
    let blobs = Blobs::with_container();
    blobs.send(&put_blob("/box/a%26%3Cb%3E", "1")).is(201);
    blobs.send(&put_blob("/box/c%EF%BF%BEd", "1")).is(201);
    let answer = blobs.send(&get(LIST)).is(200);
    answer.says("<Name>a&amp;&lt;b&gt;</Name>");
    answer.says("<Name Encoded=\"true\">c%EF%BF%BEd</Name>");
}

#[test]
fn a_listing_may_start_from_a_name() {
    let blobs = with_names();
    for (query, expected) in [
        ("startFrom=a/", "a/|a/b|a/c/d|a0|é"),
        ("startFrom=a1", "é"),
        ("prefix=a/&startFrom=a/b", "a/b|a/c/d"),
        ("prefix=a/&startFrom=A", "a/|a/b|a/c/d"),
        ("prefix=a/&startFrom=b", ""),
    ] {
        let answer = blobs.send(&get(&format!("{LIST}&{query}")).version("2026-02-06")).is(200);
        assert_eq!(names(&answer).join("|"), expected, "{query}");
    }
}

#[test]
fn a_listing_may_be_an_arrow_stream() {
    let blobs = with_names();
    let stream = "application/vnd.apache.arrow.stream";
    let ask = |query: &str, accept: &str, version: &str| {
        let call = get(&format!("{LIST}{query}")).header("accept", accept).version(version);
        blobs.send(&call).is(200)
    };
    let both = format!("{stream},application/xml");
    // Clients that say nothing of it, or know nothing of it, get what they got.
    for (accept, version, kind) in [
        (&*both, "2026-10-06", stream),
        (stream, "2026-10-06", stream),
        ("application/xml", "2026-10-06", "application/xml"),
        (&*both, "2026-06-06", "application/xml"),
    ] {
        ask("", accept, version).has("content-type", kind);
    }
    // All names stand together, in the text of the first column.
    ask("", &both, "2026-10-06").says(&NAMES.concat());
    ask("&endBefore=a0", &both, "2026-10-06").hides(&NAMES.concat());
    ask("&maxresults=1", &both, "2026-10-06").says("NextMarker");
    ask("&delimiter=/", &both, "2026-10-06").says("blobprefix");
    // Other conditions are refused in XML.
    let call = get("/none?restype=container&comp=list").header("accept", &both);
    blobs.send(&call.version("2026-10-06")).refused(404, "ContainerNotFound");
}

#[test]
fn a_listing_may_end_before_a_name() {
    let blobs = with_names();
    for query in ["endBefore=a/b", "prefix=a/&endBefore=a/c", "startFrom=a/b&endBefore=a0"] {
        let field = |name: &str| {
            let mut fields = query.split('&').filter_map(|field| field.split_once('='));
            fields.find(|(found, _)| *found == name).map_or("", |(_, value)| value)
        };
        let wanted: Vec<&str> = NAMES
            .iter()
            .copied()
            .filter(|name| name.starts_with(field("prefix")) && *name >= field("startFrom"))
            .collect();
        let found = |version: &str| {
            let call = get(&format!("{LIST}&{query}")).version(version);
            names(&blobs.send(&call).is(200))
        };
        assert_eq!(found("2026-06-06"), wanted, "{query} before there was an end");
        let ended: Vec<&str> =
            wanted.into_iter().filter(|name| *name < field("endBefore")).collect();
        assert_eq!(found("2026-10-06"), ended, "{query}");
    }
}

#[test]
fn containers() {
    let blobs = Blobs::new();
    let list = "/?comp=list";
    blobs.send(&get(list)).is(200).hides("<Name>").says("<NextMarker />");
    let create = |name: &str| put(&format!("/{name}?restype=container"));
    for name in ["zoo", "box", "box-2", "0box", "$root"] {
        blobs.send(&create(name).header("x-ms-meta-name", name)).is(201);
    }
    blobs.send(&create("box").account(crate::harness::OTHER_ACCOUNT)).is(201);
    let named = |query: &str| {
        let answer = blobs.send(&get(&format!("{list}{query}"))).is(200);
        answer.elements("Name").join("|")
    };
    assert_eq!(named(""), "$root|0box|box|box-2|zoo");
    assert_eq!(named("&prefix=box"), "box|box-2");
    assert_eq!(named("&maxresults=2"), "$root|0box");
    let answer = blobs.send(&get(&format!("{list}&maxresults=2"))).is(200);
    let marker = answer.elements("NextMarker").concat();
    assert_eq!(named(&format!("&marker={marker}")), "box|box-2|zoo");
    // The account's path may end with a slash.
    assert_eq!(blobs.send(&get("?comp=list")).is(200).elements("Name").len(), 5);
    let answer = blobs.send(&get(&format!("{list}&include=metadata&prefix=zoo"))).is(200);
    answer.says("<Metadata><name>zoo</name></Metadata>");
    answer.says("<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>");
    answer.says("<HasImmutabilityPolicy>false</HasImmutabilityPolicy>");
    blobs.send(&get(list)).is(200).hides("<Metadata>");
}

#[test]
fn blobs_by_their_tags() {
    let blobs = Blobs::with_container();
    blobs.send(&put("/chest?restype=container")).is(201);
    for (name, tags) in [
        ("box/a", "stage=1&kind=x"),
        ("box/b", "stage=2&kind=x"),
        ("box/c", "stage=3"),
        ("chest/a", "stage=2"),
    ] {
        blobs.send(&put_blob(&format!("/{name}"), "1").header("x-ms-tags", tags)).is(201);
    }
    let find = |place: &str, expression: &str| {
        let bytes = expression.bytes().map(|byte| format!("%{byte:02X}"));
        let expression = bytes.collect::<Vec<_>>().concat();
        blobs.send(&get(&format!("{place}comp=blobs&where={expression}")))
    };
    let (all, within) = ("/?", "/box?restype=container&");
    for (place, expression, expected) in [
        (all, "stage = '2'", "a|b"),
        (within, "stage = '2'", "b"),
        (all, "\"kind\" = 'x'", "a|b"),
        (all, "stage >= '2' AND stage < '4'", "a|b|c"),
        (all, "stage > '1' and kind = 'x'", "b"),
        (all, "@container = 'chest' AND stage = '2'", "a"),
        (all, "kind = 'z'", ""),
    ] {
        let answer = find(place, expression).is(200);
        let mut found = answer.elements("Name");
        found.sort();
        assert_eq!(found.join("|"), expected, "{expression}: {answer}");
    }
    let answer = find(all, "stage = '3'").is(200);
    answer.says("<ContainerName>box</ContainerName>");
    answer.says("<Tag><Key>stage</Key><Value>3</Value></Tag>");
    answer.says("<Where>stage = '3'</Where>").says("<NextMarker />");
    for expression in ["stage", "stage = 2", "stage ='1' OR kind = 'x'", "stage = '1", "= '1'"] {
        let answer = find(all, expression).refused(400, "InvalidQueryParameterValue");
        answer.says("<QueryParameterName>where</QueryParameterName>");
    }
    // The index follows changes and deletions.
    let tags = "<Tags><TagSet><Tag><Key>stage</Key><Value>9</Value></Tag></TagSet></Tags>";
    blobs.send(&put("/box/b?comp=tags").body(tags)).is(204);
    blobs.send(&delete("/chest/a")).is(202);
    assert!(find(all, "stage = '2'").is(200).elements("Name").is_empty());
    assert_eq!(find(all, "stage = '9'").is(200).elements("Name").concat(), "b");
}

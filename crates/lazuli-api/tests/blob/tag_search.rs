//! Find Blobs by Tags: what is found is what the tags say, whatever way the search takes.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/find-blobs-by-tags>

use std::fmt::Write as _;

use crate::harness::{ACCOUNT, Answer, Blobs, Call, HOST, delete, get, head, put, put_blob};

const TAGGED: usize = 240;

/// The tags of the blob with this number: some that many share, one that few do, one of its own.
fn tags(number: usize) -> Vec<(&'static str, String)> {
    let mut tags = vec![
        ("all", "yes".to_owned()),
        ("half", (number % 2).to_string()),
        ("number", format!("{number:03}")),
    ];
    if number.is_multiple_of(60) {
        tags.push(("rare", "1".to_owned()));
    }
    if number % 3 == 1 {
        tags.push(("third", format!("v{}", number % 5)));
    }
    tags
}

/// The container of the blob with this number; the names are the same in both.
fn container(number: usize) -> &'static str {
    if number.is_multiple_of(4) { "chest" } else { "box" }
}

fn with_tagged_blobs() -> Blobs {
    let blobs = Blobs::with_container();
    blobs.send(&put("/chest?restype=container")).is(201);
    for number in 0..TAGGED {
        let header: Vec<String> =
            tags(number).iter().map(|(key, value)| format!("{key}={value}")).collect();
        let call = put_blob(&format!("/{}/{number:03}", container(number)), "1");
        blobs.send(&call.header("x-ms-tags", header.join("&"))).is(201);
    }
    blobs
}

fn ask(blobs: &Blobs, place: &str, expression: &str, more: &str) -> Answer {
    let encoded = expression.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    });
    blobs.send(&get(&format!("{place}comp=blobs&where={encoded}{more}")))
}

/// All that is found, page by page; no page has more than it may.
#[track_caller]
fn find(blobs: &Blobs, place: &str, expression: &str, max: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut marker = String::new();
    loop {
        let more = format!("&maxresults={max}&marker={marker}");
        let answer = ask(blobs, place, expression, &more).is(200);
        let names = answer.elements("Name");
        assert!(names.len() <= max, "{answer}");
        let containers = answer.elements("ContainerName");
        found.extend(containers.iter().zip(&names).map(|(place, name)| format!("{place}/{name}")));
        marker = answer.elements("NextMarker").concat();
        if marker.is_empty() {
            return found;
        }
    }
}

/// One comparison of an expression: key, operator and value.
type Term = (&'static str, &'static str, &'static str);

fn holds((key, operator, value): Term, number: usize) -> bool {
    if key == "@container" {
        return container(number) == value;
    }
    let tags = tags(number);
    let Some((_, found)) = tags.iter().find(|(name, _)| *name == key) else { return false };
    match operator {
        "=" => found == value,
        ">" => found.as_str() > value,
        ">=" => found.as_str() >= value,
        "<" => found.as_str() < value,
        _ => found.as_str() <= value,
    }
}

const SEARCHES: &[&[Term]] = &[
    &[("all", "=", "yes")],
    &[("all", "=", "yes"), ("rare", "=", "1")],
    &[("rare", "=", "1"), ("all", "=", "yes"), ("half", "=", "0")],
    &[("half", "=", "1"), ("third", "=", "v2")],
    &[("half", "=", "1"), ("half", "=", "1")],
    &[("half", "=", "1"), ("rare", "=", "1")],
    &[("number", ">=", "100"), ("number", "<", "110")],
    &[("number", ">", "100"), ("number", "<=", "110"), ("all", "=", "yes")],
    &[("all", "=", "yes"), ("number", ">=", "235")],
    &[("half", "=", "0"), ("number", "<", "200"), ("third", ">", "v1")],
    &[("third", ">=", "v1"), ("number", "<=", "150")],
    &[("third", ">", "v3")],
    &[("third", ">", "v3"), ("third", "<", "v1")],
    &[("nothing", "=", "like"), ("all", "=", "yes")],
    &[("@container", "=", "chest"), ("all", "=", "yes")],
    &[("@container", "=", "chest"), ("number", ">=", "100"), ("half", "=", "0")],
    &[("@container", "=", "nowhere"), ("all", "=", "yes")],
];

#[test]
fn every_way_finds_the_same() {
    let blobs = with_tagged_blobs();
    for search in SEARCHES {
        let terms: Vec<String> = search
            .iter()
            .map(|(key, operator, value)| format!("{key} {operator} '{value}'"))
            .collect();
        let expression = terms.join(" AND ");
        if search.len() == 2 && search[0] == search[1] {
            // One tag is compared with one range.
            let answer = ask(&blobs, "/?", &expression, "");
            answer.refused(400, "InvalidQueryParameterValue");
            continue;
        }
        let mut wanted: Vec<String> = (0..TAGGED)
            .filter(|number| search.iter().all(|term| holds(*term, *number)))
            .map(|number| format!("{}/{number:03}", container(number)))
            .collect();
        wanted.sort();
        for max in [1, 7, 5000] {
            let mut found = find(&blobs, "/?", &expression, max);
            found.sort();
            assert_eq!(found, wanted, "{expression}, {max} a page");
        }
        if search.iter().all(|(key, ..)| *key != "@container") {
            let within: Vec<String> =
                wanted.iter().filter(|name| name.starts_with("chest/")).cloned().collect();
            let mut found = find(&blobs, "/chest?restype=container&", &expression, 5);
            found.sort();
            assert_eq!(found, within, "{expression} in a container");
        }
    }
}

#[test]
fn what_equalities_find_is_in_the_order_of_names() {
    let blobs = with_tagged_blobs();
    let found = find(&blobs, "/box?restype=container&", "all = 'yes' AND half = '1'", 10);
    assert!(found.is_sorted() && found.len() == TAGGED / 2, "{found:?}");
}

#[test]
fn a_page_goes_on_after_what_it_ended_with_is_gone() {
    let blobs = with_tagged_blobs();
    let answer = ask(&blobs, "/box?restype=container&", "all = 'yes'", "&maxresults=2").is(200);
    assert_eq!(answer.elements("Name"), ["001", "002"]);
    let marker = answer.elements("NextMarker").concat();
    blobs.send(&delete("/box/003")).is(202);
    let tags = "<Tags><TagSet><Tag><Key>all</Key><Value>no</Value></Tag></TagSet></Tags>";
    blobs.send(&put("/box/005?comp=tags").body(tags)).is(204);
    let more = format!("&maxresults=2&marker={marker}");
    let answer = ask(&blobs, "/box?restype=container&", "all = 'yes'", &more).is(200);
    assert_eq!(answer.elements("Name"), ["006", "007"]);
    // Another expression has another way: its marker is none of this one's.
    let other = ask(&blobs, "/?", "number > '1'", &format!("&marker={marker}"));
    other.refused(400, "InvalidQueryParameterValue");
    for marker in ["x", "AQ", "AQDg"] {
        let answer = ask(&blobs, "/?", "all = 'yes'", &format!("&marker={marker}"));
        answer.refused(400, "InvalidQueryParameterValue").says("marker");
    }
}

#[test]
fn expressions_that_are_none() {
    let blobs = Blobs::with_container();
    blobs.send(&get("/?comp=blobs")).refused(400, "MissingRequiredQueryParameter");
    let many = vec!["a='1'"; 10_000].join(" AND ");
    let long = format!("{}='1'", "k".repeat(129));
    for expression in [
        "a",
        "a=",
        "a='1' AND",
        "(a='1'",
        "a='1')",
        "a='1' b='2'",
        "a<>'1'",
        "a='1' OR b='2'",
        "a=1",
        "='1'",
        "a='1",
        "@container='box'",
        "@container>'b' AND a='1'",
        "\"\"='1'",
        "a==='1'",
        "a LIKE '1'",
        "a=';'",
        &long,
        &many,
    ] {
        for place in ["/?", "/box?restype=container&"] {
            let answer = ask(&blobs, place, expression, "");
            let answer = answer.refused(400, "InvalidQueryParameterValue");
            answer.says("<QueryParameterName>where</QueryParameterName>");
        }
    }
    ask(&blobs, "/nowhere?restype=container&", "a='1'", "").refused(404, "ContainerNotFound");
    ask(&blobs, "/?", "a='1'", "&maxresults=0").refused(400, "OutOfRangeQueryParameterValue");
}

#[test]
fn a_snapshot_has_tags_of_its_own() {
    let blobs = Blobs::with_container();
    let call = put_blob("/box/b", "content").header("x-ms-tags", "stage=1");
    let etag = blobs.send(&call).is(201).header("etag");
    let moment = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let of_snapshot = format!("/box/b?comp=tags&snapshot={moment}");
    let set = |to: &str, value: &str| {
        let tag = format!("<Tag><Key>stage</Key><Value>{value}</Value></Tag>");
        put(to).body(format!("<Tags><TagSet>{tag}</TagSet></Tags>"))
    };
    let before = set(&of_snapshot, "2").version("2020-06-12");
    let answer = blobs.send(&before).refused(400, "InvalidQueryParameterValue");
    answer.says("<QueryParameterName>snapshot</QueryParameterName>");
    blobs.send(&set(&of_snapshot, "2").version("2020-08-04")).is(204);
    blobs.send(&set(&of_snapshot, "3").header("x-ms-if-tags", "stage='2'")).is(204);
    blobs.send(&get(&of_snapshot)).is(200).says("<Value>3</Value>");
    blobs.send(&head(&format!("/box/b?snapshot={moment}"))).is(200).has("etag", &etag);
    // The blob's own tags stay, and so does what is found by them.
    blobs.send(&get("/box/b?comp=tags")).is(200).says("<Value>1</Value>");
    assert_eq!(find(&blobs, "/?", "stage='1'", 10), ["box/b"]);
    assert!(find(&blobs, "/?", "stage='3'", 10).is_empty());
    // And the other way round, down to the end of either.
    blobs.send(&set("/box/b?comp=tags", "4")).is(204);
    blobs.send(&get(&of_snapshot)).is(200).says("<Value>3</Value>");
    blobs.send(&delete(&format!("/box/b?snapshot={moment}"))).is(202);
    assert_eq!(find(&blobs, "/?", "stage='4'", 10), ["box/b"]);
    blobs.send(&set(&of_snapshot, "5")).refused(404, "BlobNotFound");
    let bad = set("/box/b?comp=tags&snapshot=now", "5");
    blobs.send(&bad).refused(400, "InvalidQueryParameterValue");
}

/// A call of every operation that takes conditions on the tags of `box/b`.
fn conditional() -> Vec<Call> {
    let source = format!("http://{HOST}/{ACCOUNT}/box/b");
    let copy = || put("/box/b").header("x-ms-copy-source", &source);
    let id = "aaaaaaaa-0000-4000-8000-000000000001";
    let lease = |action: &str| {
        let call = put("/box/b?comp=lease").header("x-ms-lease-action", action);
        match action {
            "acquire" => call.header("x-ms-lease-duration", "15"),
            "break" => call,
            "change" => call.header("x-ms-lease-id", id).header("x-ms-proposed-lease-id", id),
            _ => call.header("x-ms-lease-id", id),
        }
    };
    let mut calls = vec![
        get("/box/b"),
        head("/box/b"),
        get("/box/b?comp=metadata"),
        get("/box/b?comp=tags"),
        get("/box/b?comp=blocklist"),
        put_blob("/box/b", "other"),
        copy(),
        copy().header("x-ms-requires-sync", "true"),
        copy().header("x-ms-blob-type", "BlockBlob"),
        put("/box/b?comp=blocklist").body("<BlockList></BlockList>"),
        put("/box/b?comp=metadata"),
        put("/box/b?comp=properties"),
        put("/box/b?comp=tags").body("<Tags><TagSet></TagSet></Tags>"),
        put("/box/b?comp=tier").header("x-ms-access-tier", "Cool"),
        put("/box/b?comp=snapshot"),
        delete("/box/b"),
    ];
    calls.extend(["acquire", "renew", "change", "release", "break"].map(lease));
    calls
}

#[test]
fn operations_hold_conditions_on_tags() {
    let blobs = Blobs::new();
    // Copies from a URL read it as anybody may.
    let container = put("/box?restype=container").header("x-ms-blob-public-access", "blob");
    blobs.send(&container).is(201);
    blobs.send(&put_blob("/box/b", "content").header("x-ms-tags", "stage=1&kind=x")).is(201);
    let etag = blobs.send(&head("/box/b")).header("etag");
    for call in conditional() {
        for unmet in ["stage='2'", "stage <> '1'", "\"kind\">'x' or none='1'", "none<>'1'"] {
            let answer = blobs.send(&call.clone().header("x-ms-if-tags", unmet));
            answer.refused(412, "ConditionNotMet");
        }
        let malformed = blobs.send(&call.header("x-ms-if-tags", "@container='box'"));
        malformed.refused(400, "InvalidHeaderValue");
    }
    let answer = blobs.send(&head("/box/b").header("x-ms-if-tags", "stage='1' AND kind<>'y'"));
    answer
        .is(200)
        .has("etag", &etag)
        .has("x-ms-tag-count", "2")
        .has("x-ms-lease-state", "available");
}

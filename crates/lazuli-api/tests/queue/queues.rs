//! Queues themselves: making, listing and deleting them, and their metadata.

use crate::harness::{Queues, call, get, put};

#[test]
fn a_queue_is_made_once_with_its_metadata() {
    let queues = Queues::new();
    let create = || call("PUT", "/things").header("x-ms-meta-a", "1");
    queues.send(&create()).is(201);
    queues.send(&create()).is(204);
    queues.send(&create().header("x-ms-meta-b", "2")).refused(409, "QueueAlreadyExists");
    queues.send(&call("PUT", "/things")).refused(409, "QueueAlreadyExists");
    let told = queues.send(&get("/things?comp=metadata")).is(200);
    told.has("x-ms-meta-a", "1").has("x-ms-meta-b", "");
    queues.send(&call("DELETE", "/things")).is(204);
    queues.send(&call("DELETE", "/things")).refused(404, "QueueNotFound");
    queues.send(&get("/things?comp=metadata")).refused(404, "QueueNotFound");
    queues.send(&call("PUT", "/things")).is(201);
}

#[test]
fn names_are_checked() {
    let queues = Queues::new();
    let long = "a".repeat(64);
    for (name, code) in [
        ("ab", "OutOfRangeInput"),
        (long.as_str(), "OutOfRangeInput"),
        ("Abc", "InvalidResourceName"),
        ("a--b", "InvalidResourceName"),
        ("-ab", "InvalidResourceName"),
        ("ab_", "InvalidResourceName"),
        ("a%20b", "InvalidResourceName"),
    ] {
        queues.send(&call("PUT", &format!("/{name}"))).refused(400, code);
        queues.send(&get(&format!("/{name}/messages"))).refused(400, code);
    }
    queues.send(&call("PUT", &format!("/{}", &long[1..]))).is(201);
}

#[test]
fn metadata_is_replaced_whole() {
    let queues = Queues::with_queue();
    let set = call("PUT", "/things?comp=metadata");
    queues.send(&set.clone().header("x-ms-meta-a", "1").header("x-ms-meta-b", "2")).is(204);
    queues.send(&set.clone().header("x-ms-meta-c", "3")).is(204);
    for method in ["GET", "HEAD"] {
        let told = queues.send(&call(method, "/things?comp=metadata")).is(200);
        told.has("x-ms-meta-c", "3").has("x-ms-meta-a", "");
        told.has("x-ms-approximate-messages-count", "0");
        assert_eq!(told.text(), "");
    }
    let large = set.clone().header("x-ms-meta-a", &"x".repeat(9000));
    queues.send(&large).refused(400, "MetadataTooLarge");
    let missing = call("PUT", "/others?comp=metadata");
    queues.send(&missing).refused(404, "QueueNotFound");
    let head = queues.send(&call("HEAD", "/others?comp=metadata"));
    head.has("x-ms-error-code", "QueueNotFound");
    assert_eq!(head.text(), "");
}

#[test]
fn queues_are_listed_in_pages() {
    let queues = Queues::new();
    for name in ["bbb", "aaa", "abc", "ccc"] {
        queues.send(&call("PUT", &format!("/{name}")).header("x-ms-meta-own", name)).is(201);
    }
    let all = queues.send(&get("/?comp=list")).is(200);
    assert_eq!(all.elements("Name"), ["aaa", "abc", "bbb", "ccc"]);
    all.has("content-type", "application/xml").hides("<Metadata>").says("<NextMarker />");
    all.says("<EnumerationResults ServiceEndpoint=\"http://127.0.0.1:10001/lazurite/\"><Queues>");
    let some = queues.send(&get("/?comp=list&prefix=a&include=metadata")).is(200);
    assert_eq!(some.elements("Name"), ["aaa", "abc"]);
    some.says("<Prefix>a</Prefix>").says("<Metadata><own>abc</own></Metadata>");
    let (mut names, mut marker) = (Vec::new(), String::new());
    loop {
        let target = format!("/?comp=list&maxresults=3{marker}");
        let page = queues.send(&get(&target)).is(200);
        page.says("<MaxResults>3</MaxResults>");
        names.push(page.elements("Name"));
        match page.elements("NextMarker").pop() {
            Some(next) => marker = format!("&marker={next}"),
            None => break,
        }
    }
    assert_eq!(names, [vec!["aaa", "abc", "bbb"], vec!["ccc"]]);
    // A marker of another listing may lie behind the end of this one.
    let page = queues.send(&get("/?comp=list&maxresults=3")).is(200);
    let marker = page.elements("NextMarker").pop().unwrap();
    let beyond = queues.send(&get(&format!("/?comp=list&prefix=a&marker={marker}"))).is(200);
    beyond.hides("<Name>").says("<NextMarker />");
    let none = queues.send(&get("/?comp=list&prefix=zzz")).is(200);
    none.hides("<Name>").says("<NextMarker />");
    for (query, code) in [
        ("maxresults=0", "OutOfRangeQueryParameterValue"),
        ("maxresults=x", "OutOfRangeQueryParameterValue"),
        ("include=deleted", "InvalidQueryParameterValue"),
        ("marker=junk", "OutOfRangeInput"),
    ] {
        queues.send(&get(&format!("/?comp=list&{query}"))).refused(400, code);
    }
    queues.send(&get("/?comp=list&maxresults=9999")).is(200).says("<MaxResults>5000</");
}

#[test]
fn a_queue_and_its_messages_go_together() {
    let queues = Queues::with_queue();
    queues.send(&put("", "old")).is(201);
    let got = queues.get("");
    queues.send(&call("DELETE", "/things")).is(204);
    queues.send(&put("", "x")).refused(404, "QueueNotFound");
    queues.send(&get("/things/messages")).refused(404, "QueueNotFound");
    queues.send(&get("/things/messages?peekonly=true")).refused(404, "QueueNotFound");
    queues.send(&call("DELETE", "/things/messages")).refused(404, "QueueNotFound");
    let delete = crate::harness::held("DELETE", &got[0], "");
    queues.send(&delete).refused(404, "QueueNotFound");
    queues.send(&call("PUT", "/things")).is(201);
    assert_eq!((queues.peek(), queues.count()), (vec![], "0".to_owned()));
    queues.send(&delete).refused(404, "MessageNotFound");
}

#[test]
fn a_queue_is_addressed_by_its_host_too() {
    let queues = Queues::new();
    let at =
        |method: &str, target: &str| call(method, target).host("lazurite.queue.core.windows.net");
    queues.send(&at("PUT", "/things")).is(201);
    let body = crate::harness::message("a");
    queues.send(&at("POST", "/things/messages").body(body)).is(201);
    let list = queues.send(&at("GET", "/?comp=list")).is(200);
    list.says("ServiceEndpoint=\"http://lazurite.queue.core.windows.net/\"");
    assert_eq!(queues.peek(), ["a"]);
}

//! Reads in the journal: queued before they are answered, written together, refused if they cannot
//! be; and failed authentications, counted.

use lazuli_api::operations::BLOB;
use lazuli_api::spec::Status;
use lazuli_auth::AccountKey;
use lazuli_base::Clock as _;
use lazuli_store::journal::{Group, Kind};
use lazuli_store::reads::QUEUE_MAX;

use crate::harness::{ACCOUNT, Blobs, Call, OTHER_ACCOUNT, Setup, call, get, head, put, put_blob};
use crate::scribe::receipt;

/// A call of every operation that reads.
fn reads() -> Vec<(Call, &'static str)> {
    vec![
        (get("/?comp=list"), "ListContainers"),
        (get("/?restype=service&comp=properties"), "GetBlobServiceProperties"),
        (
            get("/?restype=service&comp=stats").at(&format!("{ACCOUNT}-secondary")),
            "GetBlobServiceStats",
        ),
        (get("/?restype=account&comp=properties"), "GetAccountInformation"),
        (get("/box?restype=account&comp=properties"), "GetAccountInformation"),
        (get("/box/b?restype=account&comp=properties"), "GetAccountInformation"),
        (get("/?comp=blobs&where=a%3D%271%27"), "FindBlobsByTags"),
        (get("/box?restype=container&comp=blobs&where=a%3D%271%27"), "FindBlobsByTagsInContainer"),
        (head("/box?restype=container"), "GetContainerProperties"),
        (get("/box?restype=container&comp=metadata"), "GetContainerMetadata"),
        (get("/box?restype=container&comp=acl"), "GetContainerAcl"),
        (get("/box?restype=container&comp=list"), "ListBlobs"),
        (get("/box/b"), "GetBlob"),
        (head("/box/b"), "GetBlobProperties"),
        (get("/box/b?comp=metadata"), "GetBlobMetadata"),
        (get("/box/b?comp=tags"), "GetBlobTags"),
        (get("/box/b?comp=blocklist&blocklisttype=all"), "GetBlockList"),
        (
            call("POST", "/box/b?comp=query").body(
                "<QueryRequest><QueryType>SQL</QueryType>\
                 <Expression>SELECT * FROM BlobStorage</Expression></QueryRequest>",
            ),
            "QueryBlobContents",
        ),
        (get("/box/p?comp=pagelist"), "GetPageRanges"),
    ]
}

#[test]
fn every_read_is_logged() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&crate::pages::put_page_blob("/box/p", 512)).is(201);
    let mut seen = std::collections::BTreeSet::new();
    for (call, op) in reads() {
        let before = blobs.scribe.len();
        let answer = blobs.send(&call).is(200);
        answer.has("x-lz-receipt", "");
        assert_eq!(blobs.scribe.len(), before, "{op} is queued");
        let entries = blobs.entries(before);
        let [entry] = entries.as_slice() else { panic!("{op}: {entries:?}") };
        assert_eq!((entry.op(), entry.kind(), entry.account()), (op, Kind::Read, ACCOUNT));
        assert_eq!(entry.group(Group::Principal), "\"key1\"");
        let id = answer.header("x-ms-request-id");
        assert_eq!(entry.group(Group::Correlation), format!("[{id:?}, null]"));
        seen.insert(op);
    }
    let known = BLOB.iter().map(|operation| operation.spec);
    let known = known.filter(|spec| spec.is_read() && spec.status == Status::Built);
    assert_eq!(seen, known.map(|spec| spec.name).collect());
}

#[test]
fn the_entry_of_a_read_says_what_was_given() {
    let blobs = Blobs::with_blob("content");
    let taken = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let etag = head("/box/b");
    let etag = blobs.send(&etag).is(200).header("etag").replace('"', "");
    let ticks = blobs.clock.now().ticks();
    for (call, object, bytes, status) in [
        (get("/box/b"), "[\"box\", \"b\", null]".to_owned(), "7", 200),
        (get("/box/b").header("range", "bytes=1-3"), "[\"box\", \"b\", null]".to_owned(), "3", 206),
        (head("/box/b"), "[\"box\", \"b\", null]".to_owned(), "null", 200),
        (get(&format!("/box/b?snapshot={taken}")), format!("[\"box\", \"b\", {ticks}]"), "7", 200),
    ] {
        let before = blobs.entries(0).len();
        assert_eq!(blobs.send(&call).status(), status);
        let entry = &blobs.entries(before)[0];
        assert_eq!(entry.group(Group::Object), object);
        let request = format!("[0, [], null, \"2025-11-05\", {bytes}]");
        assert_eq!(entry.group(Group::Request), request);
        assert_eq!(entry.group(Group::Result), format!("[{status}, null, {etag:?}]"));
    }
}

#[test]
fn a_long_read_has_a_second_entry_when_it_ends() {
    let blobs = Blobs::with_blob(&"x".repeat(3 << 20));
    let before = blobs.entries(0).len();
    let id = blobs.send(&get("/box/b")).is(200).header("x-ms-request-id");
    let entries = blobs.entries(before);
    let [began, ended] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((ended.op(), ended.kind(), ended.account()), ("GetBlob", Kind::Read, ACCOUNT));
    for entry in [began, ended] {
        assert_eq!(entry.group(Group::Correlation), format!("[{id:?}, null]"));
        assert_eq!(entry.group(Group::Request), "[0, [], null, \"2025-11-05\", 3145728]");
        assert_eq!(entry.group(Group::Principal), "\"key1\"");
        assert_eq!(entry.group(Group::Object), "[\"box\", \"b\", null]");
    }
    let result = began.group(Group::Result);
    let complete = result.replace(']', ", \"complete\"]");
    assert_eq!(ended.group(Group::Result), complete);
    // A short part of it has one, and so has HEAD.
    for call in [get("/box/b").header("range", "bytes=0-99999"), head("/box/b")] {
        let before = blobs.entries(0).len();
        blobs.send(&call);
        assert_eq!(blobs.entries(before).len(), 1);
    }
}

#[test]
fn a_long_read_that_the_client_breaks_off_says_so() {
    let blobs = Blobs::with_blob(&"x".repeat(3 << 20));
    let before = blobs.entries(0).len();
    let bytes = blobs.begin_to_receive(&get("/box/b"));
    assert!(bytes > 0 && bytes < 3 << 20, "{bytes}");
    let entries = blobs.entries(before);
    let [began, ended] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(ended.group(Group::Correlation), began.group(Group::Correlation));
    let request = format!("[0, [], null, \"2025-11-05\", {bytes}]");
    assert_eq!(ended.group(Group::Request), request);
    assert!(ended.group(Group::Result).ends_with(", \"aborted\"]"), "{entries:?}");
    // It began while the journal took entries: its end waits for them, and is not refused.
    blobs.scribe.refuse(true);
    blobs.send(&get("/box/b")).is(200);
    blobs.scribe.refuse(false);
    assert_eq!(blobs.entries(before + 2).len(), 2);
}

#[test]
fn anonymous_reads_are_logged_and_refused_ones_are_not() {
    let blobs = Blobs::with_blob("content");
    let acl = put("/box?restype=container&comp=acl").header("x-ms-blob-public-access", "blob");
    blobs.send(&acl).is(200);
    let before = blobs.entries(0).len();
    blobs.send(&get("/box/b").unsigned()).is(200);
    blobs.send(&get("/box/none")).refused(404, "BlobNotFound");
    blobs.send(&get("/box/b").header("if-none-match", "*")).refused(400, "UnsatisfiableCondition");
    let entries = blobs.entries(before);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].group(Group::Auth), "[\"anonymous\", null, null]");
}

#[test]
fn reads_are_written_together() {
    let blobs = Blobs::with_blob("content");
    let (entries, commits) = (blobs.scribe.len(), blobs.scribe.commits());
    for _ in 0..600 {
        blobs.send(&get("/box/b")).is(200);
    }
    assert_eq!(blobs.entries(entries).len(), 600);
    assert_eq!(blobs.scribe.commits() - commits, 2);
}

#[test]
fn a_read_that_asks_gets_a_receipt_and_its_entry_is_written_first() {
    let blobs = Blobs::with_blob("content");
    for (asks, receipts) in [("1", 1), ("0", 0), ("true", 0)] {
        let before = blobs.scribe.len();
        let answer = blobs.send(&get("/box/b").header("x-lz-receipt", asks)).is(200);
        assert_eq!(blobs.scribe.len() - before, receipts, "{asks}");
        let told = if receipts == 1 { receipt(before) } else { String::new() };
        answer.has("x-lz-receipt", &told);
        assert_eq!(blobs.entries(before).len(), 1, "{asks}");
    }
}

#[test]
fn reads_of_a_strict_account_are_written_first() {
    let blobs = Blobs::set_up(Setup { strict: Some(OTHER_ACCOUNT), ..Setup::default() });
    for account in [ACCOUNT, OTHER_ACCOUNT] {
        blobs.send(&put("/box?restype=container").account(account)).is(201);
        blobs.send(&put_blob("/box/b", "content").account(account)).is(201);
    }
    let before = blobs.scribe.len();
    blobs.send(&get("/box/b")).is(200).has("x-lz-receipt", "");
    assert_eq!(blobs.scribe.len(), before);
    let answer = blobs.send(&get("/box/b").account(OTHER_ACCOUNT)).is(200);
    answer.has("x-lz-receipt", &receipt(before));
    let entry = &blobs.scribe.entries(before)[0];
    assert_eq!((entry.op(), entry.account()), ("GetBlob", OTHER_ACCOUNT));
    blobs.scribe.refuse(true);
    blobs.send(&get("/box/b").account(OTHER_ACCOUNT)).refused(503, "ServerBusy");
}

#[test]
fn a_full_queue_has_reads_wait() {
    let blobs = Blobs::with_blob("content");
    let before = blobs.scribe.len();
    for _ in 0..QUEUE_MAX {
        assert_eq!(blobs.serve_once(&get("/box/b")), Some(200));
    }
    assert_eq!(blobs.serve_once(&get("/box/b")), None, "it waits for room");
    assert_eq!(blobs.entries(before).len(), QUEUE_MAX);
    assert_eq!(blobs.serve_once(&get("/box/b")), Some(200));
    assert_eq!(blobs.entries(before).len(), QUEUE_MAX + 1);
}

#[test]
fn no_read_is_answered_while_the_journal_refuses() {
    let blobs = Blobs::with_blob("content");
    let before = blobs.scribe.len();
    blobs.scribe.refuse(true);
    // It is queued: nobody knows yet.
    blobs.send(&get("/box/b")).is(200);
    blobs.run(blobs.store.flush_reads()).unwrap_err();
    for call in [get("/box/b"), get("/box?restype=container&comp=list")] {
        blobs.send(&call).refused(503, "ServerBusy");
    }
    blobs.scribe.refuse(false);
    assert_eq!(blobs.entries(before).len(), 1, "what was answered is not lost");
    blobs.send(&get("/box/b")).is(200);
    assert_eq!(blobs.entries(before).len(), 2);
}

#[test]
fn failed_authentications_are_counted_by_minute_and_network() {
    let blobs = Blobs::with_blob("content");
    let before = blobs.scribe.len();
    let fail = |from: &str| {
        let call = get("/box/b").key(AccountKey::new(b"wrong")).from(from);
        blobs.send(&call).refused(403, "AuthenticationFailed");
    };
    let since = blobs.clock.now().unix_seconds() * 1000;
    for host in 1..=20 {
        fail(&format!("203.0.113.{host}"));
    }
    fail("2001:db8:1:2::3");
    blobs.send(&get("/box/b").unsigned().from("203.0.113.200")).status();
    blobs.send(&get("/box/b")).is(200);
    blobs.pass(60);
    // The first of a new minute closes the last.
    fail("198.51.100.1");
    let counted = |count: u32, since: i64| {
        format!("[null, \"AuthenticationFailed\", null, {count}, {since}]")
    };
    let entries: Vec<_> = blobs.entries(before);
    let entries: Vec<_> = entries.iter().filter(|entry| entry.kind() == Kind::System).collect();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!((entry.op(), entry.account()), ("FailedAuthentications", ""));
            (entry.group(Group::Source), entry.group(Group::Result))
        })
        .collect();
    let source = |network: &str| format!("[{network:?}, null]");
    assert_eq!(
        told,
        [
            (source("203.0.113.0/24"), counted(21, since)),
            (source("2001:db8:1::/48"), counted(1, since)),
            (source("198.51.100.0/24"), counted(1, since + 60_000)),
        ]
    );
}

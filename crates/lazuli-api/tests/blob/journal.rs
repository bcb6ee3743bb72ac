//! The journal: what it is told of each change, and the receipts that answers carry.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use lazuli_api::operations::BLOB;
use lazuli_api::spec::Status;
use lazuli_auth::{AccountKey, AccountSas, ServiceSasToken, account_sas, service_sas};
use lazuli_base::Clock as _;
use lazuli_store::journal::{Group, Kind};

use crate::harness::{
    ACCOUNT, Blobs, Call, HOST, OTHER_ACCOUNT, Setup, VERSION, call, delete, get, head, key_of,
    put, put_blob,
};
use crate::pages::{put_page, put_page_blob};
use crate::scribe::{Logged, receipt};

const A: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const B: &str = "bbbbbbbb-0000-4000-8000-000000000002";

fn lease(target: &str, action: &str, id: &str) -> Call {
    let call = put(target).header("x-ms-lease-action", action);
    if id.is_empty() { call } else { call.header("x-ms-lease-id", id) }
}

/// The five lease operations, which leave no lease.
fn leases(target: &'static str, blob: bool) -> Vec<(Call, &'static str, Kind)> {
    let acquire = |id: &str| {
        let call = lease(target, "acquire", "").header("x-ms-lease-duration", -1);
        call.header("x-ms-proposed-lease-id", id)
    };
    let [acquired, renewed, changed, released, broken, kind] = if blob {
        [
            "LeaseBlobAcquire",
            "LeaseBlobRenew",
            "LeaseBlobChange",
            "LeaseBlobRelease",
            "LeaseBlobBreak",
            "w",
        ]
    } else {
        [
            "LeaseContainerAcquire",
            "LeaseContainerRenew",
            "LeaseContainerChange",
            "LeaseContainerRelease",
            "LeaseContainerBreak",
            "c",
        ]
    };
    let kind = if kind == "w" { Kind::Write } else { Kind::Control };
    vec![
        (acquire(A), acquired, kind),
        (lease(target, "renew", A), renewed, kind),
        (lease(target, "change", A).header("x-ms-proposed-lease-id", B), changed, kind),
        (lease(target, "break", "").header("x-ms-lease-break-period", 0), broken, kind),
        (lease(target, "release", B), released, kind),
    ]
}

/// A call of every operation that changes a page blob.
fn page_changes() -> Vec<(Call, &'static str, Kind)> {
    let copy = |target: &str, from: &str| {
        put(target).header("x-ms-copy-source", format!("http://{HOST}/{ACCOUNT}/box/{from}"))
    };
    let pages = |call: Call| call.header("x-ms-page-write", "update");
    let set = put("/box/p?comp=properties").header("x-ms-sequence-number-action", "increment");
    let snapshot = "p?snapshot=2026-11-24T08:00:00.0000000Z";
    let url = copy("/box/p?comp=page", "p").header("x-ms-source-range", "bytes=0-511");
    [
        (put_page_blob("/box/p", 512), "PutPageBlob"),
        (put_page("/box/p", 0, &[1; 512]), "PutPage"),
        (pages(url).header("x-ms-range", "bytes=0-511"), "PutPageFromUrl"),
        (put("/box/p?comp=snapshot"), "SnapshotBlob"),
        (copy("/box/incremental?comp=incrementalcopy", snapshot), "IncrementalCopyBlob"),
        (set, "SetPageBlobSequenceNumber"),
        (put("/box/p?comp=properties").header("x-ms-blob-content-length", 1024), "ResizePageBlob"),
    ]
    .map(|(call, op)| (call, op, Kind::Write))
    .into()
}

/// A call of every operation that changes something, in an order in which all succeed.
fn changes() -> Vec<(Call, &'static str, Kind)> {
    use Kind::{Control, Delete, Write};
    let settings = "<StorageServiceProperties></StorageServiceProperties>";
    let source = format!("http://{HOST}/{ACCOUNT}/box/b");
    let copy = |target: &str| put(target).header("x-ms-copy-source", &source);
    let tier = |tier: &str| put("/box/copy?comp=tier").header("x-ms-access-tier", tier);
    let tags = "<Tags><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tags>";
    let list = "<BlockList><Latest>YWFh</Latest></BlockList>";
    let public = put("/box?restype=container&comp=acl").header("x-ms-blob-public-access", "blob");
    let session = crate::harness::call("POST", "/box?restype=container&comp=session")
        .body(crate::sessions::REQUEST);
    let meta = |target: &str| put(target).header("x-ms-meta-secret", "metadata-value");
    let mut all = vec![
        (
            put("/?restype=service&comp=properties").body(settings),
            "SetBlobServiceProperties",
            Control,
        ),
        (put("/box?restype=container"), "CreateContainer", Control),
        (meta("/box?restype=container&comp=metadata"), "SetContainerMetadata", Control),
        (public, "SetContainerAcl", Control),
        (session, "CreateSession", Control),
    ];
    all.extend(leases("/box?restype=container&comp=lease", false));
    all.extend([
        (put_blob("/box/b", "content").header("x-ms-access-tier", "Cool"), "PutBlob", Write),
        (put("/box/c?comp=block&blockid=YWFh").body("block"), "PutBlock", Write),
        (copy("/box/c?comp=block&blockid=YmJi"), "PutBlockFromUrl", Write),
        (put("/box/c?comp=blocklist").body(list), "PutBlockList", Write),
        (copy("/box/url").header("x-ms-blob-type", "BlockBlob"), "PutBlobFromUrl", Write),
        (copy("/box/copy"), "CopyBlob", Write),
        (copy("/box/sync").header("x-ms-requires-sync", "true"), "CopyBlobFromUrl", Write),
        (put("/box/log").header("x-ms-blob-type", "AppendBlob"), "PutAppendBlob", Write),
        (put("/box/log?comp=appendblock").body("block"), "AppendBlock", Write),
        (copy("/box/log?comp=appendblock"), "AppendBlockFromUrl", Write),
        (put("/box/log?comp=seal"), "AppendBlobSeal", Write),
        (put("/box/b?comp=properties"), "SetBlobProperties", Write),
        (meta("/box/b?comp=metadata"), "SetBlobMetadata", Write),
        (put("/box/b?comp=tags").body(tags), "SetBlobTags", Write),
        (tier("Archive"), "SetBlobTier", Write),
        (tier("Hot"), "SetBlobTier", Write),
    ]);
    all.extend(page_changes());
    all.extend(leases("/box/b?comp=lease", true));
    all.extend([
        (put("/box/c?comp=snapshot"), "SnapshotBlob", Write),
        (delete("/box/copy"), "DeleteBlob", Delete),
        (delete("/box?restype=container"), "DeleteContainer", Delete),
    ]);
    all
}

/// An account SAS for blobs.
fn token(key: &AccountKey, permissions: &str) -> String {
    let sas = AccountSas {
        account: ACCOUNT,
        version: VERSION,
        services: "b",
        resource_types: "o",
        permissions,
        start: "",
        expiry: "2026-11-24T09:00:00Z",
        addresses: "",
        protocols: "",
        encryption_scope: "",
    };
    account_sas(key, &sas)
}

/// Entries of requests, without those of the store's own work.
fn of_requests(entries: Vec<Logged>) -> Vec<Logged> {
    entries.into_iter().filter(|entry| entry.kind() != Kind::System).collect()
}

#[test]
fn every_change_has_one_entry_and_its_receipt() {
    let blobs = Blobs::new();
    let mut seen = BTreeSet::new();
    for (call, op, kind) in changes() {
        let before = blobs.scribe.len();
        let call = call.from("203.0.113.77").header("x-ms-client-request-id", "mine");
        let answer = blobs.send(&call.header("user-agent", "azsdk-rust-blob/1.2 (secret agent)"));
        assert!(answer.status() < 300, "{answer}");
        let mut entries = of_requests(blobs.entries(before));
        // The read of what is copied has an entry of its own.
        entries.retain(|entry| entry.kind() != Kind::Read);
        let [entry] = entries.as_slice() else { panic!("{op}: {entries:?}") };
        assert_eq!((entry.op(), entry.kind(), entry.account()), (op, kind, ACCOUNT));
        assert_eq!(entry.t_ms(), blobs.clock.now().unix_seconds() as u64 * 1000);
        let etag = answer.header("etag");
        let etag = match (op, etag.trim_matches('"')) {
            // It is that of what was deleted.
            ("DeleteBlob" | "DeleteContainer", _) => None,
            (_, "") => Some("null".to_owned()),
            (_, etag) => Some(format!("{etag:?}")),
        };
        let result = entry.group(Group::Result);
        let etag = etag.unwrap_or_else(|| result.rsplit(", ").next().unwrap().replace(']', ""));
        assert_eq!(result, format!("[{}, null, {etag}]", answer.status()), "{op}");
        let id = answer.header("x-ms-request-id");
        for (group, value) in [
            (Group::Principal, "\"key1\"".to_owned()),
            (Group::Auth, "[\"shared-key\", 1, null]".to_owned()),
            (Group::Source, "[\"203.0.113.0/24\", \"plain\"]".to_owned()),
            (Group::Placement, "null".to_owned()),
            (Group::Declaration, "null".to_owned()),
            (Group::Client, "[\"azsdk-rust\", 1]".to_owned()),
            (Group::Correlation, format!("[{id:?}, \"mine\"]")),
            (Group::Case, "null".to_owned()),
        ] {
            assert_eq!(entry.group(group), value, "{op} {}", group.name());
        }
        let at = blobs.scribe.entries(0).iter().position(|it| it.bytes() == entry.bytes()).unwrap();
        answer.has("x-lz-receipt", &receipt(at)).has("x-lz-opening", &"o".repeat(300));
        seen.insert(op);
    }
    let changing = BLOB.iter().map(|operation| operation.spec).filter(|spec| {
        let changes = !spec.is_read() && spec.status == Status::Built;
        // A batch is what is in it, no copy is ever pending, and there are no identities here.
        changes
            && !spec.name.starts_with("BlobBatch")
            && !["AbortCopyBlob", "GetUserDelegationKey"].contains(&spec.name)
    });
    assert_eq!(seen, changing.map(|spec| spec.name).collect());
}

#[test]
fn an_entry_says_what_was_done_to_what() {
    let blobs = Blobs::with_container();
    let told = |call: &Call, group| {
        let before = blobs.scribe.len();
        blobs.send(call).is(201);
        of_requests(blobs.entries(before))[0].group(group)
    };
    let blob = put_blob("/box/a%20b/%C3%A4", "content");
    assert_eq!(told(&blob, Group::Object), "[\"box\", \"a b/ä\", null]");
    // MD5 of the body, which Put Blob computes.
    let md5 = "[\"md5\", h'9a0364b9e99bb480dd25e1f0284c8555']";
    assert_eq!(told(&blob, Group::Content), md5);
    let block = put("/box/b?comp=block&blockid=YWFh").body("123456789");
    // CRC-64/NVME of the digits is the check value of its catalogue entry, told as the header has it.
    assert_eq!(told(&block, Group::Content), "[\"crc64\", h'8898790a86148bae']");
    let request = blob
        .clone()
        .header("x-ms-access-tier", "cool")
        .header("if-unmodified-since", blobs.http_date(0));
    let request = told(&request, Group::Request);
    assert_eq!(request, "[7, [\"if-unmodified-since\"], \"Cool\", \"2025-11-05\", 7]");
    let long = format!("/box/{}", "n".repeat(300));
    assert!(told(&put_blob(&long, ""), Group::Object).starts_with("[\"box\", h'"));
    let snapshot = told(&put("/box/b%2Fc").header("x-ms-blob-type", "BlockBlob"), Group::Object);
    assert_eq!(snapshot, "[\"box\", \"b/c\", null]");
    let ticks = blobs.clock.now().ticks();
    let snapshot = told(&put("/box/b%2Fc?comp=snapshot"), Group::Object);
    assert_eq!(snapshot, format!("[\"box\", \"b/c\", {ticks}]"));
    let long = put_blob("/box/b", "").header("x-ms-client-request-id", "i".repeat(1024));
    assert!(told(&long, Group::Correlation).contains(", h'"));
}

#[test]
fn an_entry_says_by_which_key_or_token() {
    let blobs = Blobs::with_container();
    let second = AccountKey::new(format!("the second key of {ACCOUNT}").as_bytes());
    let blob = || put_blob("/box/b", "content");
    for (call, principal, auth, source) in [
        (blob(), "key1", "[\"shared-key\", 1, null]", "[\"127.0.0.0/24\", \"plain\"]"),
        (
            blob().key(second.clone()),
            "key2",
            "[\"shared-key\", 2, null]",
            "[\"127.0.0.0/24\", \"plain\"]",
        ),
        (
            blob().token(&token(&key_of(ACCOUNT), "w")).secure().from("2001:db8:1:2::77"),
            "key1",
            "[\"account-sas\", 1, null]",
            "[\"2001:db8:1::/48\", \"tls\"]",
        ),
        (
            blob().token(&token(&second, "w")).from("::ffff:198.51.100.9"),
            "key2",
            "[\"account-sas\", 2, null]",
            "[\"198.51.100.0/24\", \"plain\"]",
        ),
    ] {
        let before = blobs.scribe.len();
        blobs.send(&call).is(201);
        let entry = &of_requests(blobs.entries(before))[0];
        assert_eq!(entry.group(Group::Principal), format!("{principal:?}"));
        assert_eq!(entry.group(Group::Auth), auth);
        assert_eq!(entry.group(Group::Source), source);
    }
}

#[test]
fn a_copy_is_a_read_of_its_source_too() {
    let blobs = Blobs::with_container();
    blobs.send(&put("/box?restype=container").account(OTHER_ACCOUNT)).is(201);
    for account in [ACCOUNT, OTHER_ACCOUNT] {
        blobs.send(&put_blob("/box/from", "content").account(account)).is(201);
    }
    let token = |account: &str| {
        let sas = ServiceSasToken {
            account,
            container: "box",
            name: "from",
            version: VERSION,
            resource: "b",
            moment: "",
            fields: &[("sp", "r"), ("se", "2026-11-24T09:00:00Z")],
        };
        let url = format!("http://{HOST}/{account}/box/from");
        format!("{url}?{}", service_sas(&key_of(account), &sas))
    };
    let own = format!("http://{HOST}/{ACCOUNT}/box/from");
    let copy = |source: &str| put("/box/to").header("x-ms-copy-source", source);
    let block = put("/box/to?comp=block&blockid=YWFh");
    let block = block.header("x-ms-copy-source", token(OTHER_ACCOUNT));
    for (call, op, account, scheme) in [
        (copy(&own), "CopyBlob", ACCOUNT, "shared-key"),
        (copy(&token(ACCOUNT)), "CopyBlob", ACCOUNT, "service-sas"),
        (copy(&token(OTHER_ACCOUNT)), "CopyBlob", OTHER_ACCOUNT, "service-sas"),
        (block, "PutBlockFromUrl", OTHER_ACCOUNT, "service-sas"),
    ] {
        let before = blobs.scribe.len();
        let answer = blobs.send(&call);
        assert!(answer.status() < 300, "{answer}");
        let entries = blobs.scribe.entries(before);
        let [read, write] = entries.as_slice() else { panic!("{op}: {entries:?}") };
        assert_eq!((write.op(), write.kind(), write.account()), (op, Kind::Write, ACCOUNT));
        assert_eq!((read.op(), read.kind(), read.account()), (op, Kind::Read, account));
        assert_eq!(read.group(Group::Object), "[\"box\", \"from\", null]");
        assert_eq!(read.group(Group::Auth), format!("[{scheme:?}, 1, null]"));
        assert_eq!(read.group(Group::Correlation), write.group(Group::Correlation));
        answer.has("x-lz-receipt", &receipt(before + 1));
    }
    let before = blobs.scribe.len();
    let refused = blobs.send(&copy(&format!("http://{HOST}/{OTHER_ACCOUNT}/box/from")));
    assert!(refused.status() >= 400, "{refused}");
    let entries = blobs.entries(before);
    // Who copies is known to his own account, and nobody to that of the source.
    assert_eq!(
        entries.iter().map(Logged::op).collect::<Vec<_>>(),
        ["CopyBlob", "FailedAuthentications"]
    );
    assert_eq!((entries[0].kind(), entries[0].account()), (Kind::Read, ACCOUNT));
}

#[test]
fn what_is_refused_has_an_entry_with_its_error_and_no_receipt() {
    let blobs = Blobs::with_blob("content");
    let forbidden = put_blob("/box/b", "").token(&token(&key_of(ACCOUNT), "r"));
    for (call, status, code, op) in [
        (put("/box?restype=container"), 409, "ContainerAlreadyExists", "CreateContainer"),
        (put_blob("/none/b", ""), 404, "ContainerNotFound", "PutBlob"),
        (put_blob("/box/b", "").header("if-none-match", "*"), 409, "BlobAlreadyExists", "PutBlob"),
        (delete("/box/none"), 404, "BlobNotFound", "DeleteBlob"),
        (
            put_blob("/box/b", "x").header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
            400,
            "Md5Mismatch",
            "PutBlob",
        ),
        (get("/box/none").header("x-lz-receipt", 1), 404, "BlobNotFound", "GetBlob"),
        (delete("/box/b").header("if-match", "\"0x1\""), 412, "ConditionNotMet", "DeleteBlob"),
        (forbidden, 403, "AuthorizationPermissionMismatch", "PutBlob"),
    ] {
        let (before, commits) = (blobs.scribe.len(), blobs.scribe.commits());
        let answer = blobs.send(&call).refused(status, code);
        answer.has("x-lz-receipt", "").has("x-lz-opening", "");
        assert_eq!(blobs.scribe.commits(), commits, "{code}: it is queued");
        let entries = of_requests(blobs.entries(before));
        let [entry] = entries.as_slice() else { panic!("{code}: {entries:?}") };
        assert_eq!((entry.op(), entry.kind(), entry.account()), (op, Kind::Read, ACCOUNT));
        assert_eq!(entry.group(Group::Result), format!("[{status}, {code:?}, null]"));
        let id = answer.header("x-ms-request-id");
        assert_eq!(entry.group(Group::Correlation), format!("[{id:?}, null]"));
    }
    let before = blobs.scribe.len();
    let etag = blobs.send(&head("/box/b")).is(200).header("etag");
    let not_modified = blobs.send(&get("/box/b").header("if-none-match", etag));
    assert_eq!(not_modified.status(), 304);
    not_modified.has("x-lz-receipt", "");
    let result = blobs.entries(before)[1].group(Group::Result);
    assert_eq!(result, "[304, \"ConditionNotMet\", null]");
}

#[test]
fn whoever_is_not_known_has_no_entry() {
    let blobs = Blobs::with_blob("content");
    let before = blobs.scribe.len();
    let wrong = AccountKey::new(b"wrong");
    blobs.send(&delete("/box/b").key(wrong)).refused(403, "AuthenticationFailed");
    assert!(blobs.send(&get("/box/b").unsigned()).status() >= 400);
    assert_eq!(of_requests(blobs.entries(before)).len(), 0);
}

#[test]
fn nothing_is_refused_unlogged() {
    let blobs = Blobs::with_blob("content");
    blobs.scribe.refuse(true);
    // It is queued: nobody knows yet.
    blobs.send(&get("/box/none")).refused(404, "BlobNotFound");
    blobs.run(blobs.store.flush_reads()).unwrap_err();
    blobs.send(&get("/box/none")).refused(503, "ServerBusy");
    blobs.scribe.refuse(false);
}

#[test]
fn a_journal_that_refuses_lets_nothing_happen() {
    let blobs = Blobs::with_blob("content");
    blobs.scribe.refuse(true);
    let answer = blobs.send(&delete("/box/b")).refused(503, "ServerBusy");
    answer.has("x-lz-receipt", "");
    blobs.scribe.refuse(false);
    assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "content");
}

#[test]
fn both_headers_have_at_most_1536_bytes() {
    let blobs = Blobs::with_container();
    let names = "x-lz-receipt: \r\nx-lz-opening: \r\n".len();
    let room = 1536 - names - receipt(0).len();
    for (opening, told) in [(room, room), (room + 1, 0)] {
        blobs.scribe.open_with(opening);
        let answer = blobs.send(&put_blob("/box/b", "")).is(201);
        assert!(!answer.header("x-lz-receipt").is_empty());
        assert_eq!(answer.header("x-lz-opening").len(), told);
    }
}

#[test]
fn each_request_in_a_batch_has_its_own_receipt() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&put_blob("/box/c", "content")).is(201);
    let before = blobs.scribe.len();
    let mut body = String::new();
    for (id, name) in ["b", "none", "c"].into_iter().enumerate() {
        let part = delete(&format!("/box/{name}")).version("").part(id, blobs.clock.now());
        let _ = write!(body, "--batch_1\r\n{part}");
    }
    body.push_str("--batch_1--\r\n");
    let batch =
        call("POST", "/?comp=batch").header("content-type", "multipart/mixed; boundary=batch_1");
    let answer = blobs.send(&batch.body(body)).is(202);
    answer.says(&receipt(before)).says(&receipt(before + 1)).has("x-lz-receipt", "");
    assert_eq!(answer.text().matches("x-lz-receipt").count(), 2);
    let entries = of_requests(blobs.entries(before));
    let kinds: Vec<_> = entries.iter().map(Logged::kind).collect();
    assert_eq!(kinds, [Kind::Delete, Kind::Delete, Kind::Read]);
    assert_eq!(entries[2].group(Group::Result), "[404, \"BlobNotFound\", null]");
}

#[test]
fn browsers_may_be_shown_receipts() {
    let blobs = Blobs::with_container();
    let rules = "<StorageServiceProperties><Cors><CorsRule><AllowedOrigins>*</AllowedOrigins>\
                 <AllowedMethods>PUT,GET</AllowedMethods><AllowedHeaders>x-lz-receipt</AllowedHeaders>\
                 <ExposedHeaders>x-lz-receipt,x-lz-opening</ExposedHeaders>\
                 <MaxAgeInSeconds>1</MaxAgeInSeconds></CorsRule></Cors></StorageServiceProperties>";
    blobs.send(&put("/?restype=service&comp=properties").body(rules)).is(202);
    let answer =
        blobs.send(&put_blob("/box/b", "").header("origin", "https://one.example")).is(201);
    answer.has("access-control-expose-headers", "x-lz-receipt,x-lz-opening");
    let preflight = call("OPTIONS", "/box/b").unsigned().header("origin", "https://one.example");
    let preflight = preflight
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "x-lz-receipt");
    blobs.send(&preflight).is(200).has("access-control-allow-headers", "x-lz-receipt");
}

#[test]
fn without_a_scribe_there_are_no_receipts() {
    let blobs = Blobs::set_up(Setup { unlogged: true, ..Setup::default() });
    blobs.send(&put("/box?restype=container")).is(201).has("x-lz-receipt", "");
    let blob = blobs.send(&put_blob("/box/b", "content")).is(201);
    blob.has("x-lz-receipt", "").has("x-lz-opening", "");
    blobs.send(&get("/box/b").header("x-lz-receipt", 1)).is(200).has("x-lz-receipt", "");
    assert_eq!(blobs.scribe.len(), 0);
}

#[test]
#[should_panic(expected = "\"127.0.0.1\" in")]
fn a_journal_that_tells_an_address_fails_its_test() {
    Blobs::with_container().send(&put_blob("/box/127.0.0.1", "")).is(201);
}

//! Conditional requests: which outcome each header has on reads, on writes and on copy sources.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations>

use crate::harness::{ACCOUNT, Answer, Blobs, Call, HOST, delete, get, head, put, put_blob};

/// A status and, of a refusal, its code.
type Outcome = (u16, &'static str);

const UNMET: Outcome = (412, "ConditionNotMet");
const STALE: Outcome = (304, "ConditionNotMet");
const MULTIPLE: Outcome = (400, "MultipleConditionHeadersNotSupported");

/// A service whose blob `box/b` was written ten seconds ago, and what headers may say of it.
struct Subject {
    blobs: Blobs,
    etag: String,
}

impl Subject {
    fn new() -> Self {
        let blobs = Blobs::with_container();
        let call = put_blob("/box/b", "content").header("x-ms-tags", "project=lazuli&stage=3");
        let etag = blobs.send(&call).is(201).header("etag");
        blobs.pass(10);
        Self { blobs, etag }
    }

    /// Adds headers written as `name: value; name: value`, in which `E` stands for the blob's
    /// entity tag, and `B`, `S` and `A` for a time before, the time of, and a time after its last
    /// change.
    fn conditional(&self, call: Call, conditions: &str) -> Call {
        conditions.split("; ").filter(|text| !text.is_empty()).fold(call, |call, condition| {
            let (name, value) = condition.split_once(": ").unwrap();
            let value = match value {
                "B" => self.blobs.http_date(-20),
                "S" => self.blobs.http_date(-10),
                "A" => self.blobs.http_date(0),
                other => other.replace('E', &self.etag),
            };
            call.header(name, value)
        })
    }

    #[track_caller]
    fn send(&self, call: Call, conditions: &str) -> Answer {
        self.blobs.send(&self.conditional(call, conditions))
    }
}

/// Conditions, and their outcome on a read and on a write of the blob; a status below 300 stands
/// for success.
const TABLE: &[(&str, Outcome, Outcome)] = &[
    ("", (200, ""), (200, "")),
    ("if-match: E", (200, ""), (200, "")),
    ("if-match: *", (200, ""), (200, "")),
    ("if-match: \"0x1\"", UNMET, UNMET),
    ("if-none-match: \"0x1\"", (200, ""), (200, "")),
    ("if-none-match: E", STALE, UNMET),
    ("if-modified-since: B", (200, ""), (200, "")),
    ("if-modified-since: S", STALE, UNMET),
    ("if-modified-since: A", STALE, UNMET),
    ("if-unmodified-since: A", (200, ""), (200, "")),
    ("if-unmodified-since: S", (200, ""), (200, "")),
    ("if-unmodified-since: B", UNMET, UNMET),
    ("x-ms-if-tags: \"project\" = 'lazuli'", (200, ""), (200, "")),
    ("x-ms-if-tags: project = 'lazuli' AND stage > '2'", (200, ""), (200, "")),
    ("x-ms-if-tags: stage <> '3' OR project = 'lazuli'", (200, ""), (200, "")),
    ("x-ms-if-tags: \"project\" = 'other'", UNMET, UNMET),
    ("x-ms-if-tags: \"absent\" <> 'other'", UNMET, UNMET),
    ("if-match: E; x-ms-if-tags: stage = '4'", UNMET, UNMET),
    // Of the two pairs that writes take, the entity tag decides.
    ("if-none-match: \"0x1\"; if-modified-since: A", (200, ""), (200, "")),
    ("if-none-match: E; if-modified-since: B", (200, ""), UNMET),
    ("if-none-match: E; if-modified-since: S", STALE, UNMET),
    ("if-match: E; if-unmodified-since: B", UNMET, (200, "")),
    ("if-match: \"0x1\"; if-unmodified-since: A", UNMET, UNMET),
    // Reads take every combination; what means 412 is held first.
    ("if-none-match: E; if-unmodified-since: B", UNMET, MULTIPLE),
    ("if-match: E; if-none-match: E", STALE, MULTIPLE),
    ("if-match: E; if-modified-since: B", (200, ""), MULTIPLE),
    ("if-modified-since: B; if-unmodified-since: A", (200, ""), MULTIPLE),
    ("if-match: \"0x1\", E", (200, ""), MULTIPLE),
    ("if-none-match: \"0x1\", \"0x2\"", (200, ""), MULTIPLE),
    ("if-none-match: \"0x1\", E", STALE, MULTIPLE),
    ("if-match: E; if-none-match: \"0x1\"; if-unmodified-since: A", (200, ""), MULTIPLE),
];

#[test]
fn reads_hold_conditions() {
    let subject = Subject::new();
    for (conditions, (status, code), _) in TABLE {
        for call in [get("/box/b"), head("/box/b"), get("/box/b?comp=metadata")] {
            let answer = subject.send(call, conditions).outcome(*status, code);
            if *status != 412 {
                answer.has("etag", &subject.etag);
            }
        }
    }
}

#[test]
fn writes_hold_conditions() {
    let list = "<BlockList></BlockList>";
    let writes = [
        (put("/box/b?comp=metadata").header("x-ms-meta-a", "1"), 200),
        (put("/box/b?comp=properties").header("x-ms-blob-content-type", "text/plain"), 200),
        (put("/box/b?comp=snapshot"), 201),
        (put_blob("/box/b", "other"), 201),
        (put("/box/b?comp=blocklist").body(list), 201),
        (delete("/box/b").header("x-ms-delete-snapshots", "include"), 202),
    ];
    for (conditions, _, (status, code)) in TABLE {
        for (call, success) in &writes {
            let subject = Subject::new();
            let status = if code.is_empty() { *success } else { *status };
            subject.send(call.clone(), conditions).outcome(status, code);
            let refused = !code.is_empty();
            if refused {
                // Nothing was written.
                subject.blobs.send(&get("/box/b")).is(200).has("etag", &subject.etag);
            }
        }
    }
}

#[test]
fn an_entity_tag_may_be_sent_without_quotes() {
    let subject = Subject::new();
    let bare = subject.etag.trim_matches('"').to_owned();
    assert_eq!(bare.len() + 2, subject.etag.len());
    subject.blobs.send(&get("/box/b").header("if-match", &bare)).is(200);
    subject
        .blobs
        .send(&get("/box/b").header("if-none-match", &bare))
        .refused(304, "ConditionNotMet");
}

#[test]
fn creating_only_what_is_not_there() {
    let list = "<BlockList></BlockList>";
    let source = format!("http://{HOST}/{ACCOUNT}/box/source");
    let create = |name: &str| {
        [
            (put_blob(name, "new"), 201),
            (put(&format!("{name}?comp=blocklist")).body(list), 201),
            (put(name).header("x-ms-copy-source", &source), 202),
        ]
    };
    for way in 0..3 {
        let blobs = Blobs::with_blob("old");
        blobs.send(&put_blob("/box/source", "new")).is(201);
        let once = |name: &str| {
            let (call, success) = create(name)[way].clone();
            (blobs.send(&call.header("if-none-match", "*")), success)
        };
        once("/box/b").0.refused(409, "BlobAlreadyExists");
        blobs.send(&get("/box/b")).is(200).says("old");
        let (answer, success) = once("/box/new");
        answer.is(success);
        once("/box/new").0.refused(409, "BlobAlreadyExists");
    }
    let blobs = Blobs::with_container();
    let staged = put("/box/staged?comp=block&blockid=YWFh").body("a");
    blobs.send(&staged).is(201);
    // A blob of blocks that were never committed is not there yet.
    let commit = put("/box/staged?comp=blocklist").body(list).header("if-none-match", "*");
    blobs.send(&commit).is(201);
}

#[test]
fn if_none_match_any_on_what_creates_nothing() {
    let subject = Subject::new();
    for call in [get("/box/b"), head("/box/b"), get("/box/b?comp=metadata"), get("/box/missing")] {
        subject.send(call, "if-none-match: *").refused(400, "UnsatisfiableCondition");
    }
    subject.send(put("/box/b?comp=metadata"), "if-none-match: *").is(200);
}

#[test]
fn conditions_on_what_is_missing() {
    let subject = Subject::new();
    for (conditions, (status, code)) in [
        ("if-match: *", UNMET),
        ("if-match: E", UNMET),
        ("if-none-match: E", (201, "")),
        ("if-modified-since: A", (201, "")),
        ("if-unmodified-since: B", (201, "")),
    ] {
        subject.send(put_blob("/box/new", "new"), conditions).outcome(status, code);
        let missing = if code.is_empty() { (404, "BlobNotFound") } else { (status, code) };
        let change = subject.send(put("/box/missing?comp=metadata"), conditions);
        change.refused(missing.0, missing.1);
        if code.is_empty() {
            subject.blobs.send(&delete("/box/new")).is(202);
        }
    }
    subject.send(get("/box/missing"), "if-modified-since: A").refused(404, "BlobNotFound");
    subject.send(get("/nowhere/b"), "if-match: *").refused(404, "ContainerNotFound");
}

#[test]
fn conditions_on_tags_operations() {
    for (conditions, code) in [
        ("x-ms-if-tags: project = 'lazuli'", ""),
        ("x-ms-blob-if-match: E", ""),
        ("x-ms-blob-if-unmodified-since: S", ""),
        ("x-ms-if-tags: project = 'other'", "ConditionNotMet"),
        ("x-ms-blob-if-match: \"0x1\"", "ConditionNotMet"),
        ("x-ms-blob-if-unmodified-since: B", "ConditionNotMet"),
    ] {
        let subject = Subject::new();
        let (read, written) = if code.is_empty() { (200, 204) } else { (412, 412) };
        let version = "2026-02-06";
        let call = get("/box/b?comp=tags").version(version);
        subject.send(call, conditions).outcome(read, code);
        let tags = "<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>";
        let call = put("/box/b?comp=tags").version(version).body(tags);
        subject.send(call, conditions).outcome(written, code);
        // Tags are no change of the blob.
        subject.blobs.send(&head("/box/b")).is(200).has("etag", &subject.etag);
    }
}

#[test]
fn containers_take_dates_only() {
    let blobs = Blobs::with_container();
    blobs.pass(10);
    let (before, after) = (blobs.http_date(-20), blobs.http_date(0));
    let metadata = || put("/box?restype=container&comp=metadata");
    let unmet = metadata().header("if-modified-since", &after);
    blobs.send(&unmet).refused(412, "ConditionNotMet");
    blobs.send(&metadata().header("if-modified-since", &before)).is(200);
    let delete = || delete("/box?restype=container");
    let unmet = delete().header("if-unmodified-since", &before);
    blobs.send(&unmet).refused(412, "ConditionNotMet");
    blobs.send(&delete().header("if-unmodified-since", &after)).is(202);
}

/// A condition that an operation on a container does not know is refused, met or not.
#[test]
fn containers_are_not_changed_on_other_conditions() {
    let blobs = Blobs::with_container();
    let of = |comp: &str| put(&format!("/box?restype=container{comp}"));
    let etag = blobs.send(&get("/box?restype=container")).is(200).header("etag");
    let others = ["if-match", "if-none-match", "x-ms-if-tags"];
    let calls = [
        (delete("/box?restype=container"), others.to_vec()),
        (of("&comp=metadata"), [&others[..], &["if-unmodified-since"]].concat()),
        (of("&comp=acl"), others.to_vec()),
        (of("&comp=lease").header("x-ms-lease-action", "break"), others.to_vec()),
        (
            put("/new?restype=container"),
            [&others[..], &["if-modified-since", "if-unmodified-since"]].concat(),
        ),
    ];
    for (call, names) in calls {
        for name in names {
            for value in [etag.as_str(), "\"0x1\"", "*"] {
                let answer = blobs.send(&call.clone().header(name, value));
                answer.refused(400, "ConditionHeadersNotSupported");
            }
        }
    }
    blobs.send(&head("/box?restype=container")).is(200).has("etag", &etag);
    blobs.send(&head("/new?restype=container")).refused(404, "ContainerNotFound");
    // What only reads has nothing to lose.
    blobs.send(&get("/box?restype=container").header("if-match", "\"0x1\"")).is(200);
}

#[test]
fn conditions_on_a_copy_source() {
    let cases = [
        ("x-ms-source-if-match: E", true),
        ("x-ms-source-if-match: \"0x1\"", false),
        ("x-ms-source-if-none-match: \"0x1\"", true),
        ("x-ms-source-if-none-match: E", false),
        ("x-ms-source-if-modified-since: B", true),
        ("x-ms-source-if-modified-since: S", false),
        ("x-ms-source-if-unmodified-since: S", true),
        ("x-ms-source-if-unmodified-since: B", false),
        ("x-ms-source-if-tags: project = 'lazuli'", true),
        ("x-ms-source-if-tags: project = 'other'", false),
    ];
    for (conditions, met) in cases {
        let subject = Subject::new();
        let source = format!("http://{HOST}/{ACCOUNT}/box/b");
        let answer = subject.send(put("/box/copy").header("x-ms-copy-source", source), conditions);
        if met {
            answer.is(202);
            subject.blobs.send(&get("/box/copy")).is(200).says("content");
        } else {
            answer.refused(412, "SourceConditionNotMet");
            subject.blobs.send(&head("/box/copy")).refused(404, "BlobNotFound");
        }
    }
}

#[test]
fn conditions_on_a_source_and_on_its_copy_are_told_apart() {
    let subject = Subject::new();
    subject.blobs.send(&put_blob("/box/copy", "old")).is(201);
    let source = format!("http://{HOST}/{ACCOUNT}/box/b");
    let copy = || put("/box/copy").header("x-ms-copy-source", &source);
    // The source's entity tag is not the copy's.
    let answer = subject.send(copy(), "if-match: E");
    let code = answer.header("x-ms-error-code");
    assert!(["ConditionNotMet", "TargetConditionNotMet"].contains(&code.as_str()), "{answer}");
    answer.refused(412, &code);
    subject.send(copy(), "if-none-match: E; x-ms-source-if-match: E").is(202);
}

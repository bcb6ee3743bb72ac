//! Leases of blobs and containers: the state machine and what a lease guards.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/lease-blob>

use crate::harness::{ACCOUNT, Answer, Blobs, Call, HOST, delete, get, head, put, put_blob};

const A: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const B: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const C: &str = "cccccccc-0000-4000-8000-000000000003";

const BLOB: &str = "/box/b?comp=lease";
const CONTAINER: &str = "/box?restype=container&comp=lease";

const STATES: [&str; 5] = ["available", "leased", "breaking", "broken", "expired"];

fn lease(target: &str, action: &str) -> Call {
    put(target).header("x-ms-lease-action", action)
}

fn acquire(target: &str, id: &str, seconds: i32) -> Call {
    let call = lease(target, "acquire").header("x-ms-lease-duration", seconds);
    if id.is_empty() { call } else { call.header("x-ms-proposed-lease-id", id) }
}

fn renew(target: &str, id: &str) -> Call {
    lease(target, "renew").header("x-ms-lease-id", id)
}

fn change(target: &str, id: &str, proposed: &str) -> Call {
    lease(target, "change").header("x-ms-lease-id", id).header("x-ms-proposed-lease-id", proposed)
}

fn release(target: &str, id: &str) -> Call {
    lease(target, "release").header("x-ms-lease-id", id)
}

fn break_after(target: &str, seconds: u32) -> Call {
    lease(target, "break").header("x-ms-lease-break-period", seconds)
}

/// A service in which `target` has a lease in a state; but for `available` its id is [`A`].
fn in_state(target: &str, state: &str) -> Blobs {
    let blobs = Blobs::with_blob("content");
    bring(&blobs, target, state);
    blobs
}

/// Brings the lease of `target`, which has none, into a state.
fn bring(blobs: &Blobs, target: &str, state: &str) {
    let seconds = match state {
        "leased" => 40,
        "expired" => 15,
        _ => -1,
    };
    if state != "available" {
        blobs.send(&acquire(target, A, seconds)).is(201);
    }
    match state {
        "breaking" => drop(blobs.send(&break_after(target, 20)).is(202)),
        "broken" => drop(blobs.send(&break_after(target, 0)).is(202)),
        "expired" => blobs.pass(15),
        _ => {}
    }
    shows(blobs, target, state);
}

/// Asserts the state that the properties tell.
#[track_caller]
fn shows(blobs: &Blobs, target: &str, state: &str) -> Answer {
    let path = if target == BLOB { "/box/b" } else { "/box?restype=container" };
    let answer = blobs.send(&head(path)).is(200);
    let status = if ["leased", "breaking"].contains(&state) { "locked" } else { "unlocked" };
    answer.has("x-ms-lease-state", state).has("x-ms-lease-status", status);
    assert_eq!(answer.header("x-ms-lease-duration").is_empty(), state != "leased", "{answer}");
    answer
}

/// An action and its outcome in each of [`STATES`]: the state after it and, of a held lease, whose
/// it is; or the code it is refused with, which leaves the state as it was.
type Row = (fn(&str) -> Call, [&'static str; 5]);

const TABLE: &[Row] = &[
    (
        |on| acquire(on, "", 30),
        ["leased", "LeaseAlreadyPresent", "LeaseAlreadyPresent", "leased", "leased"],
    ),
    (
        |on| acquire(on, A, 30),
        ["leased A", "leased A", "LeaseIsBreakingAndCannotBeAcquired", "leased A", "leased A"],
    ),
    (
        |on| acquire(on, B, 30),
        ["leased B", "LeaseAlreadyPresent", "LeaseAlreadyPresent", "leased B", "leased B"],
    ),
    (
        |on| break_after(on, 0),
        ["LeaseNotPresentWithLeaseOperation", "broken", "broken", "broken", "broken"],
    ),
    (
        |on| break_after(on, 10),
        ["LeaseNotPresentWithLeaseOperation", "breaking A", "breaking A", "broken", "broken"],
    ),
    (
        |on| lease(on, "break"),
        ["LeaseNotPresentWithLeaseOperation", "breaking A", "breaking A", "broken", "broken"],
    ),
    (
        |on| change(on, A, B),
        [
            "LeaseNotPresentWithLeaseOperation",
            "leased B",
            "LeaseIsBreakingAndCannotBeChanged",
            "LeaseNotPresentWithLeaseOperation",
            "LeaseNotPresentWithLeaseOperation",
        ],
    ),
    (
        |on| change(on, B, A),
        [
            "LeaseNotPresentWithLeaseOperation",
            "leased A",
            "LeaseIsBreakingAndCannotBeChanged",
            "LeaseNotPresentWithLeaseOperation",
            "LeaseNotPresentWithLeaseOperation",
        ],
    ),
    (
        |on| change(on, B, C),
        [
            "LeaseNotPresentWithLeaseOperation",
            "LeaseIdMismatchWithLeaseOperation",
            "LeaseIsBreakingAndCannotBeChanged",
            "LeaseNotPresentWithLeaseOperation",
            "LeaseNotPresentWithLeaseOperation",
        ],
    ),
    (
        |on| renew(on, A),
        [
            "LeaseIdMismatchWithLeaseOperation",
            "leased A",
            "LeaseIsBrokenAndCannotBeRenewed",
            "LeaseIsBrokenAndCannotBeRenewed",
            "leased A",
        ],
    ),
    (|on| renew(on, B), ["LeaseIdMismatchWithLeaseOperation"; 5]),
    (
        |on| release(on, A),
        ["LeaseIdMismatchWithLeaseOperation", "available", "available", "available", "available"],
    ),
    (|on| release(on, B), ["LeaseIdMismatchWithLeaseOperation"; 5]),
];

#[test]
fn actions_in_every_state() {
    for target in [BLOB, CONTAINER] {
        for (action, outcomes) in TABLE {
            for (state, outcome) in STATES.into_iter().zip(outcomes) {
                let blobs = in_state(target, state);
                let before = shows(&blobs, target, state);
                let answer = blobs.send(&action(target));
                let (after, holder) = outcome.split_once(' ').unwrap_or((outcome, ""));
                if !STATES.contains(&after) {
                    answer.refused(409, outcome);
                    shows(&blobs, target, state);
                    continue;
                }
                let status = match action(target).header_named("x-ms-lease-action") {
                    "acquire" => 201,
                    "break" => 202,
                    _ => 200,
                };
                let answer = answer.is(status);
                answer.has("etag", &before.header("etag"));
                answer.has("last-modified", &before.header("last-modified"));
                shows(&blobs, target, after).has("etag", &before.header("etag"));
                let holder = match holder {
                    "A" => A.to_owned(),
                    "B" => B.to_owned(),
                    _ => answer.header("x-ms-lease-id"),
                };
                if after == "leased" {
                    answer.has("x-ms-lease-id", &holder);
                    assert_eq!(holder.len(), 36);
                    blobs.send(&renew(target, &holder)).is(200);
                }
                if after == "breaking" {
                    blobs.send(&release(target, &holder)).is(200);
                }
            }
        }
    }
}

#[test]
fn time_runs_out() {
    for target in [BLOB, CONTAINER] {
        let blobs = in_state(target, "leased");
        shows(&blobs, target, "leased").has("x-ms-lease-duration", "fixed");
        blobs.pass(39);
        shows(&blobs, target, "leased");
        // Renewing starts the 40 seconds again.
        blobs.send(&renew(target, A)).is(200);
        blobs.pass(39);
        shows(&blobs, target, "leased");
        // A change of the id does not.
        blobs.send(&change(target, A, B)).is(200);
        blobs.pass(1);
        shows(&blobs, target, "expired");
        // Acquiring again sets another duration.
        blobs.send(&acquire(target, B, -1)).is(201);
        shows(&blobs, target, "leased").has("x-ms-lease-duration", "infinite");
        blobs.pass(1_000_000);
        shows(&blobs, target, "leased");
    }
}

#[test]
fn breaking_takes_the_shorter_time() {
    // The lease's duration, seconds until it is broken, the period asked for, and the answer.
    let cases = [
        (-1, 0, "60", "60"),
        (-1, 0, "", "0"),
        (60, 20, "", "40"),
        (60, 20, "30", "30"),
        (60, 50, "30", "10"),
        (60, 0, "0", "0"),
    ];
    for target in [BLOB, CONTAINER] {
        for (duration, passed, period, left) in cases {
            let blobs = Blobs::with_blob("content");
            blobs.send(&acquire(target, A, duration)).is(201);
            blobs.pass(passed);
            let mut call = lease(target, "break");
            if !period.is_empty() {
                call = call.header("x-ms-lease-break-period", period);
            }
            blobs.send(&call).is(202).has("x-ms-lease-time", left);
            let seconds: u64 = left.parse().unwrap();
            if seconds > 0 {
                // Breaking again only shortens.
                blobs.send(&break_after(target, 60)).is(202).has("x-ms-lease-time", left);
                blobs.pass(seconds - 1);
                shows(&blobs, target, "breaking");
                blobs.send(&lease(target, "break")).is(202).has("x-ms-lease-time", "1");
                blobs.pass(1);
            }
            shows(&blobs, target, "broken");
            blobs.send(&lease(target, "break")).is(202).has("x-ms-lease-time", "0");
        }
    }
}

#[test]
fn what_an_expired_lease_left_can_be_renewed_unless_the_blob_changed() {
    let blobs = in_state(BLOB, "expired");
    blobs.send(&put_blob("/box/b", "other")).is(201);
    shows(&blobs, BLOB, "available");
    blobs.send(&renew(BLOB, A)).refused(409, "LeaseIdMismatchWithLeaseOperation");
}

#[test]
fn a_lease_guards_writes_of_its_blob() {
    let none = "LeaseNotPresentWithBlobOperation";
    let other = "LeaseIdMismatchWithBlobOperation";
    let lost = "LeaseLost";
    // Writes and reads, and their outcome in each of `STATES`.
    let table = [
        ("write", A, [none, "", "", lost, lost]),
        ("write", B, [none, other, other, other, other]),
        ("write", "", ["", "LeaseIdMissing", "LeaseIdMissing", "", ""]),
        ("read", A, [none, "", "", lost, lost]),
        ("read", B, [none, other, other, other, other]),
        ("read", "", ["", "", "", "", ""]),
    ];
    let staged = "<BlockList><Uncommitted>YWFh</Uncommitted></BlockList>";
    let writes = [
        (put_blob("/box/b", "other"), 201),
        (put("/box/b?comp=block&blockid=YWFh").body("a"), 201),
        (put("/box/b?comp=blocklist").body(staged), 201),
        (put("/box/b?comp=metadata").header("x-ms-meta-a", "1"), 200),
        (put("/box/b?comp=properties"), 200),
        (put("/box/b?comp=tags").body("<Tags><TagSet></TagSet></Tags>"), 204),
        (delete("/box/b"), 202),
    ];
    let reads = [
        (get("/box/b"), 200),
        (head("/box/b"), 200),
        (get("/box/b?comp=metadata"), 200),
        (get("/box/b?comp=blocklist"), 200),
        (get("/box/b?comp=tags"), 200),
    ];
    for (kind, id, outcomes) in table {
        for (state, code) in STATES.into_iter().zip(outcomes) {
            let calls: &[(Call, u16)] = if kind == "write" { &writes } else { &reads };
            for (call, success) in calls {
                let blobs = Blobs::with_blob("content");
                blobs.send(&put("/box/b?comp=block&blockid=YWFh").body("a")).is(201);
                bring(&blobs, BLOB, state);
                let call = if id.is_empty() {
                    call.clone()
                } else {
                    call.clone().header("x-ms-lease-id", id)
                };
                let status = if code.is_empty() { *success } else { 412 };
                blobs.send(&call).outcome(status, code);
                if *success == 202 && code.is_empty() {
                    blobs.send(&head("/box/b")).refused(404, "BlobNotFound");
                }
            }
        }
    }
}

#[test]
fn a_containers_lease_guards_its_deletion() {
    let none = "LeaseNotPresentWithContainerOperation";
    let other = "LeaseIdMismatchWithContainerOperation";
    let table = [
        (A, [none, "", "", "LeaseLost", "LeaseLost"]),
        (B, [none, other, other, other, other]),
        ("", ["", "LeaseIdMissing", "LeaseIdMissing", "", ""]),
    ];
    for (id, outcomes) in table {
        for (state, code) in STATES.into_iter().zip(outcomes) {
            let blobs = in_state(CONTAINER, state);
            let with = |call: Call| {
                if id.is_empty() { call } else { call.header("x-ms-lease-id", id) }
            };
            // Elsewhere an id is only held against the lease if there is one.
            let optional = if id.is_empty() { "" } else { code };
            let status = if optional.is_empty() { 200 } else { 412 };
            for call in [
                put("/box?restype=container&comp=metadata"),
                get("/box?restype=container"),
                put("/box?restype=container&comp=acl"),
            ] {
                blobs.send(&with(call)).outcome(status, optional);
            }
            // Nor does it guard the blobs inside.
            blobs.send(&put_blob("/box/b", "other")).is(201);
            let status = if code.is_empty() { 202 } else { 412 };
            blobs.send(&with(delete("/box?restype=container"))).outcome(status, code);
        }
    }
}

#[test]
fn what_actions_ask_for() {
    let invalid = "InvalidHeaderValue";
    let missing = "MissingRequiredHeader";
    for target in [BLOB, CONTAINER] {
        let cases = [
            (acquire(target, A, 14), invalid, "x-ms-lease-duration"),
            (acquire(target, A, 61), invalid, "x-ms-lease-duration"),
            (acquire(target, A, 0), invalid, "x-ms-lease-duration"),
            (acquire(target, A, -2), invalid, "x-ms-lease-duration"),
            (acquire(target, "mine", 15), invalid, "x-ms-proposed-lease-id"),
            (lease(target, "acquire"), missing, "x-ms-lease-duration"),
            (lease(target, "seize"), invalid, "x-ms-lease-action"),
            (put(target), missing, "x-ms-lease-action"),
            (lease(target, "renew"), missing, "x-ms-lease-id"),
            (lease(target, "release"), missing, "x-ms-lease-id"),
            (renew(target, "mine"), invalid, "x-ms-lease-id"),
            (lease(target, "change").header("x-ms-lease-id", A), missing, "x-ms-proposed-lease-id"),
            (break_after(target, 61), invalid, "x-ms-lease-break-period"),
        ];
        for (call, code, header) in cases {
            let blobs = in_state(target, "leased");
            let answer = blobs.send(&call).refused(400, code);
            answer.says(&format!("<HeaderName>{header}</HeaderName>"));
        }
        Blobs::new().send(&acquire(target, A, 15)).refused(404, "ContainerNotFound");
    }
    let blobs = Blobs::with_container();
    blobs.send(&acquire(BLOB, A, 15)).refused(404, "BlobNotFound");
}

#[test]
fn an_id_is_any_form_of_a_guid() {
    let plain = A.replace('-', "");
    for form in [A.to_uppercase(), format!("{{{A}}}"), format!("({A})"), plain] {
        let blobs = Blobs::with_blob("content");
        blobs.send(&acquire(BLOB, &form, 15)).is(201).has("x-ms-lease-id", A);
        blobs.send(&renew(BLOB, A)).is(200).has("x-ms-lease-id", A);
        blobs.send(&put_blob("/box/b", "other").header("x-ms-lease-id", &form)).is(201);
    }
}

#[test]
fn actions_hold_conditions() {
    let blobs = Blobs::with_blob("content");
    let etag = blobs.send(&head("/box/b")).header("etag");
    let call = acquire(BLOB, A, 15).header("if-match", "\"0x1\"");
    blobs.send(&call).refused(412, "ConditionNotMet");
    shows(&blobs, BLOB, "available");
    blobs.send(&acquire(BLOB, A, 15).header("if-match", &etag)).is(201);
    let call = acquire(CONTAINER, A, 15).header("if-modified-since", blobs.http_date(0));
    blobs.send(&call).refused(412, "ConditionNotMet");
    shows(&blobs, CONTAINER, "available");
}

#[test]
fn a_lease_stays_with_its_blob() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&acquire(BLOB, A, -1)).is(201);
    // It outlives the content, and neither copies nor snapshots have it.
    blobs.send(&put_blob("/box/b", "other").header("x-ms-lease-id", A)).is(201);
    shows(&blobs, BLOB, "leased");
    let source = format!("http://{HOST}/{ACCOUNT}/box/b");
    blobs.send(&put("/box/copy").header("x-ms-copy-source", &source)).is(202);
    blobs.send(&head("/box/copy")).is(200).has("x-ms-lease-state", "available");
    let snapshot = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let answer = blobs.send(&head(&format!("/box/b?snapshot={snapshot}"))).is(200);
    answer.has("x-ms-lease-state", "").has("x-ms-lease-status", "");
    // A deleted blob's name is free again.
    let call = delete("/box/b").header("x-ms-lease-id", A);
    blobs.send(&call.header("x-ms-delete-snapshots", "include")).is(202);
    blobs.send(&put_blob("/box/b", "new")).is(201);
    shows(&blobs, BLOB, "available");
}

#[test]
fn a_copy_over_a_lease_needs_an_infinite_one() {
    let source = format!("http://{HOST}/{ACCOUNT}/box/source");
    let copy = put("/box/b").header("x-ms-copy-source", &source).header("x-ms-lease-id", A);
    for (seconds, status, code) in [(15, 412, "InfiniteLeaseDurationRequired"), (-1, 202, "")] {
        let blobs = Blobs::with_blob("content");
        blobs.send(&put_blob("/box/source", "other")).is(201);
        blobs.send(&acquire(BLOB, A, seconds)).is(201);
        blobs.send(&copy).outcome(status, code);
    }
}

#[test]
fn a_write_without_an_id_clears_what_a_lease_left() {
    for state in ["broken", "expired"] {
        let blobs = in_state(BLOB, state);
        blobs.send(&put("/box/b?comp=metadata").header("x-ms-meta-a", "1")).is(200);
        shows(&blobs, BLOB, "available");
    }
    // Tags are no change of the blob.
    let blobs = in_state(BLOB, "expired");
    blobs.send(&put("/box/b?comp=tags").body("<Tags><TagSet></TagSet></Tags>")).is(204);
    blobs.send(&renew(BLOB, A)).is(200);
    let blobs = in_state(BLOB, "breaking");
    blobs.send(&put("/box/b?comp=metadata").header("x-ms-lease-id", A)).is(200);
    shows(&blobs, BLOB, "breaking");
}

#[test]
fn snapshots_have_no_lease() {
    let blobs = Blobs::with_blob("content");
    let snapshot = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let target = format!("{BLOB}&snapshot={snapshot}");
    let answer = blobs.send(&acquire(&target, A, 15)).refused(400, "InvalidQueryParameterValue");
    answer.says("<QueryParameterName>snapshot</QueryParameterName>");
    shows(&blobs, BLOB, "available");
}

//! Batches: each request in one is answered for itself.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/blob-batch>

use std::fmt::Write as _;

use lazuli_base::Clock as _;

use crate::harness::{
    ACCOUNT, Answer, Blobs, Call, call, delete, get, head, key_of, put, put_blob,
};

/// A service with the blobs `box/0` to `box/9`.
fn with_blobs() -> Blobs {
    let blobs = Blobs::with_container();
    for number in 0..10 {
        blobs.send(&put_blob(&format!("/box/{number}"), "content")).is(201);
    }
    blobs
}

/// A batch of calls, each signed for itself.
fn batch(blobs: &Blobs, target: &str, calls: &[Call]) -> Call {
    let now = blobs.clock.now();
    let mut body = String::new();
    for (id, call) in calls.iter().enumerate() {
        let _ = write!(body, "--batch_1\r\n{}", call.clone().version("").part(id, now));
    }
    body.push_str("--batch_1--\r\n");
    of_text(target, &body)
}

fn of_text(target: &str, body: &str) -> Call {
    call("POST", target).header("content-type", "multipart/mixed; boundary=batch_1").body(body)
}

/// What is told of each request: status and code, in the order of `Content-ID`.
#[track_caller]
fn outcomes(answer: Answer) -> Vec<(u16, String)> {
    let answer = answer.is(202);
    let kind = answer.header("content-type");
    let boundary = kind.strip_prefix("multipart/mixed; boundary=batchresponse_").unwrap();
    let text = answer.text();
    let delimiter = format!("--batchresponse_{boundary}");
    let mut parts: Vec<&str> = text.split(&delimiter).collect();
    assert_eq!(parts.remove(0), "", "{answer}");
    assert_eq!(parts.pop(), Some("--\r\n"), "{answer}");
    let mut told = Vec::new();
    for part in parts {
        let (head, rest) = part.split_once("\r\n\r\nHTTP/1.1 ").unwrap();
        assert!(head.contains("Content-Type: application/http"), "{answer}");
        let id: usize = head.split("Content-ID: ").nth(1).unwrap().trim().parse().unwrap();
        let (headers, body) = rest.split_once("\r\n\r\n").unwrap();
        let code = headers.split("x-ms-error-code: ").nth(1).unwrap_or_default();
        let code = code.lines().next().unwrap_or_default().to_owned();
        assert!(headers.contains("x-ms-request-id: "), "{answer}");
        assert_eq!(body.contains(&format!("<Code>{code}</Code>")), !code.is_empty(), "{answer}");
        told.push((id, (rest[..3].parse().unwrap(), code)));
    }
    told.sort();
    assert!(told.iter().enumerate().all(|(at, (id, _))| at == *id), "{answer}");
    told.into_iter().map(|(_, outcome)| outcome).collect()
}

fn told(outcomes: &[(u16, &str)]) -> Vec<(u16, String)> {
    outcomes.iter().map(|(status, code)| (*status, (*code).to_owned())).collect()
}

#[test]
fn deletes() {
    for target in ["/?comp=batch", "/box?restype=container&comp=batch"] {
        let blobs = with_blobs();
        let calls = [
            delete("/box/0"),
            delete("/box/missing"),
            delete("/box/2").header("if-match", "\"0x1\""),
            delete("/box/3").unsigned(),
            delete("/box/4").key(key_of("somebody")),
            delete("/box/5").header("x-ms-delete-snapshots", "include"),
        ];
        let answer = blobs.send(&batch(&blobs, target, &calls));
        let expected = [
            (202, ""),
            (404, "BlobNotFound"),
            (412, "ConditionNotMet"),
            (401, "NoAuthenticationInformation"),
            (403, "AuthenticationFailed"),
            (202, ""),
        ];
        assert_eq!(outcomes(answer), told(&expected));
        for (number, deleted) in [(0, true), (2, false), (3, false), (4, false), (5, true)] {
            let answer = blobs.send(&head(&format!("/box/{number}")));
            answer.outcome(
                if deleted { 404 } else { 200 },
                if deleted { "BlobNotFound" } else { "" },
            );
        }
    }
}

#[test]
fn tiers() {
    let blobs = with_blobs();
    let tier = |number: u8, tier: &str| {
        put(&format!("/box/{number}?comp=tier")).header("x-ms-access-tier", tier)
    };
    let calls = [tier(0, "Cool"), tier(1, "Archive"), tier(2, "Lukewarm")];
    let found = outcomes(blobs.send(&batch(&blobs, "/?comp=batch", &calls)));
    assert_eq!(found[..2], told(&[(200, ""), (200, "")]));
    assert_eq!(found[2].0, 400, "{found:?}");
    blobs.send(&head("/box/0")).is(200).has("x-ms-access-tier", "Cool");
    blobs.send(&head("/box/1")).is(200).has("x-ms-access-tier", "Archive");
    blobs.send(&get("/box/1")).refused(409, "BlobArchived");
}

#[test]
fn a_part_may_bring_a_token() {
    let blobs = with_blobs();
    let token = |permissions: &str| {
        lazuli_auth::service_sas(
            &key_of(ACCOUNT),
            &lazuli_auth::ServiceSasToken {
                account: ACCOUNT,
                container: "box",
                name: "",
                version: crate::harness::VERSION,
                resource: "c",
                moment: "",
                fields: &[("sp", permissions), ("se", "2026-11-24T09:00:00Z")],
            },
        )
    };
    let calls = [delete("/box/0").token(&token("d")), delete("/box/1").token(&token("r"))];
    let found = outcomes(blobs.send(&batch(&blobs, "/?comp=batch", &calls)));
    assert_eq!(found, told(&[(202, ""), (403, "AuthorizationPermissionMismatch")]));
    // Any token may bring a batch; what is in it is asked for itself.
    let whole = batch(&blobs, "/box?restype=container&comp=batch", &[delete("/box/2").unsigned()]);
    let found = outcomes(blobs.send(&whole.clone().token(&token("r"))));
    assert!(found[0].0 >= 400, "{found:?}");
    blobs.send(&head("/box/2")).is(200);
}

#[test]
fn the_batch_is_authorised_first() {
    let blobs = with_blobs();
    let whole = || batch(&blobs, "/?comp=batch", &[delete("/box/0")]);
    blobs.send(&whole().key(key_of("somebody"))).refused(403, "AuthenticationFailed");
    blobs.send(&whole().unsigned()).refused(401, "NoAuthenticationInformation");
    blobs.send(&head("/box/0")).is(200);
}

#[test]
fn only_two_operations_and_one_of_them() {
    let blobs = with_blobs();
    let calls = [
        delete("/box/0"),
        put("/box/1?comp=tier").header("x-ms-access-tier", "Cool"),
        delete("/box?restype=container"),
        put("/box/2?comp=metadata"),
        get("/box/3"),
        call("POST", "/?comp=batch"),
    ];
    for (index, second) in calls.into_iter().enumerate() {
        let pair = [delete("/box/9"), second];
        let answer = blobs.send(&batch(&blobs, "/?comp=batch", &pair));
        // The whole batch may be refused, or what does not belong.
        if answer.status() == 202 {
            let found = outcomes(answer);
            assert_eq!(found[1].0 >= 400, index > 0, "{index}: {found:?}");
        } else {
            answer.refused(400, "InvalidInput");
        }
        blobs.send(&put_blob("/box/9", "again")).is(201);
    }
    blobs.send(&head("/box/1")).is(200).has("x-ms-access-tier", "Hot");
    blobs.send(&head("/box/3")).is(200);
}

#[test]
fn a_containers_batch_stays_inside() {
    let blobs = with_blobs();
    blobs.send(&put("/chest?restype=container")).is(201);
    blobs.send(&put_blob("/chest/b", "treasure")).is(201);
    let target = "/box?restype=container&comp=batch";
    let answer = blobs.send(&batch(&blobs, target, &[delete("/chest/b")]));
    answer.refused(400, "InvalidInput");
    blobs.send(&head("/chest/b")).is(200);
    let found = outcomes(blobs.send(&batch(&blobs, "/?comp=batch", &[delete("/chest/b")])));
    assert_eq!(found, told(&[(202, "")]));
}

#[test]
fn batches_that_are_none() {
    let blobs = with_blobs();
    let part = delete("/box/0").version("").part(0, blobs.clock.now());
    let good = format!("--batch_1\r\n{part}--batch_1--\r\n");
    for body in [
        "",
        "no parts",
        "--batch_1--\r\n",
        &good.replace("--batch_1--\r\n", ""),
        &good.replace("batch_1", "batch_2"),
        &good.replace(" HTTP/1.1", ""),
        &good.replace("application/http", "text/plain"),
        &good.replace("DELETE /", "DELETE http://elsewhere/"),
        &format!("--batch_1\r\n{part}{good}"),
    ] {
        let answer = blobs.send(&of_text("/?comp=batch", body));
        answer.refused(400, "InvalidInput");
    }
    let unmixed = call("POST", "/?comp=batch").header("content-type", "text/plain").body(&good);
    let answer = blobs.send(&unmixed);
    assert_eq!(answer.status(), 400, "{answer}");
    let untyped = call("POST", "/?comp=batch").body(&good);
    blobs.send(&untyped).refused(400, "MissingRequiredHeader");
    blobs.send(&head("/box/0")).is(200);
    let many: Vec<Call> = (0..257).map(|_| delete("/box/missing")).collect();
    blobs.send(&batch(&blobs, "/?comp=batch", &many)).refused(400, "InvalidInput");
    assert_eq!(outcomes(blobs.send(&batch(&blobs, "/?comp=batch", &many[1..]))).len(), 256);
    let large = of_text("/?comp=batch", "").announced(4 * 1024 * 1024 + 1);
    blobs.send(&large).refused(413, "RequestBodyTooLarge");
    blobs.send(&of_text("/?comp=batch", &good)).is(202);
    blobs.send(&head("/box/0")).refused(404, "BlobNotFound");
}

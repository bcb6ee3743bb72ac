//! Requests signed with an account's key: signature, date and version.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use lazuli_api::UnknownVersions;
use lazuli_auth::AccountKey;

use crate::harness::{ACCOUNT, Blobs, OTHER_ACCOUNT, get, head, key_of, put, put_blob};

#[test]
fn both_keys_and_both_schemes() {
    let blobs = Blobs::with_blob("content");
    let second = AccountKey::new(format!("the second key of {ACCOUNT}").as_bytes());
    for call in [get("/box/b"), get("/box/b").key(second), get("/box/b").lite()] {
        assert_eq!(blobs.send(&call).is(200).text(), "content");
    }
    let call = put_blob("/box/c", "other").lite();
    blobs.send(&call.header("content-type", "text/plain").header("x-ms-meta-a", " 1  2 ")).is(201);
}

#[test]
fn another_key() {
    let blobs = Blobs::with_blob("content");
    for call in [
        get("/box/b").key(key_of(OTHER_ACCOUNT)),
        put_blob("/box/b", "other").key(AccountKey::new(b"guessed")),
        get("/box/missing").key(AccountKey::new(b"guessed")),
        get("/nowhere/b").key(AccountKey::new(b"guessed")),
    ] {
        let answer = blobs.send(&call).refused(403, "AuthenticationFailed");
        answer.says("<AuthenticationErrorDetail>The MAC signature found in the HTTP request '");
        answer.says("Server used following string to sign: '");
    }
    let wrong = head("/box/b").key(AccountKey::new(b"guessed"));
    blobs.send(&wrong).refused(403, "AuthenticationFailed");
    assert_eq!(blobs.send(&get("/box/b")).is(200).text(), "content");
}

#[test]
fn whose_key_it_is() {
    let blobs = Blobs::with_blob("content");
    // Accounts are apart: the other one has no such container.
    blobs.send(&get("/box/b").account(OTHER_ACCOUNT)).refused(404, "ContainerNotFound");
    blobs.send(&put("/box?restype=container").account(OTHER_ACCOUNT)).is(201);
    blobs.send(&get("/box/b").account(OTHER_ACCOUNT)).refused(404, "BlobNotFound");
    let stranger = get("/box/b").unsigned();
    let named = stranger.header("authorization", format!("SharedKey {OTHER_ACCOUNT}:c2lnbmF0dXJl"));
    blobs.send(&named).refused(403, "AuthenticationFailed");
}

#[test]
fn a_signature_covers_what_was_sent() {
    let blobs = Blobs::with_blob("content");
    let signed = put_blob("/box/b", "other").header("x-ms-meta-a", "1");
    // The header is moved to a request that sends something else.
    let authorization = blobs.authorization(&signed);
    for forged in [
        put_blob("/box/b", "other").header("x-ms-meta-a", "2"),
        put_blob("/box/b", "others").header("x-ms-meta-a", "1"),
        put_blob("/box/c", "other").header("x-ms-meta-a", "1"),
        put_blob("/box/b?timeout=10", "other").header("x-ms-meta-a", "1"),
        put_blob("/box/b", "other").header("x-ms-meta-a", "1").header("if-match", "*"),
    ] {
        let forged = forged.unsigned().header("authorization", &authorization);
        blobs.send(&forged).refused(403, "AuthenticationFailed");
    }
    blobs.send(&signed.unsigned().header("authorization", &authorization)).is(201);
}

#[test]
fn dates_may_be_a_quarter_of_an_hour_off() {
    let blobs = Blobs::with_blob("content");
    for (offset, detail) in [
        (-900, ""),
        (900, ""),
        (-901, "Request date header too old: '"),
        (901, "Request date header too new: '"),
        (-86_400, "Request date header too old: '"),
    ] {
        let answer = blobs.send(&get("/box/b").date(&blobs.http_date(offset)));
        if detail.is_empty() {
            answer.is(200);
        } else {
            answer.refused(403, "AuthenticationFailed").says(detail);
        }
    }
    for date in ["", "now", "2026-11-24T08:00:00Z"] {
        blobs.send(&get("/box/b").date(date)).refused(403, "AuthenticationFailed");
    }
    // `Date` stands in for `x-ms-date`, which wins if both are sent.
    let (now, old) = (blobs.http_date(0), blobs.http_date(-3600));
    blobs.send(&get("/box/b").date("").header("date", &now)).is(200);
    blobs.send(&get("/box/b").date(&now).header("date", &old)).is(200);
    blobs.send(&get("/box/b").date(&old).header("date", &now)).refused(403, "AuthenticationFailed");
    // The older form of dates is still read.
    blobs.send(&get("/box/b").date("Tuesday, 24-Nov-26 08:00:00 GMT")).is(200);
}

#[test]
fn malformed_authorization() {
    let blobs = Blobs::with_blob("content");
    for header in ["SharedKey", "SharedKey lazurite", "Basic bGF6dXJpdGU6a2V5", "SharedKey :sig"] {
        let call = get("/box/b").unsigned().header("authorization", header);
        blobs.send(&call).refused(400, "InvalidAuthenticationInfo");
    }
    let bearer = get("/box/b").unsigned().header("authorization", "Bearer abc");
    let answer = blobs.send(&bearer).refused(403, "AuthenticationFailed");
    answer.says("Authentication scheme Bearer is not allowed with HTTP.");
    let answer = blobs.send(&bearer.secure()).refused(401, "InvalidAuthenticationInfo");
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with("Bearer authorization_uri=https://"), "{answer}");
    assert!(challenge.ends_with(" resource_id=https://storage.azure.com"), "{answer}");
}

#[test]
fn versions() {
    let blobs = Blobs::with_blob("content");
    for version in ["2011-08-18", "2015-02-21", "2019-12-12", "2026-10-06"] {
        blobs.send(&get("/box/b").version(version)).is(200).has("x-ms-version", version);
    }
    for version in ["latest", "2026-10-6", "2008-01-01", "2026-13-01"] {
        let answer = blobs.send(&get("/box/b").version(version)).refused(400, "InvalidHeaderValue");
        answer.says("<HeaderName>x-ms-version</HeaderName>");
        answer.says(&format!("<HeaderValue>{version}</HeaderValue>"));
    }
    // A version that is not known yet is served as the newest one, and that is told.
    let answer = blobs.send(&get("/box/b").version("2027-03-07")).is(200);
    answer.has("x-ms-version", "2026-10-06");
    assert!(answer.header("warning").starts_with("299 - "), "{answer}");
    let blobs = Blobs::of_versions(UnknownVersions::Refuse);
    let call = put("/box?restype=container").version("2027-03-07");
    blobs.send(&call).refused(400, "InvalidHeaderValue");
    blobs.send(&call.version("2026-10-06")).is(201);
}

#[test]
fn a_request_may_be_given_an_id() {
    let blobs = Blobs::with_blob("content");
    let id = "x".repeat(1024);
    let call = |id: &str| get("/box/b").header("x-ms-client-request-id", id);
    for id in ["1", "an id of two words", id.as_str()] {
        blobs.send(&call(id)).is(200).has("x-ms-client-request-id", id);
    }
    let missing = get("/box/missing").header("x-ms-client-request-id", "1");
    blobs.send(&missing).refused(404, "BlobNotFound").has("x-ms-client-request-id", "1");
    blobs.send(&call(&format!("{id}x"))).refused(400, "InvalidHeaderValue");
}

#[test]
fn the_secondary_only_reads() {
    let blobs = Blobs::with_blob("content");
    let secondary = format!("{ACCOUNT}-secondary");
    // Signed with the account's name, in a path that keeps the suffix.
    blobs.send(&get("/box/b").at(&secondary)).is(200).says("content");
    let write = put_blob("/box/b", "other").at(&secondary);
    blobs.send(&write).refused(403, "InsufficientAccountPermissions");
    blobs.send(&get("/box/b")).is(200).says("content");
}

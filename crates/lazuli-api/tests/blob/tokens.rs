//! Shared access signatures: what each field of a token allows, and how what it does not is told.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature>

use lazuli_auth::{AccountSas, ServiceSasToken, account_sas, service_sas};
use lazuli_model::ApiVersion;

use crate::harness::{
    ACCOUNT, Blobs, Call, HOST, OTHER_ACCOUNT, VERSION, delete, get, head, key_of, put, put_blob,
};

const FAILED: &str = "AuthenticationFailed";
const PERMISSION: &str = "AuthorizationPermissionMismatch";
const TYPE: &str = "AuthorizationResourceTypeMismatch";
const NEVER: &str = "AuthorizationFailure";

/// An hour after a test begins.
const EXPIRY: &str = "2026-11-24T09:00:00Z";

const ACCOUNT_SAS: AccountSas<'_> = AccountSas {
    account: ACCOUNT,
    version: VERSION,
    services: "b",
    resource_types: "sco",
    permissions: "rwdl",
    start: "",
    expiry: EXPIRY,
    addresses: "",
    protocols: "",
    encryption_scope: "",
};

/// A token of a container (`c`) or a blob (`b`, named).
fn token(resource: &str, name: &str, fields: &[(&str, &str)]) -> String {
    token_of(VERSION, (resource, name, ""), fields)
}

fn token_of(
    version: ApiVersion,
    (resource, name, moment): (&str, &str, &str),
    fields: &[(&str, &str)],
) -> String {
    let sas = ServiceSasToken {
        account: ACCOUNT,
        container: "box",
        name,
        version,
        resource,
        moment,
        fields,
    };
    service_sas(&key_of(ACCOUNT), &sas)
}

/// A token of `box` that is valid for an hour.
fn permitting(permissions: &str) -> String {
    token("c", "", &[("sp", permissions), ("se", EXPIRY)])
}

/// An account token of the blob service that is valid for an hour.
fn of_account(resource_types: &str, permissions: &str) -> String {
    account_token(&AccountSas { resource_types, permissions, ..ACCOUNT_SAS })
}

fn account_token(sas: &AccountSas<'_>) -> String {
    account_sas(&key_of(ACCOUNT), sas)
}

/// Calls of every kind, each with the letters any one of which permits it in an account token, the
/// level of `srt` it takes, and whether a service token may make it at all.
fn calls() -> Vec<(Call, &'static str, &'static str, bool)> {
    let list = "<BlockList></BlockList>";
    let tags = "<Tags><TagSet></TagSet></Tags>";
    vec![
        (get("/?comp=list"), "l", "s", false),
        (get("/?restype=service&comp=properties"), "r", "s", false),
        (put("/new?restype=container"), "cw", "c", false),
        (get("/box?restype=container"), "r", "c", false),
        (get("/box?restype=container&comp=metadata"), "r", "c", false),
        (put("/box?restype=container&comp=metadata"), "w", "c", false),
        (delete("/box?restype=container"), "d", "c", false),
        (get("/box?restype=container&comp=list"), "l", "c", true),
        (get("/box?restype=container&comp=blobs&where=a%3D%27b%27"), "f", "c", true),
        (get("/?comp=blobs&where=a%3D%27b%27"), "f", "o", false),
        (put_blob("/box/new", "new"), "cw", "o", true),
        (put_blob("/box/b", "new"), "w", "o", true),
        (put("/box/b?comp=block&blockid=YQ==").body("block"), "w", "o", true),
        (put("/box/b?comp=blocklist").body(list), "w", "o", true),
        (get("/box/b"), "r", "o", true),
        (head("/box/b"), "r", "o", true),
        (get("/box/b?comp=metadata"), "r", "o", true),
        (get("/box/b?comp=blocklist"), "r", "o", true),
        (put("/box/b?comp=metadata"), "w", "o", true),
        (put("/box/b?comp=properties"), "w", "o", true),
        (put("/box/b?comp=tier").header("x-ms-access-tier", "Cool"), "w", "o", true),
        (put("/box/b?comp=snapshot"), "cw", "o", true),
        (get("/box/b?comp=tags"), "t", "o", true),
        (put("/box/b?comp=tags").body(tags), "t", "o", true),
        (delete("/box/b"), "d", "o", true),
    ]
}

#[test]
fn each_letter_permits_its_operations() {
    // The letter permits to create; what there is, it does not permit to replace.
    let overwritten = format!("/{ACCOUNT}/box/b");
    for (call, letters, level, _) in calls() {
        let overwrites = letters == "w" && call.target() == overwritten;
        for letter in "racwdxyltfi".chars() {
            let blobs = Blobs::with_blob("content");
            let token = of_account(level, &letter.to_string());
            let answer = blobs.send(&call.clone().token(&token));
            if letters.contains(letter) {
                assert!(answer.status() < 300, "{letter}: {answer}");
            } else if letter == 'c' && overwrites {
                answer.refused(403, "UnauthorizedBlobOverwrite");
            } else {
                answer.refused(403, PERMISSION);
            }
        }
    }
}

#[test]
fn each_level_takes_its_letter_of_srt() {
    for (call, letters, level, _) in calls() {
        for other in ["s", "c", "o", "sc", "so", "co", "sco"] {
            let blobs = Blobs::with_blob("content");
            let answer = blobs.send(&call.clone().token(&of_account(other, letters)));
            if other.contains(level) {
                assert!(answer.status() < 300, "{other}: {answer}");
            } else {
                answer.refused(403, TYPE);
            }
        }
    }
}

#[test]
fn service_tokens_are_for_blobs_and_their_lists() {
    for (call, letters, level, allowed) in calls() {
        if level == "s" {
            continue;
        }
        let blobs = Blobs::with_blob("content");
        let answer = blobs.send(&call.token(&permitting(letters)));
        if allowed {
            assert!(answer.status() < 300, "{answer}");
        } else {
            let code = answer.header("x-ms-error-code");
            assert!([NEVER, FAILED].contains(&code.as_str()), "{answer}");
            answer.refused(403, &code);
        }
    }
}

#[test]
fn no_token_reads_or_writes_access_policies() {
    let blobs = Blobs::with_container();
    for call in [get("/box?restype=container&comp=acl"), put("/box?restype=container&comp=acl")] {
        for token in [of_account("sco", "racwdxyltfi"), permitting("racwdl")] {
            blobs.send(&call.clone().token(&token)).refused(403, NEVER);
        }
    }
}

#[test]
fn a_token_is_valid_from_its_start_until_its_expiry() {
    let blobs = Blobs::with_blob("content");
    let (start, expiry) = (blobs.iso_date(60), blobs.iso_date(120));
    let times = [("sp", "r"), ("st", start.as_str()), ("se", expiry.as_str())];
    let account = account_token(&AccountSas { start: &start, expiry: &expiry, ..ACCOUNT_SAS });
    let tokens = [token("c", "", &times), token("b", "b", &times), account];
    let all = |code: &str| {
        for token in &tokens {
            let answer = blobs.send(&get("/box/b").token(token));
            if code.is_empty() {
                answer.is(200).says("content");
            } else {
                let answer = answer.refused(403, code);
                answer.says("Signature not valid in the specified time frame: Start [");
                answer.says("] - Expiry [Tue, 24 Nov 2026 08:02:00 GMT] - Current [");
            }
        }
    };
    all(FAILED);
    blobs.pass(59);
    all(FAILED);
    blobs.pass(1);
    all("");
    blobs.pass(59);
    all("");
    blobs.pass(1);
    all(FAILED);
}

#[test]
fn a_token_is_for_its_resource() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&put_blob("/box/other", "other")).is(201);
    blobs.send(&put("/chest?restype=container")).is(201);
    blobs.send(&put_blob("/chest/b", "treasure")).is(201);
    let fields = [("sp", "rl"), ("se", EXPIRY)];
    let (of_box, of_blob) = (token("c", "", &fields), token("b", "b", &fields));
    for (target, container, blob) in [
        ("/box/b", "", ""),
        ("/box/other", "", FAILED),
        ("/chest/b", FAILED, FAILED),
        ("/box?restype=container&comp=list", "", FAILED),
    ] {
        for (token, code) in [(&of_box, container), (&of_blob, blob)] {
            let status = if code.is_empty() { 200 } else { 403 };
            blobs.send(&get(target).token(token)).outcome(status, code);
        }
    }
    let elsewhere = get("/box/b").account(OTHER_ACCOUNT).token(&of_box);
    blobs.send(&elsewhere).refused(403, FAILED);
}

#[test]
fn a_snapshots_token_is_for_that_snapshot() {
    let blobs = Blobs::with_blob("first");
    let first = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    blobs.pass(1);
    blobs.send(&put_blob("/box/b", "second")).is(201);
    let second = blobs.send(&put("/box/b?comp=snapshot")).is(201).header("x-ms-snapshot");
    let fields = [("sp", "r"), ("se", EXPIRY)];
    let token = token_of(VERSION, ("bs", "b", &first), &fields);
    let read = |target: &str| blobs.send(&get(target).token(&token));
    read(&format!("/box/b?snapshot={first}")).is(200).says("first");
    read(&format!("/box/b?snapshot={second}")).refused(403, FAILED);
    read("/box/b").refused(403, FAILED);
}

#[test]
fn a_token_may_be_bound_to_addresses_and_to_tls() {
    let blobs = Blobs::with_blob("content");
    let bound = |name: &str, value: &str| {
        let service = token("c", "", &[("sp", "r"), ("se", EXPIRY), (name, value)]);
        let account = match name {
            "sip" => AccountSas { addresses: value, ..ACCOUNT_SAS },
            _ => AccountSas { protocols: value, ..ACCOUNT_SAS },
        };
        [service, account_token(&account)]
    };
    for token in bound("sip", "10.0.0.1-10.0.0.9") {
        for (from, inside) in [("10.0.0.1", true), ("10.0.0.9", true), ("10.0.0.10", false)] {
            let answer = blobs.send(&get("/box/b").token(&token).from(from));
            if inside {
                answer.is(200);
            } else {
                let answer = answer.refused(403, "AuthorizationSourceIPMismatch");
                answer.says(&format!("using this source IP {from}."));
                answer.says(&format!("<SourceIP>{from}</SourceIP>"));
            }
        }
    }
    for token in bound("sip", "10.0.0.1") {
        blobs.send(&get("/box/b").token(&token).from("10.0.0.1")).is(200);
        let other = get("/box/b").token(&token).from("10.0.0.2");
        blobs.send(&other).refused(403, "AuthorizationSourceIPMismatch");
    }
    for token in bound("spr", "https") {
        blobs.send(&get("/box/b").token(&token).secure()).is(200);
        blobs.send(&get("/box/b").token(&token)).refused(403, "AuthorizationProtocolMismatch");
    }
    for token in bound("spr", "https,http") {
        blobs.send(&get("/box/b").token(&token)).is(200);
    }
}

#[test]
fn an_account_token_names_its_services() {
    let blobs = Blobs::with_blob("content");
    for (services, code) in
        [("b", ""), ("bqt", ""), ("qtf", "AuthorizationServiceMismatch"), ("", FAILED)]
    {
        let token = account_token(&AccountSas { services, ..ACCOUNT_SAS });
        let status = if code.is_empty() { 200 } else { 403 };
        blobs.send(&get("/box/b").token(&token)).outcome(status, code);
    }
}

#[test]
fn a_token_that_was_tampered_with() {
    let blobs = Blobs::with_blob("content");
    let good = permitting("r");
    blobs.send(&get("/box/b").token(&good)).is(200);
    let other_key = service_sas(
        &key_of(OTHER_ACCOUNT),
        &ServiceSasToken {
            account: ACCOUNT,
            container: "box",
            name: "",
            version: VERSION,
            resource: "c",
            moment: "",
            fields: &[("sp", "r"), ("se", EXPIRY)],
        },
    );
    for token in [
        good.replace("sp=r", "sp=rw"),
        good.replace("sp=r&", ""),
        good.replace("se=2026", "se=2027"),
        good.replace("sr=c", "sr=b"),
        good.replace("sr=c", "sr=q"),
        good.replace(&format!("sv={VERSION}"), "sv=2015-04-05"),
        good.replace(&format!("sv={VERSION}"), "sv=soon"),
        format!("{good}&sip=127.0.0.1"),
        format!("{good}&sp=r"),
        good.replace("sig=", "sig=AAAA"),
        other_key,
    ] {
        let answer = blobs.send(&get("/box/b").token(&token));
        answer.refused(403, FAILED).says("<AuthenticationErrorDetail>");
    }
    // What rides along and is not signed is no tampering.
    blobs.send(&get("/box/b").token(&format!("{good}&timeout=20&unknown=1"))).is(200);
}

/// Staging and committing take the permission to write; since 2026-06-06 the permission to create
/// will do, for a blob that is new.
#[test]
fn blocks_of_a_token_that_creates() {
    let blobs = Blobs::with_blob("content");
    let source = token("b", "b", &[("sp", "r"), ("se", EXPIRY)]);
    let source = format!("http://{HOST}/{ACCOUNT}/box/b?{source}");
    let by = |call: Call, version: ApiVersion, permissions: &str| {
        let fields = [("sp", permissions), ("se", EXPIRY)];
        let of_container = token_of(version, ("c", "", ""), &fields);
        let of_account = account_token(&AccountSas { version, permissions, ..ACCOUNT_SAS });
        [of_container, of_account].map(|token| blobs.send(&call.clone().token(&token)))
    };
    let calls = |name: &str| {
        let block = |id: &str| put(&format!("/box/{name}?comp=block&blockid={id}"));
        let list = "<BlockList><Latest>YQ==</Latest><Latest>Yg==</Latest></BlockList>";
        [
            block("YQ==").body("block"),
            block("Yg==").header("x-ms-copy-source", source.as_str()),
            put(&format!("/box/{name}?comp=blocklist")).body(list),
        ]
    };
    let (before, since) = (ApiVersion::new(2026, 4, 6), ApiVersion::new(2026, 6, 6));
    for call in ["b", "new"].into_iter().flat_map(calls) {
        for answer in by(call, before, "c") {
            answer.refused(403, PERMISSION);
        }
    }
    for call in calls("b") {
        for answer in by(call, since, "c") {
            answer.refused(403, "UnauthorizedBlobOverwrite");
        }
    }
    let lists = blobs.send(&get("/box/b?comp=blocklist&blocklisttype=uncommitted")).is(200);
    lists.says("<UncommittedBlocks />");
    // Blocks that are staged are no blob yet; the list makes it one.
    let [block, from_url, list] = calls("new");
    for answer in by(block, since, "c") {
        answer.is(201);
    }
    for answer in by(from_url, since, "c") {
        answer.is(201);
    }
    let [made, again] = by(list, since, "c");
    made.is(201);
    again.refused(403, "UnauthorizedBlobOverwrite");
    blobs.send(&get("/box/new")).is(200).says("blockcontent");
    for call in calls("b") {
        for answer in by(call, before, "w") {
            answer.is(201);
        }
    }
}

#[test]
fn permissions_within_an_operation() {
    let blobs = Blobs::with_blob("content");
    let by = |call: Call, permissions: &str| {
        let token = permitting(permissions);
        blobs.send(&call.token(&token))
    };
    // Create makes new blobs only.
    by(put_blob("/box/new", "new"), "c").is(201);
    by(put_blob("/box/new", "newer"), "c").refused(403, "UnauthorizedBlobOverwrite");
    by(put_blob("/box/new", "newer"), "w").is(201);
    // Tags take a letter of their own, on whatever sets or shows them.
    let tagged = || put_blob("/box/tagged", "new").header("x-ms-tags", "a=b");
    by(tagged(), "cw").refused(403, PERMISSION);
    by(tagged(), "cwt").is(201);
    by(head("/box/tagged"), "r").is(200).has("x-ms-tag-count", "");
    by(head("/box/tagged"), "rt").is(200).has("x-ms-tag-count", "1");
    let list = || get("/box?restype=container&comp=list&include=tags");
    by(list(), "l").refused(403, PERMISSION);
    by(list(), "lt").is(200).says("<Key>a</Key>");
    // Breaking a lease may be permitted without the others.
    let acquire = put("/box/b?comp=lease")
        .header("x-ms-lease-action", "acquire")
        .header("x-ms-lease-duration", -1);
    by(acquire.clone(), "d").refused(403, PERMISSION);
    by(acquire, "w").is(201);
    let free = put("/box/b?comp=lease").header("x-ms-lease-action", "break");
    by(free.clone(), "r").refused(403, PERMISSION);
    by(free, "d").is(202);
    // A version's deletion is not the blob's.
    by(delete("/box/b"), "x").refused(403, PERMISSION);
}

#[test]
fn a_token_may_replace_response_headers() {
    let blobs = Blobs::with_blob("content");
    let fields = [
        ("sp", "r"),
        ("se", EXPIRY),
        ("rscc", "no-store"),
        ("rscd", "attachment; filename=\"a b.txt\""),
        ("rsce", "br"),
        ("rscl", "de"),
        ("rsct", "text/plain"),
    ];
    for call in [get("/box/b"), head("/box/b")] {
        let answer = blobs.send(&call.token(&token("b", "b", &fields))).is(200);
        answer.has("cache-control", "no-store").has("content-encoding", "br");
        answer.has("content-disposition", "attachment; filename=\"a b.txt\"");
        answer.has("content-language", "de").has("content-type", "text/plain");
    }
}

#[test]
fn layouts_of_older_versions() {
    let blobs = Blobs::with_blob("content");
    for version in ["2012-02-12", "2014-02-14", "2015-04-05", "2017-11-09", "2018-11-09"] {
        let fields = [("sp", "r"), ("se", EXPIRY)];
        let version = ApiVersion::parse(version).unwrap();
        let token = token_of(version, ("b", "b", ""), &fields);
        blobs.send(&get("/box/b").token(&token)).is(200).says("content");
        // The token's version serves a request that names none, from 2014-02-14 on.
        let answer = blobs.send(&get("/box/b").version("").token(&token)).is(200);
        if version >= ApiVersion::new(2014, 2, 14) {
            answer.has("x-ms-version", &version.to_string());
        }
    }
}

const POLICIES: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><SignedIdentifiers>\
    <SignedIdentifier><Id>readers</Id><AccessPolicy><Start>START</Start><Expiry>EXPIRY</Expiry>\
    <Permission>r</Permission></AccessPolicy></SignedIdentifier>\
    <SignedIdentifier><Id>empty</Id></SignedIdentifier></SignedIdentifiers>";

#[test]
fn a_stored_policy_completes_its_tokens() {
    let blobs = Blobs::with_blob("content");
    let acl = || put("/box?restype=container&comp=acl");
    let (start, expiry) = (blobs.iso_date(0), blobs.iso_date(3600));
    let policies = POLICIES.replace("START", &start).replace("EXPIRY", &expiry);
    blobs.send(&acl().body(&policies)).is(200);
    let later = blobs.iso_date(7200);
    let by = |call: Call, fields: &[(&str, &str)]| blobs.send(&call.token(&token("c", "", fields)));
    let read = || get("/box/b");
    by(read(), &[("si", "readers")]).is(200);
    by(put_blob("/box/b", "other"), &[("si", "readers")]).refused(403, PERMISSION);
    by(read(), &[("si", "empty"), ("sp", "r"), ("se", &later)]).is(200);
    // A field is in one place: neither in both nor in none.
    by(read(), &[("si", "readers"), ("sp", "r")]).refused(403, FAILED);
    by(read(), &[("si", "readers"), ("se", &later)]).refused(403, FAILED);
    by(read(), &[("si", "empty"), ("sp", "r")]).refused(403, FAILED);
    by(read(), &[("si", "empty"), ("se", &later)]).refused(403, FAILED);
    by(read(), &[("si", "nobody"), ("sp", "r"), ("se", &later)]).refused(403, FAILED);
    let of_blob = token("b", "b", &[("si", "readers")]);
    blobs.send(&read().token(&of_blob)).is(200);
    // It runs out, it can be renamed, and then its tokens are worth nothing.
    blobs.pass(3600);
    by(read(), &[("si", "readers")]).refused(403, FAILED);
    blobs.send(&acl().body(policies.replace(&expiry, &later))).is(200);
    by(read(), &[("si", "readers")]).is(200);
    blobs.send(&acl()).is(200);
    by(read(), &[("si", "readers")]).refused(403, FAILED);
}

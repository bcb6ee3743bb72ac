//! Who may do what: keys, account tokens, tokens of queues, policies.

use lazuli_auth::{AccountSas, account_sas, queue_sas};

use crate::harness::{ACCOUNT, Call, Queues, VERSION, call, get, held, key, put, send};

const PERMISSION: &str = "AuthorizationPermissionMismatch";

fn of_account(services: &str, resource_types: &str, permissions: &str) -> String {
    let sas = AccountSas {
        account: ACCOUNT,
        version: VERSION,
        services,
        resource_types,
        permissions,
        start: "",
        expiry: "2026-11-24T09:00:00Z",
        addresses: "",
        protocols: "",
        encryption_scope: "",
    };
    account_sas(&key(), &sas)
}

fn of_queue(queue: &str, fields: &[(&str, &str)]) -> String {
    queue_sas(&key(), (ACCOUNT, queue), VERSION, fields)
}

fn permitting(permissions: &str) -> String {
    of_queue("things", &[("sp", permissions), ("se", "2026-11-24T09:00:00Z")])
}

/// What a call needs.
struct Needs {
    /// The letters of which an account token needs one.
    letters: &'static str,
    /// The level of `srt`.
    level: &'static str,
    /// The letter that a queue's token needs; nothing for what a queue's token cannot do.
    of_queue: Option<&'static str>,
}

/// Calls of every kind, and what they need.
fn calls(queues: &Queues) -> Vec<(Call, Needs)> {
    let own = || queues.send(&put("", "a")).is(201).message();
    let all = [
        (get("/?restype=service&comp=properties"), "r", "s", None),
        (get("/?comp=list"), "l", "s", None),
        (call("PUT", "/others"), "cw", "c", None),
        (get("/things?comp=metadata"), "r", "c", Some("r")),
        (call("PUT", "/things?comp=metadata"), "w", "c", None),
        (put("", "a"), "a", "o", Some("a")),
        (get("/things/messages?peekonly=true"), "r", "o", Some("r")),
        (get("/things/messages"), "p", "o", Some("p")),
        (held("PUT", &own(), "&visibilitytimeout=0"), "u", "o", Some("u")),
        (held("DELETE", &own(), ""), "p", "o", Some("p")),
        (call("DELETE", "/things/messages"), "d", "o", None),
        (call("DELETE", "/things"), "d", "c", None),
    ];
    let needs = |(call, letters, level, of_queue)| (call, Needs { letters, level, of_queue });
    all.into_iter().map(needs).collect()
}

/// The error that one of the calls is answered with on a new service; empty for success.
fn ask(at: usize, token: &str) -> String {
    let queues = Queues::with_queue();
    let (call, _) = calls(&queues).swap_remove(at);
    queues.send(&call.token(token)).header("x-ms-error-code")
}

/// All letters but some.
fn without(all: &str, letters: &str) -> String {
    all.chars().filter(|letter| !letters.contains(*letter)).collect()
}

#[test]
fn each_permission_of_an_account_permits_what_it_names() {
    for (at, (call, needs)) in calls(&Queues::with_queue()).into_iter().enumerate() {
        let Needs { letters, level, .. } = needs;
        for letter in letters.chars().map(String::from) {
            assert_eq!(ask(at, &of_account("q", level, &letter)), "", "{call:?}");
        }
        let others = without("rwdlacup", letters);
        assert_eq!(ask(at, &of_account("q", level, &others)), PERMISSION, "{call:?}");
        let levels = without("sco", level);
        let code = ask(at, &of_account("q", &levels, letters));
        assert_eq!(code, "AuthorizationResourceTypeMismatch", "{call:?}");
        let code = ask(at, &of_account("bt", level, letters));
        assert_eq!(code, "AuthorizationServiceMismatch", "{call:?}");
    }
}

#[test]
fn each_permission_of_a_queue_permits_what_it_names() {
    for (at, (call, needs)) in calls(&Queues::with_queue()).into_iter().enumerate() {
        let Some(letter) = needs.of_queue else {
            let code = ask(at, &permitting("raupd"));
            let refused = ["AuthorizationFailure", "AuthenticationFailed"];
            assert!(refused.contains(&code.as_str()), "{code} of {call:?}");
            continue;
        };
        assert_eq!(ask(at, &permitting(letter)), "", "{call:?}");
        assert_eq!(ask(at, &permitting(&without("raup", letter))), PERMISSION, "{call:?}");
    }
}

#[test]
fn a_queue_token_is_for_its_queue_and_its_time() {
    let queues = Queues::with_queue();
    queues.send(&call("PUT", "/others")).is(201);
    let peek = |queue: &str| get(&format!("/{queue}/messages?peekonly=true"));
    queues.send(&peek("things").token(&permitting("r"))).is(200);
    queues.send(&peek("others").token(&permitting("r"))).refused(403, "AuthenticationFailed");
    let service = get("/?comp=list").token(&permitting("r"));
    queues.send(&service).refused(403, "AuthenticationFailed");
    let more = permitting("r").replace("sp=r", "sp=ra");
    queues.send(&peek("things").token(&more)).refused(403, "AuthenticationFailed");
    let future = [("sp", "r"), ("st", "2026-11-24T08:30:00Z"), ("se", "2026-11-24T09:00:00Z")];
    let early = of_queue("things", &future);
    queues.send(&peek("things").token(&early)).refused(403, "AuthenticationFailed");
    let secure = of_queue("things", &[("sp", "r"), ("se", "2026-11-24T09:00Z"), ("spr", "https")]);
    let answer = queues.send(&peek("things").token(&secure));
    answer.refused(403, "AuthorizationProtocolMismatch");
    let far = of_queue("things", &[("sp", "r"), ("se", "2026-11-24T09:00Z"), ("sip", "10.0.0.1")]);
    queues.send(&peek("things").token(&far)).refused(403, "AuthorizationSourceIPMismatch");
    queues.pass(3601);
    queues.send(&peek("things").token(&permitting("r"))).refused(403, "AuthenticationFailed");
    queues.send(&peek("things").token("a=b")).refused(401, "NoAuthenticationInformation");
}

#[test]
fn policies_are_stored_and_referred_to() {
    let queues = Queues::with_queue();
    let acl = "/things?comp=acl";
    let policy = format!(
        "<SignedIdentifiers><SignedIdentifier><Id>pol</Id><AccessPolicy><Start></Start>\
         <Expiry>{}</Expiry><Permission>rp</Permission></AccessPolicy></SignedIdentifier>\
         </SignedIdentifiers>",
        queues.iso_date(60)
    );
    queues.send(&get(acl)).is(200).says("<SignedIdentifiers />");
    queues.send(&send("PUT", acl, &policy)).is(204);
    queues.send(&get(acl)).is(200).says("<Id>pol</Id>").says("<Permission>rp</Permission>");
    queues.send(&call("HEAD", acl)).is(200);
    let token = of_queue("things", &[("si", "pol")]);
    queues.send(&put("", "a")).is(201);
    let peek = get("/things/messages?peekonly=true").token(&token);
    queues.send(&peek).is(200).says("<MessageText>a</MessageText>");
    queues.send(&put("", "b").token(&token)).refused(403, PERMISSION);
    queues.send(&get("/things/messages").token(&token)).is(200);
    let none = of_queue("things", &[("si", "none")]);
    let unknown = get("/things/messages").token(&none);
    queues.send(&unknown).refused(403, "AuthenticationFailed");
    let reads_acl = get(acl).token(&permitting("raup"));
    queues.send(&reads_acl).refused(403, "AuthorizationFailure");
    let sets_acl = send("PUT", acl, "").token(&of_account("q", "sco", "rwdlacup"));
    queues.send(&sets_acl).refused(403, "AuthorizationFailure");
    queues.pass(61);
    queues.send(&peek).refused(403, "AuthenticationFailed");
    queues.send(&send("PUT", acl, "")).is(204);
    queues.send(&get(acl)).is(200).says("<SignedIdentifiers />");
    queues.send(&get("/nowhere?comp=acl")).refused(404, "QueueNotFound");
    queues.send(&send("PUT", "/nowhere?comp=acl", "")).refused(404, "QueueNotFound");
    queues.send(&send("PUT", acl, "<x")).refused(400, "InvalidXmlDocument");
}

#[test]
fn the_secondary_only_reads() {
    let queues = Queues::with_queue();
    queues.send(&put("", "a")).is(201);
    for call in [get("/?comp=list"), get("/things?comp=metadata"), get("/things?comp=acl")] {
        queues.send_to(&call, true).is(200);
    }
    let peek = get("/things/messages?peekonly=true");
    queues.send_to(&peek, true).is(200).says("<MessageText>a</MessageText>");
    for call in [
        get("/things/messages"),
        put("", "b"),
        call("PUT", "/others"),
        call("DELETE", "/things"),
        call("DELETE", "/things/messages"),
    ] {
        queues.send_to(&call, true).refused(403, "InsufficientAccountPermissions");
    }
    assert_eq!(queues.peek(), ["a"]);
}

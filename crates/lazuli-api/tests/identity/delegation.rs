//! Keys that sign tokens on behalf of identities, and what those tokens open.

use lazuli_auth::{AccountKey, Role};
use lazuli_model::Service;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answer::Answer;
use crate::fixture::{ACCOUNT, Call, Services, call};
use crate::issuer::{Issuer, NOBODY, OWNER, READER, TENANT, role};

const FORBIDDEN: &str = "AuthorizationPermissionMismatch";
const START: &str = "2026-11-24T00:00:00Z";
const EXPIRY: &str = "2026-11-24T12:00:00Z";

/// Asks for a key.
pub(crate) fn ask(service: Service, more: &str) -> Call {
    let body = format!("<KeyInfo><Start>{START}</Start><Expiry>{EXPIRY}</Expiry>{more}</KeyInfo>");
    let ask = call(service, "POST", "/?restype=service&comp=userdelegationkey").body(body);
    ask.header("content-type", "application/xml")
}

/// A key as it was told.
pub(crate) struct Key(Answer);

impl Key {
    pub(crate) fn of(services: &Services, service: Service, who: &str) -> Self {
        Self(services.send(&ask(service, "").by(who)).is(200))
    }

    fn field(&self, name: &str) -> String {
        self.0.elements(name).pop().unwrap_or_default()
    }

    /// A token until half an hour before the key's end: `fields` are those of its service.
    pub(crate) fn token(
        &self,
        (letters, resource): (&str, &str),
        fields: &[(&str, &str)],
        tail: &[&str],
    ) -> String {
        let named = [
            ("skoid", "SignedOid"),
            ("sktid", "SignedTid"),
            ("skt", "SignedStart"),
            ("ske", "SignedExpiry"),
            ("sks", "SignedService"),
            ("skv", "SignedVersion"),
        ];
        let key = named.map(|(name, element)| (name, self.field(element)));
        let mut lines = vec![letters, "", "2026-11-24T11:30:00Z", resource];
        lines.extend(key.iter().map(|(_, value)| value.as_str()));
        lines.extend(tail);
        let value = AccountKey::from_base64(&self.field("Value")).unwrap();
        let signature = value.sign(lines.join("\n").as_bytes());
        let own = [("sv", "2026-02-06"), ("sp", letters), ("se", "2026-11-24T11:30:00Z")];
        let own = own.iter().chain(fields).map(|(name, value)| (*name, (*value).to_owned()));
        let all = own.chain(key).chain([("sig", signature)]);
        let encoded = all.map(|(name, value)| {
            format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC))
        });
        encoded.collect::<Vec<_>>().join("&")
    }

    /// A token for a container and its blobs.
    pub(crate) fn container_token(&self, letters: &str) -> String {
        let tail = ["", "", "", "", "", "", "", "2026-02-06", "c", "", "", "", "", "", "", ""];
        self.token((letters, &format!("/blob/{ACCOUNT}/box")), &[("sr", "c")], &tail)
    }

    /// A token for the queue `things`.
    pub(crate) fn queue_token(&self, letters: &str) -> String {
        let tail = ["", "", "", "", "2026-02-06"];
        self.token((letters, &format!("/queue/{ACCOUNT}/things")), &[("sr", "q")], &tail)
    }

    /// A token for the partition `p` of the table `gems`.
    fn table_token(&self, letters: &str) -> String {
        let tail = ["", "", "", "", "2026-02-06", "p", "", "p", ""];
        let fields = [("tn", "gems"), ("spk", "p"), ("epk", "p")];
        self.token((letters, &format!("/table/{ACCOUNT}/gems")), &fields, &tail)
    }
}

#[test]
fn keys_are_made_for_identities_only() {
    let services = Services::new();
    for (service, letter) in [(Service::Blob, "b"), (Service::Queue, "q"), (Service::Table, "t")] {
        let key = Key::of(&services, service, OWNER);
        for (element, value) in [
            ("SignedOid", OWNER),
            ("SignedTid", TENANT),
            ("SignedStart", START),
            ("SignedExpiry", EXPIRY),
            ("SignedService", letter),
            ("SignedVersion", "2026-10-06"),
            ("SignedDelegatedUserTid", ""),
        ] {
            assert_eq!(key.field(element), value, "{element}");
        }
        assert_eq!(key.field("Value"), Key::of(&services, service, OWNER).field("Value"));
        let bound = ask(service, &format!("<DelegatedUserTid>{NOBODY}</DelegatedUserTid>"));
        let bound = Key(services.send(&bound.by(OWNER)).is(200));
        assert_eq!(bound.field("SignedDelegatedUserTid"), NOBODY);
        assert_ne!(bound.field("Value"), key.field("Value"));
        let by_key = services.send(&ask(service, ""));
        assert_eq!(by_key.header("x-ms-error-code"), "AuthenticationFailed", "{by_key}");
        assert_eq!(by_key.status(), 403);
        by_key.says("Only authentication scheme Bearer is supported.");
        let by_nobody = services.send(&ask(service, "").by(NOBODY));
        assert_eq!(
            (by_nobody.status(), by_nobody.header("x-ms-error-code").as_str()),
            (403, FORBIDDEN)
        );
        assert_eq!(services.send(&ask(service, "").by_nobody()).status(), 401);
        let token = Key::of(&services, Service::Blob, OWNER).container_token("racwdl");
        let by_token = ask(Service::Blob, "").by_nobody().query(&token);
        assert_eq!(services.send(&by_token).status(), 403);
    }
}

#[test]
fn what_a_key_cannot_be_is_refused() {
    let services = Services::new();
    let body = |start: &str, expiry: &str, user: &str| {
        let node = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("<{name}>{text}</{name}>"),
        };
        let nodes = [node("Start", start), node("Expiry", expiry), node("DelegatedUserTid", user)];
        format!("<KeyInfo>{}</KeyInfo>", nodes.concat())
    };
    let late = "2026-12-01T00:07:47Z";
    for (body, code) in [
        (body(START, late, ""), "InvalidXmlNodeValue"),
        (body(EXPIRY, START, ""), "InvalidXmlNodeValue"),
        (body("", "2026-11-24T00:07:46Z", ""), "InvalidXmlNodeValue"),
        (body("2026-11-16", EXPIRY, ""), "InvalidXmlNodeValue"),
        (body(START, EXPIRY, "me"), "InvalidXmlNodeValue"),
        (body(START, "", ""), "MissingRequiredXmlNode"),
        ("<KeyInfo>".to_owned(), "InvalidXmlDocument"),
        ("x".repeat(5_000), "RequestBodyTooLarge"),
    ] {
        let answer = services.send(&ask(Service::Blob, "").body(body.clone()).by(OWNER));
        assert_eq!(answer.header("x-ms-error-code"), code, "{body}");
    }
    for (service, version, status) in [
        (Service::Blob, "2018-11-09", 200),
        (Service::Blob, "2018-03-28", 400),
        (Service::Queue, "2026-02-06", 200),
        (Service::Queue, "2025-11-05", 400),
        (Service::Table, "2025-11-05", 400),
    ] {
        let answer = services.send(&ask(service, "").by(OWNER).version(version));
        assert_eq!(answer.status(), status, "{service:?} {version}: {answer}");
    }
}

#[test]
fn a_token_reaches_as_far_as_its_letters_and_the_roles_now() {
    let mut services = Services::new();
    let token = Key::of(&services, Service::Blob, OWNER).container_token("racwdl");
    let of_reader = Key::of(&services, Service::Blob, READER).container_token("racwdl");
    let get = |token: &str| call(Service::Blob, "GET", "/box/b").by_nobody().query(token);
    let put = |token: &str| {
        let put = call(Service::Blob, "PUT", "/box/new").by_nobody().query(token);
        put.header("x-ms-blob-type", "BlockBlob")
    };
    let list = call(Service::Blob, "GET", "/box?restype=container&comp=list").by_nobody();
    services.send(&get(&token)).is(200);
    services.send(&put(&token)).is(201);
    services.send(&list.query(&token)).is(200).says("<Name>b</Name>");
    services.send(&get(&of_reader)).is(200);
    services.send(&put(&of_reader)).refused(403, FORBIDDEN);
    let delete = call(Service::Blob, "DELETE", "/box?restype=container").by_nobody();
    services.send(&delete.query(&token)).refused(403, "AuthorizationFailure");
    // Whoever loses a role loses what his tokens open; so with the account's first key.
    services.assign(vec![role(OWNER, Role::BlobDataReader, None)]);
    services.send(&get(&token)).is(200);
    services.send(&put(&token)).refused(403, FORBIDDEN);
    services.send(&get(&of_reader)).refused(403, FORBIDDEN);
    services.add("rotated", &["three", "one"], Issuer::shared().identities());
    let answer = services.send(&get(&token)).refused(403, "AuthenticationFailed");
    answer.says("Signature did not match.");
    services.add("back", &["one", "three"], Issuer::shared().identities());
    services.send(&get(&token)).is(200);
}

#[test]
fn queues_and_tables_have_tokens_of_their_own() {
    let services = Services::new();
    let key = Key::of(&services, Service::Queue, OWNER);
    let token = key.queue_token("ap");
    let send =
        |method: &str, target: &str| call(Service::Queue, method, target).by_nobody().query(&token);
    let message = "<QueueMessage><MessageText>x</MessageText></QueueMessage>";
    services.send(&send("POST", "/things/messages").body(message)).is(201);
    services.send(&send("GET", "/things/messages?peekonly=true")).refused(403, FORBIDDEN);
    services.send(&send("GET", "/things/messages")).is(200).says("<MessageText>x</MessageText>");
    services.send(&send("DELETE", "/things/messages")).refused(403, "AuthorizationFailure");
    services.send(&send("GET", "/others/messages")).refused(403, "AuthenticationFailed");
    // A key for blobs signs nothing for queues.
    let foreign = Key::of(&services, Service::Blob, OWNER).queue_token("ap");
    let get = call(Service::Queue, "GET", "/things/messages").by_nobody().query(&foreign);
    services.send(&get).refused(403, "AuthenticationFailed").says("is not for this service.");

    let token = Key::of(&services, Service::Table, OWNER).table_token("ra");
    let insert = |partition: &str| {
        let body = format!("{{\"PartitionKey\":\"{partition}\",\"RowKey\":\"r\"}}");
        let insert = call(Service::Table, "POST", "/gems").by_nobody().query(&token).body(body);
        services.send(&insert.header("content-type", "application/json"))
    };
    assert_eq!(insert("p").status(), 201);
    let refused = insert("q");
    let code = refused.header("x-ms-error-code");
    assert_eq!((refused.status(), code.as_str()), (403, "AuthorizationFailure"));
    let entity = call(Service::Table, "GET", "/gems(PartitionKey='p',RowKey='r')").by_nobody();
    assert_eq!(services.send(&entity.query(&token)).status(), 200);
    let delete = call(Service::Table, "DELETE", "/gems(PartitionKey='p',RowKey='r')").by_nobody();
    let delete = delete.query(&token).header("if-match", "*");
    assert_eq!(services.send(&delete).header("x-ms-error-code"), FORBIDDEN);
}

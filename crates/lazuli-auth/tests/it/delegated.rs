//! User delegation SAS: the strings that are signed, the key, and how far the tokens reach.

use lazuli_auth::AccountKey;
use lazuli_auth::{
    AccessContext, AccessSpec, Actions, AnonymousAccess, DataAction, DelegationKey, Granted,
    Permission, Principal, PublicAccess, ResourceTypes, RoleAccess, SasPermissions, ServiceSas,
    authorise,
};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::fixture::{ACCOUNT, Request, at, auth_detail, key1, key2};
use crate::issuer::{Issuer, NOBODY, OWNER, READER, SCOPED, TENANT};

/// A token that is yet to be signed: its key, its fields, and what it is used on.
#[derive(Clone)]
struct Token {
    key: AccountKey,
    object_id: &'static str,
    tenant: &'static str,
    service: Service,
    fields: Vec<(&'static str, String)>,
    key_fields: Vec<(&'static str, String)>,
    resource: String,
}

impl Token {
    /// A token for the blob `b` of the container `c1`, in a day around now.
    fn blob(object_id: &'static str, permissions: &str) -> Self {
        let mut token = Self::of(Service::Blob, object_id, permissions);
        token.set("sr", "b");
        token.resource = format!("/blob/{ACCOUNT}/c1/b");
        token
    }

    fn of(service: Service, object_id: &'static str, permissions: &str) -> Self {
        let mut token = Self {
            key: key1(),
            object_id,
            tenant: TENANT,
            service,
            fields: Vec::new(),
            key_fields: Vec::new(),
            resource: String::new(),
        };
        let letter = match service {
            Service::Queue => "q",
            Service::Table => "t",
            _ => "b",
        };
        for (name, value) in [
            ("skt", "2026-11-23T12:00:00Z"),
            ("ske", "2026-11-24T12:00:00Z"),
            ("sks", letter),
            ("skv", "2026-04-06"),
        ] {
            token.key_fields.push((name, value.to_owned()));
        }
        for (name, value) in
            [("sv", "2026-02-06"), ("sp", permissions), ("se", "2026-11-24T11:00:00Z")]
        {
            token.set(name, value);
        }
        token
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, value.to_owned()));
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    fn with_key(mut self, name: &'static str, value: &str) -> Self {
        self.key_fields.retain(|(known, _)| *known != name);
        self.key_fields.push((name, value.to_owned()));
        self
    }

    fn field(&self, name: &str) -> &str {
        let mut all = self.fields.iter().chain(&self.key_fields);
        all.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The string-to-sign, written out for the versions the tests use: 2026-02-06.
    fn text(&self) -> String {
        let f = |name| self.field(name);
        let mut lines =
            vec![f("sp"), f("st"), f("se"), &self.resource, self.object_id, self.tenant];
        lines.extend([f("skt"), f("ske"), f("sks"), f("skv")]);
        if self.service == Service::Blob {
            lines.extend([f("saoid"), f("suoid"), f("scid")]);
        }
        lines.extend([f("skdutid"), f("sduoid"), f("sip"), f("spr"), f("sv")]);
        match self.service {
            Service::Blob => lines.extend([f("sr"), "", f("ses"), "", "", "", "", f("rsct")]),
            Service::Table => lines.extend([f("spk"), f("srk"), f("epk"), f("erk")]),
            _ => {}
        }
        lines.join("\n")
    }

    fn query(&self) -> String {
        let key = DelegationKey {
            object_id: self.object_id,
            tenant: self.tenant,
            start: self.field("skt"),
            expiry: self.field("ske"),
            service: self.field("sks"),
            version: self.field("skv"),
            user_tenant: self.field("skdutid"),
        };
        let key = AccountKey::from_base64(&key.value(&self.key, ACCOUNT)).unwrap();
        let mut query = format!("skoid={}&sktid={}", self.object_id, self.tenant);
        let signature = key.sign(self.text().as_bytes());
        let signature = [("sig", signature)];
        for (name, value) in self.fields.iter().chain(&self.key_fields).chain(&signature) {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            query.extend(["&", *name, "=", &value]);
        }
        query
    }

    fn request(&self) -> Request {
        let mut request = Request::with_query(&self.query());
        request.service = self.service;
        request
    }
}

fn open(issuer: &Issuer, request: &Request) -> Result<Principal, Refusal> {
    request.authenticate_with(&issuer.identities())
}

/// Why a token is refused; empty if it is not.
fn why(issuer: &Issuer, token: &Token) -> String {
    match open(issuer, &token.request()) {
        Ok(Principal::Sas(_)) => String::new(),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => {
            assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
            auth_detail(&refusal).to_owned()
        }
    }
}

#[test]
fn official_clients_sign_the_same_strings() {
    let file: Value = serde_json::from_str(include_str!("../data/vectors-auth.json")).unwrap();
    let all = file["sas"].as_array().unwrap();
    let tokens: Vec<_> =
        all.iter().filter(|token| token.get("delegationKeyValue").is_some()).collect();
    assert_eq!(tokens.len(), 5);
    let issuer = Issuer::new();
    for token in tokens {
        let text = |name: &str| token[name].as_str().unwrap();
        let mut request = Request::with_query(text("query"));
        request.query += "&q1=v1&q2=v2";
        request.header("x-ms-a", "1");
        request.header("x-ms-b", "2");
        request.blob = Some("b1".into());
        request.now = at("2026-11-23T12:00:00Z");
        let refusal = open(&issuer, &request).unwrap_err();
        let expected =
            format!("Signature did not match. String to sign used was {}", text("stringToSign"));
        assert_eq!(auth_detail(&refusal), expected, "{}", text("name"));
        // What they signed with was this key's value.
        let key = AccountKey::from_base64(text("delegationKeyValue")).unwrap();
        let signature = key.sign(text("stringToSign").as_bytes());
        let encoded = utf8_percent_encode(&signature, NON_ALPHANUMERIC).to_string();
        assert!(text("query").ends_with(&format!("sig={encoded}")), "{}", text("name"));
    }
}

#[test]
fn a_token_opens_what_it_is_for_on_behalf_of_its_owner() {
    let issuer = Issuer::new();
    let token = Token::blob(OWNER, "rw").with("rsct", "text/plain").with("spr", "https");
    let Ok(Principal::Sas(grant)) = open(&issuer, &token.request()) else { panic!() };
    let delegation = grant.delegation.clone().unwrap();
    assert_eq!(delegation.object_id.as_str(), OWNER);
    assert!(delegation.here.contains(DataAction::BlobTagsWrite));
    assert_eq!(grant.overrides.content_type.as_deref(), Some("text/plain"));
    let principal = Principal::Sas(grant);
    assert_eq!(principal.object_id().unwrap().as_str(), OWNER);
    assert_eq!((principal.key_index(), principal.policy_id()), (None, None));

    let mut queue = Token::of(Service::Queue, OWNER, "p").with("sr", "q");
    queue.resource = format!("/queue/{ACCOUNT}/c1");
    assert_eq!(why(&issuer, &queue), "");
    let mut table = Token::of(Service::Table, OWNER, "r").with("tn", "C1").with("spk", "a");
    table.resource = format!("/table/{ACCOUNT}/c1");
    assert_eq!(why(&issuer, &table), "");
    // Without identities there are no such tokens.
    let refusal = token.request().authenticate().unwrap_err();
    assert!(auth_detail(&refusal).contains("User delegation"), "{refusal:?}");
}

#[test]
fn every_change_to_a_token_is_noticed() {
    let issuer = Issuer::new();
    let token = Token::blob(OWNER, "r").with("st", "2026-11-23T13:00:00Z").with("scid", OWNER);
    let query = token.query();
    assert_eq!(why(&issuer, &token), "");
    let fields: Vec<&str> = query.split('&').collect();
    for (place, field) in fields.iter().enumerate() {
        let (name, value) = field.split_once('=').unwrap();
        // Another letter or digit in its last place that has one.
        let at = value.rfind(|c: char| c.is_ascii_alphanumeric()).unwrap();
        let with = if value.as_bytes()[at] == b'1' { '2' } else { '1' };
        let changed = format!("{name}={}{with}{}", &value[..at], &value[at + 1..]);
        let mut others = fields.clone();
        others[place] = &changed;
        assert!(open(&issuer, &Request::with_query(&others.join("&"))).is_err(), "{changed}");
        others.remove(place);
        let outcome = open(&issuer, &Request::with_query(&others.join("&")));
        assert!(!matches!(outcome, Ok(Principal::Sas(_))), "without {name}");
    }
    let mut elsewhere = token.request();
    elsewhere.blob = Some("other".into());
    assert!(open(&issuer, &elsewhere).is_err());
}

#[test]
fn keys_follow_from_the_first_key_of_the_account_and_their_time() {
    const TIME: &str = "Signature not valid in the specified key time frame: ";
    const BETWEEN: &str = "The signed start and expiry are not within those of the key.";
    let issuer = Issuer::new();
    let token = Token::blob(OWNER, "r");
    let second = Token { key: key2(), ..token.clone() };
    let stranger = Token { tenant: NOBODY, ..token.clone() };
    let cases = vec![
        (second, "Signature did not match."),
        (stranger, "The user delegation key is of another tenant."),
        (token.clone().with_key("sks", "q"), "The user delegation key is not for this service."),
        (token.clone().with_key("skt", "2026-11-24T01:00:00Z"), TIME),
        (token.clone().with_key("ske", "2026-11-24T00:07:46Z"), TIME),
        (token.clone().with_key("ske", "2026-12-02T00:00:00Z"), TIME),
        (token.clone().with("se", "2026-11-24T12:00:01Z"), BETWEEN),
        (token.clone().with("st", "2026-11-23T11:59:59Z"), BETWEEN),
        (token.clone().with("se", "2026-11-24T12:00:00Z"), ""),
        (token.clone().with("se", ""), "se is mandatory. Cannot be empty"),
        (token.clone().with("sp", ""), "sp is mandatory. Cannot be empty"),
        (token.clone().with_key("skt", "today"), "Signature fields not well formed."),
        (token.clone().with_key("skv", ""), "skv is mandatory. Cannot be empty"),
        (token.clone().with("si", "policy"), "Signature fields not well formed."),
        (token.clone().with("ss", "b"), "Signature fields not well formed."),
        (token.clone().with("sv", "2018-03-28"), "Signature fields not well formed."),
        (token.clone().with("saoid", NOBODY), "saoid is for accounts with a hierarchical"),
        (token.with("suoid", NOBODY), "suoid is for accounts with a hierarchical"),
    ];
    for (token, detail) in cases {
        let found = why(&issuer, &token);
        assert!(found.starts_with(detail) && found.is_empty() == detail.is_empty(), "{found}");
    }
    let mut queue = Token::of(Service::Queue, OWNER, "r").with("sv", "2025-05-05");
    queue.resource = format!("/queue/{ACCOUNT}/c1");
    assert_eq!(why(&issuer, &queue), "Signature fields not well formed.");
    let scoped = queue.clone().with("sv", "2025-07-05").with("scid", OWNER);
    assert_eq!(why(&issuer, &scoped), "Signature fields not well formed.");
    assert_eq!(why(&issuer, &queue.clone().with("sv", "2025-07-05")), "");
    let other = queue.with("sv", "2025-07-05").with("sr", "b");
    assert_eq!(why(&issuer, &other), "Signature fields not well formed.");
}

#[test]
fn a_token_for_somebody_needs_his_own() {
    const LACKS: &str = "The signature is for an identity whose bearer token the request does not";
    const OTHER: &str = "The signature is for another identity than that of the bearer token.";
    let issuer = Issuer::new();
    let token = Token::blob(OWNER, "r").with("sduoid", NOBODY);
    let of_tenant = |tenant| token.clone().with_key("skdutid", tenant);
    for (token, bearer, detail) in [
        (token.clone(), None, LACKS),
        (token.clone(), Some(NOBODY), ""),
        (token.clone(), Some(OWNER), OTHER),
        (of_tenant(TENANT), Some(NOBODY), ""),
        (of_tenant(OWNER), Some(NOBODY), OTHER),
        (Token::blob(OWNER, "r").with_key("skdutid", TENANT), None, "sduoid is mandatory."),
    ] {
        let mut request = token.request();
        if let Some(bearer) = bearer {
            request.secure = true;
            request.header("authorization", &format!("Bearer {}", issuer.token(bearer)));
        }
        match open(&issuer, &request) {
            Ok(Principal::Sas(grant)) => {
                assert_eq!(detail, "");
                assert_eq!(grant.delegation.unwrap().object_id.as_str(), OWNER);
            }
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => {
                assert!(auth_detail(&refusal).starts_with(detail), "{}", auth_detail(&refusal));
                assert!(!detail.is_empty());
            }
        }
    }
    // A token for anybody is not looked at beside a bearer token.
    let mut request = Token::blob(OWNER, "r").request();
    request.secure = true;
    request.header("authorization", &format!("Bearer {}", issuer.token(NOBODY)));
    let Ok(Principal::Bearer(bearer)) = open(&issuer, &request) else { panic!() };
    assert_eq!(bearer.object_id.as_str(), NOBODY);
}

/// An operation that a letter and an action permit.
fn spec(letter: Permission) -> AccessSpec {
    const READ: &[SasPermissions] = &[SasPermissions::of(&[Permission::Read])];
    const WRITE: &[SasPermissions] = &[SasPermissions::of(&[Permission::Write])];
    const BLOB_READ: &[Actions] = &[Actions::of(&[DataAction::BlobRead])];
    const BLOB_WRITE: &[Actions] = &[Actions::of(&[DataAction::BlobWrite])];
    let (any_of, roles) =
        if letter == Permission::Read { (READ, BLOB_READ) } else { (WRITE, BLOB_WRITE) };
    AccessSpec {
        resource_types: ResourceTypes::OBJECT,
        any_of,
        any_of_since: None,
        account_sas: true,
        service_sas: ServiceSas::Allowed,
        anonymous: AnonymousAccess::Never,
        roles: RoleAccess::AnyOf(roles),
    }
}

fn decide(issuer: &Issuer, token: &Token, spec: &AccessSpec) -> Result<Granted, ErrorCode> {
    let request = token.request();
    let principal = open(issuer, &request).unwrap();
    let principal = principal.into_effective(None, &request.as_auth()).unwrap();
    let context = AccessContext {
        service: Service::Blob,
        requested_version: None,
        public_access: PublicAccess::Private,
        version: ApiVersion::NEWEST,
        tenant: None,
    };
    authorise(spec, &principal, &context).map_err(|refusal| refusal.code())
}

#[test]
fn letters_and_roles_both_bound_a_token() {
    let issuer = Issuer::new();
    let mismatch = Some(ErrorCode::AuthorizationPermissionMismatch);
    for (who, letters, asked, code) in [
        (OWNER, "rw", Permission::Read, None),
        (OWNER, "rw", Permission::Write, None),
        (OWNER, "r", Permission::Write, mismatch),
        (READER, "rw", Permission::Read, None),
        (READER, "rw", Permission::Write, mismatch),
        (SCOPED, "rw", Permission::Write, None),
        (NOBODY, "rw", Permission::Read, mismatch),
    ] {
        let outcome = decide(&issuer, &Token::blob(who, letters), &spec(asked));
        assert_eq!(outcome.as_ref().err().copied(), code, "{who} {letters} {asked:?}");
        if let Ok(granted) = outcome {
            assert!(!granted.is_owner() && granted.bearer().is_none());
            assert!(!granted.may(Permission::Tags), "a letter that the token does not have");
        }
    }
    // The role of another service does not lend its letters.
    let granted = decide(&issuer, &Token::blob(READER, "rd"), &spec(Permission::Read)).unwrap();
    assert!(granted.may(Permission::Read) && !granted.may(Permission::Delete));
    // A scope is that of the container that the token is used on.
    let mut other = Token::blob(SCOPED, "r");
    other.resource = format!("/blob/{ACCOUNT}/c2/b");
    let mut request = other.request();
    request.container = Some("c2".into());
    let Ok(Principal::Sas(grant)) = open(&issuer, &request) else { panic!() };
    assert!(grant.delegation.unwrap().here.is_empty());
}

//! Bearer tokens: whose are taken, and what their bearers may do.

use http::header::AUTHORIZATION;
use lazuli_auth::{
    AccessContext, AccessSpec, Actions, AnonymousAccess, DataAction, EffectivePrincipal, Granted,
    Permission, Principal, PublicAccess, ResourceTypes, RoleAccess, SasPermissions, ServiceSas,
    authorise,
};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{Request, auth_detail};
use crate::issuer::{GROUP, Issuer, NOBODY, OWNER, READER, SCOPED, TENANT};

fn request(token: &str) -> Request {
    let mut request = Request::new();
    request.secure = true;
    request.header("authorization", &format!("Bearer {token}"));
    request
}

/// Asserts the refusal of a token with a challenge, and its detail.
#[track_caller]
fn assert_challenged(refusal: &Refusal, detail: &str) {
    let code = ErrorCode::InvalidAuthenticationInfo;
    assert_eq!((refusal.code(), refusal.status()), (code, 401), "{detail}");
    assert_eq!(auth_detail(refusal), detail);
    let (name, value) = &refusal.headers()[0];
    assert_eq!(*name, "www-authenticate");
    assert!(value.contains(&format!("login.microsoftonline.com/{TENANT}/oauth2")), "{value}");
}

#[test]
fn tokens_name_their_bearer() {
    let issuer = Issuer::new();
    let identities = issuer.identities();
    for header in [
        json!({"alg": "ES256", "kid": "ec", "typ": "JWT"}),
        json!({"alg": "RS256", "kid": "rsa", "x5t": "ignored"}),
        json!({"alg": "RS256"}),
    ] {
        let request = request(&issuer.sign(&header, &Issuer::claims(&OWNER.to_uppercase())));
        let Ok(Principal::Bearer(bearer)) = request.authenticate_with(&identities) else {
            panic!("{header}: {:?}", request.authenticate_with(&identities))
        };
        assert_eq!((bearer.object_id.as_str(), bearer.tenant.as_str()), (OWNER, TENANT));
        assert!(bearer.here.contains(DataAction::BlobWrite), "{:?}", bearer.here);
        assert!(!bearer.here.contains(DataAction::QueueRead), "of another service");
    }
}

#[test]
fn every_claim_is_checked() {
    const EXPIRED: &str = "Lifetime validation failed. The token is expired.";
    const EARLY: &str = "Lifetime validation failed. The token is not yet valid.";
    const MISSING: &str = "A claim of the token is missing or malformed.";
    const ISSUER: &str = "Issuer validation failed. Issuer did not match.";
    const AUDIENCE: &str = "Audience validation failed. Audience did not match.";
    let issuer = Issuer::new();
    let identities = issuer.identities();
    let now = Issuer::claims(OWNER)["iat"].as_i64().unwrap() + 60;
    for (claim, value, detail) in [
        ("exp", json!(now - 60), EXPIRED),
        ("exp", json!(now - 59), ""),
        ("exp", json!(-1), MISSING),
        ("exp", json!("soon"), MISSING),
        ("exp", Value::Null, MISSING),
        ("nbf", json!(now + 61), EARLY),
        ("nbf", json!(now + 60), ""),
        ("nbf", Value::Null, MISSING),
        ("nbf", json!(now + 3600), EARLY),
        ("iat", json!(now + 61), EARLY),
        ("iat", Value::Null, MISSING),
        ("iss", json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0")), ""),
        ("iss", json!(format!("https://sts.windows.net/{NOBODY}/")), ISSUER),
        ("iss", json!(format!("https://sts.windows.net/{TENANT}")), ISSUER),
        ("iss", Value::Null, MISSING),
        ("tid", json!(NOBODY), "Issuer validation failed. The token is of another tenant."),
        ("tid", json!(TENANT.to_uppercase()), ""),
        ("tid", Value::Null, MISSING),
        ("aud", json!("https://storage.azure.com/"), ""),
        ("aud", json!(["x", "https://devstoreaccount1.queue.core.windows.net"]), ""),
        ("aud", json!("https://vault.azure.net"), AUDIENCE),
        ("aud", json!([]), AUDIENCE),
        ("aud", json!({"any": 1}), MISSING),
        ("oid", json!("key1"), "The oid claim is not a GUID."),
        ("oid", Value::Null, MISSING),
        ("scp", json!("openid user_impersonation"), ""),
        ("scp", json!("openid"), "The token's scopes do not permit the use of storage."),
        ("groups", json!(["x"]), ""),
        ("groups", json!("x"), MISSING),
    ] {
        let mut claims = Issuer::claims(OWNER);
        claims[claim] = value.clone();
        let token = issuer.sign(&json!({"alg": "ES256"}), &claims);
        match request(&token).authenticate_with(&identities) {
            Ok(Principal::Bearer(_)) => assert_eq!(detail, "", "{claim} {value}"),
            Err(refusal) => assert_challenged(&refusal, detail),
            other => panic!("{claim} {value}: {other:?}"),
        }
    }
}

#[test]
fn only_known_keys_sign() {
    const FOREIGN: &str = "Signature validation failed. The signature is not that of a known key.";
    const ALGORITHM: &str = "The signature algorithm of the token is not taken.";
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let identities = issuer.identities();
    let claims = Issuer::claims(OWNER);
    for (token, detail) in [
        (other.token(OWNER), FOREIGN),
        (issuer.sign(&json!({"alg": "ES256", "kid": "rsa"}), &claims), FOREIGN),
        (issuer.sign(&json!({"alg": "RS256", "kid": "none"}), &claims), FOREIGN),
        (issuer.sign(&json!({"alg": "none"}), &claims), ALGORITHM),
        (issuer.sign(&json!({"alg": "HS256"}), &claims), ALGORITHM),
        (issuer.sign(&json!({"alg": "es256"}), &claims), ALGORITHM),
        (
            issuer.sign(&json!({"alg": "ES256", "crit": ["b64"]}), &claims),
            "The token has extensions that are not known.",
        ),
        (issuer.sign(&json!({"kid": "ec"}), &claims), "The token is malformed."),
        ("abc".to_owned(), "The token is malformed."),
        (format!("{}.", issuer.token(OWNER)), FOREIGN),
        (format!("{}=", issuer.token(OWNER)), "The token is malformed."),
        ("a".repeat(40_000), "The token is too long."),
    ] {
        let refusal = request(&token).authenticate_with(&identities).unwrap_err();
        assert_challenged(&refusal, detail);
    }
}

#[test]
fn versions_and_protocols() {
    let issuer = Issuer::new();
    let identities = issuer.identities();
    let mut plain = request(&issuer.token(OWNER));
    plain.secure = false;
    let refusal = plain.authenticate_with(&identities).unwrap_err();
    assert_eq!(auth_detail(&refusal), "Authentication scheme Bearer is not allowed with HTTP.");
    for (service, version, taken) in [
        (Service::Blob, "2017-11-09", true),
        (Service::Blob, "2017-07-29", false),
        (Service::Queue, "2017-11-09", true),
        (Service::Queue, "2017-07-29", false),
        (Service::Table, "2019-02-02", true),
        (Service::Table, "2018-11-09", false),
    ] {
        let mut request = request(&issuer.token(OWNER));
        (request.service, request.version) = (service, ApiVersion::parse(version).unwrap());
        match request.authenticate_with(&identities) {
            Ok(_) => assert!(taken, "{service:?} {version}"),
            Err(refusal) => {
                assert!(!taken, "{service:?} {version}");
                assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
                let detail = "Authentication scheme Bearer is not supported in this version.";
                assert_eq!(auth_detail(&refusal), detail);
            }
        }
    }
    // Before challenges, a bad token is a failed authentication.
    let mut old = request("abc");
    old.version = ApiVersion::new(2019, 7, 7);
    let refusal = old.authenticate_with(&identities).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
    assert!(refusal.headers().is_empty());
}

fn bearer(request: &Request, issuer: &Issuer) -> lazuli_auth::Bearer {
    match request.authenticate_with(&issuer.identities()) {
        Ok(Principal::Bearer(bearer)) => *bearer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn roles_are_those_of_the_account_the_service_and_the_resource() {
    let issuer = Issuer::new();
    for (who, groups, service, container, holds) in [
        (OWNER, json!([]), Service::Blob, Some("c1"), &[DataAction::BlobWrite][..]),
        (OWNER, json!([]), Service::Dfs, Some("c1"), &[DataAction::BlobWrite]),
        (OWNER, json!([]), Service::Queue, None, &[DataAction::QueueRead]),
        (SCOPED, json!([]), Service::Blob, Some("c1"), &[DataAction::BlobWrite]),
        (SCOPED, json!([]), Service::Blob, Some("c2"), &[]),
        (SCOPED, json!([]), Service::Blob, None, &[]),
        (NOBODY, json!([]), Service::Blob, Some("c1"), &[]),
        (NOBODY, json!(["x", GROUP]), Service::Queue, Some("q"), &[DataAction::MessageRead]),
        (NOBODY, json!([GROUP]), Service::Blob, Some("c1"), &[]),
    ] {
        let mut claims = Issuer::claims(who);
        claims["groups"] = groups;
        let mut request = request(&issuer.sign(&json!({"alg": "ES256"}), &claims));
        (request.service, request.container) = (service, container.map(str::to_owned));
        let bearer = bearer(&request, &issuer);
        assert_eq!(bearer.here.is_empty(), holds.is_empty(), "{who} {service:?} {container:?}");
        assert!(holds.iter().all(|action| bearer.here.contains(*action)), "{who} {service:?}");
    }
}

const READ: AccessSpec = AccessSpec {
    resource_types: ResourceTypes::OBJECT,
    any_of: &[SasPermissions::of(&[Permission::Read])],
    any_of_since: None,
    account_sas: true,
    service_sas: ServiceSas::Allowed,
    anonymous: AnonymousAccess::BlobPublic,
    roles: RoleAccess::AnyOf(&[Actions::of(&[DataAction::BlobRead])]),
};

fn decide(roles: RoleAccess, who: &str, version: ApiVersion) -> Result<Granted, ErrorCode> {
    let issuer = Issuer::new();
    let principal =
        EffectivePrincipal::Bearer(Box::new(bearer(&request(&issuer.token(who)), &issuer)));
    let context = AccessContext {
        service: Service::Blob,
        requested_version: Some(version),
        public_access: PublicAccess::Blob,
        version,
        tenant: None,
    };
    let outcome = authorise(&AccessSpec { roles, ..READ }, &principal, &context);
    outcome.map_err(|refusal| {
        assert_eq!(refusal.status(), 403);
        refusal.code()
    })
}

#[test]
fn roles_decide() {
    const WRITE_OR_ADD: RoleAccess = RoleAccess::AnyOf(&[
        Actions::of(&[DataAction::BlobWrite]),
        Actions::of(&[DataAction::BlobAdd]),
    ]);
    const ACL: RoleAccess = RoleAccess::Since(
        ApiVersion::new(2025, 7, 5),
        &[Actions::of(&[DataAction::ContainerGetAcl])],
    );
    let (new, old) = (ApiVersion::NEWEST, ApiVersion::new(2025, 5, 5));
    let mismatch = Some(ErrorCode::AuthorizationPermissionMismatch);
    let failure = Some(ErrorCode::AuthorizationFailure);
    for (roles, who, version, code) in [
        (READ.roles, OWNER, new, None),
        (READ.roles, READER, new, None),
        (READ.roles, SCOPED, new, None),
        // That the container is public does not help who brings a token.
        (READ.roles, NOBODY, new, mismatch),
        (WRITE_OR_ADD, OWNER, new, None),
        (WRITE_OR_ADD, READER, new, mismatch),
        (ACL, OWNER, new, None),
        (ACL, READER, new, mismatch),
        (ACL, OWNER, old, failure),
        (RoleAccess::Management("blobServices/read"), OWNER, new, mismatch),
        (RoleAccess::EachPart, READER, new, None),
        (RoleAccess::EachPart, NOBODY, new, mismatch),
        (RoleAccess::Never, OWNER, new, failure),
    ] {
        assert_eq!(decide(roles, who, version).err(), code, "{roles:?} {who} {version}");
    }
    let granted = decide(READ.roles, READER, new).unwrap();
    assert!(!granted.is_owner() && !granted.may_overwrite());
    assert!(granted.may(Permission::Read) && !granted.may(Permission::Delete));
    assert_eq!(granted.bearer().unwrap().object_id.as_str(), READER);
    let granted = decide(READ.roles, SCOPED, new).unwrap();
    assert!(granted.may_overwrite() && granted.require_on("c1", Permission::Write).is_ok());
    assert!(granted.require_on("c2", Permission::Read).is_err());
    assert!(Granted::owner().require_on("c2", Permission::Read).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_token_is_taken(place in any::<prop::sample::Index>(), with in "[A-Za-z0-9._-]") {
        let issuer = Issuer::shared();
        let token = issuer.token(OWNER);
        let at = place.index(token.len());
        let changed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        let refusal = request(&changed).authenticate_with(&issuer.identities()).unwrap_err();
        prop_assert_eq!(refusal.status(), 401);
    }

    #[test]
    fn junk_is_refused(token in "\\PC{0,80}", parts in prop::collection::vec("[ -~]{0,40}", 3)) {
        use base64::Engine as _;
        let encode = |part: &String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part);
        let issuer = Issuer::shared();
        let identities = issuer.identities();
        for token in [token, parts.iter().map(encode).collect::<Vec<_>>().join(".")] {
            let mut request = request("");
            let value = http::HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
            if let Ok(value) = value {
                request.headers.insert(AUTHORIZATION, value);
            }
            prop_assert!(request.authenticate_with(&identities).is_err());
        }
    }
}

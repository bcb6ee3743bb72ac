//! The access decision, as small matrices of specs and callers.

use lazuli_auth::{
    AccessContext, AccessSpec, AccountSas, AnonymousAccess, EffectivePrincipal, Granted,
    Permission, PublicAccess, ResourceTypes, RoleAccess, SasPermissions, ServiceSas,
    ServiceSasToken, account_sas, authorise, service_sas,
};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};

use crate::fixture::{ACCOUNT, Request, auth_detail, key1};

const CREATE: SasPermissions = SasPermissions::of(&[Permission::Create]);
const WRITE: SasPermissions = SasPermissions::of(&[Permission::Write]);
const ADD_AND_UPDATE: SasPermissions = SasPermissions::of(&[Permission::Add, Permission::Update]);

/// An operation like Put Blob.
const PUT: AccessSpec = AccessSpec {
    resource_types: ResourceTypes::OBJECT,
    any_of: &[CREATE, WRITE],
    any_of_since: None,
    account_sas: true,
    service_sas: ServiceSas::Allowed,
    anonymous: AnonymousAccess::Never,
    roles: RoleAccess::Never,
};
/// An operation like Create Container.
const CREATE_CONTAINER: AccessSpec =
    AccessSpec { resource_types: ResourceTypes::CONTAINER, service_sas: ServiceSas::Never, ..PUT };
/// An operation like Set Container ACL.
const SET_ACL: AccessSpec = AccessSpec { account_sas: false, ..CREATE_CONTAINER };

const BLOB: AccessContext = AccessContext {
    service: Service::Blob,
    requested_version: Some(ApiVersion::NEWEST),
    public_access: PublicAccess::Private,
    version: ApiVersion::NEWEST,
    tenant: None,
};

fn account_principal(services: &str, types: &str, letters: &str) -> EffectivePrincipal {
    let token = AccountSas {
        account: ACCOUNT,
        version: ApiVersion::NEWEST,
        services,
        resource_types: types,
        permissions: letters,
        start: "",
        expiry: "2030-01-01",
        addresses: "",
        protocols: "",
        encryption_scope: "scope1",
    };
    Request::with_query(&account_sas(&key1(), &token)).effective().unwrap()
}

fn service_principal(version: ApiVersion, letters: &str) -> EffectivePrincipal {
    let token = ServiceSasToken {
        account: ACCOUNT,
        container: "c1",
        name: "b",
        version,
        resource: "b",
        moment: "",
        fields: &[("sp", letters), ("se", "2030-01-01"), ("rsct", "text/plain")],
    };
    Request::with_query(&service_sas(&key1(), &token)).effective().unwrap()
}

fn code(outcome: Result<Granted, Refusal>) -> Option<ErrorCode> {
    outcome.err().map(|refusal| {
        let status = if refusal.code() == ErrorCode::ResourceNotFound { 404 } else { 403 };
        assert_eq!(refusal.status(), status);
        refusal.code()
    })
}

#[test]
fn the_owner_may_call_everything() {
    for spec in [PUT, CREATE_CONTAINER, SET_ACL] {
        let granted = authorise(&spec, &EffectivePrincipal::Owner, &BLOB).unwrap();
        assert!(granted.is_owner() && granted.may_overwrite());
        assert!(Permission::ALL.into_iter().all(|letter| granted.may(letter)));
    }
}

/// Every pair of letters against every requirement of one or two sets of up to two letters.
#[test]
fn one_sufficient_set_is_enough() {
    let pairs = || {
        Permission::ALL.into_iter().flat_map(|a| Permission::ALL.into_iter().map(move |b| (a, b)))
    };
    let specs = [
        (&[SasPermissions::NONE][..], "any"),
        (&[][..], "none"),
        (&[WRITE], "w"),
        (&[CREATE, WRITE], "c or w"),
        (&[ADD_AND_UPDATE], "a and u"),
    ];
    for (a, b) in pairs() {
        let letters = format!("{}{}", a.letter(), b.letter());
        let has = |letter: char| letters.contains(letter);
        for principal in
            [account_principal("b", "o", &letters), service_principal(ApiVersion::NEWEST, &letters)]
        {
            for (any_of, name) in specs {
                let expected = match name {
                    "any" => true,
                    "none" => false,
                    "w" => has('w'),
                    "c or w" => has('c') || has('w'),
                    _ => has('a') && has('u'),
                };
                let outcome = authorise(&AccessSpec { any_of, ..PUT }, &principal, &BLOB);
                match outcome {
                    Ok(granted) => {
                        assert!(expected, "{letters} {name}");
                        assert!(!granted.is_owner());
                        assert_eq!(granted.may_overwrite(), has('w'));
                        for letter in Permission::ALL {
                            assert_eq!(granted.may(letter), has(letter.letter()));
                            assert_eq!(granted.require(letter).is_ok(), has(letter.letter()));
                        }
                    }
                    refused => {
                        assert!(!expected, "{letters} {name}");
                        assert_eq!(code(refused), Some(ErrorCode::AuthorizationPermissionMismatch));
                    }
                }
            }
        }
    }
}

#[test]
fn a_set_suffices_since_the_version_of_the_token() {
    let first = ApiVersion::new(2020, 2, 10);
    let spec = AccessSpec { any_of: &[WRITE], any_of_since: Some((first, CREATE)), ..PUT };
    for (version, letters, permitted) in [
        (ApiVersion::new(2019, 12, 12), "c", false),
        (ApiVersion::new(2019, 12, 12), "w", true),
        (first, "c", true),
        (first, "a", false),
        (ApiVersion::NEWEST, "c", true),
    ] {
        let outcome = authorise(&spec, &service_principal(version, letters), &BLOB);
        let refused = (!permitted).then_some(ErrorCode::AuthorizationPermissionMismatch);
        assert_eq!(code(outcome), refused, "{version} {letters}");
    }
}

#[test]
fn an_account_sas_is_held_against_service_type_and_permission_in_this_order() {
    for (service, services, types, letters, expected) in [
        (Service::Blob, "b", "o", "w", None),
        (Service::Dfs, "b", "o", "w", None),
        (Service::Blob, "qtfb", "sco", "c", None),
        (Service::Blob, "q", "s", "r", Some(ErrorCode::AuthorizationServiceMismatch)),
        (Service::Queue, "b", "o", "w", Some(ErrorCode::AuthorizationServiceMismatch)),
        (Service::Table, "q", "o", "w", Some(ErrorCode::AuthorizationServiceMismatch)),
        (Service::Blob, "b", "sc", "r", Some(ErrorCode::AuthorizationResourceTypeMismatch)),
        (Service::Blob, "b", "o", "r", Some(ErrorCode::AuthorizationPermissionMismatch)),
    ] {
        let principal = account_principal(services, types, letters);
        let outcome = authorise(&PUT, &principal, &AccessContext { service, ..BLOB });
        assert_eq!(code(outcome), expected, "{service:?} {services} {types} {letters}");
    }
    let any_level = AccessSpec { resource_types: ResourceTypes::ANY, ..PUT };
    for types in ["s", "c", "o"] {
        assert!(authorise(&any_level, &account_principal("b", types, "w"), &BLOB).is_ok());
    }
}

#[test]
fn what_no_token_or_no_service_token_may_call() {
    let failure = Some(ErrorCode::AuthorizationFailure);
    let account = account_principal("b", "sco", "racwdl");
    let service = service_principal(ApiVersion::NEWEST, "racwdl");
    assert_eq!(code(authorise(&SET_ACL, &account, &BLOB)), failure);
    assert_eq!(code(authorise(&SET_ACL, &service, &BLOB)), failure);
    assert_eq!(code(authorise(&CREATE_CONTAINER, &account, &BLOB)), None);
    assert_eq!(code(authorise(&CREATE_CONTAINER, &service, &BLOB)), failure);
}

#[test]
fn before_2015_04_05_what_is_out_of_reach_does_not_exist() {
    let old = service_principal(ApiVersion::new(2014, 2, 14), "r");
    let not_found = Some(ErrorCode::ResourceNotFound);
    assert_eq!(code(authorise(&PUT, &old, &BLOB)), not_found);
    assert_eq!(code(authorise(&SET_ACL, &old, &BLOB)), not_found);
    let new = service_principal(ApiVersion::new(2015, 4, 5), "r");
    assert_eq!(
        code(authorise(&PUT, &new, &BLOB)),
        Some(ErrorCode::AuthorizationPermissionMismatch)
    );
}

#[test]
fn create_alone_does_not_overwrite() {
    let granted = authorise(&PUT, &account_principal("b", "o", "c"), &BLOB).unwrap();
    let refusal = granted.require_overwrite().unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), (ErrorCode::UnauthorizedBlobOverwrite, 403));
    let granted = authorise(&PUT, &account_principal("b", "o", "w"), &BLOB).unwrap();
    assert_eq!(granted.require_overwrite(), Ok(()));
    assert!(Granted::owner().require_overwrite().is_ok());
}

#[test]
fn what_the_token_prescribes_reaches_the_handler() {
    let granted = authorise(&PUT, &account_principal("b", "o", "w"), &BLOB).unwrap();
    assert_eq!(granted.encryption_scope(), Some("scope1"));
    let principal = service_principal(ApiVersion::NEWEST, "w");
    let granted = authorise(&PUT, &principal, &BLOB).unwrap();
    assert_eq!(granted.overrides().content_type.as_deref(), Some("text/plain"));
    assert_eq!(granted.encryption_scope(), None);
}

#[test]
fn anonymous_callers_read_what_is_public() {
    use AnonymousAccess::{Always, BlobPublic, ContainerPublic, Never};
    use PublicAccess::{Blob, Container, Forbidden, Private};

    for (anonymous, open) in [
        (Never, &[][..]),
        (BlobPublic, &[Blob, Container]),
        (ContainerPublic, &[Container]),
        (Always, &[Private, Blob, Container, Forbidden]),
    ] {
        for public_access in [Private, Blob, Container, Forbidden] {
            let outcome = authorise(
                &AccessSpec { anonymous, ..PUT },
                &EffectivePrincipal::Anonymous,
                &AccessContext { public_access, ..BLOB },
            );
            assert_eq!(outcome.is_ok(), open.contains(&public_access), "{anonymous:?}");
            if let Ok(granted) = outcome {
                assert!(granted.may(Permission::Read) && !granted.is_owner());
                assert!(!granted.may(Permission::Write) && !granted.may(Permission::Tags));
            }
        }
    }
}

#[test]
fn anonymous_refusals_depend_on_the_version() {
    use ErrorCode::{
        AuthenticationFailed, NoAuthenticationInformation, PublicAccessNotPermitted,
        ResourceNotFound,
    };
    for (version, service, public_access, status, expected) in [
        ("2019-12-12", Service::Blob, PublicAccess::Private, 401, NoAuthenticationInformation),
        ("2026-10-06", Service::Blob, PublicAccess::Forbidden, 401, NoAuthenticationInformation),
        ("2026-10-06", Service::Queue, PublicAccess::Private, 401, NoAuthenticationInformation),
        ("2019-07-07", Service::Blob, PublicAccess::Private, 404, ResourceNotFound),
        ("2019-07-07", Service::Dfs, PublicAccess::Forbidden, 404, ResourceNotFound),
        ("", Service::Blob, PublicAccess::Private, 404, ResourceNotFound),
        ("", Service::Blob, PublicAccess::Blob, 404, ResourceNotFound),
        ("", Service::Blob, PublicAccess::Forbidden, 409, PublicAccessNotPermitted),
        ("", Service::Table, PublicAccess::Private, 403, AuthenticationFailed),
    ] {
        let context = AccessContext {
            service,
            requested_version: ApiVersion::parse(version),
            public_access,
            ..BLOB
        };
        let refusal = authorise(&PUT, &EffectivePrincipal::Anonymous, &context).unwrap_err();
        assert_eq!((refusal.code(), refusal.status()), (expected, status), "{version}");
        let challenge = [(
            "www-authenticate",
            "Bearer authorization_uri=https://login.microsoftonline.com/\
             00000000-0000-0000-0000-000000000000/oauth2/authorize \
             resource_id=https://storage.azure.com"
                .to_owned(),
        )];
        let expected: &[(&str, String)] = if status == 401 { &challenge } else { &[] };
        assert_eq!(refusal.headers(), expected);
        assert_eq!(auth_detail(&refusal).is_empty(), status != 403);
    }
}

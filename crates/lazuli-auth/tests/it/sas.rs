//! Shared access signatures: every layout, what a token reaches, and what is refused.

use lazuli_auth::{
    AccessPolicy, AccountSas, EffectivePrincipal, Permission, Principal, SasGrant, SasKind,
    SasPermissions, SasResource, ServiceSasToken, account_sas, queue_sas, service_sas,
};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};

use crate::fixture::{ACCOUNT, Request, at, auth_detail, detail, key1, key2};

const READ: &[(&str, &str)] = &[("sp", "r"), ("se", "2030-01-01")];
const MALFORMED: &str = "Signature fields not well formed.";
const LEVEL: &str = "The specified signed resource is not allowed for the this resource level";

fn version(text: &str) -> ApiVersion {
    ApiVersion::parse(text).unwrap()
}

fn account_token() -> AccountSas<'static> {
    AccountSas {
        account: ACCOUNT,
        version: version("2022-11-02"),
        services: "b",
        resource_types: "sco",
        permissions: "rl",
        start: "",
        expiry: "2030-01-01T00:00:00Z",
        addresses: "",
        protocols: "",
        encryption_scope: "",
    }
}

fn blob_token<'a>(fields: &'a [(&'a str, &'a str)]) -> ServiceSasToken<'a> {
    ServiceSasToken {
        account: ACCOUNT,
        container: "c1",
        name: "b",
        version: version("2022-11-02"),
        resource: "b",
        moment: "",
        fields,
    }
}

fn container_token<'a>(fields: &'a [(&'a str, &'a str)]) -> ServiceSasToken<'a> {
    ServiceSasToken { name: "", resource: "c", ..blob_token(fields) }
}

fn request(token: &ServiceSasToken<'_>) -> Request {
    Request::with_query(&service_sas(&key1(), token))
}

fn grant_of(request: &Request) -> SasGrant {
    match request.authenticate() {
        Ok(Principal::Sas(grant)) => *grant,
        other => panic!("{other:?}"),
    }
}

fn assert_failed(refusal: &Refusal, detail: &str) {
    assert_eq!((refusal.code(), refusal.status()), (ErrorCode::AuthenticationFailed, 403));
    assert_eq!(auth_detail(refusal), detail);
}

#[test]
fn every_layout_of_a_service_sas_verifies_with_both_keys() {
    // The lines of the string-to-sign that the layout adds to sp, st, se, resource and si.
    for (sv, tail) in [
        ("2012-02-12", "\n2012-02-12"),
        ("2013-08-15", "\n2013-08-15\ncc\n\n\n\n"),
        ("2014-02-14", "\n2014-02-14\ncc\n\n\n\n"),
        ("2015-02-21", "\n2015-02-21\ncc\n\n\n\n"),
        ("2015-04-05", "\n10.0.0.5\nhttps,http\n2015-04-05\ncc\n\n\n\n"),
        ("2018-03-28", "\n10.0.0.5\nhttps,http\n2018-03-28\ncc\n\n\n\n"),
        ("2018-11-09", "\n10.0.0.5\nhttps,http\n2018-11-09\nb\n\ncc\n\n\n\n"),
        ("2020-12-06", "\n10.0.0.5\nhttps,http\n2020-12-06\nb\n\nscope\ncc\n\n\n\n"),
        ("2027-03-07", "\n10.0.0.5\nhttps,http\n2027-03-07\nb\n\nscope\ncc\n\n\n\n"),
    ] {
        let prefix = if sv < "2015-02-21" { "" } else { "/blob" };
        let text = format!("r\n2026-01-01\n2030-01-01\n{prefix}/devstoreaccount1/c1/b\n{tail}");
        for key in [key1(), key2()] {
            let signature = key.sign(text.as_bytes()).replace('+', "%2B");
            let request = Request::with_query(&format!(
                "sv={sv}&sr=b&sp=r&st=2026-01-01&se=2030-01-01&sip=10.0.0.5&spr=https,http\
                 &ses=scope&rscc=cc&sig={signature}"
            ));
            let grant = grant_of(&request);
            assert_eq!(grant.version, version(sv));
            assert_eq!(grant.start, Some(at("2026-01-01")));
            // What the layout does not sign has no meaning.
            assert_eq!(grant.addresses.is_some(), sv >= "2015-04-05");
            assert_eq!(grant.overrides.cache_control.is_some(), sv >= "2013-08-15");
            assert_eq!(grant.encryption_scope.is_some(), sv >= "2020-12-06");
        }
    }
}

#[test]
fn a_container_token_opens_its_blobs_and_a_blob_token_one_blob() {
    let mut request = request(&container_token(READ));
    let container = SasKind::Service(SasResource::Container { container: "c1".into() });
    for blob in [None, Some("b"), Some("other/blob")] {
        request.blob = blob.map(str::to_owned);
        assert_eq!(grant_of(&request).kind, container);
    }
    request.container = Some("c2".into());
    assert!(auth_detail(&request.authenticate().unwrap_err()).contains("/c2\n"));

    let mut request = Request::with_query(&service_sas(&key1(), &blob_token(READ)));
    let blob = SasResource::Blob { container: "c1".into(), blob: "b".into() };
    assert_eq!(grant_of(&request).kind, SasKind::Service(blob));
    request.blob = Some("B".into());
    assert!(auth_detail(&request.authenticate().unwrap_err()).contains("/c1/B\n"));
    request.blob = None;
    assert_failed(&request.authenticate().unwrap_err(), LEVEL);
    request.container = None;
    assert_failed(&request.authenticate().unwrap_err(), LEVEL);
}

#[test]
fn a_token_cannot_be_widened_from_blob_to_container() {
    for sv in ["2015-04-05", "2026-10-06"] {
        let token = ServiceSasToken { version: version(sv), ..blob_token(READ) };
        let mut request = request(&token);
        request.query = request.query.replace("sr=b", "sr=c");
        assert!(request.authenticate().is_err(), "{sv}");
    }
}

#[test]
fn snapshot_and_version_tokens_open_one_moment() {
    let moment = "2026-11-22T10:00:00.1234567Z";
    for (sr, parameter, other) in [("bs", "snapshot", "versionid"), ("bv", "versionid", "snapshot")]
    {
        let token =
            service_sas(&key1(), &ServiceSasToken { resource: sr, moment, ..blob_token(READ) });
        let kind = grant_of(&Request::with_query(&format!("{token}&{parameter}={moment}"))).kind;
        let (container, blob) = ("c1".to_owned(), "b".to_owned());
        assert_eq!(
            kind,
            SasKind::Service(if sr == "bs" {
                SasResource::Snapshot { container, blob, snapshot: moment.into() }
            } else {
                SasResource::Version { container, blob, version_id: moment.into() }
            })
        );
        let later = "2026-11-22T10:00:00.1234568Z";
        let error = |query: String| Request::with_query(&query).authenticate().unwrap_err();
        assert!(auth_detail(&error(format!("{token}&{parameter}={later}"))).contains(later));
        assert_failed(&error(token.clone()), LEVEL);
        assert_failed(&error(format!("{token}&{other}={moment}")), LEVEL);
        let both = format!("{token}&{parameter}={moment}&{other}={later}");
        assert_failed(&error(both), LEVEL);
        let twice = format!("{token}&{parameter}={moment}&{parameter}={later}");
        assert_failed(&error(twice), MALFORMED);
    }
}

#[test]
fn a_directory_token_opens_what_is_below() {
    let fields = [READ, &[("sdd", "2")]].concat();
    let token = ServiceSasToken { resource: "d", name: "d1/d2", ..blob_token(&fields) };
    let mut request = request(&token);
    for (blob, opens) in [
        (Some("d1/d2"), true),
        (Some("d1/d2/"), true),
        (Some("d1/d2/x"), true),
        (Some("d1/d2/x/y"), true),
        (Some("d1/d3/x"), false),
        (Some("d1/d22"), false),
        (Some("d1"), false),
        (None, false),
    ] {
        request.blob = blob.map(str::to_owned);
        assert_eq!(request.authenticate().is_ok(), opens, "{blob:?}");
    }
    // The depth is not signed, but the path it yields is.
    request.blob = Some("d1/d2/x".into());
    request.query = request.query.replace("sdd=2", "sdd=1");
    assert!(request.authenticate().is_err());
    request.query = request.query.replace("sdd=1", "sdd=-1");
    assert_failed(&request.authenticate().unwrap_err(), MALFORMED);
}

#[test]
fn resources_are_known_from_their_version_on() {
    for (sr, since, before) in [
        ("bs", "2018-11-09", "2018-03-28"),
        ("bv", "2019-10-10", "2019-07-07"),
        ("d", "2020-02-10", "2019-12-12"),
    ] {
        let fields = [READ, &[("sdd", "1")]].concat();
        let parameter = if sr == "bs" { "snapshot=1" } else { "versionid=1" };
        let moment = if sr == "d" { "" } else { "1" };
        for (sv, known) in [(since, true), (before, false)] {
            let token = ServiceSasToken {
                version: version(sv),
                resource: sr,
                moment,
                ..blob_token(&fields)
            };
            let query = format!("{}&{parameter}", service_sas(&key1(), &token));
            let outcome = Request::with_query(&query).authenticate();
            assert_eq!(outcome.is_ok(), known, "{sr} {sv}");
        }
    }
}

#[test]
fn malformed_fields_are_refused_although_signed() {
    for (name, value) in [
        ("sp", "rz"),
        ("sp", "r w"),
        ("st", "yesterday"),
        ("se", "2026-11-24T00:00:00"),
        ("sip", "10.0.0"),
        ("spr", "http"),
        ("rscc", "a\r\nx: y"),
        ("si", "a\nb"),
    ] {
        let request = request(&blob_token(&[(name, value)]));
        assert_failed(&request.authenticate().unwrap_err(), MALFORMED);
    }
    for sas in [
        AccountSas { services: "bx", ..account_token() },
        AccountSas { resource_types: "x", ..account_token() },
        AccountSas { version: version("2014-02-14"), ..account_token() },
    ] {
        let request = Request::with_query(&account_sas(&key1(), &sas));
        assert_failed(&request.authenticate().unwrap_err(), MALFORMED);
    }
    for suffix in ["&sp=w", "&SE=2031-01-01", "&sr=b", "&si=policy"] {
        let request = Request::with_query(&(account_sas(&key1(), &account_token()) + suffix));
        assert_failed(&request.authenticate().unwrap_err(), MALFORMED);
    }
    for (query, detail) in [
        ("sig=AAAA", "sv is mandatory. Cannot be empty"),
        ("sig=AAAA&sv=", "sv is mandatory. Cannot be empty"),
        ("sig=AAAA&sv=latest", MALFORMED),
        ("sig=AAAA&sv=2011-08-18&sr=b", MALFORMED),
        ("sig=AAAA&sv=2020-12-06&sp=r", "sr is mandatory. Cannot be empty"),
        ("sig=AAAA&sv=2020-12-06&sr=x", MALFORMED),
        ("sig=AAAA&sv=2020-12-06&srt=o", "ss is mandatory. Cannot be empty"),
    ] {
        assert_failed(&Request::with_query(query).authenticate().unwrap_err(), detail);
    }
}

#[test]
fn what_a_token_cannot_do_without() {
    for (sas, field) in [
        (AccountSas { services: "", ..account_token() }, "ss"),
        (AccountSas { resource_types: "", ..account_token() }, "srt"),
        (AccountSas { permissions: "", ..account_token() }, "sp"),
        (AccountSas { expiry: "", ..account_token() }, "se"),
    ] {
        let request = Request::with_query(&account_sas(&key1(), &sas));
        let detail = format!("{field} is mandatory. Cannot be empty");
        assert_failed(&request.authenticate().unwrap_err(), &detail);
    }
    for (fields, field) in [([("sp", "r")], "se"), ([("se", "2030-01-01")], "sp")] {
        let refusal = request(&blob_token(&fields)).effective().unwrap_err();
        assert_failed(&refusal, &format!("{field} is mandatory. Cannot be empty"));
    }
}

#[test]
fn service_tokens_of_other_services_are_refused() {
    for service in [Service::Queue, Service::Table] {
        let request = Request { service, ..request(&blob_token(READ)) };
        let refusal = request.authenticate().unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
        assert!(auth_detail(&refusal).contains("not supported"));
    }
    let dfs = Request { service: Service::Dfs, ..request(&blob_token(READ)) };
    assert!(dfs.authenticate().is_ok());
}

fn queue_request(queue: Option<&str>, token: &str) -> Request {
    let container = queue.map(str::to_owned);
    let mut request =
        Request { service: Service::Queue, container, blob: None, ..Request::with_query(token) };
    request.headers.clear();
    request
}

#[test]
fn queue_tokens_of_the_sdk_are_for_their_queue() {
    // Made by the Python SDK, azure-storage-queue 12.18.1.
    let token = "st=2026-01-01T00%3A00%3A00Z&se=2030-01-01T00%3A00%3A00Z&sp=rp&sip=127.0.0.1\
                 &spr=https%2Chttp&sv=2026-10-06\
                 &sig=jzDvQR8FA1biNWgwDlz2lN6it7gqDm1NHCv9tRugEJE%3D";
    let grant = grant_of(&queue_request(Some("tasks"), token));
    assert_eq!(grant.kind, SasKind::Service(SasResource::Queue { queue: "tasks".to_owned() }));
    assert_eq!(grant.permissions, SasPermissions::parse("rp").ok());
    let of_policy = "sv=2026-10-06&si=pol1&sig=PtumWGG5hD/KUadp%2B1UFZmVjoT/ngZ/rVG4TUebc%2Bsg%3D";
    let grant = grant_of(&queue_request(Some("tasks"), of_policy));
    assert_eq!(grant.policy_id.as_deref(), Some("pol1"));
    let other = queue_request(Some("others"), token).authenticate().unwrap_err();
    assert!(auth_detail(&other).starts_with("Signature did not match."));
    let more = queue_request(Some("tasks"), &token.replace("sp=rp", "sp=rap"));
    assert!(auth_detail(&more.authenticate().unwrap_err()).starts_with("Signature did not match."));
    let nowhere = queue_request(None, token).authenticate().unwrap_err();
    assert_eq!(nowhere.code(), ErrorCode::AuthenticationFailed);
    let blobs = Request { service: Service::Blob, ..queue_request(Some("tasks"), token) };
    assert_failed(&blobs.authenticate().unwrap_err(), "sr is mandatory. Cannot be empty");
}

#[test]
fn each_version_of_a_queue_token_has_its_layout() {
    for (sv, signed) in [
        ("2012-02-12", "r\n\n2030-01-01\n/devstoreaccount1/tasks\n\n2012-02-12"),
        ("2014-02-14", "r\n\n2030-01-01\n/devstoreaccount1/tasks\n\n2014-02-14"),
        ("2015-02-21", "r\n\n2030-01-01\n/queue/devstoreaccount1/tasks\n\n2015-02-21"),
        ("2015-04-05", "r\n\n2030-01-01\n/queue/devstoreaccount1/tasks\n\n\n\n2015-04-05"),
        ("2026-10-06", "r\n\n2030-01-01\n/queue/devstoreaccount1/tasks\n\n\n\n2026-10-06"),
    ] {
        let place = (ACCOUNT, "tasks");
        let token = queue_sas(&key2(), place, version(sv), READ);
        assert_eq!(grant_of(&queue_request(Some("tasks"), &token)).key_index, 1);
        let (fields, _) = token.split_once("&sig=").unwrap();
        let refusal = queue_request(Some("tasks"), &format!("{fields}&sig=AAAA")).authenticate();
        let expected = format!("Signature did not match. String to sign used was {signed}");
        assert_eq!(auth_detail(&refusal.unwrap_err()), expected);
    }
}

#[test]
fn a_signature_with_an_unencoded_plus_verifies() {
    let mut day = 1;
    let token = loop {
        let expiry = format!("2030-01-{day:02}");
        let token = service_sas(&key1(), &blob_token(&[("sp", "r"), ("se", &expiry)]));
        if token.contains("%2B") {
            break token;
        }
        day += 1;
        assert!(day < 29, "no signature with a plus");
    };
    assert!(Request::with_query(&token.replace("%2B", "+")).authenticate().is_ok());
}

#[test]
fn the_period_starts_at_st_and_ends_before_se() {
    let fields = [("sp", "r"), ("st", "2026-11-24T00:00Z"), ("se", "2026-11-24T01:00:00.5Z")];
    for (now, valid) in [
        ("2026-11-23T23:59:59.9999999Z", false),
        ("2026-11-24T00:00:00Z", true),
        ("2026-11-24T01:00:00.4999999Z", true),
        ("2026-11-24T01:00:00.5Z", false),
    ] {
        let request = Request { now: at(now), ..request(&blob_token(&fields)) };
        assert_eq!(request.effective().is_ok(), valid, "{now}");
    }
    let request = Request { now: at("2026-11-24T02:00:00Z"), ..request(&blob_token(&fields)) };
    assert_failed(
        &request.effective().unwrap_err(),
        "Signature not valid in the specified time frame: Start [Tue, 24 Nov 2026 00:00:00 GMT] - \
         Expiry [Tue, 24 Nov 2026 01:00:00 GMT] - Current [Tue, 24 Nov 2026 02:00:00 GMT]",
    );
}

#[test]
fn addresses_and_protocols_are_checked_after_the_period() {
    let fields =
        [("sp", "r"), ("se", "2026-11-25"), ("sip", "10.0.0.1-10.0.0.4"), ("spr", "https")];
    let mut request = request(&blob_token(&fields));

    request.now = at("2026-11-25");
    assert_eq!(request.effective().unwrap_err().code(), ErrorCode::AuthenticationFailed);

    request.now = at("2026-11-24");
    let refusal = request.effective().unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), (ErrorCode::AuthorizationSourceIPMismatch, 403));
    assert!(refusal.message().ends_with("using this source IP 10.0.0.5."));
    assert_eq!(detail(&refusal, "SourceIP"), "10.0.0.5");

    request.remote = "::ffff:10.0.0.4".parse().unwrap();
    let refusal = request.effective().unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), (ErrorCode::AuthorizationProtocolMismatch, 403));

    request.secure = true;
    assert!(request.effective().is_ok());
}

/// What the token and the policy say of start, expiry and permissions, and what comes of it.
#[test]
fn each_field_is_in_the_token_or_in_the_policy_and_not_in_both() {
    let letters = SasPermissions::of(&[Permission::Read]);
    for bits in 0..64_u8 {
        let has = |bit: u8| bits & (1 << bit) != 0;
        let mut fields = vec![("si", "p1")];
        fields.extend(has(0).then_some(("st", "2026-01-01")));
        fields.extend(has(1).then_some(("se", "2030-01-01")));
        fields.extend(has(2).then_some(("sp", "r")));
        let policy = AccessPolicy {
            start: has(3).then(|| at("2026-01-01")),
            expiry: has(4).then(|| at("2030-01-01")),
            permissions: has(5).then_some(letters),
        };
        let request = request(&blob_token(&fields));
        let principal = request.authenticate().unwrap();
        assert_eq!(principal.policy_id(), Some("p1"));
        let outcome = principal.into_effective(Some(&policy), &request.as_auth());

        let doubled = (has(0) && has(3)) || (has(1) && has(4)) || (has(2) && has(5));
        let complete = (has(1) || has(4)) && (has(2) || has(5));
        assert_eq!(outcome.is_ok(), complete && !doubled, "{bits:06b}");
        match outcome {
            Ok(EffectivePrincipal::Sas(grant)) => assert_eq!(grant.permissions(), letters),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => {
                assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
                let detail = auth_detail(&refusal);
                let both = detail.ends_with("in the signature and in the stored access policy.");
                assert!(both == doubled || detail.ends_with("is mandatory. Cannot be empty"));
            }
        }
    }
}

#[test]
fn a_policys_period_counts_and_a_missing_policy_is_refused() {
    let request = request(&container_token(&[("si", "p1")]));
    let mut policy = AccessPolicy {
        start: None,
        expiry: Some(at("2026-11-24T00:07:46Z")),
        permissions: Some(SasPermissions::ALL),
    };
    let effective = |policy: Option<&AccessPolicy>| {
        request.authenticate().unwrap().into_effective(policy, &request.as_auth())
    };
    let refusal = effective(Some(&policy)).unwrap_err();
    assert!(auth_detail(&refusal).starts_with("Signature not valid in the specified time frame"));
    policy.expiry = Some(at("2026-11-24T00:07:47Z"));
    assert!(effective(Some(&policy)).is_ok());
    assert_failed(
        &effective(None).unwrap_err(),
        "The signed identifier 'p1' does not name a stored access policy.",
    );
}

#[test]
fn a_policy_that_the_token_does_not_name_has_no_say() {
    let request = request(&blob_token(READ));
    let principal = request.authenticate().unwrap();
    assert_eq!(principal.policy_id(), None);
    let policy = AccessPolicy { permissions: Some(SasPermissions::ALL), ..AccessPolicy::default() };
    match principal.into_effective(Some(&policy), &request.as_auth()) {
        Ok(EffectivePrincipal::Sas(grant)) => {
            assert_eq!(grant.permissions(), SasPermissions::of(&[Permission::Read]));
        }
        other => panic!("{other:?}"),
    }
}

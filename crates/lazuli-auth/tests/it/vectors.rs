//! Tokens and requests that the official SDKs signed.

use http::{HeaderMap, HeaderName, HeaderValue};
use lazuli_auth::{Principal, SasKind};
use lazuli_model::{ApiVersion, ErrorCode, Service};
use serde_json::Value;

use crate::fixture::{ACCOUNT, Request, at, auth_detail};

fn vectors(kind: &str) -> Vec<Value> {
    let text = include_str!("../data/vectors-auth.json");
    let mut file: Value = serde_json::from_str(text).unwrap();
    serde_json::from_value(file[kind].take()).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// The request a token of the vectors was made for.
fn request_of_token(name: &str, string_to_sign: &str, query: &str) -> Request {
    let mut request = Request::with_query(query);
    request.headers.clear();
    request.now = at("2026-11-23T12:00:00Z");
    let resource = string_to_sign.split('\n').find_map(|line| line.strip_prefix("/blob/"));
    if let Some(resource) = resource {
        let (container, blob) =
            resource.split_once('/').unwrap().1.split_once('/').unwrap_or(("c1", ""));
        request.container = Some(container.into());
        request.blob = (!blob.is_empty()).then(|| blob.into());
    }
    match name {
        "service SAS snapshot" => request.query += "&snapshot=2026-11-22T10:00:00.1234567Z",
        "service SAS version + encryption scope" => {
            request.query += "&VersionId=2026-11-22T10%3A00%3A00.1234567Z";
        }
        // The directory's token opens what is below it.
        "service SAS directory" => request.blob = Some("d1/d2/x/y".into()),
        _ => {}
    }
    request
}

#[test]
fn every_token_verifies_and_every_change_to_it_does_not() {
    let tokens = vectors("sas");
    assert_eq!(tokens.len(), 24);
    for token in &tokens {
        let (name, sts) = (text(token, "name"), text(token, "stringToSign"));
        let request = request_of_token(name, sts, text(token, "query"));
        let outcome = request.authenticate();
        if token.get("delegationKeyValue").is_some() {
            let refusal = outcome.unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed, "{name}");
            assert!(auth_detail(&refusal).contains("User delegation"), "{name}");
            continue;
        }
        let Principal::Sas(grant) = outcome.unwrap_or_else(|e| panic!("{name}: {e:?}")) else {
            panic!("{name} is no token")
        };
        assert_eq!(matches!(grant.kind, SasKind::Account { .. }), name.starts_with("account"));
        assert_eq!(grant.policy_id.as_deref(), name.contains("policy").then_some("pol1"));

        let mut changed = request_of_token(name, sts, text(token, "query"));
        changed.query = changed.query.replace("sp=", "sp=d").replace("si=", "si=x");
        let refusal = changed.authenticate().unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
        assert!(auth_detail(&refusal).starts_with("Signature did not match. String to sign used"));
    }
}

#[test]
fn the_detail_of_a_wrong_signature_is_the_string_to_sign() {
    for token in vectors("sas").iter().filter(|token| token.get("key").is_some()) {
        let (name, sts) = (text(token, "name"), text(token, "stringToSign"));
        let (fields, _) = text(token, "query").split_once("&sig=").unwrap();
        let request = request_of_token(name, sts, &format!("{fields}&sig=AAAA"));
        let expected = format!("Signature did not match. String to sign used was {sts}");
        assert_eq!(auth_detail(&request.authenticate().unwrap_err()), expected, "{name}");
    }
}

fn request_of_vector(vector: &Value) -> Request {
    let url = text(vector, "url");
    let (host, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request = Request::with_query(query);
    request.method = text(vector, "method").into();
    request.path = format!("/{path}");
    request.secure = url.starts_with("https");
    request.service = if host.contains(".table.") || host.ends_with(":10002") {
        Service::Table
    } else if host.ends_with(":10001") {
        Service::Queue
    } else {
        Service::Blob
    };
    request.headers = HeaderMap::new();
    for (name, value) in vector["headers"].as_object().unwrap() {
        let name: HeaderName = name.parse().unwrap();
        request.headers.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    request.version = ApiVersion::parse(text(&vector["headers"], "x-ms-version")).unwrap();
    request
}

#[test]
fn every_signed_request_verifies() {
    let requests = vectors("sharedKey");
    assert_eq!(requests.len(), 17);
    for vector in &requests {
        let name = text(vector, "name");
        let request = request_of_vector(vector);
        let principal = request.authenticate().unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(principal, Principal::AccountKey { key_index: 0 }, "{name}");
    }
}

#[test]
fn no_signed_request_verifies_on_another_path_or_query() {
    for vector in &vectors("sharedKey") {
        let mut request = request_of_vector(vector);
        request.path.push('x');
        assert!(request.authenticate().is_err(), "{}", text(vector, "name"));
        let mut request = request_of_vector(vector);
        request.query = "comp=other".into();
        assert!(request.authenticate().is_err(), "{}", text(vector, "name"));
    }
}

#[test]
fn our_own_signatures_are_those_of_the_sdks() {
    for vector in &vectors("sharedKey") {
        let mut request = request_of_vector(vector);
        let signed = request.headers.remove("authorization").unwrap();
        let scheme = if signed.to_str().unwrap().starts_with("SharedKeyLite") {
            lazuli_auth::Scheme::SharedKeyLite
        } else {
            lazuli_auth::Scheme::SharedKey
        };
        request.sign(scheme);
        assert_eq!(request.headers["authorization"], signed, "{}", text(vector, "name"));
        assert_eq!(request.account, ACCOUNT);
    }
}

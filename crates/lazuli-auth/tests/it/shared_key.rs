//! Shared Key and Shared Key Lite: what varies between clients, and what is refused.

use http::HeaderValue;
use lazuli_auth::{Principal, Scheme, sign_shared_key};
use lazuli_model::{ApiVersion, ErrorCode, Service};

use crate::fixture::{ACCOUNT, NOW_HTTP, Request, at, auth_detail, detail, key2};

const OWNER: Principal = Principal::AccountKey { key_index: 0 };

/// The collated headers and the resource of the fixture's request.
const TAIL: &str = "x-ms-date:Tue, 24 Nov 2026 00:07:46 GMT\nx-ms-version:2026-10-06\n\
                    /devstoreaccount1/devstoreaccount1/c1/b";

#[test]
fn the_documented_strings_to_sign() {
    for (scheme, text) in [
        (Scheme::SharedKey, format!("GET\n\n\n\n\n\n\n\n\n\n\n\n{TAIL}")),
        (Scheme::SharedKeyLite, format!("GET\n\n\n\n{TAIL}")),
    ] {
        let mut request = Request::new();
        request.sign_text(scheme, &text);
        assert_eq!(request.authenticate(), Ok(OWNER));
    }
    for (scheme, text) in [
        (Scheme::SharedKey, format!("GET\n\n\n{NOW_HTTP}\n/{ACCOUNT}/{ACCOUNT}/c1/b")),
        (Scheme::SharedKeyLite, format!("{NOW_HTTP}\n/{ACCOUNT}/{ACCOUNT}/c1/b")),
    ] {
        let mut request = Request { service: Service::Table, ..Request::new() };
        request.sign_text(scheme, &text);
        assert_eq!(request.authenticate(), Ok(OWNER));
    }
}

#[test]
fn every_standard_header_has_its_line() {
    let mut request = Request::new();
    request.method = "PUT".into();
    for (name, value) in [
        ("content-encoding", "1"),
        ("content-language", "2"),
        ("content-length", "3"),
        ("content-md5", "4"),
        ("content-type", " 5 "),
        ("if-modified-since", "6"),
        ("if-match", "7"),
        ("if-none-match", "8"),
        ("if-unmodified-since", "9"),
        ("range", "10"),
    ] {
        request.header(name, value);
    }
    request.sign_text(Scheme::SharedKey, &format!("PUT\n1\n2\n3\n4\n5\n\n6\n7\n8\n9\n10\n{TAIL}"));
    assert_eq!(request.authenticate(), Ok(OWNER));
}

#[test]
fn the_second_key_signs_too() {
    let mut request = Request::new();
    let value = sign_shared_key(&key2(), Scheme::SharedKey, &request.as_signable());
    request.header("authorization", &value);
    assert_eq!(request.authenticate(), Ok(Principal::AccountKey { key_index: 1 }));
}

#[test]
fn headers_verify_in_collated_and_in_byte_order() {
    let collated = ["x-ms-meta-a_b:1", "x-ms-meta-ab:2", "x-ms-meta-a-c:3"];
    let by_bytes = ["x-ms-meta-a-c:3", "x-ms-meta-a_b:1", "x-ms-meta-ab:2"];
    let shuffled = ["x-ms-meta-ab:2", "x-ms-meta-a_b:1", "x-ms-meta-a-c:3"];
    for (order, verifies) in [(collated, true), (by_bytes, true), (shuffled, false)] {
        let mut request = Request::new();
        for line in order {
            let (name, value) = line.split_once(':').unwrap();
            request.header(name, value);
        }
        let (date, rest) = TAIL.split_once('\n').unwrap();
        let lines = order.join("\n");
        request.sign_text(
            Scheme::SharedKey,
            &format!("GET\n\n\n\n\n\n\n\n\n\n\n\n{date}\n{lines}\n{rest}"),
        );
        assert_eq!(request.authenticate().is_ok(), verifies, "{order:?}");
    }
}

#[test]
fn a_date_header_beside_x_ms_date_is_signed_as_nothing_or_as_sent() {
    for line in ["", "Tue, 24 Nov 2026 00:00:00 GMT"] {
        for (scheme, before, after) in [
            (Scheme::SharedKey, "GET\n\n\n\n\n\n", "\n\n\n\n\n\n"),
            (Scheme::SharedKeyLite, "GET\n\n\n", "\n"),
        ] {
            let mut request = Request::new();
            request.header("date", "Tue, 24 Nov 2026 00:00:00 GMT");
            request.sign_text(scheme, &format!("{before}{line}{after}{TAIL}"));
            assert_eq!(request.authenticate(), Ok(OWNER), "{line}");
        }
    }
}

#[test]
fn without_x_ms_date_the_date_counts() {
    let mut request = Request::new();
    request.headers.remove("x-ms-date");
    request.header("date", NOW_HTTP);
    let rest = TAIL.split_once('\n').unwrap().1;
    request.sign_text(Scheme::SharedKey, &format!("GET\n\n\n\n\n\n{NOW_HTTP}\n\n\n\n\n\n{rest}"));
    assert_eq!(request.authenticate(), Ok(OWNER));
}

#[test]
fn the_secondary_verifies_with_either_path() {
    for path in ["/devstoreaccount1-secondary/c1/b", "/devstoreaccount1/c1/b"] {
        let mut request = Request::new();
        request.path = path.into();
        let value =
            sign_shared_key(&crate::fixture::key1(), Scheme::SharedKey, &request.as_signable());
        request.header("authorization", &value);
        request.path = "/devstoreaccount1-secondary/c1/b".into();
        assert_eq!(request.authenticate(), Ok(OWNER), "{path}");
    }
    // In the other direction nothing is forgiven.
    let mut request = Request::new();
    request.path = "/devstoreaccount1-secondary/c1/b".into();
    request.sign(Scheme::SharedKey);
    request.path = "/devstoreaccount1/c1/b".into();
    assert!(request.authenticate().is_err());
}

#[test]
fn a_plus_in_the_query_verifies_as_space_and_as_itself() {
    for (signed, verifies) in [("a b", true), ("a+b", true), ("ab", false)] {
        let mut request = Request::with_query("prefix=a+b");
        request.sign_text(
            Scheme::SharedKey,
            &format!("GET\n\n\n\n\n\n\n\n\n\n\n\n{TAIL}\nprefix:{signed}"),
        );
        assert_eq!(request.authenticate().is_ok(), verifies, "{signed}");
    }
}

#[test]
fn query_parameters_are_grouped_sorted_lowered_and_decoded() {
    let mut request =
        Request::with_query("restype=container&Comp=list&include=b&include=a&x=%2f&e");
    request.sign_text(
        Scheme::SharedKey,
        &format!(
            "GET\n\n\n\n\n\n\n\n\n\n\n\n{TAIL}\ncomp:list\ne:\ninclude:a,b\nrestype:container\nx:/"
        ),
    );
    assert_eq!(request.authenticate(), Ok(OWNER));
    let mut request = Request::with_query("restype=container&Comp=list");
    request.sign_text(Scheme::SharedKeyLite, &format!("GET\n\n\n\n{TAIL}?comp=list"));
    assert_eq!(request.authenticate(), Ok(OWNER));
}

#[test]
fn a_zero_length_and_empty_headers_are_signed_by_version() {
    for (version, length, empty) in [
        ("2014-02-14", "0", ""),
        ("2015-02-21", "", ""),
        ("2015-12-11", "", ""),
        ("2016-05-31", "", "x-ms-meta-a:\n"),
    ] {
        let mut request = Request::new();
        request.version = ApiVersion::parse(version).unwrap();
        request.headers.remove("x-ms-version");
        request.header("content-length", "0");
        request.header("x-ms-meta-a", "");
        request.sign_text(
            Scheme::SharedKey,
            &format!(
                "GET\n\n\n{length}\n\n\n\n\n\n\n\n\nx-ms-date:{NOW_HTTP}\n{empty}\
                 /devstoreaccount1/devstoreaccount1/c1/b"
            ),
        );
        assert_eq!(request.authenticate(), Ok(OWNER), "{version}");
    }
}

#[test]
fn an_empty_path_is_signed_as_a_slash() {
    let mut request = Request::new();
    request.path = String::new();
    let text = format!("GET\n\n\n\n{TAIL}").replace("/devstoreaccount1/c1/b", "/");
    request.sign_text(Scheme::SharedKeyLite, &text);
    assert_eq!(request.authenticate(), Ok(OWNER));
}

#[test]
fn a_wrong_signature_is_told_with_the_servers_string_to_sign() {
    let mut request = Request::new();
    request.header("authorization", "SharedKey devstoreaccount1:AAAA");
    let refusal = request.authenticate().unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), (ErrorCode::AuthenticationFailed, 403));
    assert_eq!(
        auth_detail(&refusal),
        format!(
            "The MAC signature found in the HTTP request 'AAAA' is not the same as any computed \
             signature. Server used following string to sign: \
             'GET\n\n\n\n\n\n\n\n\n\n\n\n{TAIL}'."
        )
    );
}

#[test]
fn another_account_is_refused() {
    let mut request = Request::new();
    request.header("authorization", "SharedKey somebody:AAAA");
    let refusal = request.authenticate().unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
    assert!(auth_detail(&refusal).contains("'somebody'"));

    let mut unknown = Request { account: "somebody".into(), ..Request::new() };
    unknown.sign(Scheme::SharedKey);
    let refusal = unknown.authenticate().unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
    assert!(auth_detail(&refusal).starts_with("The MAC signature found"));
}

#[test]
fn the_date_may_be_fifteen_minutes_off() {
    for (now, detail) in [
        ("2026-11-24T00:22:46Z", ""),
        ("2026-11-23T23:52:46Z", ""),
        ("2026-11-24T00:22:47Z", "Request date header too old: 'Tue, 24 Nov 2026 00:07:46 GMT'"),
        ("2026-11-23T23:52:45Z", "Request date header too new: 'Tue, 24 Nov 2026 00:07:46 GMT'"),
    ] {
        let mut request = Request { now: at(now), ..Request::new() };
        request.sign(Scheme::SharedKey);
        match request.authenticate() {
            Ok(principal) => assert_eq!((principal, detail), (OWNER, ""), "{now}"),
            Err(refusal) => {
                assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
                assert_eq!(auth_detail(&refusal), detail, "{now}");
            }
        }
    }
}

#[test]
fn a_missing_or_malformed_date_is_refused() {
    for date in [None, Some(""), Some("yesterday"), Some("2026-11-24T00:07:46Z"), Some("\u{e9}")] {
        let mut request = Request::new();
        request.headers.remove("x-ms-date");
        if let Some(date) = date {
            request.header("x-ms-date", date);
        }
        request.sign(Scheme::SharedKey);
        let refusal = request.authenticate().unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
        assert_eq!(auth_detail(&refusal), "The Date header in the request is incorrect.");
    }
}

#[test]
fn x_ms_date_wins_over_date() {
    let mut request = Request::new();
    request.header("date", "Fri, 26 Jun 2015 23:39:12 GMT");
    request.sign(Scheme::SharedKey);
    assert_eq!(request.authenticate(), Ok(OWNER));
}

#[test]
fn a_signed_header_sent_twice_is_refused() {
    for name in [
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-type",
        "date",
        "if-modified-since",
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "range",
        "x-ms-date",
    ] {
        let mut request = Request::new();
        request.headers.remove(name);
        request.header(name, "1");
        request.header(name, "2");
        request.sign(Scheme::SharedKey);
        let refusal = request.authenticate().unwrap_err();
        assert_eq!((refusal.code(), refusal.status()), (ErrorCode::InvalidHeaderValue, 400));
        assert_eq!(detail(&refusal, "HeaderName"), name);
        assert_eq!(detail(&refusal, "HeaderValue"), "2");
    }
}

#[test]
fn a_repeated_metadata_header_is_signed_as_a_list() {
    let mut request = Request::new();
    request.header("x-ms-meta-a", "2");
    request.header("x-ms-meta-a", "1");
    let text = TAIL.replace("\nx-ms-version", "\nx-ms-meta-a:2,1\nx-ms-version");
    request.sign_text(Scheme::SharedKeyLite, &format!("GET\n\n\n\n{text}"));
    assert_eq!(request.authenticate(), Ok(OWNER));
}

#[test]
fn malformed_authorization_is_a_bad_request() {
    for value in [
        "",
        "SharedKey",
        "SharedKey ",
        "SharedKey devstoreaccount1",
        "SharedKey devstoreaccount1:",
        "SharedKey :AAAA",
        "Basic dXNlcjpwYXNz",
        "SharedKeyHeavy devstoreaccount1:AAAA",
        "SharedKey\tdevstoreaccount1:AAAA",
        "SharedKey d\u{e9}v:AAAA",
    ] {
        let mut request = Request::new();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers.insert("authorization", value.clone());
        let refusal = request.authenticate().unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::InvalidAuthenticationInfo, "{value:?}");
        assert_eq!(refusal.status(), 400, "{value:?}");
    }
    let mut twice = Request::new();
    twice.sign(Scheme::SharedKey);
    twice.sign(Scheme::SharedKey);
    assert_eq!(twice.authenticate().unwrap_err().code(), ErrorCode::InvalidAuthenticationInfo);
}

#[test]
fn the_scheme_is_not_case_sensitive() {
    let mut request = Request::new();
    let value = sign_shared_key(&crate::fixture::key1(), Scheme::SharedKey, &request.as_signable());
    request.header("authorization", &value.replace("SharedKey", "sharedkey"));
    assert_eq!(request.authenticate(), Ok(OWNER));
}

#[test]
fn bearer_tokens_are_challenged_over_tls_and_refused_without() {
    let mut request = Request::new();
    request.header("authorization", "Bearer abc");
    let refusal = request.authenticate().unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::AuthenticationFailed);
    assert_eq!(auth_detail(&refusal), "Authentication scheme Bearer is not allowed with HTTP.");
    request.secure = true;
    let refusal = request.authenticate().unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), (ErrorCode::InvalidAuthenticationInfo, 401));
    let (name, value) = &refusal.headers()[0];
    assert_eq!(*name, "www-authenticate");
    assert!(value.starts_with("Bearer authorization_uri=https://login.microsoftonline.com/"));
    assert!(value.ends_with("/oauth2/authorize resource_id=https://storage.azure.com"));
}

#[test]
fn no_authorization_is_anonymous_and_a_header_wins_over_a_token() {
    let mut request = Request::with_query("sv=2020-12-06&sr=b&sp=r&se=2030-01-01&sig=AAAA");
    assert!(auth_detail(&request.authenticate().unwrap_err()).starts_with("Signature did not"));
    request.sign(Scheme::SharedKey);
    assert_eq!(request.authenticate(), Ok(OWNER));
    assert_eq!(Request::with_query("sp=r").authenticate(), Ok(Principal::Anonymous));
}

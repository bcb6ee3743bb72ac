//! Whatever a client sends: an answer, never a panic, and never an account key's rights.

use http::{HeaderName, HeaderValue};
use lazuli_auth::{Principal, Scheme};
use lazuli_model::{ApiVersion, Service};
use proptest::prelude::*;

use crate::fixture::Request;

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        Just("authorization".to_owned()),
        Just("date".to_owned()),
        Just("x-ms-date".to_owned()),
        Just("content-length".to_owned()),
        "x-ms-[a-z0-9_'.-]{0,6}",
    ];
    let value = prop_oneof![
        prop::collection::vec(0x20_u8..=0x7e, 0..30),
        prop::collection::vec(0x80_u8..=0xff, 0..9),
        "(SharedKey|SharedKeyLite|Bearer) devstoreaccount1:[A-Za-z0-9+/=]{0,44}"
            .prop_map(String::into_bytes),
        Just(b"Tue, 24 Nov 2026 00:07:46 GMT".to_vec()),
    ];
    (name, value)
}

fn parameter() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "sv",
        "ss",
        "srt",
        "spr",
        "st",
        "se",
        "sip",
        "si",
        "ses",
        "sr",
        "sp",
        "rscc",
        "sdd",
        "sig",
        "snapshot",
        "versionid",
        "comp",
        "",
        "SV",
        "skoid",
    ]);
    let value = prop_oneof![
        "[a-z0-9%+=.:-]{0,12}",
        "\\PC{0,8}",
        prop::sample::select(vec![
            "2026-10-06",
            "2012-02-12",
            "2018-11-09",
            "c",
            "b",
            "bs",
            "bv",
            "d",
            "sco",
            "rw",
            "2",
            "18446744073709551616",
            "https",
            "10.0.0.1-10.0.0.9",
            "2026-11-24T00%3A00Z",
            "%ff%0a",
        ])
        .prop_map(str::to_owned),
    ];
    (name, value).prop_map(|(name, value)| format!("{name}={value}"))
}

proptest! {
    #[test]
    fn any_head_is_answered(
        headers in prop::collection::vec(header(), 0..8),
        parameters in prop::collection::vec(parameter(), 0..12),
        path in "(/devstoreaccount1(-secondary)?)?[ -~]{0,12}",
        blob in prop::option::of("\\PC{0,12}"),
        service in prop::sample::select(vec![
            Service::Blob, Service::Dfs, Service::Queue, Service::Table,
        ]),
        old: bool,
    ) {
        let mut request = Request::with_query(&parameters.join("&"));
        request.headers.clear();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        request.path = path;
        request.container = blob.is_some().then(|| "c1".to_owned());
        request.blob = blob;
        request.service = service;
        if old {
            request.version = ApiVersion::OLDEST;
        }
        // Nobody guesses a signature.
        match request.effective() {
            Ok(principal) => {
                prop_assert_eq!(principal, lazuli_auth::EffectivePrincipal::Anonymous);
                prop_assert_eq!(request.authenticate(), Ok(Principal::Anonymous));
            }
            Err(refusal) => prop_assert!(matches!(refusal.status(), 400 | 401 | 403)),
        }
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else(
        headers in prop::collection::vec(("x-ms-meta-[a-z0-9_'.-]{1,6}", "[ -~]{0,12}"), 0..8),
        parameters in prop::collection::vec(parameter(), 0..6),
        lite: bool,
    ) {
        let mut request = Request::with_query(&parameters.join("&"));
        for (name, value) in headers {
            request.header(&name, &value);
        }
        let scheme = if lite { Scheme::SharedKeyLite } else { Scheme::SharedKey };
        request.sign(scheme);
        prop_assert_eq!(request.authenticate(), Ok(Principal::AccountKey { key_index: 0 }));
        request.header("x-ms-meta-a", "x");
        prop_assert!(request.authenticate().is_err());
    }
}

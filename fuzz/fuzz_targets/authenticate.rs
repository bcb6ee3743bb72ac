//! The head of a request that nobody signed: a request line `METHOD /path?query`, then headers.
//! Whatever it says, nobody becomes a key's holder or a token's bearer by it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use lazuli_auth::{AccountKey, AccountKeys, AuthRequest, Principal, authenticate};
use lazuli_base::Timestamp;
use lazuli_fuzz::{first_line, headers, text};
use lazuli_model::{ApiVersion, Service};
use libfuzzer_sys::fuzz_target;

/// One account with one key, which the fuzzer does not know.
struct Keys(Vec<AccountKey>);

impl AccountKeys for Keys {
    fn keys(&self, account: &str) -> Option<&[AccountKey]> {
        (account == "devstoreaccount1").then_some(self.0.as_slice())
    }
}

fuzz_target!(|data: &[u8]| {
    let (line, rest) = first_line(data);
    let line = text(line);
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line.as_str()));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers(rest);
    let version = headers
        .get("x-ms-version")
        .and_then(|value| ApiVersion::parse(value.to_str().ok()?))
        .unwrap_or_else(|| ApiVersion::parse("2021-12-02").expect("a version"));
    let request = AuthRequest {
        method,
        path,
        query,
        headers: &headers,
        service: Service::Blob,
        account: "devstoreaccount1",
        container: Some("c"),
        blob: Some("b"),
        secure: false,
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        version,
        now: Timestamp::from_unix_seconds(1_760_000_000),
    };
    let keys = Keys(vec![AccountKey::new(b"nobody can guess this key")]);
    if let Ok(principal) = authenticate(&request, &keys, None) {
        assert_eq!(principal, Principal::Anonymous, "a forged signature was taken");
    }
});

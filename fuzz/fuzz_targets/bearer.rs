//! A bearer token that no issuer signed: the head, the claims and the signature of a token on lines
//! of their own, or a token as it is sent. Nobody becomes anybody by it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use http::{HeaderMap, HeaderValue};
use lazuli_auth::{
    AccountKey, AccountKeys, AuthRequest, Identities, VerificationKeys, authenticate,
};
use lazuli_base::Timestamp;
use lazuli_fuzz::text;
use lazuli_model::{ApiVersion, Service};
use libfuzzer_sys::fuzz_target;

const TENANT: &str = "ab1f708d-50f6-404c-a006-d71b2ac7a606";

/// The base point of P-256, whose secret key of 1 the fuzzer would have to know.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k",
    "x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
    "y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}"#;

/// One account with one key.
struct Keys(Vec<AccountKey>);

impl AccountKeys for Keys {
    fn keys(&self, account: &str) -> Option<&[AccountKey]> {
        (account == "devstoreaccount1").then_some(self.0.as_slice())
    }
}

fn identities() -> &'static Identities {
    static IDENTITIES: OnceLock<Identities> = OnceLock::new();
    IDENTITIES.get_or_init(|| {
        let keys = VerificationKeys::from_jwks(KEYS).expect("a key set");
        let tenant = TENANT.parse().expect("a GUID");
        let issuers = Identities::issuers_of(&tenant);
        Identities::new(tenant, issuers, keys, Vec::new())
    })
}

/// The form of the parts of a token.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            let at = (number >> (18 - 6 * place) & 63) as usize;
            out.push(char::from(LETTERS[at]));
        }
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    let token = if text.contains('\n') {
        let parts = text.splitn(3, '\n').map(|part| base64url(part.as_bytes()));
        parts.collect::<Vec<_>>().join(".")
    } else {
        text.clone()
    };
    let _ = VerificationKeys::from_jwks(&text);
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) else { return };
    headers.insert("authorization", value);
    let request = AuthRequest {
        method: "GET",
        path: "/devstoreaccount1/c/b",
        query: "",
        headers: &headers,
        service: Service::Blob,
        account: "devstoreaccount1",
        container: Some("c"),
        blob: Some("b"),
        secure: true,
        remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
        version: ApiVersion::NEWEST,
        now: Timestamp::from_unix_seconds(1_760_000_000),
    };
    let keys = Keys(vec![AccountKey::new(b"nobody can guess this key")]);
    assert!(authenticate(&request, &keys, Some(identities())).is_err(), "a forged token was taken");
});

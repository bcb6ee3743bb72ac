//! A request that owns its parts, and an account with two keys.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use lazuli_auth::{
    AccountKey, AccountKeys, AuthRequest, EffectivePrincipal, Identities, Principal, Scheme,
    Signable, authenticate, parse_iso8601, sign_shared_key,
};
use lazuli_base::Timestamp;
use lazuli_model::{ApiVersion, Refusal, Service};

pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const NOW: &str = "2026-11-24T00:07:46Z";
pub(crate) const NOW_HTTP: &str = "Tue, 24 Nov 2026 00:07:46 GMT";

pub(crate) fn at(text: &str) -> Timestamp {
    parse_iso8601(text).unwrap()
}

pub(crate) fn key1() -> AccountKey {
    AccountKey::from_base64(concat!(
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2U",
        "VErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    ))
    .unwrap()
}

pub(crate) fn key2() -> AccountKey {
    AccountKey::new(b"the second key")
}

pub(crate) struct Keys(pub(crate) Vec<AccountKey>);

impl Keys {
    pub(crate) fn new() -> Self {
        Self(vec![key1(), key2()])
    }
}

impl AccountKeys for Keys {
    fn keys(&self, account: &str) -> Option<&[AccountKey]> {
        (account == ACCOUNT).then_some(&self.0)
    }
}

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) service: Service,
    pub(crate) account: String,
    pub(crate) container: Option<String>,
    pub(crate) blob: Option<String>,
    pub(crate) secure: bool,
    pub(crate) remote: IpAddr,
    pub(crate) version: ApiVersion,
    pub(crate) now: Timestamp,
}

impl Request {
    /// `GET` of a blob in path style, with date and version.
    pub(crate) fn new() -> Self {
        let mut request = Self {
            method: "GET".into(),
            path: "/devstoreaccount1/c1/b".into(),
            query: String::new(),
            headers: HeaderMap::new(),
            service: Service::Blob,
            account: ACCOUNT.into(),
            container: Some("c1".into()),
            blob: Some("b".into()),
            secure: false,
            remote: Ipv4Addr::new(10, 0, 0, 5).into(),
            version: ApiVersion::NEWEST,
            now: at(NOW),
        };
        request.header("x-ms-date", NOW_HTTP);
        request.header("x-ms-version", "2026-10-06");
        request
    }

    pub(crate) fn with_query(query: &str) -> Self {
        Self { query: query.into(), ..Self::new() }
    }

    /// Adds a header, beside one of the same name if there is one.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }

    pub(crate) fn as_auth(&self) -> AuthRequest<'_> {
        AuthRequest {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            service: self.service,
            account: &self.account,
            container: self.container.as_deref(),
            blob: self.blob.as_deref(),
            secure: self.secure,
            remote: self.remote,
            version: self.version,
            now: self.now,
        }
    }

    pub(crate) fn as_signable(&self) -> Signable<'_> {
        Signable {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            service: self.service,
            account: &self.account,
            version: self.version,
        }
    }

    /// Signs with key1 as the official SDKs do.
    pub(crate) fn sign(&mut self, scheme: Scheme) {
        let value = sign_shared_key(&key1(), scheme, &self.as_signable());
        self.header("authorization", &value);
    }

    /// Signs a string-to-sign written out by hand.
    pub(crate) fn sign_text(&mut self, scheme: Scheme, text: &str) {
        let value = format!("{} {ACCOUNT}:{}", scheme.name(), key1().sign(text.as_bytes()));
        self.header("authorization", &value);
    }

    pub(crate) fn authenticate(&self) -> Result<Principal, Refusal> {
        authenticate(&self.as_auth(), &Keys::new(), None)
    }

    pub(crate) fn authenticate_with(&self, identities: &Identities) -> Result<Principal, Refusal> {
        authenticate(&self.as_auth(), &Keys::new(), Some(identities))
    }

    /// Authenticates and checks the token's window; no stored access policy exists.
    pub(crate) fn effective(&self) -> Result<EffectivePrincipal, Refusal> {
        self.authenticate()?.into_effective(None, &self.as_auth())
    }
}

/// The text of a detail element; empty if there is none.
pub(crate) fn detail<'a>(refusal: &'a Refusal, element: &str) -> &'a str {
    refusal.details().iter().find(|(name, _)| *name == element).map_or("", |(_, text)| text)
}

pub(crate) fn auth_detail(refusal: &Refusal) -> &str {
    detail(refusal, "AuthenticationErrorDetail")
}

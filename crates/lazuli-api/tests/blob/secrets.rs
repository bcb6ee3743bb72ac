//! What the journal of a service must never say: the signatures, keys and addresses of all calls.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use http::HeaderMap;

use crate::scribe::Logged;

/// What is shorter is no signature, and turns up by chance.
const SIGNATURE_BYTES_MIN: usize = 20;

/// The secrets of all calls to a service.
pub(crate) struct Secrets(RefCell<BTreeSet<String>>);

impl Secrets {
    /// None but the keys of the accounts.
    pub(crate) fn new(keys: impl IntoIterator<Item = String>) -> Self {
        Self(RefCell::new(keys.into_iter().collect()))
    }

    /// Notes those of a call.
    pub(crate) fn note(&self, remote: IpAddr, target: &str, headers: &HeaderMap) {
        let text = |name: &str| {
            let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            value.unwrap_or_default().into_owned()
        };
        let mut secrets = self.0.borrow_mut();
        secrets.insert(remote.to_string());
        secrets.extend([text("user-agent"), text("referer")].into_iter().filter(|it| it.len() > 2));
        let (authorization, source) = (text("authorization"), text("x-ms-copy-source"));
        let mut signatures = vec![authorization.rsplit(':').next().unwrap_or_default().to_owned()];
        for part in target.split(['?', '&']).chain(source.split(['?', '&'])) {
            let signature = part.strip_prefix("sig=").unwrap_or_default();
            signatures.push(signature.to_owned());
            signatures.push(signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="));
        }
        secrets.extend(signatures.into_iter().filter(|it| it.len() >= SIGNATURE_BYTES_MIN));
    }

    /// Asserts that no entry says any of them.
    pub(crate) fn assert_untold(&self, entries: &[Logged]) {
        for entry in entries {
            for secret in self.0.borrow().iter() {
                let mut windows = entry.bytes().windows(secret.len());
                let told = windows.any(|window| window == secret.as_bytes());
                assert!(!told, "{secret:?} in {entry:?}");
            }
        }
    }
}

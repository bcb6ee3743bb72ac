//! Verifies Shared Key and Shared Key Lite.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName};
use lazuli_model::Refusal;

use crate::authenticate::AuthRequest;
use crate::canonical::{
    AFTER_DATE, BEFORE_LENGTH, CONTENT_MD5, Variations, X_MS_DATE, string_to_sign,
};
use crate::date::parse_http_date;
use crate::key::{AccountKey, decode_signature, matching_key};
use crate::query::{Plus, Query};
use crate::refusal::{failed, malformed_header};

/// How far a request's date may be from the server's, either way.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(15);

/// One of the two schemes that sign with an account key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `SharedKey`.
    SharedKey,
    /// `SharedKeyLite`.
    SharedKeyLite,
}

impl Scheme {
    /// The scheme as `Authorization` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SharedKey => "SharedKey",
            Self::SharedKeyLite => "SharedKeyLite",
        }
    }
}

/// A parsed `Authorization` header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credential<'a> {
    scheme: Scheme,
    account: &'a str,
    signature: &'a str,
}

impl<'a> Credential<'a> {
    /// A credential whose parts are known.
    pub(crate) fn of(scheme: Scheme, account: &'a str, signature: &'a str) -> Self {
        Self { scheme, account, signature }
    }

    /// Parses `account:signature`.
    pub(crate) fn parse(scheme: Scheme, text: &'a str) -> Result<Self, Refusal> {
        match text.trim().split_once(':') {
            Some((account, signature)) if !account.is_empty() && !signature.is_empty() => {
                Ok(Self { scheme, account, signature })
            }
            _ => Err(malformed_header("Authorization is not <account>:<signature>")),
        }
    }
}

/// Verifies a signature and yields the place of the key that made it.
pub(crate) fn verify(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    credential: &Credential<'_>,
    keys: &[AccountKey],
) -> Result<usize, Refusal> {
    refuse_duplicates(request.headers)?;
    if credential.account != request.account {
        return Err(failed(format!(
            "The account '{}' of the Authorization header is not the account addressed.",
            credential.account
        )));
    }
    check_date(request)?;
    let signature = decode_signature(credential.signature);
    let signable = request.signable();
    let first = string_to_sign(&signable, credential.scheme, query, Variations::NONE);
    if let Some(index) = matching_key(keys, &first, &signature) {
        return Ok(index);
    }
    for variations in Variations::applicable(&signable) {
        let text = if variations.has(Variations::LITERAL_PLUS) {
            let query = Query::parse(request.query, Plus::Literal);
            string_to_sign(&signable, credential.scheme, &query, variations)
        } else {
            string_to_sign(&signable, credential.scheme, query, variations)
        };
        if let Some(index) = matching_key(keys, &text, &signature) {
            return Ok(index);
        }
    }
    Err(failed(format!(
        "The MAC signature found in the HTTP request '{}' is not the same as any computed \
         signature. Server used following string to sign: '{}'.",
        credential.signature,
        String::from_utf8_lossy(&first)
    )))
}

/// Refuses a header that has a line of its own in the string-to-sign and is sent twice.
fn refuse_duplicates(headers: &HeaderMap) -> Result<(), Refusal> {
    const OTHERS: [HeaderName; 5] = [CONTENT_LENGTH, CONTENT_MD5, CONTENT_TYPE, DATE, X_MS_DATE];
    // A map without repeated names, the usual case, is told by its two lengths.
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    for name in BEFORE_LENGTH.iter().chain(&AFTER_DATE).chain(&OTHERS) {
        let mut values = headers.get_all(name).iter();
        if let (Some(_), Some(second)) = (values.next(), values.next()) {
            let value = String::from_utf8_lossy(second.as_bytes());
            return Err(Refusal::header_value(name.as_str(), value)
                .with_cause("the header is signed and sent twice"));
        }
    }
    Ok(())
}

fn check_date(request: &AuthRequest<'_>) -> Result<(), Refusal> {
    let text = request.headers.get(X_MS_DATE).or_else(|| request.headers.get(DATE));
    let text = text.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let date = parse_http_date(text)
        .ok_or_else(|| failed("The Date header in the request is incorrect."))?;
    if request.now.since(date) > CLOCK_SKEW_MAX {
        return Err(failed(format!("Request date header too old: '{text}'")));
    }
    if date.since(request.now) > CLOCK_SKEW_MAX {
        return Err(failed(format!("Request date header too new: '{text}'")));
    }
    Ok(())
}

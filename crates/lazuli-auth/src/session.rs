//! Sessions: a token and a key that stand for the right to read the blobs of one container.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-session>
//!
//! `Authorization: Session <token>:<signature>`, where the session's key signs what an account's key
//! signs under Shared Key. Nothing is kept of a session: the token says when it ends and has random
//! bytes, and the key is derived from it, the container and a key of the account. A
//! session so ends at its time, or with the account's key, and outlives a restart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_base::Timestamp;
use lazuli_model::Refusal;

use crate::authenticate::{AuthRequest, Principal};
use crate::key::{AccountKey, AccountKeys};
use crate::query::Query;
use crate::refusal::{failed, malformed_header};
use crate::shared_key::{self, Credential, Scheme};

/// The form of the token.
const FORM: u8 = 1;
/// Random bytes of a token.
pub const NONCE_BYTES: usize = 16;
/// Form, end and random bytes.
const TOKEN_BYTES: usize = 1 + 8 + NONCE_BYTES;

/// A session as its caller gets it.
#[derive(Clone)]
pub struct Session {
    /// What names it in `Authorization`.
    pub token: String,
    /// The key it signs with, as base64.
    pub key: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(..)")
    }
}

/// Makes a session for reading the blobs of a container until `expires`; `nonce` is random.
pub fn create_session(
    key: &AccountKey,
    (account, container): (&str, &str),
    expires: Timestamp,
    nonce: [u8; NONCE_BYTES],
) -> Session {
    let mut token = vec![FORM];
    token.extend(expires.ticks().to_be_bytes());
    token.extend(nonce);
    let key = key.sign(&derivation(account, container, &token));
    Session { token: STANDARD.encode(token), key }
}

/// What the account's key signs to make the session's. No string-to-sign begins so.
fn derivation(account: &str, container: &str, token: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 6] =
        [b"session\0", account.as_bytes(), &[0], container.as_bytes(), &[0], token];
    parts.concat()
}

/// Verifies `<token>:<signature>`.
pub(crate) fn verify(
    request: &AuthRequest<'_>,
    query: &Query<'_>,
    text: &str,
    keys: &dyn AccountKeys,
) -> Result<Principal, Refusal> {
    let malformed = || malformed_header("Authorization is not Session <token>:<signature>");
    let (token, signature) = text.trim().split_once(':').ok_or_else(malformed)?;
    let token = STANDARD.decode(token).map_err(|_| malformed())?;
    let ticks: [u8; 8] = match token.get(1..9).map(TryInto::try_into) {
        Some(Ok(ticks)) if token.len() == TOKEN_BYTES && token.first() == Some(&FORM) => ticks,
        _ => return Err(failed("The session token is not one this service made.")),
    };
    if request.now >= Timestamp::from_ticks(u64::from_be_bytes(ticks)) {
        return Err(failed("The session has expired."));
    }
    let container =
        request.container.ok_or_else(|| failed("A session reads the blobs of a container."))?;
    let derivation = derivation(request.account, container, &token);
    let keys = keys.keys(request.account).unwrap_or_default();
    let derived: Vec<AccountKey> = keys
        .iter()
        .filter_map(|key| AccountKey::from_base64(&key.sign(&derivation)).ok())
        .collect();
    let credential = Credential::of(Scheme::SharedKey, request.account, signature);
    let key_index = shared_key::verify(request, query, &credential, &derived)?;
    Ok(Principal::Session { key_index })
}

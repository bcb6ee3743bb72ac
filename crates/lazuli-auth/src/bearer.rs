//! Bearer tokens: JSON Web Tokens of the configured tenant, verified without asking anybody.
//!
//! - RFC 7519, <https://www.rfc-editor.org/rfc/rfc7519>
//! - <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazuli_base::Timestamp;
use lazuli_model::{ApiVersion, Refusal, Service};
use serde::Deserialize;

use crate::authenticate::AuthRequest;
use crate::challenge::{CHALLENGE, bad_token};
use crate::guid::Guid;
use crate::identity::{Bearer, Identities};
use crate::jwks::Algorithm;
use crate::refusal::failed;

/// The first versions whose requests may carry a bearer token. Of tables it is the version that the
/// official client sends with one.
const BEARER: ApiVersion = ApiVersion::new(2017, 11, 9);
const BEARER_OF_TABLES: ApiVersion = ApiVersion::new(2019, 2, 2);

/// The longest token; those of users in very many groups have about half of it.
const TOKEN_BYTES_MAX: usize = 32 * 1024;

/// How far an issuer's clock may be from the server's, in seconds.
const SKEW_SECONDS: u64 = 60;

/// The resource that tokens for storage are for, by its address and by its application id.
const STORAGE: [&str; 2] = ["https://storage.azure.com", "e406a681-f3d4-42a8-90b6-c2b029497af1"];

/// The clouds whose accounts a token may be for by the account's own address.
const CLOUDS: [&str; 4] =
    ["core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn", "core.cloudapi.de"];

/// What an application may do for its user: the only thing there is.
const DELEGATED_SCOPE: &str = "user_impersonation";

/// The head of a token.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What a reader must know to read the token; this one knows nothing of the kind.
    crit: Option<serde::de::IgnoredAny>,
}

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    nbf: u64,
    iat: u64,
    tid: String,
    oid: String,
    #[serde(default)]
    groups: Vec<String>,
    scp: Option<String>,
}

/// Whom a token is for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn any(&self, is: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(one) => is(one),
            Self::Many(many) => many.iter().any(|one| is(one)),
        }
    }
}

/// Verifies the token of a request.
///
/// # Errors
/// 403 `AuthenticationFailed` without TLS and in versions that know no bearer tokens; for a token
/// that is not accepted 401 `InvalidAuthenticationInfo` with a challenge, and 403
/// `AuthenticationFailed` in versions before challenges.
pub(crate) fn verify(
    request: &AuthRequest<'_>,
    token: &str,
    identities: Option<&Identities>,
) -> Result<Bearer, Refusal> {
    if !request.secure {
        return Err(failed("Authentication scheme Bearer is not allowed with HTTP."));
    }
    let Some(identities) = identities else {
        return Err(bad_token(None, "Bearer tokens are not supported by this server."));
    };
    let first = if request.service == Service::Table { BEARER_OF_TABLES } else { BEARER };
    if request.version < first {
        return Err(failed("Authentication scheme Bearer is not supported in this version."));
    }
    let claims = verified(token.trim(), identities).and_then(|claims| {
        check(&claims, request, identities)?;
        Ok(claims)
    });
    let principals = claims.and_then(|claims| {
        let object_id: Guid = claims.oid.parse().map_err(|_| "The oid claim is not a GUID.")?;
        // What is no GUID names no group that could have a role.
        let groups = claims.groups.iter().filter_map(|group| group.parse().ok());
        Ok::<Vec<Guid>, _>(std::iter::once(object_id).chain(groups).collect())
    });
    let principals = principals.map_err(|detail| {
        if request.version < CHALLENGE {
            failed(detail)
        } else {
            bad_token(Some(identities.tenant()), detail)
        }
    })?;
    let roles = identities.roles(&principals, request.account, request.service);
    let here = roles.on(request.container);
    let object_id = principals.into_iter().next();
    let object_id = object_id.ok_or_else(|| failed("The token names nobody."))?;
    Ok(Bearer { object_id, tenant: identities.tenant().clone(), roles, here })
}

/// What a token says whose signature is right.
fn verified(token: &str, identities: &Identities) -> Result<Claims, &'static str> {
    const MALFORMED: &str = "The token is malformed.";
    if token.len() > TOKEN_BYTES_MAX {
        return Err("The token is too long.");
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
    let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| MALFORMED)?;
    let algorithm = Algorithm::parse(&header.alg)
        .ok_or("The signature algorithm of the token is not taken.")?;
    if header.crit.is_some() {
        return Err("The token has extensions that are not known.");
    }
    let signature = decode(signature)?;
    let key = (algorithm, header.kid.as_deref());
    if !identities.keys().verify(key, signed.as_bytes(), &signature) {
        return Err("Signature validation failed. The signature is not that of a known key.");
    }
    serde_json::from_slice(&decode(claims)?)
        .map_err(|_| "A claim of the token is missing or malformed.")
}

/// Holds what a token says against the request and the configuration.
fn check(
    claims: &Claims,
    request: &AuthRequest<'_>,
    identities: &Identities,
) -> Result<(), &'static str> {
    let now = unix_seconds(request.now);
    let later = now.saturating_add(SKEW_SECONDS);
    if claims.exp.saturating_add(SKEW_SECONDS) <= now {
        return Err("Lifetime validation failed. The token is expired.");
    }
    if claims.nbf > later || claims.iat > later {
        return Err("Lifetime validation failed. The token is not yet valid.");
    }
    if claims.exp <= claims.nbf {
        return Err("Lifetime validation failed. The token ends before it begins.");
    }
    if !identities.is_issuer(&claims.iss) {
        return Err("Issuer validation failed. Issuer did not match.");
    }
    if !claims.tid.parse::<Guid>().is_ok_and(|tenant| tenant == *identities.tenant()) {
        return Err("Issuer validation failed. The token is of another tenant.");
    }
    if !claims.aud.any(|audience| is_audience(audience, request.account)) {
        return Err("Audience validation failed. Audience did not match.");
    }
    if claims.scp.as_ref().is_some_and(|scp| !scp.split(' ').any(|it| it == DELEGATED_SCOPE)) {
        return Err("The token's scopes do not permit the use of storage.");
    }
    Ok(())
}

fn unix_seconds(time: Timestamp) -> u64 {
    u64::try_from(time.unix_seconds()).unwrap_or(0)
}

/// Whether a token for this audience is for an account of this name.
fn is_audience(audience: &str, account: &str) -> bool {
    let audience = audience.strip_suffix('/').unwrap_or(audience);
    if STORAGE.contains(&audience) {
        return true;
    }
    let host = audience.strip_prefix("https://").unwrap_or_default();
    let below = host.strip_prefix(account).and_then(|rest| rest.strip_prefix('.'));
    below.and_then(|below| below.split_once('.')).is_some_and(|(service, cloud)| {
        ["blob", "dfs", "queue", "table"].contains(&service) && CLOUDS.contains(&cloud)
    })
}

#[cfg(test)]
mod tests {
    use super::is_audience;

    #[test]
    fn audiences_are_storage_or_the_account() {
        for (audience, is) in [
            ("https://storage.azure.com", true),
            ("https://storage.azure.com/", true),
            ("https://storage.azure.com//", false),
            ("http://storage.azure.com", false),
            ("e406a681-f3d4-42a8-90b6-c2b029497af1", true),
            ("https://acct.queue.core.windows.net", true),
            ("https://acct.blob.core.windows.net/", true),
            ("https://acct.dfs.core.chinacloudapi.cn", true),
            ("https://acct.file.core.windows.net", false),
            ("https://acct.blob.example.com", false),
            ("https://acct2.blob.core.windows.net", false),
            ("https://acct.blob.core.windows.net.example.com", false),
            ("https://management.azure.com", false),
            ("", false),
        ] {
            assert_eq!(is_audience(audience, "acct"), is, "{audience}");
        }
    }
}

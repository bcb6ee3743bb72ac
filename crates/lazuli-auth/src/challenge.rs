//! The bearer challenge of 401 answers: where a client gets a token.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#bearer-challenge>

use lazuli_model::{ApiVersion, ErrorCode, Refusal};

use crate::guid::Guid;

/// The first request version whose refusals are bearer challenges.
pub(crate) const CHALLENGE: ApiVersion = ApiVersion::new(2019, 12, 12);

/// The tenant named in challenges as long as no tenant is configured.
pub const DEFAULT_TENANT: &str = "00000000-0000-0000-0000-000000000000";

/// The value of `WWW-Authenticate`: unquoted, one space between the parameters, as SDKs parse it.
pub fn bearer_challenge(tenant: &str) -> String {
    format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{tenant}/oauth2/authorize \
         resource_id=https://storage.azure.com"
    )
}

/// The challenge of a tenant, or of none.
fn challenge_of(tenant: Option<&Guid>) -> String {
    bearer_challenge(tenant.map_or(DEFAULT_TENANT, Guid::as_str))
}

/// 401 `NoAuthenticationInformation` with the challenge.
pub(crate) fn no_authentication(tenant: Option<&Guid>) -> Refusal {
    Refusal::new(ErrorCode::NoAuthenticationInformation)
        .with_header("www-authenticate", challenge_of(tenant))
}

/// 401 `InvalidAuthenticationInfo` with the challenge: a bearer token that is not accepted.
pub(crate) fn bad_token(tenant: Option<&Guid>, detail: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidAuthenticationInfo)
        .with_status(401)
        .with_message(ErrorCode::NoAuthenticationInformation.message())
        .with_detail("AuthenticationErrorDetail", detail)
        .with_header("www-authenticate", challenge_of(tenant))
}

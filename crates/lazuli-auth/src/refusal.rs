//! The refusals authentication gives, with the detail element a client sees.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/sas-error-codes>

use lazuli_model::{ApiVersion, ErrorCode, Refusal};

/// The first token version whose refusals have codes of their own.
const OWN_CODES: ApiVersion = ApiVersion::new(2015, 4, 5);

/// `AuthenticationFailed` with its `AuthenticationErrorDetail`.
pub(crate) fn failed(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::AuthenticationFailed).with_detail("AuthenticationErrorDetail", detail)
}

/// `InvalidAuthenticationInfo`: an Authorization header this server cannot read.
pub(crate) fn malformed_header(cause: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidAuthenticationInfo).with_cause(cause)
}

/// A SAS field that does not have its documented form.
pub(crate) fn malformed_field(name: &str, value: &str) -> Refusal {
    failed("Signature fields not well formed.").with_cause(format_args!("{name}={value:?}"))
}

/// A field a SAS cannot do without.
pub(crate) fn missing_field(name: &str) -> Refusal {
    failed(format!("{name} is mandatory. Cannot be empty"))
}

/// A refusal of a verified token: before 2015-04-05 what is out of reach was said not to exist.
pub(crate) fn unauthorised(version: ApiVersion, code: ErrorCode) -> Refusal {
    if version < OWN_CODES {
        Refusal::new(ErrorCode::ResourceNotFound).with_cause(code.name())
    } else {
        Refusal::new(code)
    }
}

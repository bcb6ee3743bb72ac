//! Identities and their roles, as the configuration writes them.

use std::fs;
use std::io::Read as _;

use lazuli_auth::{Assignment, Guid, Identities, Role, VerificationKeys};

use super::accounts::Account;

/// The largest file of keys that is read.
const KEYS_BYTES_MAX: u64 = 1 << 20;

/// Parses `ACCOUNT:PRINCIPAL:ROLE[:SCOPE]`, several of them separated by `;`.
pub(super) fn assignments(text: &str, accounts: &[Account]) -> Result<Vec<Assignment>, String> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| assignment(part, accounts)).collect()
}

fn assignment(text: &str, accounts: &[Account]) -> Result<Assignment, String> {
    let mut fields = text.split(':').map(str::trim);
    let (Some(account), Some(principal), Some(role), scope, None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(format!(
            "`{text}` is not ACCOUNT:PRINCIPAL:ROLE or ACCOUNT:PRINCIPAL:ROLE:SCOPE"
        ));
    };
    if !accounts.iter().any(|known| known.name == account) {
        return Err(format!("no account is named `{account}`"));
    }
    let principal: Guid =
        principal.parse().map_err(|error| format!("the principal `{principal}`: {error}"))?;
    let role = Role::parse(role).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("`{role}` is no role on data; those are: {}", known.join(", "))
    })?;
    if scope == Some("") {
        return Err(format!("the scope of `{text}` is empty: without one, leave it out"));
    }
    Ok(Assignment { account: account.to_owned(), principal, role, scope: scope.map(str::to_owned) })
}

/// Reads a file of keys.
pub(super) fn keys(path: &str) -> Result<VerificationKeys, String> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(KEYS_BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    VerificationKeys::from_jwks(&text).map_err(|error| error.to_string())
}

/// Identities with all they consist of; issuers of the tenant if none are given.
pub(super) fn identities(
    tenant: Guid,
    issuers: Vec<String>,
    keys: VerificationKeys,
    assignments: Vec<Assignment>,
) -> Identities {
    let issuers = if issuers.is_empty() { Identities::issuers_of(&tenant) } else { issuers };
    Identities::new(tenant, issuers, keys, assignments)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: &str = "11059fcc-5514-4800-b5f8-49808b9cfab6";

    fn parse(text: &str) -> Result<Vec<Assignment>, String> {
        let accounts = super::super::accounts::parse("one:YQ==;two:YQ==").unwrap();
        assignments(text, &accounts)
    }

    #[test]
    fn assignments_name_account_principal_role_and_scope() {
        let text =
            format!("one:{WHO}:Storage Blob Data Reader:box; two:{WHO}:storage queue delegator;");
        let found = parse(&text).unwrap();
        let said: Vec<_> =
            found.iter().map(|it| (it.account.as_str(), it.role, it.scope.as_deref())).collect();
        assert_eq!(
            said,
            [("one", Role::BlobDataReader, Some("box")), ("two", Role::QueueDelegator, None)]
        );
        assert_eq!(found[0].principal.as_str(), WHO);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, want) in [
            ("one".to_owned(), "`one` is not ACCOUNT:PRINCIPAL:ROLE"),
            (format!("nobody:{WHO}:Storage Blob Delegator"), "no account is named `nobody`"),
            ("one:me:Storage Blob Delegator".to_owned(), "the principal `me`: it is no GUID"),
            (format!("one:{WHO}:Owner"), "`Owner` is no role on data; those are: Storage Blob"),
            (format!("one:{WHO}:Storage Blob Delegator:"), "the scope of "),
            (format!("one:{WHO}:Storage Blob Delegator:a:b"), "`one:"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
    }
}

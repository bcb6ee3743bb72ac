//! Accounts and their keys, as the command line and Azurite's variable write them.

use lazuli_auth::AccountKey;

/// The account every emulator of the service knows.
///
/// <https://learn.microsoft.com/azure/storage/common/storage-connect-azurite>
pub(crate) const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";

/// The key of [`DEVELOPMENT_ACCOUNT`], which is public.
pub(crate) const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// An account that is served.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Its name: the first segment of a path-style URL, or the first label of the host.
    pub(crate) name: String,
    /// One or two keys.
    pub(crate) keys: Vec<AccountKey>,
    /// Whether it is the development account with its public key, which may be printed.
    pub(crate) is_development: bool,
}

/// Parses `NAME:KEY[:KEY2]`, several of them separated by `;`. Messages never show a key.
pub(crate) fn parse(text: &str) -> Result<Vec<Account>, String> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(parse_one).collect()
}

fn parse_one(text: &str) -> Result<Account, String> {
    let (name, keys) = text
        .split_once(':')
        .ok_or_else(|| "an account is written NAME:KEY or NAME:KEY1:KEY2".to_owned())?;
    if !is_name(name) {
        return Err(format!(
            "`{name}` is no account name: 3 to 63 lower-case letters, digits and hyphens"
        ));
    }
    let is_development = name == DEVELOPMENT_ACCOUNT && keys == DEVELOPMENT_KEY;
    let keys: Result<Vec<_>, _> = keys.split(':').map(AccountKey::from_base64).collect();
    let keys = keys.map_err(|_| format!("a key of account `{name}` is empty or not base64"))?;
    if keys.len() > 2 {
        return Err(format!("account `{name}` has {} keys; two are the most", keys.len()));
    }
    Ok(Account { name: name.to_owned(), keys, is_development })
}

/// Azure allows 3 to 24 letters and digits; emulators are used with longer names and hyphens too.
/// A name that ends like an account's secondary endpoint could not be told from one.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&name.len()) && name.bytes().all(allowed) && !name.ends_with("-secondary")
}

/// `text` with the keys left out: what may be printed.
pub(crate) fn redact(text: &str) -> String {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let shown: Vec<String> = parts
        .map(|part| match part.split_once(':') {
            Some((name, keys)) => {
                format!("{name}{}", ":***".repeat(keys.split(':').count()))
            }
            None => "***".to_owned(),
        })
        .collect();
    shown.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azurites_form_is_read() {
        let accounts = parse("one:c2VjcmV0;two:c2VjcmV0:a2V5Mg==;").unwrap();
        let accounts: Vec<_> =
            accounts.iter().map(|account| (account.name.as_str(), account.keys.len())).collect();
        assert_eq!(accounts, [("one", 1), ("two", 2)]);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn errors_name_the_account_and_no_key() {
        for (text, want) in [
            ("secret", "an account is written NAME:KEY or NAME:KEY1:KEY2"),
            ("one:s*cret", "a key of account `one` is empty or not base64"),
            ("one:", "a key of account `one` is empty or not base64"),
            ("one:YQ==:YQ==:YQ==", "account `one` has 3 keys; two are the most"),
            ("A:YQ==", "`A` is no account name: 3 to 63 lower-case letters, digits and hyphens"),
        ] {
            assert_eq!(parse(text).unwrap_err(), want);
        }
        assert!(parse("one-secondary:YQ==").is_err());
    }

    #[test]
    fn redaction_leaves_names() {
        assert_eq!(redact("one:c2VjcmV0;two:x:y"), "one:***;two:***:***");
        assert_eq!(redact("c2VjcmV0"), "***");
    }
}

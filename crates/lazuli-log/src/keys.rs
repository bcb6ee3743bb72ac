//! The keys of the log and of the accounts, in one file that is kept apart from the data: a backup
//! of the data alone opens no entry.
//!
//! ```text
//! lazuli keys 1
//! log SIGNER           the key that signs checkpoints, as a signed-note signer key
//! receipts SIGNER      the key that signs receipts
//! segments SECRET      what commitments to the counts of segments are salted with
//! data IDENTITY        the data directory that the log is in; older files lack it
//! account NAME KEY BLIND
//! ```
//! Secrets are base64. The file is written before a key is used, and only its owner may read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_base::Entropy;
use lazuli_engine::DataId;
use lazuli_evidence::{Digest, account_label, receipt_key_name};
use lazuli_tlog::{KeyName, NoteSigner};

use crate::files;

const FIRST_LINE: &str = "lazuli keys 1";

/// The account that the store's own entries are of.
pub const STORE_ACCOUNT: &str = "";

/// Stands for [`STORE_ACCOUNT`] in the file: no account may have this name.
pub(crate) const STORE_NAME: &str = "-";

/// What an account's entries are sealed with.
#[derive(Clone)]
pub struct AccountKey {
    /// The log key: whoever has it can read all of the account's entries.
    pub log_key: [u8; 32],
    /// What hides the account's name in its label.
    pub blind: [u8; 32],
}

impl AccountKey {
    /// The account's label.
    pub fn label(&self, account: &str) -> Digest {
        account_label(account, &self.blind)
    }
}

/// All keys of one log.
pub struct Keys {
    /// Signs checkpoints.
    pub log: NoteSigner,
    /// Signs receipts.
    pub receipts: NoteSigner,
    /// The same key, for signing many: 14 µs a signature where the other takes 31.
    fast: Ed25519KeyPair,
    /// Salts the counts of segments.
    pub segments: [u8; 32],
    /// The data directory that the log is in, where the file tells.
    pub(crate) data: Option<DataId>,
    accounts: BTreeMap<String, AccountKey>,
}

impl std::fmt::Debug for Keys {
    /// The names only: a key is not for a text log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("origin", &self.origin()).finish_non_exhaustive()
    }
}

/// Why keys cannot be had.
#[derive(Debug)]
pub enum KeysError {
    /// The file is not one of keys.
    Damaged(PathBuf),
    /// The file cannot be read or written.
    Io(PathBuf, io::Error),
    /// The log's name cannot be that of a key: it is empty or has spaces or a `+`.
    Name(String),
}

impl std::fmt::Display for KeysError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(path) => write!(f, "{}: not a file of keys", path.display()),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Name(name) => write!(f, "`{name}` cannot be the name of a log"),
        }
    }
}

impl std::error::Error for KeysError {}

impl Keys {
    /// The keys in the file at `path`, with one for each of `accounts` and for the store itself:
    /// those that are missing are drawn, and are in the file when this returns. Without a path they
    /// are drawn anew. `origin` names a log whose keys are drawn; `None` draws the name, too.
    pub fn open(
        path: Option<&Path>,
        origin: Option<&str>,
        accounts: &[String],
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let (mut keys, is_drawn) = match path.map(Self::read).transpose()?.flatten() {
            Some(keys) => (keys, false),
            None => (Self::draw(origin, entropy)?, true),
        };
        let is_new = keys.complete(accounts, entropy) || is_drawn;
        if let Some(path) = path.filter(|_| is_new) {
            keys.save(path)?;
        }
        Ok(keys)
    }

    /// The keys in the file at `path`; `None` if there is no file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, KeysError> {
        let text = files::read(path).map_err(|error| KeysError::Io(path.to_path_buf(), error))?;
        let parsed = |text: String| parse(&text).ok_or(KeysError::Damaged(path.to_path_buf()));
        text.map(parsed).transpose()
    }

    /// Writes the file, durably.
    pub(crate) fn save(&self, path: &Path) -> Result<(), KeysError> {
        files::replace(path, self.to_text().as_bytes())
            .map_err(|error| KeysError::Io(path.to_path_buf(), error))
    }

    /// Draws the keys of those of `accounts` that have none, and of the store itself; tells whether
    /// there were any.
    pub(crate) fn complete(&mut self, accounts: &[String], entropy: &dyn Entropy) -> bool {
        let mut is_new = false;
        for account in accounts.iter().map(String::as_str).chain([STORE_ACCOUNT]) {
            if !self.accounts.contains_key(account) {
                let key = AccountKey { log_key: secret(entropy), blind: secret(entropy) };
                self.accounts.insert(account.to_owned(), key);
                is_new = true;
            }
        }
        is_new
    }

    /// Draws the keys of a log without accounts.
    pub(crate) fn draw(origin: Option<&str>, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let drawn = format!("lazuli.invalid/{:016x}", entropy.next_u64());
        let origin = origin.unwrap_or(&drawn);
        let signer = |name: &str| {
            let wrong = || KeysError::Name(name.to_owned());
            let name = name.parse::<KeyName>().map_err(|_| wrong())?;
            NoteSigner::from_seed(name, &secret(entropy)).map_err(|_| wrong())
        };
        let receipts = signer(&receipt_key_name(origin))?;
        let fast = fast(&receipts).ok_or_else(|| KeysError::Name(origin.to_owned()))?;
        Ok(Self {
            log: signer(origin)?,
            receipts,
            fast,
            segments: secret(entropy),
            data: None,
            accounts: BTreeMap::new(),
        })
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.log.verifier().name().as_str()
    }

    /// Signs a receipt.
    pub fn sign_receipt(&self, text: &str) -> Option<[u8; 64]> {
        self.fast.sign(text.as_bytes()).as_ref().try_into().ok()
    }

    /// The key of an account.
    pub fn account(&self, account: &str) -> Option<&AccountKey> {
        self.accounts.get(account)
    }

    /// All accounts with their keys.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &AccountKey)> {
        self.accounts.iter().map(|(name, key)| (name.as_str(), key))
    }

    /// Whom a verifier of this log trusts: a policy without witnesses.
    ///
    /// <https://c2sp.org/tlog-policy>
    pub fn policy(&self) -> String {
        format!("{}quorum none\n", self.log_lines())
    }

    /// The lines of the log's own keys in a policy.
    pub(crate) fn log_lines(&self) -> String {
        let (log, receipts) = (self.log.verifier(), self.receipts.verifier());
        format!("log {log}\nlog {receipts}\n")
    }

    fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nlog {}\n", self.log.to_secret_text());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "receipts {}", self.receipts.to_secret_text());
        let _ = writeln!(text, "segments {}", STANDARD.encode(self.segments));
        if let Some(data) = self.data {
            let _ = writeln!(text, "data {data}");
        }
        for (account, AccountKey { log_key, blind }) in &self.accounts {
            let name = if account == STORE_ACCOUNT { STORE_NAME } else { account };
            let (log_key, blind) = (STANDARD.encode(log_key), STANDARD.encode(blind));
            let _ = writeln!(text, "account {name} {log_key} {blind}");
        }
        text
    }
}

fn secret(entropy: &dyn Entropy) -> [u8; 32] {
    let mut secret = [0; 32];
    entropy.fill(&mut secret);
    secret
}

fn parse(text: &str) -> Option<Keys> {
    let mut lines = text.strip_suffix('\n')?.lines().peekable();
    (lines.next()? == FIRST_LINE).then_some(())?;
    let log = NoteSigner::from_secret_text(lines.next()?.strip_prefix("log ")?).ok()?;
    let receipts = lines.next()?.strip_prefix("receipts ")?;
    let receipts = NoteSigner::from_secret_text(receipts).ok()?;
    let segments = base64(lines.next()?.strip_prefix("segments ")?)?;
    let data = lines.next_if(|line| line.starts_with("data "));
    let data = data.map(|line| line.strip_prefix("data ")?.parse().ok());
    let accounts = lines.map(|line| {
        let mut words = line.strip_prefix("account ")?.split(' ');
        let name = words.next()?;
        let name = if name == STORE_NAME { STORE_ACCOUNT } else { name };
        let key = AccountKey { log_key: base64(words.next()?)?, blind: base64(words.next()?)? };
        words.next().is_none().then(|| (name.to_owned(), key))
    });
    let fast = fast(&receipts)?;
    let data = match data {
        Some(data) => Some(data?),
        None => None,
    };
    let accounts = accounts.collect::<Option<_>>()?;
    Some(Keys { log, receipts, fast, segments, data, accounts })
}

/// The key of a signer: the seed that its text ends in, behind a byte for the algorithm.
fn fast(signer: &NoteSigner) -> Option<Ed25519KeyPair> {
    let text = signer.to_secret_text();
    let bytes = STANDARD.decode(text.splitn(5, '+').nth(4)?).ok()?;
    let [_, seed @ ..] = bytes.as_slice() else { return None };
    Ed25519KeyPair::from_seed_unchecked(seed).ok()
}

fn base64(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use lazuli_base::SeededEntropy;

    use super::*;

    #[test]
    fn keys_stay_and_new_accounts_get_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let accounts =
            |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let entropy = SeededEntropy::new(1);
        let open = |names| Keys::open(Some(&path), Some("log.test"), &accounts(names), &entropy);
        let first = open(&["one"]).unwrap();
        let second = open(&["one", "two"]).unwrap();
        let third = open(&["two"]).unwrap();
        assert_eq!(first.policy(), third.policy());
        assert_eq!(third.origin(), "log.test");
        let signed = first.sign_receipt("a text\n").unwrap();
        assert_eq!(third.receipts.sign("a text\n").bytes(), signed);
        for (name, keys, other) in
            [("one", &first, &third), ("two", &second, &third), ("", &first, &third)]
        {
            let (key, other) = (keys.account(name).unwrap(), other.account(name).unwrap());
            assert_eq!((key.log_key, key.blind), (other.log_key, other.blind), "{name}");
        }
        assert!(first.account("two").is_none());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_no_file_of_keys_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        std::fs::write(&path, "lazuli keys 1\nlog x\n").unwrap();
        let opened = Keys::open(Some(&path), None, &[], &SeededEntropy::new(1));
        assert!(matches!(opened, Err(KeysError::Damaged(_))));
        let named = Keys::open(None, Some("a log"), &[], &SeededEntropy::new(1));
        assert!(matches!(named, Err(KeysError::Name(_))));
    }
}

//! The logs that a witness knows: origins and the keys that are trusted for them.

use std::collections::BTreeMap;
use std::fmt;

use lazuli_tlog::key::{Algorithm, KeyError};
use lazuli_tlog::{NoteSignature, SignedCheckpoint, VerifierKey};

/// The longest origin: an ML-DSA-44 cosignature can state no longer one.
const ORIGIN_BYTES_MAX: usize = 255;

/// Why a log cannot be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The key of this text cannot be used.
    Key(String, KeyError),
    /// The origin is empty, too long or has a control character.
    Origin(String),
    /// There is no log at all.
    NoLogs,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(text, error) => write!(f, "log `{text}`: {error}"),
            Self::Origin(origin) => {
                write!(f, "log origin `{origin}`: not a line of 1 to {ORIGIN_BYTES_MAX} bytes")
            }
            Self::NoLogs => f.write_str("no log is named (`--log` or `--log-list`)"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The trusted keys by the origin of their log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs(BTreeMap<String, Vec<VerifierKey>>);

impl Logs {
    /// Reads logs, each written as `VKEY` or `VKEY@ORIGIN`. Without an origin it is the key's name;
    /// an origin may be named several times, with a key each.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let mut logs = Self::default();
        for text in texts {
            let (key, origin) = split(text);
            let wrong = |error| ConfigError::Key(text.to_owned(), error);
            let key: VerifierKey = key.parse().map_err(wrong)?;
            if key.algorithm() == Algorithm::CosignatureV1 {
                return Err(wrong(KeyError::Algorithm(key.algorithm().byte())));
            }
            let origin = origin.unwrap_or(key.name().as_str());
            let is_line = !origin.is_empty() && !origin.contains(|letter| letter < ' ');
            if !is_line || origin.len() > ORIGIN_BYTES_MAX {
                return Err(ConfigError::Origin(origin.to_owned()));
            }
            let keys = logs.0.entry(origin.to_owned()).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if logs.0.is_empty() { Err(ConfigError::NoLogs) } else { Ok(logs) }
    }

    /// The lines of a list of logs, without blank lines and those that begin with `#`.
    pub fn lines(list: &str) -> impl Iterator<Item = &str> {
        list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// Whether a log with this origin is known.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.contains_key(origin)
    }

    /// The signatures of the log's trusted keys on a checkpoint, all verified; `None` if there are
    /// none, or one is wrong.
    pub(crate) fn verified(&self, signed: &SignedCheckpoint) -> Option<Vec<NoteSignature>> {
        let keys = self.0.get(signed.checkpoint().origin())?;
        signed.note().verify(keys).ok()?;
        let signatures = signed.note().signatures().iter();
        Some(signatures.filter(|found| keys.iter().any(|key| found.is_of(key))).cloned().collect())
    }
}

/// Key and origin. The name of a key may hold an `@`; its base64 cannot.
fn split(text: &str) -> (&str, Option<&str>) {
    let base64 = text.match_indices('+').nth(1).map_or(text.len(), |(place, _)| place);
    match text.get(base64..).and_then(|rest| rest.find('@')) {
        Some(place) => {
            let (key, origin) = text.split_at(base64 + place);
            (key, origin.strip_prefix('@'))
        }
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_tlog::NoteSigner;

    fn key(name: &str, seed: u8) -> String {
        let signer = NoteSigner::from_seed(name.parse().unwrap(), &[seed; 32]).unwrap();
        signer.verifier().to_string()
    }

    #[test]
    fn origins_are_the_names_of_keys_or_stand_behind_them() {
        let (plain, at) = (key("log.example", 1), key("a@b", 2));
        let logs = Logs::parse([
            plain.as_str(),
            &format!("{plain}@other origin+x@y"),
            &at,
            &key("log.example", 3),
            &plain,
        ])
        .unwrap();
        let origins: Vec<_> = logs.0.iter().map(|(o, keys)| (o.as_str(), keys.len())).collect();
        assert_eq!(origins, [("a@b", 1), ("log.example", 2), ("other origin+x@y", 1)]);
    }

    #[test]
    fn bad_logs_are_refused() {
        let plain = key("log.example", 1);
        assert_eq!(Logs::parse([]), Err(ConfigError::NoLogs));
        for bad in ["", "log.example", "@", "a+b+c@d"] {
            assert!(matches!(Logs::parse([bad]), Err(ConfigError::Key(..))), "{bad}");
        }
        for origin in [String::new(), "a\tb".to_owned(), "o".repeat(256)] {
            let text = format!("{plain}@{origin}");
            assert_eq!(Logs::parse([text.as_str()]), Err(ConfigError::Origin(origin)));
        }
    }

    #[test]
    fn a_list_may_have_comments() {
        let lines: Vec<_> = Logs::lines("# logs\n\n one \ntwo\n").collect();
        assert_eq!(lines, ["one", "two"]);
    }
}

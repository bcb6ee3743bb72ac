//! The file with the witness's own keys: one secret key a line.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use lazuli_tlog::Cosigner;
use lazuli_tlog::key::{Algorithm, KeyError, KeyName};

/// Why the keys cannot be read or made.
#[derive(Debug)]
pub enum KeyFileError {
    /// The file could not be read or written.
    Io(io::Error),
    /// The key in this line, counted from 1, cannot be used.
    Key(usize, KeyError),
    /// The file has no key.
    Empty,
    /// The system gave no randomness.
    Randomness,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Key(line, error) => write!(f, "line {line}: {error}"),
            Self::Empty => f.write_str("the file has no key"),
            Self::Randomness => f.write_str("the system gives no randomness"),
        }
    }
}

impl std::error::Error for KeyFileError {}

impl From<io::Error> for KeyFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes a key of each type, writes them into a new file that only its owner can read, and gives
/// them. A file that exists is left alone: a key that is overwritten is lost.
pub fn generate(
    path: &Path,
    name: &KeyName,
    algorithms: &[Algorithm],
) -> Result<Vec<Cosigner>, KeyFileError> {
    let mut keys = Vec::new();
    for algorithm in algorithms {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| KeyFileError::Randomness)?;
        let key = Cosigner::from_seed(name.clone(), *algorithm, &seed);
        keys.push(key.map_err(|error| KeyFileError::Key(keys.len() + 1, error))?);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    for key in &keys {
        writeln!(file, "{}", key.to_secret_text())?;
    }
    file.sync_all()?;
    Ok(keys)
}

/// Reads the keys of a file, at least one.
pub fn read_keys(path: &Path) -> Result<Vec<Cosigner>, KeyFileError> {
    let text = io::read_to_string(File::open(path)?)?;
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim().is_empty() {
            let key = Cosigner::from_secret_text(line.trim());
            keys.push(key.map_err(|error| KeyFileError::Key(number, error))?);
        }
    }
    if keys.is_empty() { Err(KeyFileError::Empty) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let name: KeyName = "witness.example".parse().unwrap();
        let second =
            if cfg!(feature = "ml-dsa") { Algorithm::MlDsa44 } else { Algorithm::CosignatureV1 };
        let algorithms = [Algorithm::CosignatureV1, second];
        let made = generate(&path, &name, &algorithms).unwrap();
        let read = read_keys(&path).unwrap();
        let names = |keys: &[Cosigner]| {
            keys.iter().map(|key| key.verifier().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&read), names(&made));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = generate(&path, &name, &algorithms);
        assert!(matches!(again, Err(KeyFileError::Io(_))));
        assert_eq!(names(&read_keys(&path).unwrap()), names(&made));
    }

    #[test]
    fn bad_key_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(read_keys(&path), Err(KeyFileError::Io(_))));
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read_keys(&path), Err(KeyFileError::Empty)));
        std::fs::write(&path, "\nkey\n").unwrap();
        assert!(matches!(read_keys(&path), Err(KeyFileError::Key(2, KeyError::Malformed))));
    }
}

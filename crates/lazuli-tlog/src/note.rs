//! Signed notes: a text, an empty line, and the lines of those who signed it.
//!
//! <https://c2sp.org/signed-note>. Signatures of unknown keys are ignored, as the specification
//! demands; one of a known key that fails to verify spoils the whole note.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::{KeyId, KeyName, VerifierKey};

/// The most bytes of a note: a checkpoint with all its signatures, each by ML-DSA-44, has 225,000.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;

/// The most signatures of a note.
pub const SIGNATURES_MAX: usize = 64;

/// What a signature's line begins with: an em dash and a space.
const LINE_START: &str = "\u{2014} ";

/// Why bytes are not a note, or a note is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// It has more than [`NOTE_BYTES_MAX`] bytes.
    TooLong,
    /// It has more than [`SIGNATURES_MAX`] signatures.
    TooManySignatures,
    /// It is not UTF-8, or has a control character.
    NotText,
    /// It is not a text with a line feed at its end, an empty line, and at least one signature.
    Malformed,
    /// A line among the signatures is not one.
    MalformedSignature,
    /// A known key did not make the signature that is said to be its own.
    InvalidSignature(KeyName, KeyId),
    /// No known key signed it.
    NoKnownSignature,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the note has more than {NOTE_BYTES_MAX} bytes"),
            Self::TooManySignatures => {
                write!(f, "the note has more than {SIGNATURES_MAX} signatures")
            }
            Self::NotText => f.write_str("the note is not UTF-8 or has a control character"),
            Self::Malformed => f.write_str("the note is not a text, an empty line and signatures"),
            Self::MalformedSignature => f.write_str("a signature line of the note is malformed"),
            Self::InvalidSignature(name, id) => {
                write!(f, "the signature of {name}+{id} does not verify")
            }
            Self::NoKnownSignature => f.write_str("the note has no signature of a known key"),
        }
    }
}

impl std::error::Error for NoteError {}

/// One signature of a note, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// A signature that `key` verifies.
    pub(crate) fn new(key: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self { name: key.name().clone(), id: key.id(), bytes }
    }

    /// The name of the key that is said to have made it.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of the key that is said to have made it.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes after the key's id.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it names this key.
    pub fn is_of(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == *key.name()
    }

    /// Reads a line, without its line feed.
    fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::MalformedSignature;
        let parts = line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(' '));
        let (name, text) = parts.ok_or_else(|| malformed.clone())?;
        let name = name.parse().map_err(|_| malformed.clone())?;
        let bytes = STANDARD.decode(text).map_err(|_| malformed.clone())?;
        match bytes.split_first_chunk() {
            Some((id, bytes)) if !bytes.is_empty() => {
                Ok(Self { name, id: KeyId(*id), bytes: bytes.to_vec() })
            }
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for NoteSignature {
    /// Writes the line, without its line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.0.as_slice(), &self.bytes].concat();
        write!(f, "{LINE_START}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// Reads lines of signatures without a text before them, as a witness answers.
pub fn parse_signatures(lines: &[u8]) -> Result<Vec<NoteSignature>, NoteError> {
    let text = checked_text(lines)?;
    let lines = text.strip_suffix('\n').ok_or(NoteError::Malformed)?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        if signatures.len() == SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        signatures.push(NoteSignature::parse(line)?);
    }
    Ok(signatures)
}

/// The bytes as text of a bounded length without control characters.
fn checked_text(bytes: &[u8]) -> Result<&str, NoteError> {
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong);
    }
    let is_control = |byte: &u8| *byte < b' ' && *byte != b'\n';
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.iter().any(is_control) => Ok(text),
        _ => Err(NoteError::NotText),
    }
}

/// A text and its signatures. Its `Display` is the note itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A signature that a key was found to have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// The place of the key in the list that was given.
    pub key: usize,
    /// When it was made, in seconds since 1970, if it is a cosignature and says so.
    pub timestamp: Option<u64>,
}

impl SignedNote {
    /// A note of a text that ends in a line feed, and at least one signature.
    pub fn new(text: &str, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        let text = checked_text(text.as_bytes())?;
        if !text.ends_with('\n') || signatures.is_empty() {
            return Err(NoteError::Malformed);
        }
        let mut note = Self { text: text.to_owned(), signatures: Vec::new() };
        for signature in signatures {
            note.add(signature)?;
        }
        Ok(note)
    }

    /// Reads a note. Nothing is verified yet.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let note = checked_text(bytes)?;
        // The text may have empty lines of its own: the last one divides.
        let end = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, rest) = note.split_at_checked(end + 1).ok_or(NoteError::Malformed)?;
        let lines = rest.strip_prefix('\n').filter(|lines| !lines.is_empty());
        let signatures = parse_signatures(lines.ok_or(NoteError::Malformed)?.as_bytes())?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text that was signed, with the line feed at its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order, of known and unknown keys.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature, such as a cosignature that a witness answered.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() == SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let line = signature.to_string().len() + 1;
        if self.to_string().len() + line > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Verifies every signature of these keys: at least one must be there, and none may be wrong.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, NoteError> {
        let verified = self.verify_any(keys)?;
        if verified.is_empty() { Err(NoteError::NoKnownSignature) } else { Ok(verified) }
    }

    /// Verifies every signature of these keys, of which there may be none: as for witnesses, who
    /// may not have signed yet.
    pub fn verify_any(&self, keys: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, NoteError> {
        let mut verified = Vec::new();
        for signature in &self.signatures {
            // The same id under the same name can only be the same key listed twice.
            let mut known = keys.iter().enumerate().filter(|(_, key)| signature.is_of(key));
            let Some((place, key)) = known.next() else { continue };
            let timestamp = key
                .verify(&self.text, &signature.bytes)
                .map_err(|_| NoteError::InvalidSignature(signature.name.clone(), signature.id))?;
            verified.push(VerifiedSignature { key: place, timestamp });
        }
        Ok(verified)
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::NoteSigner;

    /// <https://c2sp.org/signed-note#example>
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n\
        \u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZ\
        XsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    fn keys() -> Vec<VerifierKey> {
        vec![KEY.parse().unwrap()]
    }

    fn signer(seed: u8) -> NoteSigner {
        NoteSigner::from_seed(format!("key{seed}").parse().unwrap(), &[seed; 32]).unwrap()
    }

    #[test]
    fn the_note_of_the_specification_verifies() {
        let note = SignedNote::parse(NOTE.as_bytes()).unwrap();
        assert_eq!(note.text(), "This is an example message.\n");
        assert_eq!(note.to_string(), NOTE);
        let verified = VerifiedSignature { key: 0, timestamp: None };
        assert_eq!(note.verify(&keys()), Ok(vec![verified]));
        assert_eq!(note.verify(&[]), Err(NoteError::NoKnownSignature));
        let changed = SignedNote::parse(NOTE.replace("This", "That").as_bytes()).unwrap();
        let name = "example.com/foo".parse().unwrap();
        let id = KeyId(0x530d_903a_u32.to_be_bytes());
        assert_eq!(changed.verify(&keys()), Err(NoteError::InvalidSignature(name, id)));
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        let keys = keys();
        for place in 0..NOTE.len() {
            for bit in 0..8 {
                let mut bytes = NOTE.as_bytes().to_vec();
                bytes[place] ^= 1 << bit;
                let result = SignedNote::parse(&bytes).and_then(|note| note.verify(&keys));
                assert!(result.is_err(), "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn signatures_of_unknown_keys_are_ignored_and_wrong_ones_of_known_keys_are_not() {
        let (one, two) = (signer(1), signer(2));
        let text = "a\n\nb\n";
        let mut note = SignedNote::new(text, vec![one.sign(text), two.sign("other\n")]).unwrap();
        assert_eq!(SignedNote::parse(note.to_string().as_bytes()).as_ref(), Ok(&note));
        assert!(note.verify(&[one.verifier().clone()]).is_ok());
        let both = [two.verifier().clone(), one.verifier().clone()];
        assert!(matches!(note.verify(&both), Err(NoteError::InvalidSignature(..))));
        assert_eq!(note.verify_any(&[signer(3).verifier().clone()]), Ok(Vec::new()));
        note.add(signer(3).sign(text)).unwrap();
        assert_eq!(note.signatures().len(), 3);
    }

    #[test]
    fn what_is_not_a_note_is_refused() {
        let line = NOTE.split_once("\n\n").unwrap().1;
        let cases = [
            (String::new(), NoteError::Malformed),
            ("text\n".to_owned(), NoteError::Malformed),
            ("text\n\n".to_owned(), NoteError::Malformed),
            (format!("text\n{line}"), NoteError::Malformed),
            (format!("text\n\n{}", line.trim_end()), NoteError::Malformed),
            (format!("te\rxt\n\n{line}"), NoteError::NotText),
            (format!("te\0xt\n\n{line}"), NoteError::NotText),
            (format!("text\n\n{}", line.replace('\u{2014}', "-")), NoteError::MalformedSignature),
            (format!("text\n\n{}", line.replace("/foo", "/f+o")), NoteError::MalformedSignature),
            (format!("text\n\n{}", line.replace("aQM=", "aQN=")), NoteError::MalformedSignature),
            ("text\n\n\u{2014} a AAAAAA==\n".to_owned(), NoteError::MalformedSignature),
            ("text\n\n\u{2014} a \n".to_owned(), NoteError::MalformedSignature),
            (format!("text\n\n{}", line.repeat(SIGNATURES_MAX + 1)), NoteError::TooManySignatures),
            (format!("text\n\n{}", line.repeat(10_000)), NoteError::TooLong),
        ];
        for (note, error) in cases {
            let shown = note.chars().take(60).collect::<String>();
            assert_eq!(SignedNote::parse(note.as_bytes()), Err(error), "{shown:?}");
        }
        assert_eq!(SignedNote::parse(b"te\xffxt\n\n"), Err(NoteError::NotText));
        let most = format!("text\n\n{}", line.repeat(SIGNATURES_MAX));
        let mut note = SignedNote::parse(most.as_bytes()).unwrap();
        assert_eq!(note.add(signer(1).sign("text\n")), Err(NoteError::TooManySignatures));
        assert_eq!(SignedNote::new("text", vec![signer(1).sign("")]), Err(NoteError::Malformed));
        assert_eq!(SignedNote::new("text\n", vec![]), Err(NoteError::Malformed));
    }
}

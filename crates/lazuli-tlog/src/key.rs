//! Names and keys of those who sign notes, and their text forms.
//!
//! <https://c2sp.org/signed-note#verifier-keys> defines the verifier key (*vkey*)
//! `<name>+<hex key id>+<base64 of type and public key>`. The secret key (*skey*)
//! `PRIVATE+KEY+<name>+<hex key id>+<base64 of type and seed>` is the form of
//! <https://pkg.go.dev/golang.org/x/mod/sumdb/note>. A key whose id is not the recommended one is
//! refused: it would be a mistake of the hand that copied it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::cosignature;
#[cfg(feature = "ml-dsa")]
use crate::cosignature::MlDsaPublicKey;
use crate::hash::Hash;
use crate::note::NoteSignature;

/// How many bytes the seed has that every secret key is made from.
pub const SEED_BYTES: usize = 32;

/// The longest text of a key that is looked at; one of ML-DSA-44 has about 1,800 bytes.
const KEY_TEXT_BYTES_MAX: usize = 4096;

/// How many bytes a public key of ML-DSA-44 has.
const ML_DSA_44_BYTES: usize = 1312;

/// What a secret key begins with.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// Why a name or a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The name is empty, or has a blank, a plus or a control character in it.
    InvalidName,
    /// The text is not written as keys are.
    Malformed,
    /// The type of signature is not known here, or not one for this use.
    Algorithm(u8),
    /// The id is not the one that name, type and public key make.
    IdMismatch,
    /// The bytes are no public key, or one that signatures could be forged for.
    InvalidPublicKey,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName => f.write_str("the key's name is empty or has a blank or plus"),
            Self::Malformed => f.write_str("the key is not written as <name>+<id>+<base64>"),
            Self::Algorithm(byte) => write!(f, "keys of type 0x{byte:02x} cannot be used here"),
            Self::IdMismatch => f.write_str("the key's id does not fit its name and public key"),
            Self::InvalidPublicKey => f.write_str("the public key is not a valid one"),
        }
    }
}

impl std::error::Error for KeyError {}

/// The name of a key: not empty, without Unicode spaces, plus signs and control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_bad = |letter: char| letter.is_whitespace() || letter < ' ' || letter == '+';
        if text.is_empty() || text.contains(is_bad) {
            return Err(KeyError::InvalidName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The short number that finds a key; not a proof of anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    /// The id that the specification recommends, and demands for Ed25519 and cosignatures.
    pub fn of(name: &KeyName, algorithm: Algorithm, public_key: &[u8]) -> Self {
        let Hash([a, b, c, d, ..]) =
            Hash::of(&[name.0.as_bytes(), b"\n", &[algorithm.byte()], public_key]);
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The types of signature that are known here.
///
/// <https://c2sp.org/signed-note#signature-types>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// 0x01: Ed25519 over the text of the note.
    Ed25519,
    /// 0x04: a cosignature with a time, `cosignature/v1`, by Ed25519.
    CosignatureV1,
    /// 0x06: a cosignature with a time by ML-DSA-44; needs the feature `ml-dsa`.
    MlDsa44,
}

impl Algorithm {
    /// The byte that stands for it.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, KeyError> {
        match byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::CosignatureV1),
            0x06 => Ok(Self::MlDsa44),
            other => Err(KeyError::Algorithm(other)),
        }
    }

    /// Whether this build verifies it.
    pub const fn is_supported(self) -> bool {
        !matches!(self, Self::MlDsa44) || cfg!(feature = "ml-dsa")
    }

    /// Whether its signatures are cosignatures, which carry a time.
    pub const fn is_cosignature(self) -> bool {
        !matches!(self, Self::Ed25519)
    }
}

/// A public key, in the shape that verifies.
#[derive(Clone)]
enum PublicKey {
    Ed25519(VerifyingKey),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<MlDsaPublicKey>),
}

/// A key that verifies signatures: a name, a type and a public key.
#[derive(Clone)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    algorithm: Algorithm,
    public_key: PublicKey,
}

/// A signature that the key it names did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSignature;

impl VerifierKey {
    /// A key from its parts.
    pub fn new(name: KeyName, algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let public_key = match algorithm {
            Algorithm::Ed25519 | Algorithm::CosignatureV1 => {
                let bytes = bytes.try_into().map_err(|_| KeyError::InvalidPublicKey)?;
                let key = VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak());
                PublicKey::Ed25519(key.ok_or(KeyError::InvalidPublicKey)?)
            }
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa44 => {
                let key = MlDsaPublicKey::from_bytes(&name, bytes);
                PublicKey::MlDsa44(Box::new(key.ok_or(KeyError::InvalidPublicKey)?))
            }
            #[cfg(not(feature = "ml-dsa"))]
            Algorithm::MlDsa44 => return Err(KeyError::Algorithm(algorithm.byte())),
        };
        let id = KeyId::of(&name, algorithm, bytes);
        Ok(Self { name, id, algorithm, public_key })
    }

    /// Its name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The type of the signatures it verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes of the public key, 32 of Ed25519 and 1,312 of ML-DSA-44.
    pub fn public_key(&self) -> Vec<u8> {
        match &self.public_key {
            PublicKey::Ed25519(key) => key.as_bytes().to_vec(),
            #[cfg(feature = "ml-dsa")]
            PublicKey::MlDsa44(key) => key.to_bytes(),
        }
    }

    /// Verifies the bytes of a signature (without the key id) over the text of a note, and gives
    /// the time, in seconds since 1970, that a cosignature states.
    pub fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, InvalidSignature> {
        match (&self.public_key, self.algorithm) {
            (PublicKey::Ed25519(key), Algorithm::CosignatureV1) => {
                let (timestamp, signature) = cosignature::split(signature)?;
                let message = cosignature::ed25519_message(text, timestamp);
                verify_ed25519(key, message.as_bytes(), signature)?;
                Ok(Some(timestamp))
            }
            (PublicKey::Ed25519(key), _) => {
                verify_ed25519(key, text.as_bytes(), signature).map(|()| None)
            }
            #[cfg(feature = "ml-dsa")]
            (PublicKey::MlDsa44(key), _) => key.verify(text, signature).map(Some),
        }
    }
}

/// Verifies strictly: what one verifier takes no other refuses.
fn verify_ed25519(
    key: &VerifyingKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), InvalidSignature> {
    let signature = Signature::from_slice(signature).map_err(|_| InvalidSignature)?;
    key.verify_strict(message, &signature).map_err(|_| InvalidSignature)
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.id, self.algorithm) == (&other.name, other.id, other.algorithm)
            && self.public_key() == other.public_key()
    }
}

impl Eq for VerifierKey {}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.algorithm.byte()], self.public_key().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({}+{})", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let parts = Parts::parse_supported(text)?;
        let key = Self::new(parts.name, parts.algorithm, &parts.bytes)?;
        if key.id.to_string() == parts.id { Ok(key) } else { Err(KeyError::IdMismatch) }
    }
}

/// The three parts of a key's text.
struct Parts<'a> {
    name: KeyName,
    id: &'a str,
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn parse(text: &'a str) -> Result<Self, KeyError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(KeyError::Malformed);
        }
        // Base64 may hold a plus too, so that only the first two divide.
        let mut parts = text.splitn(3, '+');
        let mut next = || parts.next().ok_or(KeyError::Malformed);
        let (name, id, key) = (next()?, next()?, next()?);
        let bytes = STANDARD.decode(key).map_err(|_| KeyError::Malformed)?;
        let (algorithm, bytes) = bytes.split_first().ok_or(KeyError::Malformed)?;
        let algorithm = Algorithm::from_byte(*algorithm)?;
        Ok(Self { name: name.parse()?, id, algorithm, bytes: bytes.to_vec() })
    }

    /// The parts of a key that this build can verify.
    fn parse_supported(text: &'a str) -> Result<Self, KeyError> {
        let parts = Self::parse(text)?;
        let byte = parts.algorithm.byte();
        if parts.algorithm.is_supported() { Ok(parts) } else { Err(KeyError::Algorithm(byte)) }
    }
}

/// A well-formed key of ML-DSA-44 in a build that cannot verify its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedKey {
    name: KeyName,
    id: KeyId,
}

impl UnsupportedKey {
    /// Its name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its id.
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for UnsupportedKey {
    type Err = KeyError;

    /// Reads a key that is well-formed and not supported; any other one is an error.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let Parts { name, id: written, algorithm, bytes } = Parts::parse(text)?;
        if algorithm.is_supported() {
            return Err(KeyError::Algorithm(algorithm.byte()));
        }
        if bytes.len() != ML_DSA_44_BYTES {
            return Err(KeyError::InvalidPublicKey);
        }
        let id = KeyId::of(&name, algorithm, &bytes);
        if id.to_string() == written { Ok(Self { name, id }) } else { Err(KeyError::IdMismatch) }
    }
}

impl fmt::Display for UnsupportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.name, self.id)
    }
}

/// Name, id, type and seed of a secret key; the id is not checked yet.
pub(crate) struct SecretParts {
    pub(crate) name: KeyName,
    pub(crate) algorithm: Algorithm,
    pub(crate) seed: [u8; SEED_BYTES],
    id: String,
}

impl SecretParts {
    /// Reads the text of a secret key.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_prefix(SECRET_PREFIX).ok_or(KeyError::Malformed)?;
        let Parts { name, id, algorithm, bytes } = Parts::parse_supported(text)?;
        let seed = bytes.try_into().map_err(|_| KeyError::Malformed)?;
        Ok(Self { name, algorithm, seed, id: id.to_owned() })
    }

    /// Checks that the key made from these parts has the id that the text names.
    pub(crate) fn check(&self, key: &VerifierKey) -> Result<(), KeyError> {
        if key.id().to_string() == self.id { Ok(()) } else { Err(KeyError::IdMismatch) }
    }
}

/// The text of a secret key.
pub(crate) fn secret_text(key: &VerifierKey, seed: &[u8; SEED_BYTES]) -> String {
    let bytes = [&[key.algorithm().byte()], seed.as_slice()].concat();
    format!("{SECRET_PREFIX}{}+{}+{}", key.name(), key.id(), STANDARD.encode(bytes))
}

/// A key that signs notes with plain Ed25519 signatures, as a log signs its checkpoints.
pub struct NoteSigner {
    verifier: VerifierKey,
    secret: SigningKey,
}

impl NoteSigner {
    /// The key with this name and seed. The seed is 32 bytes from a good source of randomness.
    pub fn from_seed(name: KeyName, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        let secret = SigningKey::from_bytes(seed);
        let public = secret.verifying_key();
        let verifier = VerifierKey::new(name, Algorithm::Ed25519, public.as_bytes())?;
        Ok(Self { verifier, secret })
    }

    /// Reads the text of a secret key of type 0x01.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let parts = SecretParts::parse(text)?;
        if parts.algorithm != Algorithm::Ed25519 {
            return Err(KeyError::Algorithm(parts.algorithm.byte()));
        }
        let signer = Self::from_seed(parts.name.clone(), &parts.seed)?;
        parts.check(&signer.verifier)?;
        Ok(signer)
    }

    /// The secret key as text: whoever has it can sign.
    pub fn to_secret_text(&self) -> String {
        secret_text(&self.verifier, self.secret.as_bytes())
    }

    /// The key that verifies what this one signs.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the text of a note.
    pub fn sign(&self, text: &str) -> NoteSignature {
        let signature = self.secret.sign(text.as_bytes());
        NoteSignature::new(&self.verifier, signature.to_bytes().to_vec())
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({}+{})", self.verifier.name, self.verifier.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://c2sp.org/signed-note#example>
    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_key_of_the_specification_is_read_and_written() {
        let key: VerifierKey = EXAMPLE.parse().unwrap();
        assert_eq!((key.name().as_str(), key.algorithm()), ("example.com/foo", Algorithm::Ed25519));
        assert_eq!(key.to_string(), EXAMPLE);
    }

    #[test]
    fn bad_keys_are_refused() {
        let weak = VerifierKey::new("a".parse().unwrap(), Algorithm::Ed25519, &[0; 32]);
        assert_eq!(weak, Err(KeyError::InvalidPublicKey));
        let with = |from: &str, to: &str| EXAMPLE.replacen(from, to, 1).parse::<VerifierKey>();
        let cases = [
            (with("530d903a", "530d903b"), KeyError::IdMismatch),
            (with("530d903a", "530D903A"), KeyError::IdMismatch),
            (with("foo", "bar"), KeyError::IdMismatch),
            (with("foo", "f oo"), KeyError::InvalidName),
            (with("foo", "f\u{2003}oo"), KeyError::InvalidName),
            (with("example.com/foo", ""), KeyError::InvalidName),
            (with("+Aek", "+Bek"), KeyError::Algorithm(0x05)),
            (with("+Aek", "+/+k"), KeyError::Algorithm(0xff)),
            (with("U2k", "U2"), KeyError::Malformed),
            (with("3U2k", ""), KeyError::InvalidPublicKey),
            (with("+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "+"), KeyError::Malformed),
            ("".parse(), KeyError::Malformed),
            ("a+b".parse(), KeyError::Malformed),
            ("a".repeat(1 << 20).parse(), KeyError::Malformed),
        ];
        for (place, (result, error)) in cases.into_iter().enumerate() {
            assert_eq!(result, Err(error), "case {place}");
        }
    }

    #[test]
    fn a_secret_key_is_read_back_and_never_printed() {
        let signer = NoteSigner::from_seed("log.example".parse().unwrap(), &[7; 32]).unwrap();
        let text = signer.to_secret_text();
        let read = NoteSigner::from_secret_text(&text).unwrap();
        assert_eq!(read.verifier(), signer.verifier());
        assert!(!format!("{read:?}").contains(&text[40..]));
        let wrong_name = text.replace("log.example", "log.other");
        assert_eq!(NoteSigner::from_secret_text(&wrong_name).unwrap_err(), KeyError::IdMismatch);
        let public = signer.verifier().to_string();
        assert_eq!(NoteSigner::from_secret_text(&public).unwrap_err(), KeyError::Malformed);
    }

    #[test]
    fn a_signature_is_of_one_key_and_one_text() {
        let name: KeyName = "log.example".parse().unwrap();
        let signer = NoteSigner::from_seed(name.clone(), &[7; 32]).unwrap();
        let other = NoteSigner::from_seed(name, &[8; 32]).unwrap();
        let signature = signer.sign("text\n");
        let bytes = signature.bytes();
        assert_eq!(signer.verifier().verify("text\n", bytes), Ok(None));
        assert_eq!(signer.verifier().verify("text", bytes), Err(InvalidSignature));
        assert_eq!(other.verifier().verify("text\n", bytes), Err(InvalidSignature));
        assert_eq!(signer.verifier().verify("text\n", &bytes[..63]), Err(InvalidSignature));
    }
}

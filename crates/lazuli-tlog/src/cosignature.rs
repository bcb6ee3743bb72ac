//! Cosignatures: a witness states that it saw a log grow, and when.
//!
//! <https://c2sp.org/tlog-cosignature>. The bytes of a signature are the time, big-endian, and
//! then an Ed25519 or an ML-DSA-44 signature. Ed25519 signs two lines and the text of the
//! checkpoint; ML-DSA-44 signs a binary structure that names the cosigner as well. ML-DSA-44 needs
//! the feature `ml-dsa`, and is meant to stand beside an Ed25519 signature, not to replace it.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use crate::checkpoint::Checkpoint;
use crate::key::{
    Algorithm, InvalidSignature, KeyError, KeyName, SEED_BYTES, SecretParts, VerifierKey,
    secret_text,
};
use crate::note::NoteSignature;

#[cfg(feature = "ml-dsa")]
pub(crate) use ml_dsa_44::MlDsaPublicKey;

/// The latest time that a cosignature can state, in seconds since 1970.
pub const TIMESTAMP_MAX: u64 = i64::MAX as u64;

/// What Ed25519 signs.
pub(crate) fn ed25519_message(text: &str, timestamp: u64) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{text}")
}

/// The time and the signature proper in the bytes of a cosignature.
pub(crate) fn split(bytes: &[u8]) -> Result<(u64, &[u8]), InvalidSignature> {
    let (timestamp, signature) = bytes.split_first_chunk().ok_or(InvalidSignature)?;
    let timestamp = u64::from_be_bytes(*timestamp);
    if timestamp > TIMESTAMP_MAX {
        return Err(InvalidSignature);
    }
    Ok((timestamp, signature))
}

/// Why a checkpoint cannot be cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosignError {
    /// The time is later than [`TIMESTAMP_MAX`].
    Timestamp,
    /// The origin has more than 255 bytes, which ML-DSA-44 cosignatures cannot state.
    OriginTooLong,
}

impl fmt::Display for CosignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timestamp => "the time does not fit into a cosignature",
            Self::OriginTooLong => "the origin does not fit into an ML-DSA-44 cosignature",
        })
    }
}

impl std::error::Error for CosignError {}

/// The secret half of a cosigner's key.
enum Secret {
    Ed25519(Box<SigningKey>),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<ml_dsa_44::SecretKey>),
}

/// A key that cosigns checkpoints.
pub struct Cosigner {
    verifier: VerifierKey,
    secret: Secret,
}

impl Cosigner {
    /// The key of a type of cosignature with this name and seed. The seed is 32 bytes from a good
    /// source of randomness, used for no other key.
    pub fn from_seed(
        name: KeyName,
        algorithm: Algorithm,
        seed: &[u8; SEED_BYTES],
    ) -> Result<Self, KeyError> {
        let (public, secret) = match algorithm {
            Algorithm::CosignatureV1 => {
                let secret = SigningKey::from_bytes(seed);
                (secret.verifying_key().as_bytes().to_vec(), Secret::Ed25519(Box::new(secret)))
            }
            #[cfg(feature = "ml-dsa")]
            Algorithm::MlDsa44 => {
                let secret = ml_dsa_44::SecretKey::from_seed(seed);
                (secret.public_key(), Secret::MlDsa44(Box::new(secret)))
            }
            other => return Err(KeyError::Algorithm(other.byte())),
        };
        Ok(Self { verifier: VerifierKey::new(name, algorithm, &public)?, secret })
    }

    /// Reads the text of a secret key of type 0x04 or 0x06.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let parts = SecretParts::parse(text)?;
        let cosigner = Self::from_seed(parts.name.clone(), parts.algorithm, &parts.seed)?;
        parts.check(&cosigner.verifier)?;
        Ok(cosigner)
    }

    /// The secret key as text: whoever has it can cosign.
    pub fn to_secret_text(&self) -> String {
        match &self.secret {
            Secret::Ed25519(secret) => secret_text(&self.verifier, secret.as_bytes()),
            #[cfg(feature = "ml-dsa")]
            Secret::MlDsa44(secret) => secret_text(&self.verifier, &secret.seed()),
        }
    }

    /// The key that verifies what this one cosigns.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns a checkpoint, stating that at `timestamp`, in seconds since 1970, it was the largest
    /// consistent one that was seen. What is stated must have been checked before.
    pub fn cosign(
        &self,
        checkpoint: &Checkpoint,
        timestamp: u64,
    ) -> Result<NoteSignature, CosignError> {
        if timestamp > TIMESTAMP_MAX {
            return Err(CosignError::Timestamp);
        }
        let signature = match &self.secret {
            Secret::Ed25519(secret) => {
                let message = ed25519_message(&checkpoint.to_string(), timestamp);
                secret.sign(message.as_bytes()).to_bytes().to_vec()
            }
            #[cfg(feature = "ml-dsa")]
            Secret::MlDsa44(secret) => {
                let message = ml_dsa_44::message(self.verifier.name(), checkpoint, timestamp);
                secret.sign(&message.ok_or(CosignError::OriginTooLong)?)
            }
        };
        let bytes = [timestamp.to_be_bytes().as_slice(), &signature].concat();
        Ok(NoteSignature::new(&self.verifier, bytes))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({}+{})", self.verifier.name(), self.verifier.id())
    }
}

/// ML-DSA-44, of <https://csrc.nist.gov/pubs/fips/204/final>.
#[cfg(feature = "ml-dsa")]
mod ml_dsa_44 {
    use ml_dsa::signature::Keypair as _;
    use ml_dsa::{EncodedVerifyingKey, MlDsa44, Signature, SigningKey, VerifyingKey};

    use super::split;
    use crate::checkpoint::Checkpoint;
    use crate::key::{InvalidSignature, KeyName, SEED_BYTES};

    /// What keeps these signatures apart from all others.
    const LABEL: &[u8; 12] = b"subtree/v1\n\0";

    /// The structure that is signed; `None` if a name is too long for it.
    pub(super) fn message(
        name: &KeyName,
        checkpoint: &Checkpoint,
        timestamp: u64,
    ) -> Option<Vec<u8>> {
        let mut message = LABEL.to_vec();
        push_name(&mut message, name.as_str())?;
        message.extend_from_slice(&timestamp.to_be_bytes());
        push_name(&mut message, checkpoint.origin())?;
        // A checkpoint is the subtree that begins with the first leaf.
        message.extend_from_slice(&0_u64.to_be_bytes());
        message.extend_from_slice(&checkpoint.head().size.to_be_bytes());
        message.extend_from_slice(checkpoint.head().root.as_bytes());
        Some(message)
    }

    /// Adds a text behind a byte with its length.
    fn push_name(message: &mut Vec<u8>, name: &str) -> Option<()> {
        message.push(u8::try_from(name.len()).ok()?);
        message.extend_from_slice(name.as_bytes());
        Some(())
    }

    /// The key that verifies, with the name that its signatures state.
    #[derive(Clone)]
    pub(crate) struct MlDsaPublicKey {
        name: KeyName,
        key: VerifyingKey<MlDsa44>,
    }

    impl MlDsaPublicKey {
        /// The key with these 1,312 bytes; `None` for other lengths, and if the name has more than
        /// 255 bytes.
        pub(crate) fn from_bytes(name: &KeyName, bytes: &[u8]) -> Option<Self> {
            let encoded = EncodedVerifyingKey::<MlDsa44>::try_from(bytes).ok()?;
            let is_short = u8::try_from(name.as_str().len()).is_ok();
            let key = VerifyingKey::decode(&encoded);
            is_short.then(|| Self { name: name.clone(), key })
        }

        /// The 1,312 bytes.
        pub(crate) fn to_bytes(&self) -> Vec<u8> {
            self.key.encode().to_vec()
        }

        /// Verifies a cosignature on the text of a checkpoint and gives its time.
        pub(crate) fn verify(&self, text: &str, bytes: &[u8]) -> Result<u64, InvalidSignature> {
            let (timestamp, signature) = split(bytes)?;
            let checkpoint: Checkpoint = text.parse().map_err(|_| InvalidSignature)?;
            let message = message(&self.name, &checkpoint, timestamp).ok_or(InvalidSignature)?;
            let signature =
                Signature::<MlDsa44>::try_from(signature).map_err(|_| InvalidSignature)?;
            if self.key.verify_with_context(&message, &[], &signature) {
                Ok(timestamp)
            } else {
                Err(InvalidSignature)
            }
        }
    }

    /// The key that signs.
    pub(super) struct SecretKey(SigningKey<MlDsa44>);

    impl SecretKey {
        /// The key of a seed.
        pub(super) fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
            Self(SigningKey::from_seed(&(*seed).into()))
        }

        /// The seed of the key.
        pub(super) fn seed(&self) -> [u8; SEED_BYTES] {
            self.0.to_seed().into()
        }

        /// The bytes of the public key.
        pub(super) fn public_key(&self) -> Vec<u8> {
            self.0.verifying_key().encode().to_vec()
        }

        /// Signs, always with the same result: a cosigner may have no source of randomness.
        pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
            let signed = self.0.expanded_key().sign_deterministic(message, &[]);
            // An empty context is never too long, which is the one way in which this can fail.
            signed.map(|signature| signature.encode().to_vec()).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::note::VerifiedSignature;
    use crate::verify::TreeHead;

    const TIME: u64 = 1_679_315_147;

    fn checkpoint(origin: &str) -> Checkpoint {
        Checkpoint::new(origin, TreeHead { size: 7, root: Hash([9; 32]) }).unwrap()
    }

    fn cosigner(algorithm: Algorithm) -> Cosigner {
        Cosigner::from_seed("witness.example".parse().unwrap(), algorithm, &[5; 32]).unwrap()
    }

    fn algorithms() -> Vec<Algorithm> {
        let known = [Algorithm::CosignatureV1, Algorithm::MlDsa44];
        known.into_iter().filter(|a| *a != Algorithm::MlDsa44 || cfg!(feature = "ml-dsa")).collect()
    }

    #[test]
    fn the_signed_text_is_that_of_the_specification() {
        let text = "example.com/behind-the-sofa\n20852163\n\
            CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let expected = format!("cosignature/v1\ntime 1679315147\n{text}");
        assert_eq!(ed25519_message(text, TIME), expected);
    }

    #[test]
    fn cosignatures_state_their_time_and_verify_for_their_checkpoint_only() {
        for algorithm in algorithms() {
            let cosigner = cosigner(algorithm);
            let key = cosigner.verifier();
            assert_eq!(key.to_string().parse().as_ref(), Ok(key));
            let signature = cosigner.cosign(&checkpoint("log"), TIME).unwrap();
            let signed = checkpoint("log").with_signatures(vec![signature.clone()]).unwrap();
            let verified = VerifiedSignature { key: 0, timestamp: Some(TIME) };
            assert_eq!(signed.note().verify(std::slice::from_ref(key)), Ok(vec![verified]));
            let bytes = signature.bytes();
            let other = checkpoint("other").to_string();
            assert_eq!(key.verify(&other, bytes), Err(InvalidSignature));
            for place in [0, 7, 8, bytes.len() - 1] {
                let mut bytes = bytes.to_vec();
                bytes[place] ^= 1;
                assert_eq!(key.verify(signed.note().text(), &bytes), Err(InvalidSignature));
            }
            for length in [0, 7, 8, bytes.len() - 1] {
                let short = &bytes[..length];
                assert_eq!(key.verify(signed.note().text(), short), Err(InvalidSignature));
            }
        }
    }

    #[test]
    fn secret_keys_are_read_back() {
        for algorithm in algorithms() {
            let cosigner = cosigner(algorithm);
            let read = Cosigner::from_secret_text(&cosigner.to_secret_text()).unwrap();
            assert_eq!(read.verifier(), cosigner.verifier());
            let wrong = cosigner.to_secret_text().replace("witness", "vitness");
            assert_eq!(Cosigner::from_secret_text(&wrong).unwrap_err(), KeyError::IdMismatch);
        }
        let plain = Cosigner::from_seed("a".parse().unwrap(), Algorithm::Ed25519, &[1; 32]);
        assert_eq!(plain.unwrap_err(), KeyError::Algorithm(1));
    }

    #[test]
    fn times_beyond_63_bits_are_refused() {
        let cosigner = cosigner(Algorithm::CosignatureV1);
        let late = cosigner.cosign(&checkpoint("log"), TIMESTAMP_MAX + 1);
        assert_eq!(late, Err(CosignError::Timestamp));
        assert!(cosigner.cosign(&checkpoint("log"), TIMESTAMP_MAX).is_ok());
        let bytes = [[0xff; 8].as_slice(), &[0; 64]].concat();
        assert_eq!(split(&bytes), Err(InvalidSignature));
    }

    #[cfg(feature = "ml-dsa")]
    #[test]
    fn names_too_long_for_the_structure_are_refused() {
        let cosigner = cosigner(Algorithm::MlDsa44);
        let long = "o".repeat(256);
        assert_eq!(cosigner.cosign(&checkpoint(&long), TIME), Err(CosignError::OriginTooLong));
        let named = Cosigner::from_seed(long.parse().unwrap(), Algorithm::MlDsa44, &[1; 32]);
        assert_eq!(named.unwrap_err(), KeyError::InvalidPublicKey);
    }

    #[cfg(not(feature = "ml-dsa"))]
    #[test]
    fn without_the_feature_its_keys_are_refused_by_type() {
        let made = Cosigner::from_seed("a".parse().unwrap(), Algorithm::MlDsa44, &[1; 32]);
        assert_eq!(made.unwrap_err(), KeyError::Algorithm(6));
        assert_eq!("a+00000000+BgAA".parse::<VerifierKey>(), Err(KeyError::Algorithm(6)));
    }
}

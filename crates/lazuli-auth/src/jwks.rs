//! The public keys that bearer tokens are signed with, as a JSON Web Key Set.
//!
//! RFC 7517, <https://www.rfc-editor.org/rfc/rfc7517>

use std::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The most keys of a set: an issuer publishes a handful.
const KEYS_MAX: usize = 64;

/// The shortest and the longest modulus, in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The bytes of a coordinate of P-256.
const COORDINATE_BYTES: usize = 32;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

impl Algorithm {
    /// The algorithm of this name; `None` for `none`, for secrets that both sides know, and for all
    /// others.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// The keys of an issuer.
#[derive(Clone)]
pub struct VerificationKeys(Vec<VerificationKey>);

#[derive(Clone)]
struct VerificationKey {
    id: Option<String>,
    key: PublicKey,
}

#[derive(Clone)]
enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
}

/// Why a text is no set of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksError(String);

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JwksError {}

impl fmt::Debug for VerificationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part.
    d: Option<serde::de::IgnoredAny>,
}

impl VerificationKeys {
    /// Reads a key set. Keys that cannot sign tokens, those of other kinds and for other uses, are
    /// passed over.
    ///
    /// # Errors
    /// The text is no key set, a key in it is malformed, weak or private, no key is left, or there
    /// are more than 64.
    pub fn from_jwks(text: &str) -> Result<Self, JwksError> {
        let set: KeySet = serde_json::from_str(text)
            .map_err(|error| JwksError(format!("no key set: {error}")))?;
        if set.keys.len() > KEYS_MAX {
            return Err(JwksError(format!("more than {KEYS_MAX} keys")));
        }
        let mut keys = Vec::new();
        for key in set.keys {
            let name = key.kid.clone().unwrap_or_default();
            let read = verification_key(key);
            keys.extend(read.map_err(|what| JwksError(format!("the key `{name}` {what}")))?);
        }
        if keys.is_empty() {
            return Err(JwksError("no key for RS256 or ES256 is in it".to_owned()));
        }
        Ok(Self(keys))
    }

    /// Whether one of the keys made `signature` of `signed`: that with the token's key id, or any if
    /// the token names none.
    pub(crate) fn verify(
        &self,
        (algorithm, id): (Algorithm, Option<&str>),
        signed: &[u8],
        signature: &[u8],
    ) -> bool {
        let candidates = self.0.iter().filter(|key| id.is_none() || key.id.as_deref() == id);
        candidates.into_iter().any(|key| key.key.verifies(algorithm, signed, signature))
    }
}

/// The key, if it is one that signs tokens.
fn verification_key(key: Key) -> Result<Option<VerificationKey>, &'static str> {
    let algorithm = match (key.kty.as_str(), key.crv.as_deref()) {
        ("RSA", _) => "RS256",
        ("EC", Some("P-256")) => "ES256",
        _ => return Ok(None),
    };
    if key.d.is_some() {
        return Err("is private: only public keys belong here");
    }
    let fits = |given: Option<&str>, wanted| given.is_none_or(|given| given == wanted);
    if !fits(key.usage.as_deref(), "sig") || !fits(key.alg.as_deref(), algorithm) {
        return Ok(None);
    }
    let bytes = |text: Option<&str>| {
        let text = text.ok_or("lacks a parameter")?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| "has a parameter that is not base64url")
    };
    let public = if algorithm == "RS256" {
        let (modulus, exponent) = (bytes(key.n.as_deref())?, bytes(key.e.as_deref())?);
        let modulus: Vec<u8> = modulus.into_iter().skip_while(|byte| *byte == 0).collect();
        if !MODULUS_BYTES.contains(&modulus.len()) {
            return Err("has not between 2048 and 8192 bits");
        }
        PublicKey::Rsa { modulus, exponent }
    } else {
        let (x, y) = (bytes(key.x.as_deref())?, bytes(key.y.as_deref())?);
        if [x.len(), y.len()] != [COORDINATE_BYTES; 2] {
            return Err("is no point of P-256");
        }
        PublicKey::P256([&[4][..], &x, &y].concat())
    };
    Ok(Some(VerificationKey { id: key.kid, key: public }))
}

impl PublicKey {
    fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { modulus, exponent }, Algorithm::Rs256) => {
                let key = PublicKeyComponents { n: modulus, e: exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Self::P256(point), Algorithm::Es256) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        VerificationKeys::from_jwks(text).unwrap_err().to_string()
    }

    fn point(more: &str) -> String {
        let coordinate = URL_SAFE_NO_PAD.encode([1; 32]);
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{coordinate}","y":"{coordinate}"{more}}}"#)
    }

    fn set(keys: &[String]) -> String {
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    #[test]
    fn what_is_no_set_of_public_keys_is_refused() {
        assert!(error("").starts_with("no key set: "));
        assert!(error("[]").starts_with("no key set: "));
        assert!(error(r#"{"keys":[{"kty":7}]}"#).starts_with("no key set: "));
        assert_eq!(error(r#"{"keys":[]}"#), "no key for RS256 or ES256 is in it");
        let private = point(r#","kid":"k","d":"AA""#);
        assert_eq!(error(&set(&[private])), "the key `k` is private: only public keys belong here");
        let weak = format!(
            r#"{{"kty":"RSA","kid":"w","e":"AQAB","n":"{}"}}"#,
            URL_SAFE_NO_PAD.encode([0xff; 128])
        );
        assert_eq!(error(&set(&[weak])), "the key `w` has not between 2048 and 8192 bits");
        let lacking = r#"{"kty":"RSA","e":"AQAB"}"#.to_owned();
        assert_eq!(error(&set(&[lacking])), "the key `` lacks a parameter");
        let short = r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#.to_owned();
        assert_eq!(error(&set(&[short])), "the key `` is no point of P-256");
        assert_eq!(error(&set(&vec![point(""); 65])), "more than 64 keys");
    }

    #[test]
    fn keys_of_other_kinds_and_uses_are_passed_over() {
        let others = [
            r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}"#.to_owned(),
            r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#.to_owned(),
            point(r#","use":"enc""#),
            point(r#","alg":"ES384""#),
        ];
        assert_eq!(error(&set(&others)), "no key for RS256 or ES256 is in it");
        let both = set(&[others.as_slice(), &[point(r#","kid":"a","use":"sig""#)]].concat());
        let keys = VerificationKeys::from_jwks(&both).unwrap();
        assert_eq!(format!("{keys:?}"), r#"[Some("a")]"#);
        assert!(!keys.verify((Algorithm::Es256, Some("a")), b"x", &[0; 64]), "not on the curve");
    }
}

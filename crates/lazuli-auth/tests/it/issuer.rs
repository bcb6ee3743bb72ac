//! An issuer of bearer tokens, and who is known to it.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lazuli_auth::{Assignment, Guid, Identities, Role, VerificationKeys};
use serde_json::{Value, json};

use crate::fixture::{ACCOUNT, NOW, at};

pub(crate) const TENANT: &str = "ab1f708d-50f6-404c-a006-d71b2ac7a606";
pub(crate) const OWNER: &str = "11059fcc-5514-4800-b5f8-49808b9cfab6";
pub(crate) const READER: &str = "22059fcc-5514-4800-b5f8-49808b9cfab6";
pub(crate) const SCOPED: &str = "33059fcc-5514-4800-b5f8-49808b9cfab6";
pub(crate) const GROUP: &str = "99059fcc-5514-4800-b5f8-49808b9cfab6";
pub(crate) const NOBODY: &str = "00059fcc-5514-4800-b5f8-49808b9cfab6";

pub(crate) fn guid(text: &str) -> Guid {
    text.parse().unwrap()
}

/// A role of somebody in the account of the tests.
pub(crate) fn role(principal: &str, role: Role, scope: Option<&str>) -> Assignment {
    let scope = scope.map(str::to_owned);
    Assignment { account: ACCOUNT.to_owned(), principal: guid(principal), role, scope }
}

fn assignments() -> Vec<Assignment> {
    let elsewhere = role(NOBODY, Role::BlobDataOwner, None);
    vec![
        role(OWNER, Role::BlobDataOwner, None),
        role(OWNER, Role::QueueDataContributor, None),
        role(OWNER, Role::QueueDelegator, None),
        role(OWNER, Role::TableDataContributor, None),
        role(OWNER, Role::TableDelegator, None),
        role(READER, Role::BlobDataReader, None),
        role(READER, Role::TableDataContributor, None),
        role(SCOPED, Role::BlobDataContributor, Some("c1")),
        role(SCOPED, Role::BlobDataContributor, Some("box")),
        role(SCOPED, Role::TableDataContributor, Some("gems")),
        role(GROUP, Role::QueueDataReader, None),
        Assignment { account: "other".to_owned(), ..elsewhere },
    ]
}

/// The keys of an issuer.
pub(crate) struct Issuer {
    ec: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { ec, rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    /// One for all tests that need none of their own: keys take time to make.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Issuer> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    pub(crate) fn jwks(&self) -> String {
        let point = self.ec.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        // PKCS #1: a sequence of the modulus, behind a byte that says it is positive, and 65537.
        let modulus = &self.rsa.public_key().as_ref()[9..][..256];
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": encode(x), "y": encode(y)},
            {"kty": "RSA", "kid": "rsa", "n": encode(modulus), "e": "AQAB"},
        ]})
        .to_string()
    }

    /// The identities that take this issuer's tokens, with the roles that tests know.
    pub(crate) fn identities(&self) -> Identities {
        self.identities_with(assignments())
    }

    /// The same with other roles.
    pub(crate) fn identities_with(&self, assignments: Vec<Assignment>) -> Identities {
        let keys = VerificationKeys::from_jwks(&self.jwks()).unwrap();
        let tenant = guid(TENANT);
        let issuers = Identities::issuers_of(&tenant);
        Identities::new(tenant, issuers, keys, assignments)
    }

    /// What a token says of `object_id`.
    pub(crate) fn claims(object_id: &str) -> Value {
        let now = at(NOW).unix_seconds();
        json!({
            "iss": format!("https://sts.windows.net/{TENANT}/"),
            "aud": "https://storage.azure.com",
            "tid": TENANT,
            "oid": object_id,
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        })
    }

    /// A token with a head, signed as the head says.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match header["alg"].as_str() {
            Some("ES256") => self.ec.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec(),
            Some("RS256") => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                let padding = &RSA_PKCS1_SHA256;
                self.rsa.sign(padding, &random, text.as_bytes(), &mut signature).unwrap();
                signature
            }
            _ => Vec::new(),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token of somebody.
    pub(crate) fn token(&self, object_id: &str) -> String {
        self.sign(&json!({"alg": "ES256", "kid": "ec"}), &Self::claims(object_id))
    }
}

//! The keys that an issuer publishes (JWK Set, RFC 7517, section 5), as far as they can check a signature.

use aws_lc_rs::digest;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::compact::{Signed, signature_algorithm};

/// The most keys of one issuer that are kept.
const MAX_KEYS: usize = 64;

/// For how many tokens it is remembered that their signature is right: about 1 MB.
const REMEMBERED_SIGNATURES: u64 = 10_000;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Public keys for checking signatures. Symmetric keys, keys for encryption and kinds not known here are left out.
///
/// A caller sends the same token with each request, and checking a public-key signature is dear (25 to 230 µs), so the
/// SHA-256 of those found right are remembered. The memory belongs to these keys: fetching them anew forgets it, so a
/// withdrawn key vouches for nothing. The claims are checked every time.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<VerifyingKey>,
    right: Cache<Vec<u8>, ()>,
}

#[derive(Debug)]
struct VerifyingKey {
    id: Option<String>,
    algorithms: Algorithms,
    key: DecodingKey,
}

/// With which algorithms a key may be used: its own, where it names one, else those of its kind.
#[derive(Debug, Clone, Copy)]
enum Algorithms {
    Own(Algorithm),
    OfKind(&'static [Algorithm]),
}

impl Algorithms {
    fn contains(self, algorithm: Algorithm) -> bool {
        match self {
            Self::Own(own) => own == algorithm,
            Self::OfKind(several) => several.contains(&algorithm),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JWK Set; `None` where it is none. A key that is not understood is passed over (RFC 7517, section 5).
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(json).ok()?;
        let keys = document.keys.into_iter().filter_map(VerifyingKey::read).take(MAX_KEYS).collect();
        Some(Self { keys, right: Cache::new(REMEMBERED_SIGNATURES) })
    }

    /// Whether there is a key of this id.
    pub(crate) fn names(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// Checks the signature of `token`, which is made with `algorithm`.
    ///
    /// The key is the one that the token's `kid` names. A token without `kid` is checked only where a single key of
    /// the set is fit for its algorithm.
    pub(crate) fn verify(&self, token: &Signed<'_>, algorithm: Algorithm) -> Result<(), Error> {
        let fingerprint = fingerprint(token);
        if !self.right.contains_key(&fingerprint) {
            self.check_signature(token, algorithm)?;
            self.right.insert(fingerprint, ());
        }
        Ok(())
    }

    fn check_signature(&self, token: &Signed<'_>, algorithm: Algorithm) -> Result<(), Error> {
        let id = token.header.kid.as_deref();
        let named = || self.keys.iter().filter(|key| id.is_none() || key.id.as_deref() == id);
        let mut fit = named().filter(|key| key.algorithms.contains(algorithm));
        let Some(first) = fit.next() else {
            return Err(if named().next().is_some() { token.header.refused() } else { Error::UnknownKey });
        };
        if id.is_none() && fit.next().is_some() {
            return Err(Error::UnknownKey);
        }
        // Several keys may share an id where they differ in kind (RFC 7517, section 4.5).
        let mut candidates = std::iter::once(first).chain(fit);
        if candidates.any(|key| verifies(token, &key.key, algorithm)) {
            Ok(())
        } else {
            Err(Error::Signature)
        }
    }
}

/// The SHA-256 of the whole token, header and signature included.
fn fingerprint(token: &Signed<'_>) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(token.message.as_bytes());
    context.update(b".");
    context.update(token.signature.as_bytes());
    context.finish().as_ref().to_vec()
}

/// Whether `key` made the signature of `token`.
pub(crate) fn verifies(token: &Signed<'_>, key: &DecodingKey, algorithm: Algorithm) -> bool {
    jsonwebtoken::crypto::verify(token.signature, token.message.as_bytes(), key, algorithm).unwrap_or(false)
}

impl VerifyingKey {
    fn read(value: Value) -> Option<Self> {
        let member = |name: &str| value.get(name).and_then(Value::as_str);
        if member("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let operations = value.get("key_ops").and_then(Value::as_array);
        if operations.is_some_and(|all| all.iter().all(|one| one.as_str() != Some("verify"))) {
            return None;
        }
        let own = match member("alg") {
            Some(name) => Some(signature_algorithm(name)?),
            None => None,
        };
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let of_kind = algorithms_of(&jwk.algorithm)?;
        let algorithms = match own {
            Some(own) if of_kind.contains(&own) => Algorithms::Own(own),
            Some(_) => return None,
            None => Algorithms::OfKind(of_kind),
        };
        Some(Self { key: DecodingKey::from_jwk(&jwk).ok()?, id: jwk.common.key_id, algorithms })
    }
}

/// The algorithms that a kind of key can have (RFC 7518, section 3.1; RFC 8037); none for symmetric ones.
fn algorithms_of(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    match parameters {
        AlgorithmParameters::RSA(_) => Some(RSA),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(&[Algorithm::ES256]),
            EllipticCurve::P384 => Some(&[Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(&[Algorithm::EdDSA])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn keys(json: &str) -> usize {
        KeySet::parse(json.as_bytes()).unwrap().keys.len()
    }

    #[test]
    fn only_public_keys_for_signatures_are_kept() {
        let ed = |extra: &str| format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{X}"{extra}}}]}}"#);
        for extra in
            ["", r#","use":"sig""#, r#","key_ops":["verify"]"#, r#","alg":"EdDSA""#, r#","alg":"Ed25519""#]
        {
            assert_eq!(keys(&ed(extra)), 1, "{extra}");
        }
        for extra in [r#","use":"enc""#, r#","key_ops":["sign"]"#, r#","alg":"HS256""#, r#","alg":"RS256""#] {
            assert_eq!(keys(&ed(extra)), 0, "{extra}");
        }
        assert_eq!(
            keys(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"},{"kty":"oct","k":"c2VjcmV0"}]}"#),
            0
        );
        assert_eq!(keys(r#"{"keys":[{"kty":"new"},7,null,{}]}"#), 0);
    }

    #[test]
    fn no_set_is_told_from_an_empty_one() {
        assert!(KeySet::parse(b"{}").is_none() && KeySet::parse(b"<html>").is_none());
        assert_eq!(keys(r#"{"keys":[]}"#), 0);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let one = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}}"#);
        assert_eq!(keys(&format!(r#"{{"keys":[{}]}}"#, vec![one; 100].join(","))), MAX_KEYS);
    }
}

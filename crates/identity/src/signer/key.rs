//! One signing key: its seed, its public part and its id.

use std::fmt;

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use crate::Error;

/// Length of the seed of an Ed25519 key in bytes (RFC 8032, section 5.1.5).
pub(super) const SEED_LEN: usize = 32;

/// A key, opened.
pub(super) struct SigningKey {
    key: EncodingKey,
    public: Jwk,
    kid: String,
    /// From when on tokens are signed with it.
    pub(super) signs_from: Timestamp,
}

impl SigningKey {
    /// The key that grows from `seed`. Its id is the thumbprint of its public part (RFC 7638).
    pub(super) fn new(seed: &[u8], signs_from: Timestamp) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::Signing)?;
        let document = pair.to_pkcs8v1().map_err(|_| Error::Signing)?;
        let key = EncodingKey::from_ed_der(document.as_ref());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(|_| Error::Signing)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| Error::Signing)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { key, public, kid, signs_from })
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn public(&self) -> &Jwk {
        &self.public
    }

    /// A token whose header says what `kind` of token it is (`typ`: RFC 8725, section 3.11).
    pub(super) fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<SecretString, Error> {
        let header = Header {
            typ: Some(kind.to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let token = jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| Error::Signing)?;
        Ok(SecretString::from(token))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_as_the_standards_have_it() {
        // RFC 8037, appendix A: the key, its public part and its thumbprint.
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SigningKey::new(&seed, Timestamp::from_millisecond(0)).unwrap();
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let public = serde_json::to_value(key.public()).unwrap();
        assert_eq!(public["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        for (name, value) in [("kty", "OKP"), ("crv", "Ed25519"), ("alg", "EdDSA"), ("use", "sig")] {
            assert_eq!(public[name], value, "{public}");
        }
        assert!(public.get("d").is_none() && !format!("{key:?}").contains("nWGx"), "{public}");
    }

    #[test]
    fn a_seed_of_another_length_is_refused() {
        for seed in [&[0_u8; 31][..], &[0; 33], &[]] {
            assert!(SigningKey::new(seed, Timestamp::from_millisecond(0)).is_err());
        }
    }
}

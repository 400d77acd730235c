//! The session tokens of NextAuth v4 and Auth.js v5: JWE with direct encryption (RFC 7516; RFC 7518, section 4.5),
//! under keys that the libraries derive from a shared secret by HKDF-SHA256 (RFC 5869).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, digest, hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::Error;
use crate::compact::{Encrypted, decode};
use crate::error::AlgorithmName;

/// What NextAuth v4 gives HKDF as `info`; its salt is empty.
const V4_INFO: &str = "NextAuth.js Generated Encryption Key";

/// The names that the session cookie of Auth.js v5 has; the name is the salt.
const V5_COOKIES: [&str; 2] = ["authjs.session-token", "__Secure-authjs.session-token"];

/// The keys under which session tokens open, derived once when the server starts.
#[derive(Default)]
pub(crate) struct SessionKeys {
    v4: Option<LessSafeKey>,
    v5: Vec<CbcHmacKey>,
}

impl SessionKeys {
    /// Derives the keys: `v4` is the secret of NextAuth, `v5` that of Auth.js. Without a secret its tokens are refused.
    pub(crate) fn derive(v4: Option<&SecretString>, v5: Option<&SecretString>) -> Result<Self, Unspecified> {
        let v4 = v4.map(|secret| {
            let key = expand::<32>(secret, "", V4_INFO)?;
            UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new)
        });
        let v5 =
            v5.map(|secret| V5_COOKIES.iter().map(|cookie| CbcHmacKey::derive(secret, cookie)).collect());
        Ok(Self { v4: v4.transpose()?, v5: v5.transpose()?.unwrap_or_default() })
    }

    /// Decrypts `token` and returns its payload.
    ///
    /// `cookie` is the name of the cookie that held it. A token sent as Bearer has none, so all names are tried.
    pub(crate) fn open(
        &self,
        token: &Encrypted<'_>,
        cookie: Option<&str>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        if token.header.alg != "dir" {
            return Err(token.header.refused());
        }
        if !token.wrapped_key.is_empty() {
            return Err(Error::Malformed("it carries a key of its own"));
        }
        let encryption = token.header.enc.as_deref().unwrap_or_default();
        match (encryption, &self.v4) {
            ("A256GCM", Some(key)) => open_gcm(key, token),
            ("A256CBC-HS512", _) if !self.v5.is_empty() => self.open_cbc(token, cookie),
            _ => Err(Error::Algorithm(AlgorithmName::new(encryption))),
        }
    }

    fn open_cbc(&self, token: &Encrypted<'_>, cookie: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let sealed = SealedCbc::decode(token)?;
        let fits = |key: &&CbcHmacKey| {
            cookie.is_none_or(|name| name == key.salt)
                && token.header.kid.as_ref().is_none_or(|kid| *kid == key.id)
        };
        let key =
            self.v5.iter().filter(fits).find(|key| key.authenticates(&sealed)).ok_or(Error::Signature)?;
        key.decrypt(sealed)
    }
}

/// A256GCM (RFC 7518, section 5.3).
fn open_gcm(key: &LessSafeKey, token: &Encrypted<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let nonce = Nonce::try_assume_unique_for_key(&decode(token.iv)?).map_err(|_| Error::Signature)?;
    let mut sealed = Zeroizing::new(decode(token.ciphertext)?);
    let tag = decode(token.tag)?;
    if tag.len() != AES_256_GCM.tag_len() {
        return Err(Error::Signature);
    }
    sealed.extend_from_slice(&tag);
    let length = key
        .open_in_place(nonce, Aad::from(token.protected.as_bytes()), &mut sealed)
        .map_err(|_| Error::Signature)?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}

/// The parts of an A256CBC-HS512 ciphertext.
struct SealedCbc<'a> {
    protected: &'a str,
    iv: [u8; 16],
    ciphertext: Zeroizing<Vec<u8>>,
    tag: [u8; 32],
}

impl<'a> SealedCbc<'a> {
    fn decode(token: &Encrypted<'a>) -> Result<Self, Error> {
        Ok(Self {
            protected: token.protected,
            iv: decode(token.iv)?.try_into().map_err(|_| Error::Signature)?,
            ciphertext: Zeroizing::new(decode(token.ciphertext)?),
            tag: decode(token.tag)?.try_into().map_err(|_| Error::Signature)?,
        })
    }
}

/// A key of A256CBC-HS512 (RFC 7518, section 5.2.5): the first half authenticates, the second encrypts.
struct CbcHmacKey {
    salt: &'static str,
    /// The JWK thumbprint (RFC 7638, with SHA-512) that Auth.js writes as `kid`.
    id: String,
    mac: hmac::Key,
    cipher: PaddedBlockDecryptingKey,
}

impl CbcHmacKey {
    fn derive(secret: &SecretString, salt: &'static str) -> Result<Self, Unspecified> {
        let info = format!("Auth.js Generated Encryption Key ({salt})");
        let key = expand::<64>(secret, salt, &info)?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*key));
        let jwk = Zeroizing::new(format!(r#"{{"k":"{}","kty":"oct"}}"#, encoded.as_str()));
        let (authenticating, encrypting) = key.split_at(32);
        Ok(Self {
            salt,
            id: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA512, jwk.as_bytes())),
            mac: hmac::Key::new(hmac::HMAC_SHA512, authenticating),
            cipher: PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, encrypting)?)?,
        })
    }

    /// Whether this key made the tag: half of the HMAC over header, IV, ciphertext and the header's length in bits.
    fn authenticates(&self, sealed: &SealedCbc<'_>) -> bool {
        let header_bits = (sealed.protected.len() as u64).saturating_mul(8);
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(sealed.protected.as_bytes());
        context.update(&sealed.iv);
        context.update(&sealed.ciphertext);
        context.update(&header_bits.to_be_bytes());
        let tag = context.sign();
        tag.as_ref()
            .get(..sealed.tag.len())
            .is_some_and(|half| constant_time::verify_slices_are_equal(half, &sealed.tag).is_ok())
    }

    /// Decrypts what [`Self::authenticates`] has approved, so that padding tells nothing to a forger.
    fn decrypt(&self, mut sealed: SealedCbc<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let context = DecryptionContext::Iv128(FixedLength::from(sealed.iv));
        let length =
            self.cipher.decrypt(&mut sealed.ciphertext, context).map_err(|_| Error::Signature)?.len();
        sealed.ciphertext.truncate(length);
        Ok(sealed.ciphertext)
    }
}

/// A length that HKDF is to give.
struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(
    secret: &SecretString,
    salt: &str,
    info: &str,
) -> Result<Zeroizing<[u8; N]>, Unspecified> {
    let mut key = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt.as_bytes())
        .extract(secret.expose_secret().as_bytes())
        .expand(&[info.as_bytes()], OutputLength(N))?
        .fill(&mut *key)?;
    Ok(key)
}

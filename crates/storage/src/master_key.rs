//! One master key, which wraps tenants' data keys, and the cipher that all keys share.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Ambient;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::Zeroizing;

use crate::Error;

/// Length of every key here, in bytes: AES-256.
pub(crate) const KEY_LEN: usize = 32;
/// Length of the nonce before each message, in bytes.
pub(crate) const NONCE: usize = NONCE_LEN;
/// The first byte of whatever a master key sealed, so that another format can follow.
const FORMAT: u8 = 1;

/// One key of the platform's own. It seals data keys and nothing else.
pub struct MasterKey {
    key: SealingKey,
    id: String,
}

impl MasterKey {
    /// Reads 32 bytes of base64, as `ENCRYPTION_KEY` holds them.
    ///
    /// # Errors
    /// [`Error::MasterKeyFormat`] if they are not.
    pub fn from_base64(text: &SecretString) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text.expose_secret().trim()).map(Zeroizing::new);
        Self::new(&bytes.map_err(|_| Error::MasterKeyFormat)?)
    }

    /// A new key, and its text in base64.
    pub(crate) fn generate(ambient: &Ambient) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(Zeroizing::new(ambient.bytes::<KEY_LEN>())))
    }

    fn new(bytes: &[u8]) -> Result<Self, Error> {
        let key = SealingKey::new(bytes)?;
        // Tells keys apart without telling anything of the key: 64 bits of HMAC-SHA-256 (RFC 2104) under it.
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), b"jackfield master key id");
        let id = tag.as_ref().first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default();
        Ok(Self { key, id: format!("{id:016x}") })
    }

    /// Names the key in the database.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn seal(&self, context: &[u8], plaintext: &[u8], ambient: &Ambient) -> Result<Vec<u8>, Error> {
        let message = self.key.seal(context, plaintext, ambient)?;
        Ok([&[FORMAT], message.as_slice()].concat())
    }

    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let message = sealed.strip_prefix(&[FORMAT]).ok_or(Error::Unsealable)?;
        self.key.open(context, message)
    }

    /// A key for something else than sealing data keys; what it protects tells nothing of this one.
    pub(crate) fn root(&self, label: &str) -> hmac::Key {
        let own = hmac::Key::new(hmac::HMAC_SHA256, self.key.0.expose_secret());
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&own, format!("jackfield {label}").as_bytes()).as_ref())
    }
}

/// An AES-256-GCM key (NIST SP 800-38D) with a random 96-bit nonce before each message.
pub(crate) struct SealingKey(SecretBox<[u8; KEY_LEN]>);

impl SealingKey {
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; KEY_LEN] = bytes.try_into().map_err(|_| Error::MasterKeyFormat)?;
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    pub(crate) fn seal(&self, context: &[u8], plaintext: &[u8], ambient: &Ambient) -> Result<Vec<u8>, Error> {
        let nonce = ambient.bytes::<NONCE_LEN>();
        let mut message = plaintext.to_vec();
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut message)
            .map_err(|_| Error::Unsealable)?;
        Ok([nonce.as_slice(), &message].concat())
    }

    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, message) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Error::Unsealable)?;
        let mut message = Zeroizing::new(message.to_vec());
        let length = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut message)
            .map_err(|_| Error::Unsealable)?
            .len();
        message.truncate(length);
        Ok(message)
    }

    fn cipher(&self) -> Result<LessSafeKey, Error> {
        let key = UnboundKey::new(&AES_256_GCM, self.0.expose_secret()).map_err(|_| Error::Unsealable)?;
        Ok(LessSafeKey::new(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_length_is_refused() {
        for text in ["", "c2hvcnQ=", "not base64 at all!"] {
            assert!(matches!(MasterKey::from_base64(&text.into()), Err(Error::MasterKeyFormat)), "{text:?}");
        }
    }

    #[test]
    fn keys_are_told_apart_by_their_ids() {
        let id = |byte| MasterKey::new(&[byte; KEY_LEN]).unwrap().id().to_owned();
        assert_eq!(id(7), id(7));
        assert_ne!(id(7), id(8));
        assert_eq!(id(7).len(), 16);
    }

    #[test]
    fn altered_or_moved_messages_do_not_open() {
        let key = MasterKey::new(&[7; KEY_LEN]).unwrap();
        let sealed = key.seal(b"here", b"secret", &Ambient::system()).unwrap();
        assert_eq!(key.open(b"here", &sealed).unwrap().as_slice(), b"secret");
        assert!(key.open(b"there", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert!(key.open(b"here", &altered).is_err(), "byte {position}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(b"here", &sealed[..length]).is_err(), "cut to {length}");
        }
    }
}

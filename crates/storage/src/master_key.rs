//! The key that wraps every tenant's data key.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
/// The first byte of whatever was sealed, so that another format can follow.
const FORMAT: u8 = 1;

/// The platform's own key. It seals data keys and nothing else.
pub struct MasterKey(SealingKey);

impl MasterKey {
    /// Reads 32 bytes of base64, as `ENCRYPTION_KEY` holds them.
    pub fn from_base64(text: &SecretString) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text.expose_secret().trim()).map(Zeroizing::new);
        Ok(Self(SealingKey::new(&bytes.map_err(|_| Error::MasterKeyFormat)?)?))
    }

    /// Reads the key file at `path`; makes one, readable by its owner alone, where there is none.
    pub fn load_or_create(path: &Path, ambient: &Ambient) -> Result<Self, Error> {
        let fresh = Zeroizing::new(STANDARD.encode(Zeroizing::new(ambient.bytes::<KEY_LEN>())));
        match create(path, &fresh) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::MasterKeyFile(error)),
        }
        let mut text = String::with_capacity(64);
        File::open(path)
            .and_then(|file| file.take(1024).read_to_string(&mut text))
            .map_err(Error::MasterKeyFile)?;
        Self::from_base64(&SecretString::from(text))
    }

    pub(crate) fn key(&self) -> &SealingKey {
        &self.0
    }

    /// A key for something else than sealing data keys; what it protects tells nothing of this one.
    pub(crate) fn root(&self, label: &str) -> hmac::Key {
        let own = hmac::Key::new(hmac::HMAC_SHA256, self.0.0.expose_secret());
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&own, format!("jackfield {label}").as_bytes()).as_ref())
    }
}

/// Writes the whole key before the name exists, so that no reader and no crash leaves half a key.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    if path.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let mut draft = tempfile::Builder::new()
        .make_in(folder, |path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path))?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// An AES-256-GCM key (NIST SP 800-38D) with a random 96-bit nonce for each message.
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
        Ok([&[FORMAT], nonce.as_slice(), &message].concat())
    }

    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let rest = sealed.strip_prefix(&[FORMAT]).ok_or(Error::Unsealable)?;
        let (nonce, message) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Error::Unsealable)?;
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let first = MasterKey::load_or_create(&path, &Ambient::system()).unwrap();
        let second = MasterKey::load_or_create(&path, &Ambient::system()).unwrap();
        let sealed = first.key().seal(b"context", b"secret", &Ambient::system()).unwrap();
        assert_eq!(second.key().open(b"context", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for text in ["", "c2hvcnQ=", "not base64 at all!"] {
            assert!(matches!(MasterKey::from_base64(&text.into()), Err(Error::MasterKeyFormat)), "{text:?}");
        }
    }

    #[test]
    fn altered_or_moved_messages_do_not_open() {
        let key = SealingKey::new(&[7; KEY_LEN]).unwrap();
        let sealed = key.seal(b"here", b"secret", &Ambient::system()).unwrap();
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

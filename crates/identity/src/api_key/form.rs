//! How an API key is written: `jf_<id>_<secret><checksum>`.
//!
//! The id is a ULID, the secret 256 random bits as 64 hexadecimal digits, the checksum the first 4 bytes of the SHA-256
//! of all that stands before it, as 8 digits. So a key can be told from chance text without asking anyone:
//! `jf_[0-9A-HJKMNP-TV-Z]{26}_[0-9a-f]{72}`.

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA256, digest};
use model::Ambient;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::Error;

/// How every key begins.
pub(super) const PREFIX: &str = "jf_";

const ID_CHARS: usize = 26;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// A key taken apart. Its checksum is right; whether it exists is not known.
pub(super) struct Parts<'a> {
    pub(super) id: &'a str,
    secret: &'a str,
}

impl Parts<'_> {
    /// Whether `stored` is the hash of this secret, compared in constant time.
    pub(super) fn has_hash(&self, stored: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&hash(self.secret), stored).is_ok()
    }
}

/// Makes the key of this id: its text, and the hash to be stored. A single round of SHA-256 is enough, since the secret
/// is random and cannot be guessed.
pub(super) fn generate(id: &str, ambient: &Ambient) -> (SecretString, Vec<u8>) {
    let random = Zeroizing::new(ambient.bytes::<SECRET_BYTES>());
    let secret = Zeroizing::new(hex::encode(*random));
    let body = Zeroizing::new(format!("{PREFIX}{id}_{}", secret.as_str()));
    let text = format!("{}{}", body.as_str(), checksum(&body));
    (SecretString::from(text), hash(&secret))
}

/// Takes `text` apart and checks its checksum.
pub(super) fn parse(text: &str) -> Result<Parts<'_>, Error> {
    split(text).ok_or(Error::ApiKeyForm)
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (body, given) = text.split_at_checked(text.len().checked_sub(2 * CHECKSUM_BYTES)?)?;
    let (id, secret) = body.strip_prefix(PREFIX)?.split_at_checked(ID_CHARS)?;
    let secret = secret.strip_prefix('_')?;
    (secret.len() == 2 * SECRET_BYTES && checksum(body) == given).then_some(Parts { id, secret })
}

fn checksum(body: &str) -> String {
    let mut digits = hex::encode(digest(&SHA256, body.as_bytes()));
    digits.truncate(2 * CHECKSUM_BYTES);
    digits
}

fn hash(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_key_is_read_back_and_every_typo_is_noticed() {
        let ambient = Ambient::system();
        let id = model::new_id(&ambient);
        let (text, stored) = generate(&id, &ambient);
        let text = text.expose_secret();
        assert_eq!(text.len(), 102);
        let parts = parse(text).unwrap();
        assert_eq!(parts.id, id);
        assert!(parts.has_hash(&stored));
        for position in 0..text.len() {
            let mut typo = text.to_owned().into_bytes();
            typo[position] = if typo[position] == b'0' { b'1' } else { b'0' };
            assert!(parse(&String::from_utf8(typo).unwrap()).is_err(), "{position}");
            assert!(parse(&text[..position]).is_err(), "{position}");
        }
        assert!(parse(&format!("{text}0")).is_err());
        assert!(parse(&text.to_uppercase()).is_err());
    }

    #[test]
    fn text_of_other_alphabets_is_no_key() {
        for text in ["", "jf_", "jf_é", &"é".repeat(51), &format!("jf_{}", "é".repeat(60))] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn another_secret_has_another_hash() {
        let ambient = Ambient::system();
        let (first, _) = generate("0123456789ABCDEFGHJKMNPQRS", &ambient);
        let (_, other) = generate("0123456789ABCDEFGHJKMNPQRS", &ambient);
        assert!(!parse(first.expose_secret()).unwrap().has_hash(&other));
        assert!(!parse(first.expose_secret()).unwrap().has_hash(&[]));
    }
}

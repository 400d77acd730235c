//! The nonce by which a browser is known again while a flow lasts.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Ambient;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Random bytes of a nonce.
const NONCE_LEN: usize = 32;

/// A browser, by the nonce in its cookie. The nonce itself never enters a state: its hash does.
#[derive(Debug, Clone)]
pub struct Browser {
    nonce: SecretString,
    is_new: bool,
}

impl Browser {
    /// The browser that sent `cookie`, or a new one where it sent none, or none that this server could have made.
    pub fn from_cookie(cookie: Option<&str>, ambient: &Ambient) -> Self {
        let known =
            cookie.filter(|text| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == NONCE_LEN));
        let is_new = known.is_none();
        let fresh = || {
            let bytes = Zeroizing::new(ambient.bytes::<NONCE_LEN>());
            URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()
        };
        let nonce = known.map_or_else(fresh, SecretString::from);
        Self { nonce, is_new }
    }

    /// The value of the cookie.
    pub fn nonce(&self) -> &SecretString {
        &self.nonce
    }

    /// Whether the browser has the cookie not yet.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// What a state is bound to.
    pub(crate) fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.nonce.expose_secret().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_again_by_its_cookie_alone() {
        let ambient = Ambient::system();
        let first = Browser::from_cookie(None, &ambient);
        let again = Browser::from_cookie(Some(first.nonce().expose_secret()), &ambient);
        assert!(first.is_new() && !again.is_new());
        assert_eq!(first.hash(), again.hash());
        for cookie in ["", "x", "no base64!", &"A".repeat(4000)] {
            let other = Browser::from_cookie(Some(cookie), &ambient);
            assert!(other.is_new() && other.hash() != first.hash(), "{cookie:?}");
        }
        assert!(!format!("{first:?}").contains(first.nonce().expose_secret()));
    }
}

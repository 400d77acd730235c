//! Codes and tokens: random, told once, kept as digests.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::Ambient;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// SHA-256 of a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Digest(Vec<u8>);

impl Digest {
    pub(crate) fn of(secret: &str) -> Self {
        Self(digest(&SHA256, secret.as_bytes()).as_ref().to_vec())
    }

    pub(crate) fn of_secret(secret: &SecretString) -> Self {
        Self::of(secret.expose_secret())
    }

    /// Whether it is the digest of `secret`, in a time that does not tell how much of it is right.
    pub(crate) fn is_of(&self, secret: &str) -> bool {
        self.0.ct_eq(&Self::of(secret).0).into()
    }

    /// As a PKCE challenge is written (RFC 7636, section 4.2).
    pub(crate) fn is_written(&self, challenge: &str) -> bool {
        BASE64_URL_SAFE_NO_PAD.encode(&self.0).as_bytes().ct_eq(challenge.as_bytes()).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// What a token is for; its first letters say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An authorization code.
    Code,
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Code, Self::Access, Self::Refresh];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "sbc_",
            Self::Access => "sba_",
            Self::Refresh => "sbr_",
        }
    }
}

/// A code or token as clients present it: `sba_<id>_<secret>`. The id finds what it belongs to; the secret proves it.
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
}

impl<'a> Token<'a> {
    /// Takes a token apart; `None` if it was not made here.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
        let (id, secret) = text.strip_prefix(kind.prefix())?.split_once('_')?;
        Some(Self { kind, id, secret })
    }
}

/// A new token of the thing `id`, and the digest of its secret.
pub(crate) fn issue(kind: Kind, id: &str, ambient: &Ambient) -> (String, Digest) {
    let secret = BASE64_URL_SAFE_NO_PAD.encode(ambient.bytes::<32>());
    let digest = Digest::of(&secret);
    (format!("{}{id}_{secret}", kind.prefix()), digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_and_proved() {
        let (text, digest) = issue(Kind::Refresh, "01ID", &Ambient::system());
        let token = Token::parse(&text).unwrap();
        assert_eq!((token.kind, token.id), (Kind::Refresh, "01ID"));
        assert!(digest.is_of(token.secret));
        assert!(!digest.is_of("another") && !digest.is_of(""));
        assert_eq!(format!("{digest:?}"), "Digest");
        for junk in ["", "sbr_", "sbr_only", "ghp_01ID_secret"] {
            assert!(Token::parse(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn the_challenge_of_rfc_7636_appendix_b_is_met() {
        let verifier = Digest::of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert!(verifier.is_written("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert!(!verifier.is_written("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c"));
    }
}

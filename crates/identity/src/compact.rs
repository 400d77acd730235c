//! The compact serialization that JWS (RFC 7515, section 7.1) and JWE (RFC 7516, section 7.1) share.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::claims::object;
use crate::error::AlgorithmName;
use crate::{Error, MAX_CREDENTIAL_BYTES};

/// The protected header, as far as it is looked at. What a token says about where to find its own key (`jwk`, `jku`,
/// `x5c`, `x5u`) is never read.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) enc: Option<String>,
    pub(crate) kid: Option<String>,
    typ: Option<String>,
    cty: Option<String>,
    crit: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
}

impl Header {
    fn parse(encoded: &str) -> Result<Self, Error> {
        let json = decode(encoded)?;
        let header: Self =
            object(&json, "its header is no JSON object with an algorithm, each member given once")?;
        header.check()?;
        Ok(header)
    }

    /// Refuses what is not understood here: extensions, compression, a token within the token, and tokens made for
    /// another purpose, such as `logout+jwt` (RFC 8725, section 3.11).
    fn check(&self) -> Result<(), Error> {
        if self.crit.is_some() {
            return Err(Error::Malformed("it demands an extension (crit), and none is known here"));
        }
        if self.zip.is_some() {
            return Err(Error::Malformed("it is compressed"));
        }
        if self.cty.as_deref().is_some_and(|content| content.eq_ignore_ascii_case("jwt")) {
            return Err(Error::Malformed("it holds another token"));
        }
        let bare = |typ: &str| {
            let typ = typ.to_ascii_lowercase();
            matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
        };
        if self.typ.as_deref().is_some_and(|typ| !bare(typ)) {
            return Err(Error::Malformed("it is of a type made for another purpose"));
        }
        Ok(())
    }

    /// The signature algorithm, if it is one that any key here could have. `none` is not, nor is anything symmetric
    /// but HS256.
    pub(crate) fn signature(&self) -> Result<Algorithm, Error> {
        signature_algorithm(&self.alg).ok_or_else(|| self.refused())
    }

    /// The error that says that this algorithm is not accepted.
    pub(crate) fn refused(&self) -> Error {
        Error::Algorithm(AlgorithmName::new(&self.alg))
    }
}

/// The signature algorithm of this name (RFC 7518, section 3.1, RFC 8037, section 3.1, RFC 9864, section 2.2).
pub(crate) fn signature_algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "HS256" => Algorithm::HS256,
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// A token taken apart, not yet believed in any respect.
pub(crate) enum Token<'a> {
    /// Three parts.
    Signed(Signed<'a>),
    /// Five parts.
    Encrypted(Encrypted<'a>),
}

/// A JWS whose signature has not been checked.
pub(crate) struct Signed<'a> {
    pub(crate) header: Header,
    /// Header and payload as they were signed.
    pub(crate) message: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
}

/// A JWE that has not been decrypted.
pub(crate) struct Encrypted<'a> {
    pub(crate) header: Header,
    /// The header as it was authenticated.
    pub(crate) protected: &'a str,
    pub(crate) wrapped_key: &'a str,
    pub(crate) iv: &'a str,
    pub(crate) ciphertext: &'a str,
    pub(crate) tag: &'a str,
}

impl<'a> Token<'a> {
    /// Takes `token` apart and reads its header.
    pub(crate) fn parse(token: &'a str) -> Result<Self, Error> {
        if token.len() > MAX_CREDENTIAL_BYTES {
            return Err(Error::TooLong { max: MAX_CREDENTIAL_BYTES });
        }
        let mut rest = token.split('.');
        let parts: [Option<&str>; 6] = std::array::from_fn(|_| rest.next());
        match parts {
            [Some(first), Some(payload), Some(signature), None, ..] => {
                let message = token.get(..first.len() + 1 + payload.len()).unwrap_or_default();
                Ok(Self::Signed(Signed { header: Header::parse(first)?, message, payload, signature }))
            }
            [Some(protected), Some(wrapped_key), Some(iv), Some(ciphertext), Some(tag), None] => {
                let header = Header::parse(protected)?;
                Ok(Self::Encrypted(Encrypted { header, protected, wrapped_key, iv, ciphertext, tag }))
            }
            _ => Err(Error::Malformed("it has neither the three parts of a JWS nor the five of a JWE")),
        }
    }
}

/// Decodes base64url without padding; spare bits must be zero, so that a token has one spelling only.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Error::Malformed("one of its parts is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(header: &str) -> Option<String> {
        let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        let signature = match Token::parse(&token) {
            Ok(Token::Signed(signed)) => signed.header.signature().map(|_| ()),
            Ok(Token::Encrypted(_)) => panic!("three parts are a JWS"),
            Err(error) => Err(error),
        };
        signature.err().map(|error| error.to_string())
    }

    #[test]
    fn only_known_signature_algorithms_pass() {
        for algorithm in ["HS256", "RS256", "ES256", "EdDSA", "PS384"] {
            assert_eq!(refusal(&format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#)), None);
        }
        for algorithm in
            ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "hs256", "ES256K", "dir", "RSA-OAEP"]
        {
            assert!(
                refusal(&format!(r#"{{"alg":"{algorithm}"}}"#)).unwrap().contains("not accepted"),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn headers_that_ask_for_more_are_refused() {
        let headers = [
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","zip":"DEF"}"#,
            r#"{"alg":"HS256","cty":"JWT"}"#,
            r#"{"alg":"HS256","typ":"logout+jwt"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":["HS256"]}"#,
            r#"["HS256"]"#,
            "{}",
            "",
        ];
        for header in headers {
            assert!(refusal(header).unwrap().contains("malformed"), "{header}");
        }
    }

    #[test]
    fn other_numbers_of_parts_are_no_token() {
        for token in ["", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c.d.e.f", "a.b.c.d.e.f.g"] {
            assert!(Token::parse(token).is_err(), "{token}");
        }
    }
}

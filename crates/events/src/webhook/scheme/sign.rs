//! Signing as a sender does, for calls that somebody makes to try a plugin out.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use model::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::header::Said;
use super::{Algorithm, At, Encoding, Form, Names, Proof, Refused, Scheme, Signature, Unit};

/// Why a call cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Only the sender can.
    #[error("webhooks of this scheme are signed with a key that only the sender has")]
    NotOurs,
    /// The secret is none of the scheme's.
    #[error(transparent)]
    Secret(#[from] Refused),
}

impl Scheme {
    /// The headers with which a sender that knows `secret` sends `body` under this `id`, at this time.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(
        &self,
        secret: &SecretString,
        body: &[u8],
        (id, now): (&str, Timestamp),
    ) -> Result<Vec<(String, String)>, SignError> {
        let mut headers = match &self.proof {
            Proof::Signature(signature) => signature.sign(secret, body, (id, now))?,
            Proof::Token { header } => vec![(header.to_string(), secret.expose_secret().to_owned())],
            Proof::Address => Vec::new(),
            Proof::Bearer(_) => return Err(SignError::NotOurs),
        };
        let place = self.id.iter().find_map(|at| match at {
            At::Header(name) => Some(name),
            At::Body(_) => None,
        });
        if let Some(name) = place.filter(|name| headers.iter().all(|(known, _)| known != name.as_ref())) {
            headers.push((name.to_string(), id.to_owned()));
        }
        Ok(headers)
    }
}

impl Signature {
    fn sign(
        &self,
        secret: &SecretString,
        body: &[u8],
        (id, now): (&str, Timestamp),
    ) -> Result<Vec<(String, String)>, SignError> {
        let (kind, key) = self.key(secret.expose_secret())?;
        let algorithm = match kind.algorithm {
            Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
            Algorithm::Ed25519 => return Err(SignError::NotOurs),
        };
        let timestamp = match self.unit {
            Unit::Seconds => now.as_millisecond() / 1000,
            Unit::Milliseconds => now.as_millisecond(),
        };
        let timestamp = timestamp.to_string();
        let said = Said { signatures: Vec::new(), timestamp: Some(&timestamp), id: Some(id) };
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, &key));
        for piece in self.message(&said, body) {
            context.update(piece);
        }
        let tag = context.sign();
        let text = match self.encoding {
            Encoding::Hex => hex::encode(tag.as_ref()),
            Encoding::Base64 => BASE64_STANDARD.encode(tag.as_ref()),
            Encoding::Base64Url => BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()),
        };
        let label = &kind.label;
        let value = match &self.form {
            Form::Whole { prefix } => format!("{prefix}{text}"),
            Form::List => format!("{label},{text}"),
            Form::Pairs { separator, timestamp: Some(name) } => {
                format!("{name}={timestamp}{separator}{label}={text}")
            }
            Form::Pairs { timestamp: None, .. } => format!("{label}={text}"),
        };
        // A scheme has one spelling at least.
        let Some(Names { signature, timestamp: at, id: named }) = self.names.first() else {
            return Err(SignError::NotOurs);
        };
        let further = [(at, timestamp), (named, id.to_owned())];
        let further =
            further.into_iter().filter_map(|(name, value)| Some((name.as_ref()?.to_string(), value)));
        Ok([(signature.to_string(), value)].into_iter().chain(further).collect())
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use model::Ambient;

    use super::super::builtin::BUILTIN;
    use super::super::{BearerError, Incoming, VerifyBearer};
    use super::*;

    struct NoTokens;

    #[async_trait]
    impl VerifyBearer for NoTokens {
        async fn claims(&self, _: &SecretString, _: &str) -> Result<serde_json::Value, BearerError> {
            Err(BearerError::Signature)
        }
    }

    #[tokio::test]
    async fn what_is_signed_is_found_right_in_every_scheme() {
        let (now, body) = (Ambient::system().now(), br#"{"id": "1"}"#.as_slice());
        let secret = SecretString::from("whsec_dGhlIHNlY3JldCBvZiBhIHRlc3QsIDMyIGJ5dGVz");
        let mut signed = 0;
        for scheme in BUILTIN {
            let headers = match scheme.sign(&secret, body, ("message-1", now)) {
                Ok(headers) => headers,
                Err(error) => {
                    assert_eq!((&*scheme.name, error), ("google", SignError::NotOurs));
                    continue;
                }
            };
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
                })
                .collect();
            let verify = async |body: &[u8]| {
                let (method, path, query) = ("POST", "/", "");
                let incoming = Incoming { method, path, query, headers: &headers, body, audiences: &[] };
                scheme.verify(&incoming, std::slice::from_ref(&secret), (now, &NoTokens)).await
            };
            verify(body).await.unwrap_or_else(|error| panic!("{}: {error}", scheme.name));
            assert_eq!(verify(b"{}").await.is_err(), scheme.is_proven(), "{}", scheme.name);
            signed += 1;
        }
        assert_eq!(signed, BUILTIN.len() - 1);
    }
}

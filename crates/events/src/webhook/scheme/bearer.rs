//! Webhooks that bring a token which an issuer has signed, in place of a signature over their body.

use std::fmt;

use async_trait::async_trait;
use model::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::{List, Refused, Text};

/// How far the issuer's clock may be from this server's, in seconds.
const LEEWAY: i64 = 60;

/// Whose tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// What `iss` may be.
    pub issuers: List<Text>,
    /// Whose OpenID metadata name the keys: an URL.
    pub issuer: Text,
}

/// Why the signature of a token could not be found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// The token is not of the issuer, is not signed with RS256, or was altered.
    #[error("the bearer token is not signed by one of the issuer's keys with RS256")]
    Signature,
    /// The issuer's keys are not to be had.
    #[error("the issuer's keys cannot be fetched at the moment")]
    Unavailable,
}

/// Finds out whether a token's signature is that of an issuer. What the token says is judged here.
#[async_trait]
pub trait VerifyBearer: Send + Sync {
    /// The claims of `token`, a JWS in compact form (RFC 7515), if one of the keys that `issuer` publishes (RFC 7517) has signed it
    /// with RS256. Keys are remembered; a `kid` that is not known has them fetched anew, but not at every such token.
    async fn claims(&self, token: &SecretString, issuer: &str) -> Result<Value, BearerError>;
}

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) bearer: &'a Bearer,
    /// One of them must be who it is made for.
    pub(super) audiences: &'a [String],
    /// The e-mail addresses of the accounts that may send: one of them must be its own.
    pub(super) senders: &'a [SecretString],
    pub(super) now: Timestamp,
}

impl fmt::Debug for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("bearer", &self.bearer).finish_non_exhaustive()
    }
}

impl Expected<'_> {
    /// Whether the claims are as they must be.
    pub(super) fn check(&self, claims: &Value) -> Result<(), Refused> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if !self.bearer.issuers.iter().any(|issuer| issuer == text("iss")) {
            return Err(Refused::Claim("iss must be the issuer of the scheme"));
        }
        let is_for = |audience: &str| self.audiences.iter().any(|own| own == audience);
        let is_meant = match claims.get("aud") {
            Some(Value::String(audience)) => is_for(audience),
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(is_for),
            _ => false,
        };
        if !is_meant {
            return Err(Refused::Claim(
                "aud must be the address that is called, or the audience in the manifest",
            ));
        }
        let email = text("email").as_bytes();
        let is_sender =
            self.senders.iter().any(|sender| bool::from(sender.expose_secret().as_bytes().ct_eq(email)));
        if !is_sender || claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(Refused::Claim(
                "email must be the account in the plugin's configuration, and verified",
            ));
        }
        let now = self.now.as_millisecond().div_euclid(1000);
        let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "seconds of this age of the world fit")]
        let (latest, earliest) = ((now - LEEWAY) as f64, (now + LEEWAY) as f64);
        if seconds("exp").is_none_or(|exp| exp < latest) {
            return Err(Refused::Claim("exp must be later than now"));
        }
        if seconds("iat").is_some_and(|iat| iat > earliest)
            || seconds("nbf").is_some_and(|nbf| nbf > earliest)
        {
            return Err(Refused::Claim("iat and nbf must not be later than now"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::webhook::scheme::{Proof, builtin};

    const NOW: i64 = 1_700_000_000;

    fn check(claims: &Value) -> Result<(), Refused> {
        let Some(Proof::Bearer(bearer)) = builtin::find("google").map(|scheme| &scheme.proof) else {
            panic!()
        };
        let (audiences, senders) =
            (["https://j.example/webhooks/in/t".to_owned()], [SecretString::from("push@p.iam.example")]);
        let now = Timestamp::from_millisecond(NOW * 1000);
        Expected { bearer, audiences: &audiences, senders: &senders, now }.check(claims)
    }

    #[test]
    fn claims_are_as_the_sender_makes_them_or_refused() {
        // As in <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#jwt-format>.
        let good = json!({
            "aud": "https://j.example/webhooks/in/t", "azp": "1137", "email": "push@p.iam.example", "sub": "1137",
            "email_verified": true, "exp": NOW + 3600, "iat": NOW, "iss": "https://accounts.google.com",
        });
        assert_eq!(check(&good), Ok(()));
        for (name, wrong) in [
            ("aud", json!("https://other.example")),
            ("aud", json!([])),
            ("iss", json!("https://accounts.google.com.example")),
            ("email", json!("else@p.iam.example")),
            ("email", Value::Null),
            ("email_verified", json!("true")),
            ("exp", json!(NOW - 61)),
            ("exp", Value::Null),
            ("iat", json!(NOW + 61)),
            ("nbf", json!(NOW + 61)),
        ] {
            let mut claims = good.clone();
            claims[name] = wrong;
            assert!(check(&claims).is_err(), "{name}: {claims}");
        }
    }
}

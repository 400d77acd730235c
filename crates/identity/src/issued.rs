//! Tokens of an issuer that is trusted for one purpose, not for saying who calls.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use model::Ambient;
use reqwest::Certificate;
use serde_json::Value;

use crate::claims::object;
use crate::compact::{Token, decode};
use crate::issuer::Issuer;
use crate::{Error, IssuerUrl, fetch};

/// Tells tokens that an issuer has signed with RS256 from all others. What they say is the caller's to judge.
#[derive(Clone)]
pub struct IssuedTokens(Arc<Issuer>);

impl IssuedTokens {
    /// Those of `issuer`, whose keys are fetched at their first use and followed as they change.
    ///
    /// # Errors
    /// [`Error::Settings`].
    pub fn new(issuer: IssuerUrl, extra_roots: &[Certificate], ambient: Ambient) -> Result<Self, Error> {
        let client = fetch::client(issuer.is_loopback(), extra_roots).map_err(|_| {
            Error::Settings(vec!["EXTRA_CA_FILE holds a certificate that cannot be used".to_owned()])
        })?;
        Ok(Self(Arc::new(Issuer::new(issuer, client, ambient))))
    }

    /// The claims of `token`, none of which has been judged: not even its end.
    ///
    /// # Errors
    /// What is wrong with it, or [`Error::IssuerUnavailable`].
    pub async fn claims(&self, token: &str) -> Result<Value, Error> {
        let Token::Signed(token) = Token::parse(token)? else {
            return Err(Error::Malformed("it is encrypted, and should be signed"));
        };
        if token.header.signature()? != Algorithm::RS256 {
            return Err(token.header.refused());
        }
        self.0.verify(&token, Algorithm::RS256).await?;
        object(&decode(token.payload)?, "its claims are no JSON object, each member given once")
    }
}

impl fmt::Debug for IssuedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IssuedTokens").field(&self.0.name()).finish()
    }
}

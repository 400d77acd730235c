//! The one door: from what a request carries to who makes it.

use model::{Ambient, Principal};
use storage::Database;

use crate::api_key::PREFIX;
use crate::tokens::Tokens;
use crate::{ApiKeys, Config, Credentials, Error};

/// Turns credentials into principals.
pub struct Authenticator {
    tokens: Tokens,
    keys: ApiKeys,
}

impl Authenticator {
    /// An authenticator that accepts what `config` says, and the API keys kept in `database`.
    ///
    /// Derives the session keys and builds the clients for issuers; asks nobody yet. Fails with [`Error::Settings`].
    pub fn new(config: &Config, database: Database, ambient: Ambient) -> Result<Self, Error> {
        let tokens = Tokens::new(config, ambient.clone())?;
        Ok(Self { tokens, keys: ApiKeys::new(database, ambient) })
    }

    /// The API keys, to make, list and revoke them.
    pub fn keys(&self) -> &ApiKeys {
        &self.keys
    }

    /// Who makes the request; `None` where it carries no credential at all. A credential that is wrong is an error,
    /// never `None`.
    ///
    /// The `Authorization` header decides where there is one. Of several session cookies the first valid one counts;
    /// if none is valid, the error is that of the first.
    ///
    /// May wait for an issuer's keys (5 s at most) or for the database.
    pub async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Option<Principal>, Error> {
        if let Some(bearer) = credentials.bearer() {
            let token = bearer?;
            let principal = if token.starts_with(PREFIX) {
                self.keys.authenticate(token).await?
            } else {
                self.tokens.verify(token).await?
            };
            return Ok(Some(principal));
        }
        let mut refused = None;
        for (cookie, token) in credentials.sessions() {
            match token.and_then(|token| self.tokens.verify_session(cookie, &token)) {
                Ok(principal) => return Ok(Some(principal)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        refused.map_or(Ok(None), Err)
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("keys", &self.keys).finish_non_exhaustive()
    }
}

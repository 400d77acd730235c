//! The one door: from what a request carries to who makes it.

use model::{Ambient, Principal};
use storage::Database;

use crate::api_key::PREFIX;
use crate::store_session::StoreSessions;
use crate::tokens::Tokens;
use crate::{ApiKeys, Config, Credentials, Error, StoreSession};

/// Turns credentials into principals.
pub struct Authenticator {
    tokens: Tokens,
    keys: ApiKeys,
    stores: Option<StoreSessions>,
}

impl Authenticator {
    /// An authenticator that accepts what `config` says, and the API keys kept in `database`.
    ///
    /// Derives the session keys and builds the clients for issuers; asks nobody yet. Fails with [`Error::Settings`].
    pub fn new(config: &Config, database: Database, ambient: Ambient) -> Result<Self, Error> {
        let tokens = Tokens::new(config, ambient.clone())?;
        let stores = config.lexmodo.as_ref().map(|lexmodo| StoreSessions::new(lexmodo, ambient.clone()));
        Ok(Self { tokens, keys: ApiKeys::new(database, ambient), stores })
    }

    /// The API keys, to make, list and revoke them.
    pub fn keys(&self) -> &ApiKeys {
        &self.keys
    }

    /// Whether session tokens of a platform are accepted: whether its app is configured.
    pub fn takes_store_sessions(&self) -> bool {
        self.stores.is_some()
    }

    /// What the platform's session token `token` says, once it has proven to be the platform's and good at this moment.
    ///
    /// Fails with what is wrong with it, or with [`Error::NoStoreSessions`].
    pub fn store_session(&self, token: &str) -> Result<StoreSession, Error> {
        self.stores.as_ref().ok_or(Error::NoStoreSessions)?.verify(token)
    }

    /// Who makes the request; `None` where it carries no credential at all. A credential that is wrong is an error,
    /// never `None`.
    ///
    /// The `Authorization` header decides where there is one. Of several session cookies the first valid one counts;
    /// if none is valid, the platform's session token counts, if there is one: it was put there on purpose, cookies come by
    /// themselves. Else the error is that of the first cookie.
    ///
    /// May wait for an issuer's keys (5 s at most) or for the database.
    pub async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Option<Principal>, Error> {
        if let Some(bearer) = credentials.bearer() {
            let token = bearer?;
            let principal = if token.starts_with(PREFIX) {
                // Boxed, as other requests' futures would be larger for it.
                Box::pin(self.keys.authenticate(token)).await?
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
        if let Some(token) = credentials.store_session() {
            return self.store_session(token).map(|session| Some(session.principal()));
        }
        refused.map_or(Ok(None), Err)
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("keys", &self.keys).finish_non_exhaustive()
    }
}

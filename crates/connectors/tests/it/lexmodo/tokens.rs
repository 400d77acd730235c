//! The tokens of a store, of which the next comes when one is refused.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use connections::vault::{self, AccessToken};
use connectors::Credential;

/// A credential that has no more than the tokens it was made with.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokens: Vec<Arc<AccessToken>>,
    /// How many were refused.
    refused: Mutex<usize>,
}

impl Tokens {
    pub(crate) fn new<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Arc<Self> {
        let token = |(version, secret): (i64, T)| {
            let secret: String = secret.into();
            Arc::new(AccessToken { secret: secret.into(), expires_at: None, scopes: Vec::new(), version })
        };
        Arc::new(Self { tokens: (0..).zip(tokens).map(token).collect(), refused: Mutex::new(0) })
    }

    /// How many of the tokens were refused.
    pub(crate) fn refused(&self) -> usize {
        *self.refused.lock().unwrap()
    }

    fn current(&self) -> Result<Arc<AccessToken>, vault::Error> {
        let dead = || vault::Error::ReauthorizationRequired("there are no more tokens".to_owned());
        self.tokens.get(self.refused()).cloned().ok_or_else(dead)
    }
}

#[async_trait]
impl Credential for Tokens {
    async fn token(&self) -> Result<Arc<AccessToken>, vault::Error> {
        self.current()
    }

    async fn rejected(&self, version: i64) -> Result<Arc<AccessToken>, vault::Error> {
        if self.current()?.version == version {
            *self.refused.lock().unwrap() += 1;
        }
        self.current()
    }
}

//! For whom an operation is done, and with which connection.

use std::sync::Arc;

use async_trait::async_trait;
use connections::connection::{Connection, CredentialKey, Site};
use connections::vault::{self, AccessToken, Vault};
use model::TenantId;

use crate::{Credential, Error, reconnect};

/// Who asks, and whose connection is meant.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The tenant.
    pub tenant: TenantId,
    /// Who asks, for the record of activity: the `sub` of a token, or an API key's id.
    pub actor: String,
    /// The user whose connection is meant, in lower case. Empty where only connections of the tenant itself can be.
    pub user_email: String,
    /// One of several accounts, by the connection's id; the default one where `None`.
    pub connection: Option<String>,
}

/// What a connector works with: a connection that is there, and its token.
#[derive(Clone)]
pub struct Context {
    /// The tenant.
    pub tenant: TenantId,
    /// The connection.
    pub connection: Connection,
    /// The token that calls are made with: that of the credential which was granted what the operation needs.
    pub credential: Arc<dyn Credential>,
    /// Which of the connection's credentials that is.
    pub acting: Acting,
    /// Whether the vendor's own answer is wanted beside each item.
    pub raw: bool,
}

/// Which of a connection's credentials acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Its name within the connection: `main`, or `bot` and `user`.
    pub name: String,
    /// The name of the credential that comes first in the provider's entry.
    pub first: String,
}

impl Default for Acting {
    fn default() -> Self {
        Self { name: "main".to_owned(), first: "main".to_owned() }
    }
}

impl Context {
    /// What the credential that acts was granted.
    pub fn scopes(&self) -> &[String] {
        let credentials = &self.connection.credentials;
        let acting = credentials.iter().find(|credential| credential.name == self.acting.name);
        acting.map(|credential| credential.scopes.as_slice()).unwrap_or_default()
    }

    /// The site that was chosen, of those that the grant covers.
    ///
    /// # Errors
    /// [`Error::NeedsSite`] where none is.
    pub fn site(&self) -> Result<&Site, Error> {
        let chosen = self.connection.site.as_deref();
        let site = self.connection.sites.iter().find(|site| Some(site.id.as_str()) == chosen);
        site.ok_or_else(|| Error::needs_site(&self.connection))
    }

    /// Where the account is connected again, asking for these scopes besides what it was granted.
    pub(crate) fn reconnect(&self, missing: &[String]) -> String {
        reconnect::address(&self.connection, &self.acting, missing)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Context");
        debug.field("tenant", &self.tenant).field("connection", &self.connection.id).finish_non_exhaustive()
    }
}

/// A credential that the vault keeps.
#[derive(Debug, Clone)]
pub struct Kept {
    vault: Vault,
    key: CredentialKey,
}

impl Kept {
    /// The credential `key` in `vault`.
    pub fn new(vault: Vault, key: CredentialKey) -> Self {
        Self { vault, key }
    }
}

#[async_trait]
impl Credential for Kept {
    async fn token(&self) -> Result<Arc<AccessToken>, vault::Error> {
        self.vault.access_token(&self.key).await
    }

    async fn rejected(&self, version: i64) -> Result<Arc<AccessToken>, vault::Error> {
        self.vault.rejected(&self.key, version).await
    }
}

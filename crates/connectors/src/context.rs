//! For whom an operation is done, and with which connection.

use std::sync::Arc;

use async_trait::async_trait;
use connections::connection::{Connection, CredentialKey};
use connections::vault::{self, AccessToken, Vault};
use model::TenantId;

use crate::Credential;

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
    /// The token of its first credential.
    pub credential: Arc<dyn Credential>,
    /// Whether the vendor's own answer is wanted beside each item.
    pub raw: bool,
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

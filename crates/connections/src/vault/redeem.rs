//! How the vault has a refresh token redeemed, without knowing providers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::TenantId;
use secrecy::SecretString;

use crate::catalog::{ProviderId, Rotation};
use crate::connection::Tokens;
use crate::protocol::CallError;

/// What is redeemed, and where.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whose it is.
    pub tenant: TenantId,
    /// The connection's id.
    pub connection: String,
    /// Which provider gave it.
    pub provider: ProviderId,
    /// The OAuth app that it was given to.
    pub client_id: String,
    /// The connection's values of the provider's variables.
    pub variables: BTreeMap<String, String>,
    /// The credential's name within its connection.
    pub credential: String,
    /// The refresh token, or the client's secret where the grant is the client's own (client credentials).
    pub refresh: Option<SecretString>,
}

/// Has grants redeemed at their providers.
#[async_trait]
pub trait Redeem: Send + Sync {
    /// Redeems once: a second call follows only where the first has redeemed nothing. The vault gives up shortly after 10
    /// seconds, before its lease ends.
    async fn redeem(&self, grant: &Grant) -> Result<Tokens, CallError>;

    /// What becomes of refresh tokens at `provider`; the default where it is no longer in the catalog.
    fn rotation(&self, provider: &ProviderId) -> Rotation;
}

//! The token that a connector's calls are made with.

use std::sync::Arc;

use async_trait::async_trait;
use connections::vault::{self, AccessToken};

/// Gives the access token of one connection of one tenant, for one call at a time.
#[async_trait]
pub trait Credential: Send + Sync {
    /// The token, renewed where it has ended or is about to.
    async fn token(&self) -> Result<Arc<AccessToken>, vault::Error>;

    /// Another token than `version`, which the vendor has refused.
    async fn rejected(&self, version: i64) -> Result<Arc<AccessToken>, vault::Error>;
}

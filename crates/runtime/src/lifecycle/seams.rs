//! What runs of hooks need of other parts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{PluginId, TenantId};
use registry::Deployment;
use serde_json::Value;

use super::Hook;

/// Why a hook has not ended well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HookError {
    /// In words for the plugin's author and the tenant's admins, without secrets.
    pub message: String,
    /// How long to wait at least, where that is known.
    pub retry_after: Option<Duration>,
}

/// Calls hooks, and deletes what plugins keep.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Has the backend's hook told of `data`, within the limits of any handler. Dropped, it ends the hook.
    ///
    /// # Errors
    /// [`HookError`] where the hook fails, or cannot be called now.
    async fn call(&self, deployment: Arc<Deployment>, hook: Hook, data: Value) -> Result<(), HookError>;

    /// Deletes all that a plugin has kept and logged in a tenant.
    async fn erase(&self, tenant: &TenantId, plugin_key: &str) -> Result<(), storage::Error>;
}

/// An installation as it is now.
#[derive(Debug)]
pub enum Found {
    /// There is none.
    Nothing,
    /// It has just changed, and is not known yet as it is.
    Changing,
    /// There is one.
    Installed {
        /// What runs.
        deployment: Arc<Deployment>,
        /// Whether an admin has yet to consent to a part of what it asks for.
        lacks_consent: bool,
    },
}

/// What tenants have installed, and what they had.
#[async_trait]
pub trait Installed: Send + Sync {
    /// What `tenant` has installed under this id, as it is now: whatever a memory has, the database is asked.
    async fn current(&self, tenant: &TenantId, plugin: &PluginId) -> Result<Found, registry::Error>;

    /// What is left of an installation whose backend is to be told that it was uninstalled.
    async fn departed(
        &self,
        tenant: &TenantId,
        plugin_key: &str,
    ) -> Result<Option<Deployment>, registry::Error>;

    /// Deletes what is left of it.
    async fn forget_departed(&self, departed: &Deployment) -> Result<(), registry::Error>;
}

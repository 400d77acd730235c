//! What runs of hooks need of other parts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{PluginId, TenantId};
use registry::{Departure, Deployment, Registry};
use serde_json::Value;

use super::Hook;
use crate::Runtime;
use crate::trouble::Trouble;

/// Longer than lines of plugins' logs usually take to be written.
const LINES_ON_THEIR_WAY: Duration = Duration::from_secs(1);

/// Why a hook has not ended well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HookError {
    /// In words for the plugin's author and the tenant's admins, without secrets.
    pub message: String,
    /// How long to wait at least, where that is known.
    pub retry_after: Option<Duration>,
    /// Whether the trouble is the server's own, so that it is no attempt of the hook's.
    pub is_ours: bool,
}

/// Calls hooks, and deletes what plugins keep.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Has the backend's hook told of `data`, within the limits of any handler. Dropped, it ends the hook.
    ///
    /// # Errors
    /// [`HookError`] where the hook fails, or cannot be called now.
    async fn call(&self, deployment: Arc<Deployment>, hook: Hook, data: Value) -> Result<(), HookError>;

    /// How long [`Hooks::call`] may take at most.
    fn longest(&self) -> Duration;

    /// Deletes all that a plugin had kept and logged in a tenant until it departed, unless that is needed again.
    async fn erase(&self, departure: &Departure) -> Result<(), storage::Error>;
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

    /// Deletes what is left of it, and not what a later one has left.
    async fn forget_departed(&self, departure: &Departure) -> Result<(), registry::Error>;
}

#[async_trait]
impl Installed for Registry {
    async fn current(&self, tenant: &TenantId, plugin: &PluginId) -> Result<Found, registry::Error> {
        let installation = match self.installation(tenant, plugin).await {
            Err(registry::Error::NotInstalled(_)) => return Ok(Found::Nothing),
            found => found?,
        };
        let known = async {
            let deployment = self.deployment(tenant, plugin).await?;
            Ok((deployment, !self.consent(tenant, plugin).await?.missing.is_empty()))
        };
        let (deployment, lacks_consent) = match known.await {
            Err(registry::Error::NotInstalled(_)) => return Ok(Found::Changing),
            known => known?,
        };
        // The deployment comes from memory, where it may be as it was a second ago.
        let is_fresh = installation.enabled == deployment.enabled
            && installation.plugin.manifest.version == deployment.version;
        Ok(if is_fresh { Found::Installed { deployment, lacks_consent } } else { Found::Changing })
    }

    async fn departed(
        &self,
        tenant: &TenantId,
        plugin_key: &str,
    ) -> Result<Option<Deployment>, registry::Error> {
        self.departed(tenant, plugin_key).await
    }

    async fn forget_departed(&self, departure: &Departure) -> Result<(), registry::Error> {
        self.forget_departed(departure).await
    }
}

#[async_trait]
impl Hooks for Runtime {
    async fn call(&self, deployment: Arc<Deployment>, hook: Hook, data: Value) -> Result<(), HookError> {
        let Err(error) = self.lifecycle(&deployment, hook.into(), &data).await else { return Ok(()) };
        let Trouble { message, retry_after, is_ours, .. } =
            Trouble::of(&error, (&deployment, hook.as_str()), self.now());
        Err(HookError { message, retry_after, is_ours })
    }

    fn longest(&self) -> Duration {
        self.longest()
    }

    async fn erase(&self, departure: &Departure) -> Result<(), storage::Error> {
        // The last lines of its log are still on their way to the database, from here or from another process.
        tokio::time::sleep(LINES_ON_THEIR_WAY).await;
        self.erase(departure).await
    }
}

impl From<Hook> for sandbox::Lifecycle {
    fn from(hook: Hook) -> Self {
        match hook {
            Hook::Install => Self::Install,
            Hook::Uninstall => Self::Uninstall,
            Hook::Enable => Self::Enable,
            Hook::Disable => Self::Disable,
        }
    }
}

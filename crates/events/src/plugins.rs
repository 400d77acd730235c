//! What this crate asks of plugins: a trait that the part which runs them implements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::{EventPattern, PluginId, TenantId};
use secrecy::SecretString;
use serde_json::Value;

use crate::webhook::Manifest;

/// A handler of an installed plugin that wants events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The plugin's id.
    pub plugin: PluginId,
    /// What tells the installation from all others, for ever: of the same plugin in the same tenant, too.
    pub plugin_key: String,
    /// Which events.
    pub pattern: EventPattern,
    /// The handler's name.
    pub handler: String,
}

/// What there is where a handler is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundHandler {
    /// It can be given events.
    Known {
        /// What tells the plugin from all others, for ever.
        plugin_key: String,
    },
    /// The plugin has no handler of this name, or one that is given nothing but what this server knows to be true: webhooks,
    /// and the plugin's own life.
    Unknown,
    /// The tenant has no such plugin installed.
    NotInstalled,
}

/// How an installation takes webhooks.
#[derive(Debug, Clone)]
pub struct WebhookDoor {
    /// What tells the installation from all others, for ever: of the same plugin in the same tenant, too.
    pub plugin_key: String,
    /// Whether the tenant has it switched on.
    pub enabled: bool,
    /// The manifest's `webhook`; `None` where the plugin takes none, or this version of the program does not understand it.
    pub manifest: Option<Manifest>,
    /// The secrets that a signature may be made with, the newest first: during a rotation two. Empty where the tenant has
    /// not set any.
    pub secrets: Vec<SecretString>,
}

/// What a plugin is given of a webhook.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method, in capitals.
    pub method: String,
    /// What follows the plugin in the path, with a slash before it; `/` where nothing does.
    pub path: String,
    /// The query without its question mark.
    pub query: String,
    /// The headers, with names in lower case, without credentials.
    pub headers: Vec<(String, String)>,
    /// The bytes that were signed.
    pub body: Bytes,
}

/// What a plugin answers to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers, without those of the connection.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Bytes,
}

/// What led to a call of a handler, so that loops of events end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cause {
    /// How many events led to what the handler is given: the event's own hops; of a webhook 0.
    pub hops: u32,
}

/// What a failed delivery is to be followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The receiver failed: an attempt, and later another.
    Failed,
    /// It could not be tried for a reason that is not the receiver's: later, and no attempt.
    NotNow,
    /// The receiver wants no more of it, or is there no more: never again.
    Gone,
}

/// Why something was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReceiveError {
    /// In words for the tenant's admins and the plugin's author, without secrets.
    pub message: String,
    /// What is to follow.
    pub refusal: Refusal,
    /// How long to wait at least, where that is known.
    pub retry_after: Option<Duration>,
}

/// Installed plugins, as far as events and webhooks concern them.
#[async_trait]
pub trait Plugins: Send + Sync {
    /// The handlers that want events in `tenant`: of plugins that are installed, switched on and consented to. Read from the
    /// database, not from a memory of other times.
    async fn hooks(&self, tenant: &TenantId) -> Result<Vec<Hook>, ReceiveError>;

    /// Whether anybody's events can be given to the handler `name` of `plugin` in `tenant`, be the plugin switched on or not.
    async fn handler(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        name: &str,
    ) -> Result<FoundHandler, ReceiveError>;

    /// How `plugin` takes webhooks in `tenant`; `None` where it is not installed. At most a second old.
    async fn webhook_door(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
    ) -> Result<Option<Arc<WebhookDoor>>, ReceiveError>;

    /// Gives a handler an event, as CloudEvents JSON. Takes no longer than [`Plugins::longest`].
    async fn event(
        &self,
        tenant: &TenantId,
        hook: &Hook,
        event: &Value,
        cause: Cause,
    ) -> Result<(), ReceiveError>;

    /// Gives a plugin a webhook, and has its answer. An answer that is no 2xx is a failure of the delivery, too, but may be
    /// passed on to who has sent it. Takes no longer than [`Plugins::longest`].
    async fn webhook(
        &self,
        tenant: &TenantId,
        (plugin, plugin_key): (&PluginId, &str),
        request: Request,
        cause: Cause,
    ) -> Result<Answer, ReceiveError>;

    /// How long one call may take at most.
    fn longest(&self) -> Duration;
}

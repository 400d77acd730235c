//! A subscription as it is kept.

use model::{EventPattern, PluginId, TenantId, Timestamp};
use url::Url;

use crate::delivery::Queue;

/// Whose events somebody wants, or may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One tenant's.
    Tenant,
    /// Every tenant's, and those of the platform.
    Platform,
}

impl Scope {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Platform => "platform",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Tenant, Self::Platform].into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What a subscription is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is given events.
    Active,
    /// It is given nothing until it is resumed: somebody wanted it so.
    Paused,
    /// It is given nothing until it is resumed: its receiver has failed for days, or wants nothing more.
    Disabled,
}

impl State {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Disabled].into_iter().find(|state| state.as_str() == text)
    }
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To a URL.
    Endpoint(Url),
    /// To a handler of an installed plugin.
    Handler {
        /// The plugin's id.
        plugin: PluginId,
        /// What tells the plugin from all others, for ever.
        plugin_key: String,
        /// The handler's name.
        handler: String,
    },
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// Whose events it wants.
    pub scope: Scope,
    /// Of which types.
    pub types: Vec<EventPattern>,
    /// Where they go.
    pub destination: Destination,
    /// What it is for.
    pub description: Option<String>,
    /// What it is like.
    pub state: State,
    /// Why it is disabled.
    pub reason: Option<String>,
    /// Since when each attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Subscription {
    /// The same in another state, of its own free will.
    pub(super) fn turned(self, state: State, now: Timestamp) -> Self {
        Self { state, reason: None, failing_since: None, updated_at: now, ..self }
    }

    pub(super) fn queue(&self) -> Queue {
        Queue::Subscription { tenant: self.tenant.clone(), id: self.id.clone() }
    }
}

//! What the log records: a fact about a tenant's plugins, connections or the platform itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EventType, PluginId, TenantId};

/// The `type` of an event, in the reversed-dotted form that CloudEvents 1.0 recommends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A plugin came into being.
    PluginCreated,
    /// A plugin got a new version.
    PluginPublished,
    /// A plugin's description changed, not its code.
    PluginUpdated,
    /// A plugin left the catalog.
    PluginRemoved,
    /// A user rated a plugin.
    PluginRated,
    /// A tenant installed a plugin.
    InstallationCreated,
    /// An installation's configuration changed.
    InstallationConfigured,
    /// A tenant's admin consented to what an installation asks for.
    InstallationConsented,
    /// An installation moved to another version.
    InstallationUpgraded,
    /// An installation was switched on.
    InstallationEnabled,
    /// An installation was switched off.
    InstallationDisabled,
    /// A tenant uninstalled a plugin.
    InstallationRemoved,
    /// An API key was made.
    ApiKeyCreated,
    /// An API key was revoked.
    ApiKeyRevoked,
    /// A user connected an account at a provider.
    ConnectionCreated,
    /// A user consented anew to a connection that there was.
    ConnectionReauthorized,
    /// A connection's label, site or place as default changed.
    ConnectionUpdated,
    /// A connection works no longer until its user consents again.
    ConnectionNeedsReauth,
    /// A connection's grant dies soon, whatever is done short of a new consent.
    ConnectionExpiring,
    /// A connection was revoked and its tokens deleted.
    ConnectionRevoked,
    /// A lifecycle hook of a plugin has failed for good.
    PluginHookFailed,
    /// The secret address of an installation's webhooks was replaced.
    WebhookAddressRotated,
    /// A subscription was made.
    SubscriptionCreated,
    /// What a subscription wants, or where, was changed.
    SubscriptionUpdated,
    /// A subscription's signing secret was replaced.
    SubscriptionSecretRotated,
    /// A subscription is given nothing until it is resumed.
    SubscriptionPaused,
    /// A subscription is given events again.
    SubscriptionResumed,
    /// A subscription's receiver has failed for so long, or has refused so clearly, that it is given nothing any more.
    SubscriptionDisabled,
    /// A subscription was deleted.
    SubscriptionRemoved,
    /// The log no longer had some of the events that a subscription was yet to be given.
    SubscriptionEventsExpired,
    /// An event or a webhook could not be delivered, and is tried no more unless somebody asks for it.
    DeliveryFailed,
    /// What pages may emit and follow in a tenant was changed.
    EventPolicyChanged,
    /// A tenant set its own OAuth app for a provider.
    OauthAppConfigured,
    /// A tenant went back to the platform's OAuth app.
    OauthAppRemoved,
    /// A provider no longer accepts an OAuth app's id and secret.
    OauthAppBroken,
    /// A tenant's data key, or the master key, was replaced by a new one.
    KeysRotated,
    /// All that a tenant had was deleted.
    TenantDeleted,
}

impl EventKind {
    /// The type as it stands in the log and in CloudEvents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PluginCreated => "jackfield.plugin.created",
            Self::PluginPublished => "jackfield.plugin.published",
            Self::PluginUpdated => "jackfield.plugin.updated",
            Self::PluginRemoved => "jackfield.plugin.removed",
            Self::PluginRated => "jackfield.plugin.rated",
            Self::InstallationCreated => "jackfield.installation.created",
            Self::InstallationConfigured => "jackfield.installation.configured",
            Self::InstallationConsented => "jackfield.installation.consented",
            Self::InstallationUpgraded => "jackfield.installation.upgraded",
            Self::InstallationEnabled => "jackfield.installation.enabled",
            Self::InstallationDisabled => "jackfield.installation.disabled",
            Self::InstallationRemoved => "jackfield.installation.removed",
            Self::ApiKeyCreated => "jackfield.api_key.created",
            Self::ApiKeyRevoked => "jackfield.api_key.revoked",
            Self::ConnectionCreated => "jackfield.connection.created",
            Self::ConnectionReauthorized => "jackfield.connection.reauthorized",
            Self::ConnectionUpdated => "jackfield.connection.updated",
            Self::ConnectionNeedsReauth => "jackfield.connection.needs_reauth",
            Self::ConnectionExpiring => "jackfield.connection.expiring",
            Self::ConnectionRevoked => "jackfield.connection.revoked",
            Self::PluginHookFailed => "jackfield.plugin.hook_failed",
            Self::WebhookAddressRotated => "jackfield.webhook_address.rotated",
            Self::SubscriptionCreated => "jackfield.subscription.created",
            Self::SubscriptionUpdated => "jackfield.subscription.updated",
            Self::SubscriptionSecretRotated => "jackfield.subscription.secret_rotated",
            Self::SubscriptionPaused => "jackfield.subscription.paused",
            Self::SubscriptionResumed => "jackfield.subscription.resumed",
            Self::SubscriptionDisabled => "jackfield.subscription.disabled",
            Self::SubscriptionRemoved => "jackfield.subscription.removed",
            Self::SubscriptionEventsExpired => "jackfield.subscription.events_expired",
            Self::DeliveryFailed => "jackfield.delivery.failed",
            Self::EventPolicyChanged => "jackfield.event_policy.changed",
            Self::OauthAppConfigured => "jackfield.oauth_app.configured",
            Self::OauthAppRemoved => "jackfield.oauth_app.removed",
            Self::OauthAppBroken => "jackfield.oauth_app.broken",
            Self::KeysRotated => "jackfield.keys.rotated",
            Self::TenantDeleted => "jackfield.tenant.deleted",
        }
    }
}

/// A fact to be recorded in the same transaction as the change it tells of. Carries no secret and no token.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Whose event it is; `None` for the shared catalog and the platform.
    pub tenant: Option<TenantId>,
    /// What happened.
    pub kind: EventKind,
    /// To what: a plugin's or key's id. Events of one subject stay in order.
    pub subject: String,
    /// The particulars.
    pub data: Value,
}

/// Who has published an event, as far as it was not this server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// The backend of a plugin, by the plugin's id.
    Plugin(PluginId),
    /// A page that shows a plugin, by the plugin's id: whoever the page's user is may have said it.
    Page(PluginId),
    /// A user, by the `sub` of its credential.
    User(String),
    /// An API key, by its id.
    ApiKey(String),
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(id) => write!(f, "plugin:{id}"),
            Self::Page(id) => write!(f, "page:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::ApiKey(id) => write!(f, "api_key:{id}"),
        }
    }
}

/// An event that somebody else than this server publishes in a tenant, with the attributes of CloudEvents 1.0.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Whose event it is.
    pub tenant: TenantId,
    /// What happened, in the publisher's words.
    pub kind: EventType,
    /// Where it happened, as a URI-reference: `jackfield/plugins/{id}` for what a plugin emits.
    pub source: String,
    /// Tells it from all others of its source in the tenant. An event that is published again is not logged again.
    pub id: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Events of one key stay in order; those without are as good as alone.
    pub key: Option<String>,
    /// Who has published it.
    pub sender: Sender,
    /// How many events led to it, one after the other; at most [`Published::MAX_HOPS`].
    pub hops: u32,
    /// The other attributes of CloudEvents: `datacontenttype`, `dataschema`, `time` and extensions; an object. Where
    /// `data_base64` is true among them, the data is a text of Base64.
    pub attributes: Value,
    /// The particulars.
    pub data: Value,
}

impl Published {
    /// How many events may lead to one another: what would be beyond is a loop, and is refused.
    pub const MAX_HOPS: u32 = 8;
}

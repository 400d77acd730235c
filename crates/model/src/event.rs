//! What the log records: a fact about a tenant's plugins, connections or the platform itself.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TenantId;

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

/// Why a text is no type of an event that plugins may emit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventTypeError {
    /// Not of the alphabet, or too long.
    #[error("an event type is 1 to 128 of letters, digits and . _ - after a first letter")]
    Format,
    /// Of those that only this server records.
    #[error(
        "event types that begin with jackfield. are this server's own: begin with a name of yours, as in acme.order.paid"
    )]
    Reserved,
}

/// The type of an event that a plugin emits: 1 to 128 of letters, digits and `._-`, beginning with a letter, and not with
/// `jackfield.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(String);

impl EventType {
    const MAX: usize = 128;

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        let begins_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !begins_well || !is_plain || text.len() > Self::MAX {
            return Err(EventTypeError::Format);
        }
        let own = text.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("jackfield."));
        if own { Err(EventTypeError::Reserved) } else { Ok(Self(text.to_owned())) }
    }
}

/// An event that a plugin emits in a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// Its id in the log, from [`new_id`](crate::new_id).
    pub id: String,
    /// Whose event it is.
    pub tenant: TenantId,
    /// What happened, in the plugin's words.
    pub kind: EventType,
    /// The plugin's id. Events of one subject stay in order.
    pub subject: String,
    /// The particulars.
    pub data: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_speak_in_the_servers_name() {
        for text in ["jackfield.plugin.created", "Jackfield.x", "JACKFIELD."] {
            assert_eq!(text.parse::<EventType>(), Err(EventTypeError::Reserved), "{text}");
        }
        for text in ["", ".a", "1a", "a b", "a\0", "\u{e4}", &"a".repeat(129)] {
            assert_eq!(text.parse::<EventType>(), Err(EventTypeError::Format), "{text:?}");
        }
        for text in ["a", "payment.succeeded", "acme.order-paid_2", "jackfieldish", &"a".repeat(128)] {
            assert_eq!(text.parse::<EventType>().unwrap().as_str(), text);
        }
    }
}

//! What can go wrong with events, subscriptions, deliveries and webhooks.

use std::sync::Arc;
use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp};

use crate::ReceiveError;
use crate::webhook::Refused;

/// When to come again where a receiver has too much to take already.
const FULL: Duration = Duration::from_secs(30);

/// A wish about events that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// What several asked for at the same time failed.
    #[error(transparent)]
    Shared(Arc<Error>),
    /// What runs plugins cannot be asked at the moment.
    #[error("the plugin cannot be asked at the moment")]
    Plugins(#[source] ReceiveError),
    /// The tenant has no such plugin.
    #[error("the plugin {0} is not installed")]
    PluginNotInstalled(String),
    /// A webhook to an address that leads nowhere.
    #[error("no installed plugin takes webhooks here: GET /plugins/{{id}}/webhook-url tells the address")]
    NoSuchWebhookAddress,
    /// The plugin's manifest has no `webhook`.
    #[error("the plugin takes no webhooks: its manifest has no `webhook`")]
    TakesNoWebhooks,
    /// A webhook to the documented address of a plugin whose webhooks prove nothing.
    #[error(
        "the plugin's webhooks are not signed, so they are taken at its secret address alone: GET /plugins/{{id}}/webhook-url \
         tells it"
    )]
    WebhookUnproven,
    /// A webhook that is not proven to be its sender's.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The tenant has the plugin switched off.
    #[error("the plugin {0} is switched off in this tenant: its webhooks are taken once it is switched on")]
    WebhooksDisabled(String),
    /// The installation has too many webhooks that were not delivered yet.
    #[error("the plugin has too many webhooks that are not delivered yet: send this one again later")]
    TooManyWebhooks,
    /// The tenant has no such delivery of a webhook.
    #[error("there is no such delivery, or its webhook is no longer kept")]
    NoSuchWebhookDelivery,
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Storage(error) => error.code(),
            Self::Shared(error) => error.code(),
            Self::Plugins(_) | Self::TooManyWebhooks => ErrorCode::Unavailable,
            Self::PluginNotInstalled(_)
            | Self::NoSuchWebhookAddress
            | Self::TakesNoWebhooks
            | Self::NoSuchWebhookDelivery => ErrorCode::NotFound,
            Self::WebhookUnproven => ErrorCode::AuthenticationRequired,
            Self::Refused(refused) => refused.code(),
            Self::WebhooksDisabled(_) => ErrorCode::PluginDisabled,
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Storage(error) => error.retry_after(now),
            Self::Shared(error) => error.retry_after(now),
            Self::Plugins(error) => error.retry_after,
            Self::TooManyWebhooks => Some(FULL),
            _ => None,
        }
    }

    fn may_be_told(&self) -> bool {
        match self {
            Self::Storage(error) => error.may_be_told(),
            Self::Shared(error) => error.may_be_told(),
            Self::TooManyWebhooks => true,
            _ => false,
        }
    }
}

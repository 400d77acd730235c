//! What can go wrong with events, subscriptions, deliveries and webhooks.

use std::sync::Arc;
use std::time::Duration;

use model::{Coded, ErrorCode, EventTypeError, Extensions, Timestamp, Violation};

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
    /// What was sent breaks rules; each is named.
    #[error("this cannot be taken as it is; `errors` says what would be right")]
    Invalid(Vec<Violation>),
    /// Larger than anything of its kind may be.
    #[error("{0}")]
    TooLarge(&'static str),
    /// A page emits what its plugin has not declared.
    #[error("the plugin may not emit {0}: its manifest must have the type in emits")]
    NotDeclared(String),
    /// A page emits what the tenant does not let pages emit.
    #[error(
        "pages may not emit {0} in this tenant: an admin allows it with `PUT /events/policy`, as in \
         {{\"pages\": {{\"emit\": [\"{0}\"]}}}}"
    )]
    NotAllowed(String),
    /// The log no longer has what follows the place that somebody wants to read on from, or never had that place.
    #[error(
        "the log does not go on from this place: events up to {oldest} were removed, or the place is not one of this log; read on \
         with after={oldest}, and read anew what was made of earlier events"
    )]
    Gone {
        /// The place from which all that there is can be read.
        oldest: i64,
    },
    /// The address of NATS is none.
    #[error("NATS_URL must be the address of a NATS server, such as nats://user:password@nats.example:4222")]
    NatsUrl,
    /// No page gave this cursor.
    #[error("the cursor is none that a page gave: take `next` of an answer as it is, or leave it out")]
    Cursor,
    /// There is no such subscription, or it is not the caller's.
    #[error("there is no subscription {0}")]
    NoSuchSubscription(String),
    /// There is no such delivery, or it is not the caller's.
    #[error("there is no such delivery")]
    NoSuchDelivery,
    /// A tenant has as many subscriptions as it may have.
    #[error("a tenant has at most {0} subscriptions: delete one that is no longer needed")]
    TooManySubscriptions(u32),
    /// A subscription to a handler has no secret.
    #[error("a subscription to a handler is not signed: only one to an endpoint has a secret")]
    NoSecret,
    /// The subscription or installation that a delivery was for is gone.
    #[error("whom this was to be delivered to is gone: there is nobody to deliver it to again")]
    NoReceiver,
    /// So much waits in a queue that nothing is put behind it.
    #[error("too many deliveries wait for this receiver: try again when there are fewer")]
    QueueFull,
    /// Nothing here runs plugins.
    #[error("nothing runs plugins here: plugins cannot be given events")]
    NoPlugins,
    /// What plugins listen to cannot be told.
    #[error("{0}")]
    Listeners(Box<dyn Coded + Send + Sync>),
    /// As many streams are open as there may be.
    #[error("there are too many open streams {0}: close some, or try again later")]
    TooManyStreams(&'static str),
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
    /// As many bytes of webhooks are being taken as there may be.
    #[error("as many webhooks are being taken as there is memory for: send this one again in a moment")]
    NoRoomForWebhook,
    /// The tenant has no such delivery of a webhook.
    #[error("there is no such delivery, or its webhook is no longer kept")]
    NoSuchWebhookDelivery,
}

impl Error {
    /// An event that is larger than any may be.
    pub(crate) const TOO_LARGE_EVENT: Self = Self::TooLarge("an event has at most 64 KiB");

    /// One thing that is wrong, at `pointer`.
    pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(pointer, detail)])
    }
}

impl From<EventTypeError> for Error {
    fn from(error: EventTypeError) -> Self {
        Self::invalid("/type", error.to_string())
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Storage(error) => error.code(),
            Self::Listeners(error) => error.code(),
            Self::Invalid(_) => ErrorCode::ValidationFailed,
            Self::TooLarge(_) => ErrorCode::PayloadTooLarge,
            Self::NotDeclared(_) | Self::NotAllowed(_) => ErrorCode::AccessDenied,
            Self::Gone { .. } => ErrorCode::Gone,
            Self::Cursor => ErrorCode::InvalidRequest,
            Self::TooManySubscriptions(_) | Self::NoSecret | Self::NoReceiver => ErrorCode::Conflict,
            Self::TooManyStreams(_) | Self::QueueFull => ErrorCode::RateLimited,
            Self::Shared(error) => error.code(),
            Self::NoPlugins | Self::Plugins(_) | Self::TooManyWebhooks | Self::NoRoomForWebhook => {
                ErrorCode::Unavailable
            }
            Self::NoSuchSubscription(_)
            | Self::NoSuchDelivery
            | Self::PluginNotInstalled(_)
            | Self::NoSuchWebhookAddress
            | Self::TakesNoWebhooks
            | Self::NoSuchWebhookDelivery => ErrorCode::NotFound,
            Self::WebhookUnproven => ErrorCode::AuthenticationRequired,
            Self::Refused(refused) => refused.code(),
            Self::WebhooksDisabled(_) => ErrorCode::PluginDisabled,
            Self::NatsUrl => ErrorCode::Internal,
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Storage(error) => error.retry_after(now),
            Self::TooManyStreams(_) | Self::QueueFull => Some(Duration::from_secs(30)),
            Self::Shared(error) => error.retry_after(now),
            Self::Plugins(error) => error.retry_after,
            Self::TooManyWebhooks => Some(FULL),
            Self::NoRoomForWebhook => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Invalid(violations) => violations.clone(),
            _ => Vec::new(),
        }
    }

    fn extensions(&self) -> Extensions {
        match self {
            Self::Gone { oldest } => Extensions { oldest: Some(oldest.to_string()), ..Extensions::default() },
            _ => Extensions::default(),
        }
    }

    fn may_be_told(&self) -> bool {
        match self {
            Self::Storage(error) => error.may_be_told(),
            Self::Shared(error) => error.may_be_told(),
            Self::TooManyWebhooks | Self::NoRoomForWebhook => true,
            _ => false,
        }
    }
}

//! Who is given something: a plugin's handler, or an endpoint.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{EventPattern, PluginId, TenantId};
use serde_json::Value;
use storage::LoggedEvent;

use crate::publish::AsCloudEvent;
use crate::{Answer, Cause, Hook, Plugins, ReceiveError, Refusal, Request};

/// How much longer than it says a plugin's call may take, until it is taken to hang.
const BEYOND: Duration = Duration::from_secs(5);

/// The longest error that is kept, in bytes.
const MAX_ERROR: usize = 2048;

/// What is handed over.
#[derive(Debug, Clone)]
pub(crate) enum Parcel {
    /// An event, to a handler of this name where a plugin gets it.
    Event(Arc<LoggedEvent>, String),
    /// A webhook.
    Webhook(Request),
}

/// Why something was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) message: String,
    pub(crate) refusal: Refusal,
    pub(crate) retry_after: Option<Duration>,
    /// The HTTP status, where there was one.
    pub(crate) status: Option<u16>,
}

impl From<ReceiveError> for Refused {
    fn from(error: ReceiveError) -> Self {
        let ReceiveError { message, refusal, retry_after } = error;
        Self { message, refusal, retry_after, status: None }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered {
        status: Option<u16>,
    },
    Refused(Refused),
    /// There is nothing to hand over any more.
    Pointless(String),
}

impl Outcome {
    /// What a plugin's answer to a webhook comes to.
    pub(crate) fn answered(answer: &Result<Answer, ReceiveError>) -> Self {
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {
                Self::Delivered { status: Some(answer.status) }
            }
            Ok(answer) => Self::Refused(Refused {
                message: format!("the handler answered {}", answer.status),
                refusal: Refusal::Failed,
                retry_after: None,
                status: Some(answer.status),
            }),
            Err(error) => Self::Refused(error.clone().into()),
        }
    }

    /// It could not be tried.
    pub(crate) fn not_now(message: impl Into<String>) -> Self {
        let (message, refusal) = (message.into(), Refusal::NotNow);
        Self::Refused(Refused { message, refusal, retry_after: None, status: None })
    }

    /// The same with an error that can be kept.
    pub(crate) fn fitting(self) -> Self {
        match self {
            Self::Refused(Refused { message, refusal, retry_after, status }) => {
                Self::Refused(Refused { message: fitting(&message), refusal, retry_after, status })
            }
            Self::Pointless(error) => Self::Pointless(fitting(&error)),
            Self::Delivered { status } => Self::Delivered { status },
        }
    }
}

/// What of an error can be kept: its beginning, without the null, which PostgreSQL has in no text.
fn fitting(error: &str) -> String {
    let beginning = error.get(..error.floor_char_boundary(MAX_ERROR)).unwrap_or_default();
    beginning.replace('\0', "\u{fffd}")
}

/// Takes what it is handed, within a bounded time.
#[async_trait]
pub(crate) trait Receiver: Send + Sync {
    async fn receive(&self, parcel: Parcel) -> Outcome;
}

/// The handlers of an installed plugin.
pub(crate) struct PluginReceiver {
    pub(crate) plugins: Arc<dyn Plugins>,
    pub(crate) tenant: TenantId,
    pub(crate) plugin: PluginId,
    pub(crate) plugin_key: String,
    /// The handler that gets events whatever they were put into the queue for.
    pub(crate) handler: Option<String>,
}

impl PluginReceiver {
    async fn call(&self, parcel: Parcel) -> Outcome {
        match parcel {
            Parcel::Event(event, handler) => {
                let handler = self.handler.clone().unwrap_or(handler);
                let hook = Hook {
                    plugin: self.plugin.clone(),
                    plugin_key: self.plugin_key.clone(),
                    // Who is given one event wants that one, whatever else it wants.
                    pattern: EventPattern::all(),
                    handler,
                };
                let (told, hops) = (told(&event), u32::try_from(event.hops).unwrap_or(u32::MAX));
                match self.plugins.event(&self.tenant, &hook, &told, Cause { hops }).await {
                    Ok(()) => Outcome::Delivered { status: None },
                    Err(error) => Outcome::Refused(error.into()),
                }
            }
            Parcel::Webhook(request) => {
                let plugin = (&self.plugin, self.plugin_key.as_str());
                Outcome::answered(
                    &self.plugins.webhook(&self.tenant, plugin, request, Cause::default()).await,
                )
            }
        }
    }
}

#[async_trait]
impl Receiver for PluginReceiver {
    async fn receive(&self, parcel: Parcel) -> Outcome {
        let deadline = self.plugins.longest() + BEYOND;
        match tokio::time::timeout(deadline, self.call(parcel)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Refused(took_too_long().into()),
        }
    }
}

/// What is said of a plugin that hangs.
pub(crate) fn took_too_long() -> ReceiveError {
    let message = "the handler took too long".into();
    ReceiveError { message, refusal: Refusal::Failed, retry_after: None }
}

/// The event as its receiver is told of it.
pub(crate) fn told(event: &LoggedEvent) -> Value {
    AsCloudEvent(event).to_value()
}

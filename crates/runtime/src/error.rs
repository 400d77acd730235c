//! What can go wrong when a backend is called.

use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp, Violation};

use crate::RouteError;

/// A call that came to no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tenant has switched the plugin off.
    #[error("the plugin {0} is switched off here: an admin can switch it on")]
    Disabled(String),
    /// There is nothing to call.
    #[error("the plugin {0} has no backend")]
    NoBackend(String),
    /// The backend is none that has handlers.
    #[error("the backend of {0} answers by its own routes and has no handlers")]
    NoHandlers(String),
    /// No such handler.
    #[error("there is no handler {name}; {}", listed(.known))]
    NoSuchHandler {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// No route leads anywhere.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The handler threw.
    #[error("the handler {handler} failed: {message}")]
    Threw {
        /// Its name.
        handler: String,
        /// What it said, without secrets.
        message: String,
    },
    /// What the handler has answered cannot be used, or it went beyond a limit.
    #[error("the handler {handler} failed: {reason}")]
    Unusable {
        /// Its name.
        handler: String,
        /// Why.
        reason: String,
    },
    /// The handler took too long.
    #[error("the handler {handler} took longer than it may: {reason}")]
    Timeout {
        /// Its name.
        handler: String,
        /// Which limit it was.
        reason: String,
    },
    /// There is no room, or the plugin has failed too often.
    #[error("the plugin cannot be called at the moment: {reason}")]
    Busy {
        /// Why.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The program cannot be had.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A part that every call needs cannot be made.
    #[error("the ways to other servers cannot be set up")]
    Outbound(#[from] outbound::Error),
    /// The client of the host product cannot be made.
    #[error("the client of PLATFORM_API_URL cannot be set up")]
    Platform(#[source] reqwest::Error),
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { "the plugin has none".into() } else { format!("the plugin has {}", known.join(", ")) }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Disabled(_) => ErrorCode::PluginDisabled,
            Self::NoBackend(_)
            | Self::NoHandlers(_)
            | Self::NoSuchHandler { .. }
            | Self::Route(RouteError::NotFound) => ErrorCode::NotFound,
            Self::Route(RouteError::Path(_)) => ErrorCode::InvalidRequest,
            Self::Route(RouteError::Method(_)) => ErrorCode::MethodNotAllowed,
            Self::Threw { .. } | Self::Unusable { .. } => ErrorCode::PluginFailed,
            Self::Timeout { .. } => ErrorCode::PluginTimeout,
            Self::Busy { .. } => ErrorCode::PluginUnavailable,
            Self::Registry(error) => error.code(),
            Self::Storage(error) => error.code(),
            Self::Outbound(_) | Self::Platform(_) => ErrorCode::Internal,
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            Self::Registry(error) => error.retry_after(now),
            _ => None,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Registry(error) => error.violations(),
            _ => Vec::new(),
        }
    }
}

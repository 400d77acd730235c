//! What can go wrong when a backend is called.

use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp, Violation};

use crate::{RouteError, upstream};

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
    /// What the handler has answered is no response.
    #[error("the handler {handler} failed: {reason}")]
    Answer {
        /// Its name.
        handler: String,
        /// Why not.
        reason: String,
    },
    /// It went beyond a limit, does not load, or there is no room for it.
    #[error("the handler {handler} has not answered: {reason}")]
    Sandbox {
        /// Its name.
        handler: String,
        /// What happened, without secrets.
        reason: String,
        /// What happened.
        source: sandbox::Error,
    },
    /// The component went beyond a limit, broke off or cannot be run, or there is no room for it.
    #[error("the component of {plugin} has not answered: {reason}")]
    Component {
        /// The plugin.
        plugin: String,
        /// What happened, without secrets.
        reason: String,
        /// What happened.
        source: sandbox::Error,
    },
    /// The backend answers requests, and is no component.
    #[error("the backend of {0} is no component")]
    NoComponent(String),
    /// The path is none that is passed on.
    #[error(transparent)]
    Path(upstream::Error),
    /// The program is no text.
    #[error("the plugin's program is damaged: publish it anew as another version")]
    Damaged,
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
    if known.is_empty() {
        "the plugin has none".into()
    } else {
        format!("the plugin has {}", known.join(", "))
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Disabled(_) => ErrorCode::PluginDisabled,
            Self::NoBackend(_)
            | Self::NoHandlers(_)
            | Self::NoComponent(_)
            | Self::NoSuchHandler { .. }
            | Self::Route(RouteError::NotFound) => ErrorCode::NotFound,
            Self::Route(RouteError::Method(_)) => ErrorCode::MethodNotAllowed,
            Self::Threw { .. } | Self::Answer { .. } | Self::Damaged => ErrorCode::PluginFailed,
            Self::Sandbox { source, .. } | Self::Component { source, .. } => source.code(),
            Self::Path(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Storage(error) => error.code(),
            Self::Outbound(_) | Self::Platform(_) => ErrorCode::Internal,
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Sandbox { source, .. } | Self::Component { source, .. } => source.retry_after(now),
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

//! Why a request was not passed on to a plugin's server, or what was wrong with its answer.

use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp};

use super::Failure;

/// A call of a plugin's server that brought no answer that can be handed on. The text is safe to show to callers: it names no
/// address and no host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that could be read as another one.
    #[error("the path {0}")]
    Path(&'static str),
    /// A method that no plugin gets.
    #[error("the methods CONNECT and TRACE are not passed on to plugins")]
    Method,
    /// The caller's body is too large.
    #[error("the body must have at most {max} bytes")]
    TooLarge {
        /// The most bytes that are passed on.
        max: u64,
    },
    /// The caller sends no more of the body.
    #[error("the body did not come in time: no part of it may take longer than {} s", .0.as_secs())]
    Stalled(Duration),
    /// The caller's body broke off.
    #[error("the body broke off")]
    Interrupted,
    /// The tenant's admin has not consented to calls there.
    #[error(
        "an admin must consent to calls of the plugin's server first: look at GET /plugins/{{id}}/consent"
    )]
    NotConsented,
    /// What was begun ends, because the plugin was switched off, uninstalled, or has another server now.
    #[error("the plugin is no longer what was called")]
    Withdrawn,
    /// The guard lets nobody through to where the upstream is.
    #[error(
        "the plugin's server must have a public address, or the operator must allow it in OUTBOUND_ALLOW"
    )]
    Refused,
    /// Whoever listens on the way there would read all.
    #[error(
        "the plugin's server must be called by https: http is for hosts that the operator names in OUTBOUND_ALLOW"
    )]
    ClearText,
    /// Nobody answers there.
    #[error("the plugin's server cannot be reached")]
    Unreachable,
    /// It did not begin to answer.
    #[error("the plugin's server did not begin to answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// What it answered is no HTTP, or no answer that may be handed on.
    #[error("the plugin's server {0}")]
    Answer(&'static str),
    /// It is left alone after it failed several times.
    #[error("the plugin's server {failure} several times, and is left alone for a while")]
    Resting {
        /// How long still.
        wait: Duration,
        /// How it failed.
        failure: Failure,
    },
    /// As many requests to it as may be are under way.
    #[error("too many requests to this plugin are under way: there may be {max} at once")]
    Busy {
        /// The most at once.
        max: usize,
    },
    /// As many WebSockets as may be are open.
    #[error("too many WebSockets to plugins are open: there may be {max} at once")]
    ManySockets {
        /// The most at once.
        max: usize,
    },
    /// The caller's token cannot be made.
    #[error(transparent)]
    Signer(#[from] identity::Error),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Path(_) | Self::Interrupted => ErrorCode::InvalidRequest,
            Self::Method => ErrorCode::MethodNotAllowed,
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::Stalled(_) => ErrorCode::RequestTimeout,
            Self::Withdrawn => ErrorCode::PluginDisabled,
            Self::NotConsented => ErrorCode::ConsentRequired,
            Self::Refused | Self::ClearText | Self::Unreachable | Self::Answer(_) => ErrorCode::PluginFailed,
            Self::Slow(_) => ErrorCode::PluginTimeout,
            Self::Resting { .. } => ErrorCode::PluginUnavailable,
            Self::Busy { .. } | Self::ManySockets { .. } => ErrorCode::RateLimited,
            Self::Signer(error) => error.code(),
        }
    }

    fn retry_after(&self, _now: Timestamp) -> Option<Duration> {
        match self {
            Self::Resting { wait, .. } => Some(*wait),
            Self::Busy { .. } | Self::ManySockets { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn may_be_told(&self) -> bool {
        !matches!(self, Self::Signer(_))
    }
}

//! Why a request was not passed on to a plugin's server, or what was wrong with its answer.

use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp};

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
    /// The guard lets nobody through to where the upstream is.
    #[error(
        "the plugin's server must have a public address, or the operator must allow it in OUTBOUND_ALLOW"
    )]
    Refused,
    /// Nobody answers there.
    #[error("the plugin's server cannot be reached")]
    Unreachable,
    /// It did not begin to answer.
    #[error("the plugin's server did not begin to answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// What it answered is no HTTP, or no answer that may be handed on.
    #[error("the plugin's server {0}")]
    Answer(&'static str),
    /// It is left alone after it could not be reached several times.
    #[error("the plugin's server could not be reached several times, and is left alone for a while")]
    Resting(Duration),
    /// As many requests to it as may be are under way.
    #[error("too many requests to this plugin are under way: there may be {max} at once")]
    Busy {
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
            Self::NotConsented => ErrorCode::ConsentRequired,
            Self::Refused | Self::Unreachable | Self::Answer(_) => ErrorCode::PluginFailed,
            Self::Slow(_) => ErrorCode::PluginTimeout,
            Self::Resting(_) => ErrorCode::PluginUnavailable,
            Self::Busy { .. } => ErrorCode::RateLimited,
            Self::Signer(error) => error.code(),
        }
    }

    fn retry_after(&self, _now: Timestamp) -> Option<Duration> {
        match self {
            Self::Resting(wait) => Some(*wait),
            Self::Busy { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn may_be_told(&self) -> bool {
        !matches!(self, Self::Signer(_))
    }
}

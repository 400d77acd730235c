//! What is to follow where a backend was to be told something and was not.

use std::time::Duration;

use model::{Coded as _, ErrorCode, Timestamp};
use registry::Deployment;

use crate::Error;

/// A call that nobody waits for, and that came to no good end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// In words for the plugin's author and the tenant's admins, without secrets.
    pub(crate) message: String,
    /// How long to wait at least, where that is known.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the trouble is the server's own, or there was no room.
    pub(crate) is_ours: bool,
    /// Whether the plugin was left alone, because it has failed so often.
    pub(crate) is_resting: bool,
}

impl Trouble {
    /// What `error` means for a call of `what` of `deployment`.
    pub(crate) fn of(error: &Error, (deployment, what): (&Deployment, &str), now: Timestamp) -> Self {
        let is_internal = matches!(error.code(), ErrorCode::Internal | ErrorCode::Unavailable);
        let message = if is_internal {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                plugin.id = %deployment.plugin, handler = what,
                "a plugin's handler could not be run"
            );
            "the server could not run the handler".to_owned()
        } else {
            error.to_string()
        };
        let sandbox = source(error);
        let has_no_room = sandbox
            .is_some_and(|source| matches!(source, sandbox::Error::Busy(_) | sandbox::Error::Exhausted));
        let is_resting = sandbox.is_some_and(|source| matches!(source, sandbox::Error::Resting(_)));
        Self { message, retry_after: error.retry_after(now), is_ours: is_internal || has_no_room, is_resting }
    }
}

fn source(error: &Error) -> Option<&sandbox::Error> {
    match error {
        Error::Sandbox { source, .. } | Error::Component { source, .. } => Some(source),
        _ => None,
    }
}

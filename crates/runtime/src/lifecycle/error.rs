//! What can go wrong when somebody looks at runs or has one made again.

use model::{Coded, ErrorCode, Timestamp, Violation};
use std::time::Duration;

use super::State;

/// A question about runs that has no answer, or a wish that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such run of this plugin in this tenant.
    #[error("there is no such run of this plugin's hooks: GET /plugins/{{id}}/lifecycle lists them")]
    NoSuchRun,
    /// The run's state leaves nothing to repeat.
    #[error("the run is {}: only one that is pending, failed or skipped can be made again", .0.as_str())]
    NotRepeatable(State),
    /// The plugin was uninstalled, and all that it had kept is deleted.
    #[error(
        "the plugin was uninstalled and what it had kept is deleted, so its onUninstall has nothing left to work on"
    )]
    Departed,
    /// A cursor that no page gave.
    #[error("cursor must be the next_cursor of an earlier answer")]
    Cursor,
    /// The installation cannot be had.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchRun => ErrorCode::NotFound,
            Self::NotRepeatable(_) | Self::Departed => ErrorCode::Conflict,
            Self::Cursor => ErrorCode::InvalidRequest,
            Self::Registry(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Registry(error) => error.retry_after(now),
            Self::Storage(error) => error.retry_after(now),
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

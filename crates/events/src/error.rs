//! What can go wrong with events, subscriptions, deliveries and webhooks.

use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp};

/// A wish about events that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Storage(error) => error.code(),
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Storage(error) => error.retry_after(now),
        }
    }
}

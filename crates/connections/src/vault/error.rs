//! Why there is no token to be had.

use std::sync::Arc;

use model::{Coded, ErrorCode, Timestamp};

/// Why the vault gives no token. Shared by all who waited for the same one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such credential in this tenant.
    #[error("there is no such connection: connect the account first")]
    ConnectionRequired,
    /// The grant is dead: only the user can give another.
    #[error("the account must be connected again: {0}")]
    ReauthorizationRequired(String),
    /// The provider wants fewer calls, and there is no token that still holds.
    #[error("the provider wants fewer calls: try again after {retry_at}")]
    UpstreamRateLimited {
        /// When the provider will next be asked.
        retry_at: Timestamp,
    },
    /// The provider is in trouble, and there is no token that still holds.
    #[error("the provider cannot renew the token at the moment: try again after {retry_at}")]
    UpstreamUnavailable {
        /// When the provider will next be asked.
        retry_at: Timestamp,
    },
    /// The provider does not accept the OAuth app, and there is no token that still holds.
    #[error(
        "the provider does not accept the client id and secret of the OAuth app: an administrator must correct them"
    )]
    AppBroken {
        /// When the provider will next be asked.
        retry_at: Timestamp,
    },
    /// The provider did not answer in time, and there is no token that still holds.
    #[error("the provider did not answer in time: try again after {retry_at}")]
    UpstreamTimeout {
        /// When the provider will next be asked.
        retry_at: Timestamp,
    },
    /// The database failed, or the row does not open.
    #[error(transparent)]
    Storage(Arc<storage::Error>),
    /// The row is not as this program writes it.
    #[error("a stored connection cannot be read")]
    Corrupt,
    /// The program is ending, or the work on the token broke off.
    #[error("the work on the token broke off: try again")]
    Interrupted,
}

impl Error {
    /// From when on it is worth asking again, as far as that is known.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::UpstreamRateLimited { retry_at }
            | Self::UpstreamUnavailable { retry_at }
            | Self::AppBroken { retry_at }
            | Self::UpstreamTimeout { retry_at } => Some(*retry_at),
            _ => None,
        }
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::ConnectionRequired => ErrorCode::ConnectionRequired,
            Self::ReauthorizationRequired(_) => ErrorCode::ReauthorizationRequired,
            Self::UpstreamRateLimited { .. } => ErrorCode::UpstreamRateLimited,
            Self::UpstreamUnavailable { .. } | Self::AppBroken { .. } => ErrorCode::UpstreamUnavailable,
            Self::UpstreamTimeout { .. } => ErrorCode::UpstreamTimeout,
            Self::Storage(error) => error.code(),
            Self::Corrupt => ErrorCode::Internal,
            Self::Interrupted => ErrorCode::Unavailable,
        }
    }
}

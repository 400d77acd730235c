//! What can be wrong with a flow, a connection or a provider.

use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp, Violation};

use crate::connection::named_user;
use crate::protocol::{CallError, Sent};

/// A request about connections that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalog has no such provider.
    #[error("there is no provider {0}; GET /api/v1/unified/auth/providers lists those there are")]
    UnknownProvider(String),
    /// The provider is known, but neither the platform nor the tenant has an OAuth app there.
    #[error(
        "provider {0} is not configured: set its client id and secret in the server's settings, or an OAuth app of the tenant's own"
    )]
    NotConfigured(String),
    /// The provider's connections come about in another way.
    #[error("provider {provider} takes no {given}: {instead}")]
    WrongFlow {
        /// The provider.
        provider: String,
        /// What was tried.
        given: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// Something in the request breaks rules.
    #[error("the request has {} to put right", if .0.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", .0.len()) })]
    Invalid(Vec<Violation>),
    /// The state is not one that was given out, or was altered, or is for another provider or tenant.
    #[error(
        "this sign-in cannot be completed: its state is not one that this server gave out for it; begin again"
    )]
    State,
    /// The state was given out too long ago.
    #[error("this sign-in took longer than 10 minutes; begin again")]
    FlowExpired,
    /// The state was used before.
    #[error("this sign-in was completed before; nothing was changed")]
    FlowRedeemed,
    /// The flow was begun in another browser.
    #[error("this sign-in was begun in another browser, or cookies are blocked; begin again here")]
    OtherBrowser,
    /// The answer's `iss` is not the provider's (RFC 9207).
    #[error("this answer does not come from the provider that was asked; nothing was changed")]
    Issuer,
    /// The user said no.
    #[error("access was not granted at {0}; nothing was changed")]
    AccessDenied(String),
    /// The provider answered with an error instead of a code.
    #[error("{provider} answered with the error {code}; nothing was changed")]
    Answered {
        /// The provider's name.
        provider: String,
        /// Its word for what is wrong.
        code: String,
    },
    /// The answer has neither a code nor an error.
    #[error("the answer has no code; begin again")]
    CodeMissing,
    /// Nothing says whose connection it would be.
    #[error("the account tells no e-mail address: name the user in user_email when beginning")]
    UserUnknown,
    /// The user, or the tenant for all its users, has as many connections as one may have.
    #[error(
        "a user, and a tenant for all its users, may have at most {0} connections: revoke one that is no longer needed"
    )]
    Quota(i64),
    /// No connection to the provider, of the user or of the tenant.
    #[error("{}", connection_required(.provider, .user_email))]
    ConnectionRequired {
        /// The provider.
        provider: String,
        /// The user; empty where it would be the tenant's own.
        user_email: String,
    },
    /// No connection of this id, or not the caller's.
    #[error("there is no connection {0}")]
    ConnectionNotFound(String),
    /// No connect session of this token, or it has ended.
    #[error("this link has ended: ask for a new one")]
    SessionEnded,
    /// The tenant has as many connect sessions as one may have at a time.
    #[error("a tenant may have at most {0} connect sessions at a time: wait until some have ended")]
    TooManySessions(i64),
    /// The operator does not let tokens be handed out.
    #[error(
        "tokens are not handed out here: call the provider through this server, or have its operator set TOKEN_READS"
    )]
    TokenReadsOff,
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// Something changed meanwhile.
    #[error("{0} was changed meanwhile: read it again and repeat what is still wanted")]
    ChangedMeanwhile(&'static str),
    /// A cursor that no answer gave.
    #[error("cursor must be the next_cursor of an earlier answer")]
    Cursor,
    /// A call to the provider failed.
    #[error("{provider}: {error}")]
    Call {
        /// The provider's name.
        provider: String,
        /// Why.
        error: CallError,
    },
    /// The tokens cannot be had.
    #[error(transparent)]
    Vault(#[from] crate::vault::Error),
    /// The provider's endpoints cannot be had.
    #[error(transparent)]
    Resolve(#[from] crate::catalog::ResolveError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A row that this program did not write.
    #[error("a stored document cannot be read")]
    Corrupt(#[source] serde_json::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownProvider(_)
            | Self::ConnectionNotFound(_)
            | Self::SessionEnded
            | Self::NotFound(_)
            | Self::TokenReadsOff => ErrorCode::NotFound,
            Self::NotConfigured(_) | Self::Quota(_) | Self::ChangedMeanwhile(_) | Self::FlowRedeemed => {
                ErrorCode::Conflict
            }
            Self::Invalid(_) => ErrorCode::ValidationFailed,
            Self::WrongFlow { .. }
            | Self::State
            | Self::FlowExpired
            | Self::OtherBrowser
            | Self::Issuer
            | Self::Answered { .. }
            | Self::CodeMissing
            | Self::UserUnknown
            | Self::Cursor => ErrorCode::InvalidRequest,
            Self::AccessDenied(_) => ErrorCode::AccessDenied,
            Self::TooManySessions(_) => ErrorCode::RateLimited,
            Self::ConnectionRequired { .. } => ErrorCode::ConnectionRequired,
            Self::Call { error, .. } => call_code(error),
            Self::Vault(error) => error.code(),
            Self::Resolve(error) => error.code(),
            Self::Storage(error) => error.code(),
            Self::Corrupt(_) => ErrorCode::Internal,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Invalid(violations) => violations.clone(),
            Self::Resolve(error) => error.violations(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Vault(error) => error.retry_at().map(|moment| now.until(moment)),
            Self::Call { error: CallError::RateLimited { retry_after }, .. }
            | Self::Call { error: CallError::Unavailable { retry_after, .. }, .. } => *retry_after,
            _ => None,
        }
    }
}

fn connection_required(provider: &str, user_email: &str) -> String {
    let begin = format!("GET /api/v1/unified/auth/{provider}/url");
    match named_user(user_email) {
        Some(user) => format!("{user} has no connection to {provider}: begin one with {begin}"),
        None => format!("this tenant has no connection to {provider}: an admin can begin one with {begin}"),
    }
}

/// How a failed call to a provider is told.
pub(crate) fn call_code(error: &CallError) -> ErrorCode {
    match error {
        CallError::Unreachable(Sent::Maybe) => ErrorCode::UpstreamTimeout,
        CallError::RateLimited { .. } => ErrorCode::UpstreamRateLimited,
        CallError::InvalidGrant | CallError::TokenRejected => ErrorCode::ReauthorizationRequired,
        CallError::Unreachable(Sent::No)
        | CallError::Unavailable { .. }
        | CallError::InvalidClient
        | CallError::Refused { .. }
        | CallError::Malformed(_) => ErrorCode::UpstreamUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lacks_a_connection_is_said() {
        let told = |user_email: &str| {
            Error::ConnectionRequired { provider: "shop".to_owned(), user_email: user_email.to_owned() }
                .to_string()
        };
        assert!(
            told("ann@acme.example").starts_with("ann@acme.example has no connection to shop: begin one")
        );
        assert!(
            told("").starts_with("this tenant has no connection to shop: an admin can begin one with GET")
        );
    }
}

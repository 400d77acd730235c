//! Why a call to a provider did not bring what it should.

use std::time::Duration;

/// Whether the provider may have acted on a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Nothing left this machine: repeating is safe.
    No,
    /// The call was sent, and no answer came that says what became of it.
    Maybe,
}

/// A failed call. Carries neither tokens nor the provider's text, which may repeat them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection, no answer within the deadline, or an answer that broke off.
    #[error("the provider could not be reached, or did not answer in time")]
    Unreachable(Sent),
    /// The provider says that it is in trouble (5xx).
    #[error("the provider answered {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// The provider says that there are too many calls (429).
    #[error("the provider wants fewer calls")]
    RateLimited {
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// `invalid_grant`: the code or refresh token is used up, expired or revoked.
    #[error("the provider no longer accepts the grant")]
    InvalidGrant,
    /// `invalid_client` or `unauthorized_client`: the client id or secret is wrong.
    #[error("the provider does not accept the client id and secret")]
    InvalidClient,
    /// Any other error that the provider names by a code of RFC 6749 or of its own.
    #[error("the provider refused: {code}")]
    Refused {
        /// The provider's word for it, cut to letters, digits and `_`, 64 at most.
        code: String,
    },
    /// The token is not accepted (401 from a resource).
    #[error("the provider does not accept the access token")]
    TokenRejected,
    /// The answer is not what it should be: HTML, empty, too large, a redirect, or without a token.
    #[error("the provider's answer cannot be used: {0}")]
    Malformed(&'static str),
}

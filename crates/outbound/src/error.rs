//! What can be wrong with a call that leaves.

use std::error::Error as StdError;

use model::{Coded, ErrorCode};

use crate::cause::{chain, is_untrusted, report};

/// A call that was not made, or had no answer that can be used. It names the host as the caller did, and no address that a
/// name resolves to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another scheme.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// A user name or a password in the URL.
    #[error("the URL must have no user name and no password: send them in a header")]
    UserInfo,
    /// No host, or none that can be one.
    #[error("the URL must name a host, without a zone if it is an address")]
    Host,
    /// The host is not public, or resolves to nothing that is.
    #[error("{0} must have a public address, or the operator must allow it in OUTBOUND_ALLOW")]
    NotPublic(String),
    /// There is no such name, or nobody who could tell.
    #[error("the name {0} cannot be resolved")]
    Unresolved(String),
    /// Nobody answers there: nothing was sent.
    #[error("{0} cannot be reached")]
    Unreachable(String),
    /// Nobody answers there in time: nothing was sent.
    #[error("{0} cannot be reached in time")]
    ConnectTimedOut(String),
    /// The connection was lost; whether the request was acted on is not known.
    #[error("{0} broke off before the end of its answer")]
    Broken(String),
    /// Its certificate is signed by nobody who is trusted.
    #[error("the certificate of {0} must be signed by an authority that is trusted here")]
    Untrusted(String),
    /// It took too long; whether the request was acted on is not known.
    #[error("{0} did not answer in time")]
    TimedOut(String),
    /// It sends on too often.
    #[error("{host} must not redirect more than {max} times")]
    TooManyRedirects {
        /// The host that was called first.
        host: String,
        /// How many redirects are followed.
        max: usize,
    },
    /// It sends on to nothing that can be called.
    #[error("{0} redirects without telling where to, or to no URL")]
    BadRedirect(String),
    /// It sends on from https to http.
    #[error("{0} must not redirect from https to http")]
    Downgrade(String),
    /// It sends on to where the caller may not go.
    #[error("{from} redirects to {to}, which may not be called from here")]
    RedirectRefused {
        /// The host that was called.
        from: String,
        /// Where it sends on to.
        to: String,
    },
    /// It wants the body once more, which was read from a stream.
    #[error("{0} redirects a request whose body cannot be sent again")]
    NotRepeatable(String),
    /// Its answer has more bytes than are read.
    #[error("the answer of {host} must have at most {max} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The most bytes that are read.
        max: usize,
    },
    /// A header or a body that cannot be sent.
    #[error("the request cannot be sent as it is: a header has characters that no header may have")]
    Request,
    /// A PEM file without certificates, or with such as are none.
    #[error("the further authorities must be certificates in PEM")]
    Roots,
    /// The system has no authorities, or they cannot be read.
    #[error("the authorities of this system cannot be read")]
    Authorities,
}

impl Error {
    /// The error of the guard in what a client or a pool says, where it is one.
    pub fn found_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// What a client's error means to who called `host`. The operator is told more, in the log.
    pub(crate) fn of(error: &(dyn StdError + 'static), host: &str) -> Self {
        if let Some(own) = Self::found_in(error) {
            return own.clone();
        }
        tracing::info!(server.address = host, cause = report(error), "a host could not be reached");
        if is_untrusted(error) {
            Self::Untrusted(host.to_owned())
        } else {
            Self::Unreachable(host.to_owned())
        }
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Scheme
            | Self::UserInfo
            | Self::Host
            | Self::NotPublic(_)
            | Self::RedirectRefused { .. }
            | Self::NotRepeatable(_)
            | Self::Request => ErrorCode::ValidationFailed,
            Self::Unresolved(_)
            | Self::Unreachable(_)
            | Self::Broken(_)
            | Self::Untrusted(_)
            | Self::TooManyRedirects { .. }
            | Self::BadRedirect(_)
            | Self::Downgrade(_)
            | Self::TooLarge { .. } => ErrorCode::UpstreamUnavailable,
            Self::ConnectTimedOut(_) | Self::TimedOut(_) => ErrorCode::UpstreamTimeout,
            Self::Roots | Self::Authorities => ErrorCode::Internal,
        }
    }
}

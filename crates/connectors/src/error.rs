//! Why a connector's operation failed.

use std::time::Duration;

use model::{Coded, ErrorCode, Timestamp, Violation};

/// An operation that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such connector.
    #[error("there is no connector {0}; GET /api/v1/unified/connectors lists those there are")]
    UnknownConnector(String),
    /// The connector cannot do this.
    #[error("connector {connector} cannot {operation}; its capabilities tell what it can")]
    Unsupported {
        /// The connector.
        connector: &'static str,
        /// What was asked of it.
        operation: &'static str,
    },
    /// The operator has not set up what this needs.
    #[error("{connector} is not set up on this server: its operator must set {setting}")]
    NotConfigured {
        /// The connector.
        connector: &'static str,
        /// The setting that is missing.
        setting: &'static str,
    },
    /// Something in the request breaks rules.
    #[error("the request has {} to put right", if .0.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", .0.len()) })]
    Invalid(Vec<Violation>),
    /// A page token that no answer gave for this request.
    #[error(
        "{parameter} must be what the answer before gave for the next page, with all else as it was then"
    )]
    PageToken {
        /// What the caller names it by.
        parameter: &'static str,
    },
    /// A parameter that nobody knows.
    #[error("there is no parameter {name} here: {advice}")]
    UnknownParameter {
        /// Its name as it was given, shortened.
        name: String,
        /// Which one was probably meant.
        advice: String,
    },
    /// A parameter that was given more than once.
    #[error("{0} must be given once")]
    RepeatedParameter(&'static str),
    /// The connection's grant lacks what this needs.
    #[error(
        "{connector} needs {} for this, which the connection was not granted: connect the account again and ask for it",
        .scopes.join(" or ")
    )]
    InsufficientScope {
        /// The connector.
        connector: &'static str,
        /// The scopes of which one is needed.
        scopes: &'static [&'static str],
    },
    /// The tenant is none that this can be done for.
    #[error("this tenant is no store of the platform: the id of one is lexmodo: and the store's number")]
    NotAStore,
    /// The listing's point in time has gone.
    #[error("the point in time of this listing has ended: begin again{}", without(*parameter))]
    PointInTimeGone {
        /// What the caller has named it by; `None` where the caller has named none, as in a stream.
        parameter: Option<&'static str>,
    },
    /// The vendor has no such thing.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What was sought.
        what: &'static str,
        /// Its id as it was given, shortened.
        id: String,
    },
    /// The vendor said no, or could not be understood.
    #[error("{provider}: {detail}")]
    Upstream {
        /// The vendor's name.
        provider: &'static str,
        /// Which kind of trouble.
        code: ErrorCode,
        /// What happened, without anything secret.
        detail: String,
        /// How long to wait, where the vendor says so.
        retry_after: Option<Duration>,
    },
    /// The connection is missing, or its tokens cannot be had.
    #[error(transparent)]
    Connection(#[from] connections::Error),
    /// The token cannot be had.
    #[error(transparent)]
    Vault(#[from] connections::vault::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownConnector(_) | Self::NotFound { .. } | Self::NotAStore => ErrorCode::NotFound,
            Self::Unsupported { .. } => ErrorCode::Unsupported,
            Self::NotConfigured { .. } => ErrorCode::Unavailable,
            Self::Invalid(_) => ErrorCode::ValidationFailed,
            Self::PageToken { .. }
            | Self::PointInTimeGone { parameter: Some(_) }
            | Self::UnknownParameter { .. }
            | Self::RepeatedParameter(_) => ErrorCode::InvalidRequest,
            // Nothing is wrong with a request that named none: the platform did not keep what it had begun.
            Self::PointInTimeGone { parameter: None } => ErrorCode::UpstreamUnavailable,
            Self::InsufficientScope { .. } => ErrorCode::InsufficientScope,
            Self::Upstream { code, .. } => *code,
            Self::Connection(error) => error.code(),
            Self::Vault(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }

    fn may_be_told(&self) -> bool {
        matches!(self, Self::NotConfigured { .. })
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Invalid(violations) => violations.clone(),
            Self::Connection(error) => error.violations(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Upstream { retry_after, .. } => *retry_after,
            Self::Connection(error) => error.retry_after(now),
            Self::Vault(error) => error.retry_at().map(|at| now.until(at)),
            _ => None,
        }
    }
}

fn without(parameter: Option<&str>) -> String {
    parameter.map(|parameter| format!(" without {parameter}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_named_a_point_in_time_is_told_to_leave_it_out() {
        let gone = |parameter| {
            let error = Error::PointInTimeGone { parameter };
            (error.code(), error.to_string())
        };
        let (code, text) = gone(Some("pit"));
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(text.ends_with("begin again without pit"), "{text}");
        let (code, text) = gone(None);
        assert_eq!(code, ErrorCode::UpstreamUnavailable);
        assert!(text.ends_with("begin again"), "{text}");
    }
}

//! Why a connector's operation failed.

use std::time::Duration;

use connections::connection::Connection;
use model::{Coded, ErrorCode, Extensions, Role, Timestamp, Violation};

use crate::reconnect;

/// An operation that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such connector.
    #[error("there is no connector {0}; GET /api/v1/unified/connectors lists those there are")]
    UnknownConnector(String),
    /// The connector cannot do this.
    #[error("connector {connector} has no operation {operation}; its capabilities tell those it has")]
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
        if .scopes.is_empty() { "a further scope".to_owned() } else { .scopes.join(" or ") }
    )]
    InsufficientScope {
        /// The connector.
        connector: &'static str,
        /// The scopes of which one is needed; none where the vendor does not tell.
        scopes: Vec<String>,
        /// Where the user is asked for more.
        reconnect: String,
    },
    /// The grant covers several sites, and none is chosen.
    #[error(
        "none of this connection's sites is chosen: choose one by PATCH {choose} with {{\"site\": \"…\"}}, one of {}",
        .sites.join(", ")
    )]
    NeedsSite {
        /// The path where one is chosen.
        choose: String,
        /// The ids of the sites.
        sites: Vec<String>,
    },
    /// There is no token to make the call with.
    #[error("{error}")]
    Token {
        /// Why.
        error: connections::vault::Error,
        /// Where the user connects the account again.
        reconnect: String,
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
        /// The status of its answer, where there was one.
        status: Option<u16>,
        /// Whether the same request may be made again, and may then succeed.
        retryable: bool,
    },
    /// Calling vendors' APIs as they are is not allowed to anybody.
    #[error(
        "the raw proxy is off on this server: its operator turns it on by saying in PROXY_RULES who may send what where"
    )]
    ProxyOff,
    /// No rule of the operator's allows it to anybody.
    #[error(
        "no rule in PROXY_RULES allows {method} of this path at {name}: the operator of this server may add one"
    )]
    NoProxyRule {
        /// The connector or the provider.
        name: String,
        /// The method.
        method: String,
    },
    /// Only rules for higher roles allow it.
    #[error("the rules in PROXY_RULES allow this at {name} to the role {needed} or one above it")]
    ProxyRole {
        /// The connector or the provider.
        name: String,
        /// The lowest role that may.
        needed: Role,
    },
    /// There is neither a connector nor a provider of this name.
    #[error(
        "there is no connector and no provider {0}; GET /api/v1/unified/connectors and /api/v1/unified/auth/providers list \
         those there are"
    )]
    NothingCalled(String),
    /// The provider's API cannot be called as it is.
    #[error("{name} cannot be called as it is: {advice}")]
    NoRawApi {
        /// The connector or the provider.
        name: String,
        /// What would be right.
        advice: String,
    },
    /// The host is none of the provider's.
    #[error("x-api-host must be {}", if .hosts.is_empty() { "left out: there is one root alone".to_owned() } else { format!("one of {}", .hosts.join(", ")) })]
    NoSuchHost {
        /// Those there are.
        hosts: Vec<String>,
    },
    /// The connection has no such credential.
    #[error("x-credential must be one of {}", .0.join(", "))]
    NoSuchCredential(Vec<String>),
    /// A path that does not stay where it should.
    #[error("the path {0}")]
    Path(&'static str),
    /// A parameter that would make another request of it.
    #[error("the request must not name another method than its own, as {0} does: send it by that method")]
    OtherMethod(&'static str),
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

impl Error {
    /// The vendor's trouble, where nothing is known of it but that.
    pub(crate) fn upstream(provider: &'static str, code: ErrorCode, detail: impl Into<String>) -> Self {
        let retryable = Self::is_passing(code);
        Self::Upstream { provider, code, detail: detail.into(), retry_after: None, status: None, retryable }
    }

    /// That one thing in the request breaks a rule: `pointer` says what in the body (RFC 6901). It is empty for what stands
    /// elsewhere, as a parameter or an id, which `detail` then names.
    pub(crate) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(pointer, detail)])
    }

    /// That the vendor has no such thing. The id is told as far as it can be shown.
    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound { what, id: crate::http::shown_id(id) }
    }

    /// That a site must be chosen first.
    pub(crate) fn needs_site(connection: &Connection) -> Self {
        // As many as can be read.
        let sites = connection.sites.iter().take(20).map(|site| site.id.clone()).collect();
        Self::NeedsSite { choose: format!("/api/v1/unified/connections/{}", connection.id), sites }
    }

    /// Whether trouble of this kind passes by itself.
    pub(crate) fn is_passing(code: ErrorCode) -> bool {
        matches!(
            code,
            ErrorCode::UpstreamRateLimited | ErrorCode::UpstreamUnavailable | ErrorCode::UpstreamTimeout
        )
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownConnector(_)
            | Self::NotFound { .. }
            | Self::NotAStore
            | Self::NothingCalled(_)
            | Self::ProxyOff
            | Self::NoProxyRule { .. } => ErrorCode::NotFound,
            Self::ProxyRole { .. } => ErrorCode::InsufficientRole,
            Self::Unsupported { .. } | Self::NoRawApi { .. } => ErrorCode::Unsupported,
            Self::NeedsSite { .. } => ErrorCode::Conflict,
            Self::NotConfigured { .. } => ErrorCode::Unavailable,
            Self::Invalid(_) => ErrorCode::ValidationFailed,
            Self::PageToken { .. }
            | Self::PointInTimeGone { parameter: Some(_) }
            | Self::NoSuchHost { .. }
            | Self::NoSuchCredential(_)
            | Self::Path(_)
            | Self::OtherMethod(_)
            | Self::UnknownParameter { .. }
            | Self::RepeatedParameter(_) => ErrorCode::InvalidRequest,
            // Nothing is wrong with a request that named none: the platform did not keep what it had begun.
            Self::PointInTimeGone { parameter: None } => ErrorCode::UpstreamUnavailable,
            Self::InsufficientScope { .. } => ErrorCode::InsufficientScope,
            Self::Upstream { code, .. } => *code,
            Self::Connection(error) => error.code(),
            Self::Vault(error) | Self::Token { error, .. } => error.code(),
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
            Self::Vault(error) | Self::Token { error, .. } => error.retry_at().map(|at| now.until(at)),
            _ => None,
        }
    }

    fn extensions(&self) -> Extensions {
        match self {
            Self::Upstream { status, retryable, .. } => {
                Extensions { retryable: Some(*retryable), upstream_status: *status, ..Extensions::default() }
            }
            Self::InsufficientScope { scopes, reconnect, .. } => Extensions {
                retryable: Some(false),
                missing_scopes: scopes.clone(),
                reconnect: Some(reconnect.clone()),
                ..Extensions::default()
            },
            Self::Token { error, reconnect } => {
                let helps = matches!(
                    error.code(),
                    ErrorCode::ConnectionRequired | ErrorCode::ReauthorizationRequired
                );
                Extensions {
                    retryable: Some(Self::is_passing(error.code())),
                    reconnect: helps.then(|| reconnect.clone()),
                    ..Extensions::default()
                }
            }
            Self::Vault(error) => {
                Extensions { retryable: Some(Self::is_passing(error.code())), ..Extensions::default() }
            }
            Self::Connection(connections::Error::ConnectionRequired { provider, user_email }) => Extensions {
                retryable: Some(false),
                reconnect: Some(reconnect::begin(provider, user_email)),
                ..Extensions::default()
            },
            _ => Extensions::default(),
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

    #[test]
    fn who_has_no_connection_is_told_where_one_is_made() {
        let error = |user_email: &str| {
            let (provider, user_email) = ("google".to_owned(), user_email.to_owned());
            Error::Connection(connections::Error::ConnectionRequired { provider, user_email })
        };
        let path = |user_email| error(user_email).extensions().reconnect.unwrap();
        assert_eq!(path("ann@acme.example"), "/api/v1/unified/auth/google/url?user_email=ann%40acme.example");
        assert_eq!(path(""), "/api/v1/unified/auth/google/url", "of the tenant's own");
    }
}

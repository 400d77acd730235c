//! What a call that failed means, whether it may be made again, and how callers are told.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use model::{Ambient, ErrorCode};
use serde_json::Value;

use super::call::Received;
use super::vendor::{Refusal, Trouble, Vendor};
use super::{wait, words};
use crate::{Context, Error};

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The vendor says no.
    Refused {
        /// Why.
        trouble: Trouble,
        /// With which status.
        status: StatusCode,
        /// How long to wait, as far as is known.
        wait: Option<Duration>,
        /// The answer itself, where the caller wants it as it is.
        answer: Option<Box<Received>>,
    },
    /// The connection is known to have spent what the vendor grants it: nothing was sent.
    Spent(Duration),
    /// The vendor, or this connection at it, has failed too often: nothing was sent.
    Resting(Duration),
    /// Too many calls are under way or wait: nothing was sent.
    Busy,
    /// The vendor cannot be reached: nothing was sent.
    Unreachable,
    /// The connection was lost, and what became of the call is not known.
    Broken,
    /// There was no whole answer in time.
    TimedOut(Duration),
    /// The answer cannot be used.
    Malformed(&'static str),
    /// The host that a user has named is none that may be reached: nothing was sent.
    NotLetThrough(outbound::Error),
}

/// What an error is told with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) vendor: &'static Vendor,
    pub(super) context: &'a Context,
    /// What the request is about, and its id.
    pub(super) about: Option<&'a (&'static str, String)>,
    pub(super) is_repeatable: bool,
    /// What the call was made with, to be kept out of all words.
    pub(super) token: &'a str,
}

impl Failure {
    /// Why a client has no answer.
    pub(super) fn of_client(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable
        } else if error.is_builder() {
            Self::Malformed("the request cannot be sent as it is")
        } else {
            Self::Broken
        }
    }

    /// Why there is no answer of a host that a user has named.
    pub(super) fn guarded(error: outbound::Error) -> Self {
        use outbound::Error::{
            Broken, ConnectTimedOut, Host, NotPublic, Scheme, TimedOut, Unreachable, Unresolved, Untrusted,
            UserInfo,
        };
        match error {
            Scheme | UserInfo | Host | NotPublic(_) => Self::NotLetThrough(error),
            Unresolved(_) | Unreachable(_) | Untrusted(_) | ConnectTimedOut(_) => Self::Unreachable,
            Broken(_) | TimedOut(_) => Self::Broken,
            _ => Self::Malformed("the request cannot be sent as it is"),
        }
    }

    /// The meaning of a refusal: as the vendor's dialect says, or else as its status commonly means. `None` where the
    /// answer is none.
    pub(super) fn of_answer(
        vendor: &Vendor,
        (status, headers, body): (StatusCode, &HeaderMap, &Value),
        ambient: &Ambient,
    ) -> Option<Self> {
        let refusal = Refusal { status, headers, body };
        let trouble = match (vendor.trouble)(&refusal) {
            Some(trouble) => trouble,
            None if status.is_success() || status == StatusCode::NOT_MODIFIED => return None,
            None if status.is_redirection() => {
                return Some(Self::Malformed("it redirects to another host, which the token is not for"));
            }
            None => common(&refusal),
        };
        let wait = match &trouble {
            Trouble::RateLimited(said) => said.or_else(|| wait::told(headers, ambient)),
            Trouble::Unavailable(_) => connections::protocol::retry_after(headers, ambient),
            _ => None,
        };
        Some(Self::Refused { trouble, status, wait, answer: None })
    }

    /// The answer as it is, for a caller who wants it so. A refusal of the token is none of the caller's credential, and so
    /// stays a failure of its own kind.
    pub(super) fn into_answer(self) -> Result<Received, Self> {
        match self {
            Self::Refused { answer: Some(answer), trouble, status, .. }
                if trouble != Trouble::TokenRefused && status != StatusCode::UNAUTHORIZED =>
            {
                Ok(*answer)
            }
            failure => Err(failure),
        }
    }

    pub(super) fn is_token_refused(&self) -> bool {
        matches!(self, Self::Refused { trouble: Trouble::TokenRefused, .. })
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { trouble: Trouble::NotFound, .. })
    }

    /// Whether the same request may succeed a moment later without being done twice.
    pub(super) fn may_be_repeated(&self, is_repeatable: bool) -> bool {
        match self {
            Self::Refused { trouble: Trouble::RateLimited(_), .. } | Self::Unreachable => true,
            _ => is_repeatable && self.may_have_been_done(),
        }
    }

    /// Whether nobody knows what became of it.
    pub(super) fn may_have_been_done(&self) -> bool {
        match self {
            Self::Refused { trouble: Trouble::Unavailable(_), status, .. } => {
                *status != StatusCode::NOT_IMPLEMENTED
            }
            Self::Broken | Self::TimedOut(_) => true,
            _ => false,
        }
    }

    /// Whether it is a failure of the vendor as a whole, and if so, whether it cannot even be reached. `patience` is what
    /// an attempt has where nothing went before: with less than half of that, after a wait for its turn, it is not.
    pub(super) fn is_vendors(&self, patience: Duration) -> Option<bool> {
        match self {
            Self::Unreachable => Some(true),
            Self::TimedOut(time) if *time < patience / 2 => None,
            _ if self.may_have_been_done() => Some(false),
            _ => None,
        }
    }

    /// How long the vendor wants to be left alone.
    pub(super) fn told_wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    /// The error that callers are told.
    pub(super) fn into_error(self, told: Circumstances<'_>) -> Error {
        let (status, retry_after) = (self.status(), self.told_wait());
        // What may have been done already is not for a program to do again.
        let is_safe = told.is_repeatable || !self.may_have_been_done();
        let (code, detail, retry_after) = match self {
            Self::Refused { trouble, .. } => {
                let (code, detail) = match refused(trouble, told) {
                    Ok(words) => words,
                    Err(error) => return *error,
                };
                (code, detail, retry_after)
            }
            Self::Spent(wait) => (ErrorCode::UpstreamRateLimited, FEWER_CALLS.to_owned(), Some(wait)),
            Self::Resting(wait) => {
                let detail = "its last calls have all failed, so it is left alone for a while".to_owned();
                (ErrorCode::UpstreamUnavailable, detail, Some(wait))
            }
            Self::Busy => {
                let detail = "too many calls of this tenant to it are under way".to_owned();
                (ErrorCode::UpstreamRateLimited, detail, Some(Duration::from_secs(1)))
            }
            Self::Unreachable => (ErrorCode::UpstreamUnavailable, "it cannot be reached".to_owned(), None),
            Self::Broken => {
                let detail = unknown("it broke off before the end of its answer", is_safe);
                (ErrorCode::UpstreamUnavailable, detail, None)
            }
            Self::TimedOut(limit) => {
                let sentence = format!("it did not answer within {} s", limit.as_secs_f32().round());
                (ErrorCode::UpstreamTimeout, unknown(&sentence, is_safe), None)
            }
            Self::Malformed(sentence) => return malformed(told.vendor, sentence),
            Self::NotLetThrough(error) => return malformed(told.vendor, &error.to_string()),
        };
        Error::Upstream {
            provider: told.vendor.name,
            code,
            detail,
            retry_after,
            status,
            retryable: is_safe && Error::is_passing(code),
        }
    }
}

const FEWER_CALLS: &str = "it wants fewer calls with this connection";

/// The code and the sentence of a refusal, or the error where it is one of its own.
fn refused(trouble: Trouble, told: Circumstances<'_>) -> Result<(ErrorCode, String), Box<Error>> {
    let said = |sentence: &str, said: &str| words::with_words(sentence, &words::cleaned(said, told.token));
    Ok(match trouble {
        Trouble::TokenRefused => {
            return Err(Box::new(Error::Token {
                reconnect: told.context.reconnect(&[]),
                error: connections::vault::Error::ReauthorizationRequired(format!(
                    "{} does not accept its token, not even a renewed one",
                    told.vendor.name
                )),
            }));
        }
        Trouble::MissingScope(scopes) => {
            let parts = scopes.iter().flat_map(|scope| scope.split([' ', ',']));
            let scopes: Vec<String> = parts
                .map(|scope| words::cleaned(scope, told.token))
                .filter(|scope| !scope.is_empty())
                .collect();
            return Err(Box::new(Error::InsufficientScope {
                connector: told.vendor.id,
                reconnect: told.context.reconnect(&scopes),
                scopes,
            }));
        }
        Trouble::NotFound => match told.about {
            Some((what, id)) => return Err(Box::new(Error::NotFound { what, id: id.clone() })),
            None => {
                (ErrorCode::NotFound, "it has no such thing, or none that this account may see".to_owned())
            }
        },
        Trouble::Rejected(why) => (ErrorCode::UpstreamRejected, said("it refused this", &why)),
        Trouble::Conflict(why) => {
            (ErrorCode::Conflict, said("this changed meanwhile or is there already: read it again", &why))
        }
        Trouble::RateLimited(_) => (ErrorCode::UpstreamRateLimited, FEWER_CALLS.to_owned()),
        Trouble::Unavailable(why) => {
            (ErrorCode::UpstreamUnavailable, said("it is in trouble at the moment", &why))
        }
    })
}

fn unknown(sentence: &str, is_safe: bool) -> String {
    if is_safe { sentence.to_owned() } else { format!("{sentence}; whether this was done is not known") }
}

/// What a status commonly means (RFC 9110, section 15; RFC 6585; RFC 6750, section 3.1).
fn common(refusal: &Refusal<'_>) -> Trouble {
    let said = words::sentence(refusal.body);
    match refusal.status.as_u16() {
        401 => Trouble::TokenRefused,
        403 => missing_scope(refusal).unwrap_or(Trouble::Rejected(said)),
        404 | 410 => Trouble::NotFound,
        409 | 412 => Trouble::Conflict(said),
        429 => Trouble::RateLimited(None),
        408 | 425 | 500.. => Trouble::Unavailable(said),
        _ => Trouble::Rejected(said),
    }
}

/// `WWW-Authenticate: Bearer error="insufficient_scope", scope="a b"`.
fn missing_scope(refusal: &Refusal<'_>) -> Option<Trouble> {
    let challenge = refusal.header("www-authenticate");
    let value = |name: &str| {
        let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    };
    let is_missing = value("error")? == "insufficient_scope";
    is_missing.then(|| Trouble::MissingScope(value("scope").map(str::to_owned).into_iter().collect()))
}

/// An error of a vendor that no status belongs to.
pub(super) fn upstream(vendor: &Vendor, code: ErrorCode, detail: &str) -> Error {
    Error::upstream(vendor.name, code, detail)
}

/// The error of an answer that cannot be used: the same the next time.
pub(super) fn malformed(vendor: &Vendor, detail: &str) -> Error {
    Error::Upstream {
        provider: vendor.name,
        code: ErrorCode::UpstreamUnavailable,
        detail: detail.to_owned(),
        retry_after: None,
        status: None,
        retryable: false,
    }
}

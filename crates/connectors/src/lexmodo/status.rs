//! What a call that failed means, in the words that all connectors' callers know.

use std::time::Duration;

use model::ErrorCode;
use outbound::cause::{chain, report};
use prost::Message as _;
use tonic::{Code, Status, TimeoutExpired};

use super::transport::Cause;
use crate::Error;

/// The platform's name in errors.
pub(super) const PROVIDER: &str = "Lexmodo";
/// The most characters of the platform's own words that are passed on.
const MAX_WORDS: usize = 200;
/// The most characters of an id in an error.
const MAX_SHOWN_ID: usize = 64;
/// The longest wait that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// How tonic begins to say that an answer is longer than allowed.
const TOO_LARGE: &str = "Error, decoded message length too large";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'a> {
    /// One customer, by id.
    Customer(&'a str),
    /// A page of a listing.
    Listing {
        /// The rule that the listing goes by.
        rule_id: Option<&'a str>,
    },
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server said so.
    Status(Status),
    /// The connection failed.
    Connection {
        /// In which way.
        cause: Cause,
        /// All that is known, for the log.
        report: String,
    },
    /// The deadline passed.
    Timeout,
    /// The answer is longer than is read.
    TooLarge,
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        if status.code() == Code::OutOfRange && status.message().starts_with(TOO_LARGE) {
            return Self::TooLarge;
        }
        // A status that the server sent was made from nothing else.
        let Some(source) = std::error::Error::source(&status) else {
            return Self::Status(status);
        };
        if chain(source).any(<dyn std::error::Error>::is::<TimeoutExpired>) {
            return Self::Timeout;
        }
        Self::Connection { cause: Cause::of(source), report: report(source) }
    }
}

impl Trouble {
    /// Whether the same call may succeed a moment later: UNAVAILABLE, from the server or for want of it.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => status.code() == Code::Unavailable,
            Self::Connection { cause, .. } => cause.is_passing(),
            Self::Timeout | Self::TooLarge => false,
        }
    }

    /// Whether the platform does not accept the token.
    pub(super) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::Unauthenticated)
    }

    /// The gRPC code, for logs.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Status(status) => status.code(),
            Self::Connection { .. } => Code::Unavailable,
            Self::Timeout => Code::DeadlineExceeded,
            Self::TooLarge => Code::ResourceExhausted,
        }
    }

    /// The error that callers are told. `token` is what the call was made with, and appears in none.
    pub(super) fn into_error(self, question: Question<'_>, token: &str) -> Error {
        match self {
            Self::Status(status) => told(&status, question, token),
            Self::Connection { cause, .. } => upstream(ErrorCode::UpstreamUnavailable, cause.sentence()),
            Self::Timeout => timed_out(),
            Self::TooLarge => upstream(
                ErrorCode::UpstreamUnavailable,
                "the platform's answer is longer than LEXMODO_MAX_MESSAGE_SIZE allows: ask for fewer customers to a \
                 page, or have the operator raise it",
            ),
        }
    }
}

fn told(status: &Status, question: Question<'_>, token: &str) -> Error {
    let words = words(status.message(), token);
    match status.code() {
        Code::Unavailable => unavailable("the platform is not available at the moment", &words),
        Code::DeadlineExceeded => timed_out(),
        Code::ResourceExhausted => Error::Upstream {
            provider: PROVIDER,
            code: ErrorCode::UpstreamRateLimited,
            detail: "the platform wants fewer calls".to_owned(),
            retry_after: retry_after(status),
            status: None,
            retryable: true,
        },
        Code::Unauthenticated => upstream(
            ErrorCode::ReauthorizationRequired,
            "the platform does not accept the store's token: the store must be connected again",
        ),
        Code::PermissionDenied => upstream(
            ErrorCode::InsufficientScope,
            with_words("the store's connection does not allow this", &words),
        ),
        Code::NotFound => not_found(status.message(), question, token),
        Code::InvalidArgument | Code::FailedPrecondition => refused(status.message(), question, token),
        Code::OutOfRange | Code::AlreadyExists => rejected(&words),
        Code::Unimplemented => unavailable("the platform's server does not know this call", &words),
        _ => unavailable("the platform could not answer", &words),
    }
}

/// The error of an answer that says that the platform does not do what it was asked, in the platform's words.
pub(super) fn refused(message: &str, question: Question<'_>, token: &str) -> Error {
    if speaks_of_point_in_time(message, question) {
        return Error::PointInTimeGone { parameter: None };
    }
    rejected(&words(message, token))
}

/// Whether the `code` of an answer that failed is the one for what is not there. It is undocumented: any spelling goes.
pub(super) fn says_not_found(code: &str) -> bool {
    let letters = code.chars().filter(|letter| letter.is_alphanumeric());
    letters.map(|letter| letter.to_ascii_lowercase()).eq("notfound".chars()) || code == "404"
}

/// The error of there being no such thing.
pub(super) fn not_found(message: &str, question: Question<'_>, token: &str) -> Error {
    if speaks_of_point_in_time(message, question) {
        return Error::PointInTimeGone { parameter: None };
    }
    match question {
        Question::Customer(id) => Error::NotFound { what: "customer", id: shown(id) },
        Question::Listing { rule_id: Some(id) } => Error::NotFound { what: "rule", id: shown(id) },
        Question::Listing { rule_id: None } => rejected(&words(message, token)),
    }
}

/// An error of the platform.
pub(super) fn upstream(code: ErrorCode, detail: impl Into<String>) -> Error {
    Error::upstream(PROVIDER, code, detail)
}

fn rejected(words: &str) -> Error {
    upstream(ErrorCode::UpstreamRejected, with_words("the platform refused this", words))
}

fn unavailable(sentence: &str, words: &str) -> Error {
    upstream(ErrorCode::UpstreamUnavailable, with_words(sentence, words))
}

fn timed_out() -> Error {
    upstream(ErrorCode::UpstreamTimeout, "the platform did not answer within 5 seconds")
}

fn with_words(sentence: &str, words: &str) -> String {
    if words.is_empty() { sentence.to_owned() } else { format!("{sentence}: {words}") }
}

fn shown(id: &str) -> String {
    match id.char_indices().nth(MAX_SHOWN_ID) {
        Some((end, _)) => format!("{}…", id.get(..end).unwrap_or_default()),
        None => id.to_owned(),
    }
}

/// `message` as it may be shown: in one line, short, without the token.
fn words(message: &str, token: &str) -> String {
    let message = if token.is_empty() { message.to_owned() } else { message.replace(token, "…") };
    let plain: String = message.chars().map(|letter| if is_shown(letter) { letter } else { ' ' }).collect();
    let mut words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(MAX_WORDS) {
        words.truncate(end);
    }
    words
}

/// Whether `letter` only stands for itself: no control, and none that turns the direction of writing.
fn is_shown(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn speaks_of_point_in_time(message: &str, question: Question<'_>) -> bool {
    if !matches!(question, Question::Listing { .. }) {
        return false;
    }
    let message = message.to_lowercase();
    let words: Vec<_> =
        message.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.contains(&"pit") || words.windows(3).any(|three| three == ["point", "in", "time"])
}

/// google.rpc.Status, as far as it is read.
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// google.rpc.RetryInfo.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

/// How long to wait, by `google.rpc.RetryInfo`, else by `retry-after` in seconds.
fn retry_after(status: &Status) -> Option<Duration> {
    let told = Details::decode(status.details()).unwrap_or_default().details;
    let info = told.iter().find(|any| any.type_url == RETRY_INFO);
    let delay = info.and_then(|any| RetryInfo::decode(any.value.as_slice()).ok()?.retry_delay);
    let seconds = || status.metadata().get("retry-after")?.to_str().ok()?.trim().parse().ok();
    let wait = delay
        .and_then(|delay| Duration::try_from(delay).ok())
        .or_else(|| seconds().map(Duration::from_secs))?;
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;

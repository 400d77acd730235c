//! One thing that was done with a connection.

use std::str::FromStr;
use std::time::Duration;

use model::{Coded, ErrorCode, TenantId};

use crate::catalog::ProviderId;
use crate::connection::{Connection, named_user};

/// The longest actor, operation and detail, in characters: entries are for people to read and are kept in memory.
const MAX_NAME: usize = 128;
const MAX_EMAIL: usize = 254;
const MAX_DETAIL: usize = 200;

/// What was done. What a connector did stands beside it as an operation, which is text: connectors come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A user came back from a provider, and no connection came of it.
    Authorize,
    /// A connection came about or was renewed by its user.
    Connect,
    /// A token was used for a call to the provider.
    Use,
    /// A token was renewed.
    Refresh,
    /// A connection was found to work no longer without a new consent.
    NeedsReauth,
    /// The provider was asked whether a connection works.
    Validate,
    /// A label, default or site was changed.
    Update,
    /// A connection was revoked and its tokens deleted.
    Revoke,
    /// A token was handed out.
    TokenRead,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 9] = [
        Self::Authorize,
        Self::Connect,
        Self::Use,
        Self::Refresh,
        Self::NeedsReauth,
        Self::Validate,
        Self::Update,
        Self::Revoke,
        Self::TokenRead,
    ];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Connect => "connect",
            Self::Use => "use",
            Self::Refresh => "refresh",
            Self::NeedsReauth => "needs_reauth",
            Self::Validate => "validate",
            Self::Update => "update",
            Self::Revoke => "revoke",
            Self::TokenRead => "token_read",
        }
    }
}

/// A word that names no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one of authorize, connect, use, refresh, needs_reauth, validate, update, revoke, token_read"
)]
pub struct UnknownWord;

impl FromStr for Action {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|action| action.as_str() == word).ok_or(UnknownWord)
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Well.
    Ok,
    /// Somebody who may say no said no: the user at the provider, or a rule here.
    Denied(ErrorCode),
    /// It went wrong.
    Failed(ErrorCode),
}

impl Outcome {
    /// Every word of an outcome.
    pub const WORDS: [&str; 3] = ["ok", "denied", "failed"];

    /// How an error ends what it ends.
    pub fn of_error(code: ErrorCode) -> Self {
        match code {
            ErrorCode::AccessDenied
            | ErrorCode::InsufficientRole
            | ErrorCode::InsufficientScope
            | ErrorCode::TenantMismatch => Self::Denied(code),
            _ => Self::Failed(code),
        }
    }

    /// How `result` ended.
    pub fn of<T, E: Coded>(result: &Result<T, E>) -> Self {
        result.as_ref().err().map_or(Self::Ok, |error| Self::of_error(error.code()))
    }

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied(_) => "denied",
            Self::Failed(_) => "failed",
        }
    }

    /// Which error it was.
    pub const fn code(self) -> Option<ErrorCode> {
        match self {
            Self::Ok => None,
            Self::Denied(code) | Self::Failed(code) => Some(code),
        }
    }
}

/// What is to be recorded. Texts are cut to what is fit to be kept; control characters are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) fact: Fact,
    pub(crate) duration: Option<Duration>,
}

/// What makes two entries tell of the same, so that they are kept as one with a count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fact {
    pub(crate) tenant: TenantId,
    pub(crate) provider: Option<ProviderId>,
    pub(crate) connection: Option<String>,
    pub(crate) user_email: Option<String>,
    pub(crate) actor: String,
    pub(crate) action: Action,
    pub(crate) operation: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) detail: Option<String>,
}

impl Entry {
    /// `actor` did `action` in `tenant`, and it ended well.
    pub fn new(tenant: &TenantId, actor: &str, action: Action) -> Self {
        let fact = Fact {
            tenant: tenant.clone(),
            provider: None,
            connection: None,
            user_email: None,
            actor: clean(actor, MAX_NAME),
            action,
            operation: None,
            outcome: Outcome::Ok,
            detail: None,
        };
        Self { fact, duration: None }
    }

    /// To this connection, and so at its provider and to its user.
    #[must_use]
    pub fn about(self, connection: &Connection) -> Self {
        self.provider(&connection.provider).user_email(&connection.user_email).connection(&connection.id)
    }

    /// To the connection of this id. Provider and user, where they are not told, are those of the connection as it is
    /// when the entry is written.
    #[must_use]
    pub fn connection(mut self, id: &str) -> Self {
        self.fact.connection = Some(clean(id, MAX_NAME));
        self
    }

    /// At this provider.
    #[must_use]
    pub fn provider(mut self, provider: &ProviderId) -> Self {
        self.fact.provider = Some(provider.clone());
        self
    }

    /// With what is this user's; with what is the tenant's, where it is empty.
    #[must_use]
    pub fn user_email(mut self, user_email: &str) -> Self {
        self.fact.user_email = named_user(user_email).map(|named| clean(named, MAX_EMAIL));
        self
    }

    /// What a connector did, such as `gmail.search`.
    #[must_use]
    pub fn operation(mut self, operation: &str) -> Self {
        self.fact.operation = Some(clean(operation, MAX_NAME));
        self
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.fact.outcome = outcome;
        self
    }

    /// The particulars in a few words: never a token, never content.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.fact.detail = Some(clean(detail, MAX_DETAIL));
        self
    }

    /// How it ended: well, or with this error, whose text becomes the detail.
    #[must_use]
    pub fn ended<T, E: Coded>(self, result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => self,
            Err(error) => self.outcome(Outcome::of(result)).detail(&error.to_string()),
        }
    }

    /// How long it took.
    #[must_use]
    pub fn took(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }
}

/// The text without control characters, which not every database takes, and not longer than `max` characters.
fn clean(text: &str, max: usize) -> String {
    text.chars().filter(|char| !char.is_control()).take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_actions() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        assert_eq!("steal".parse::<Action>(), Err(UnknownWord));
        let told = UnknownWord.to_string();
        assert!(Action::ALL.iter().all(|action| told.contains(action.as_str())), "{told}");
    }

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        assert_eq!(Outcome::of_error(ErrorCode::AccessDenied), Outcome::Denied(ErrorCode::AccessDenied));
        assert_eq!(Outcome::of_error(ErrorCode::UpstreamTimeout).as_str(), "failed");
        assert_eq!(Outcome::Ok.code(), None);
        let code = ErrorCode::Internal;
        let words = [Outcome::Ok, Outcome::Denied(code), Outcome::Failed(code)].map(Outcome::as_str);
        assert_eq!(words, Outcome::WORDS);
    }

    #[test]
    fn texts_are_cut_to_what_a_database_takes() {
        let tenant = "acme".parse().unwrap();
        let entry = Entry::new(&tenant, "a\0b", Action::Use).detail(&"é".repeat(300)).operation("x\ny");
        assert_eq!(entry.fact.actor, "ab");
        assert_eq!(entry.fact.operation.as_deref(), Some("xy"));
        assert_eq!(entry.fact.detail.unwrap().chars().count(), MAX_DETAIL);
    }
}

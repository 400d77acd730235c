//! What is a vendor's own: where it is, and how it says no.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// A vendor's API, as one connector uses it.
pub struct Vendor {
    /// The connector's id: the label of metrics, and by which the operator may name another root.
    pub id: &'static str,
    /// Its name for people, in errors: `Gmail`.
    pub name: &'static str,
    /// The root of its API, without a slash at the end: `https://gmail.googleapis.com/gmail/v1`.
    pub base_url: &'static str,
    /// What each request says beside the token, in lower case: the version of the API, say.
    pub headers: &'static [(&'static str, &'static str)],
    /// Whether an answer with status 200 may be a refusal, as Slack's `ok: false`: then [`trouble`](Self::trouble) is asked
    /// of those, too.
    pub refuses_with_200: bool,
    /// Reads a refusal in the vendor's dialect. `None` says that it means what its status commonly means: see
    /// [`Trouble`]. `|_| None` is right for a vendor without peculiarities.
    pub trouble: fn(&Refusal<'_>) -> Option<Trouble>,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor")
            .field("id", &self.id)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

/// An answer that may be a refusal.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body; null where it is no JSON.
    pub body: &'a Value,
}

impl<'a> Refusal<'a> {
    /// The text at a JSON Pointer (RFC 6901) of the body; empty where there is none.
    pub fn text(&self, pointer: &str) -> &'a str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What a refusal means. Words are the vendor's own; they are shortened and cleaned before anybody sees them, and may be
/// empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The token is not accepted: another may be. Commonly 401.
    TokenRefused,
    /// The grant lacks one of these scopes, as far as the vendor tells which; they may be separated by blanks or commas, too.
    MissingScope(Vec<String>),
    /// The vendor does not do what it was asked, and would not the next time. Commonly 400, 403, 422, and all others.
    Rejected(String),
    /// There is no such thing. Commonly 404 and 410.
    NotFound,
    /// It changed meanwhile, or is there already. Commonly 409 and 412.
    Conflict(String),
    /// Too many calls; how long to wait, where the body tells. `Retry-After` and the like are read beside it. Commonly
    /// 429.
    RateLimited(Option<Duration>),
    /// The vendor's own trouble, which may pass. Commonly 5xx.
    Unavailable(String),
}

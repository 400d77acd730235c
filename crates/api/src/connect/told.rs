//! What a page tells its user of what has just happened. It travels in the page's address, sealed.

use connections::connection::{Account, Connection, Status};
use connections::{Connected, Error, Revocation};
use model::Coded as _;
use serde::{Deserialize, Serialize};

use super::words;
use crate::App;
use crate::return_to::ReturnTo;

/// The most permissions that are named one by one.
const MAX_NAMED: usize = 10;

/// What has happened, for the user, for the page that is returned to, and for the page that has opened this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Whether it is what the user wanted.
    #[serde(rename = "g")]
    pub(super) is_good: bool,
    /// In plain words; the first sentence says it all.
    #[serde(rename = "s")]
    pub(super) sentences: Vec<String>,
    /// `connected`, `disconnected` or `error`.
    #[serde(rename = "w")]
    pub(super) status: String,
    /// The provider's name in the catalog.
    #[serde(rename = "p")]
    pub(super) provider: String,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) connection_id: Option<String>,
    /// The code of what went wrong.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    return_to: Option<String>,
}

/// Where the user goes on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoOn {
    /// The address, with what has happened in its query.
    pub(super) href: String,
    /// Its host, for the user.
    pub(super) host: String,
    /// Its origin, to which alone an opening page of it is told.
    pub(super) origin: String,
}

impl Told {
    pub(super) fn connected(connected: &Connected) -> Self {
        let connection = &connected.connection;
        let mut sentences = vec![connected_as(&connected.provider_name, &connection.account)];
        sentences.extend(not_granted(&connected.provider_name, &connected.missing_scopes));
        if connection.status == Status::NeedsSite {
            sentences.push("Choose below which site to work with.".to_owned());
        }
        Self::about(connection, "connected", sentences)
    }

    pub(super) fn disconnected(provider_name: &str, revocation: &Revocation) -> Self {
        let connection = &revocation.connection;
        let mut sentences = vec![format!("{} is disconnected from {provider_name}.", connection.label)];
        if !revocation.is_complete() {
            sentences.push(format!(
                "{provider_name} has not confirmed that access has ended there. To be sure, remove this application in \
                 your account's settings at {provider_name}."
            ));
        }
        Self::about(connection, "disconnected", sentences)
    }

    pub(super) fn site_chosen(connection: &Connection) -> Self {
        let chosen = connection.sites.iter().find(|site| Some(&site.id) == connection.site.as_ref());
        let name = chosen.map_or("the site", |site| site.name.as_str());
        Self::about(connection, "connected", vec![format!("{} now works with {name}.", connection.label)])
    }

    pub(super) fn failed(provider: &str, error: &Error) -> Self {
        Self {
            is_good: false,
            sentences: words::failure(error),
            status: "error".to_owned(),
            provider: provider.to_owned(),
            connection_id: None,
            error: Some(error.code().as_str().to_owned()),
            return_to: None,
        }
    }

    /// The same with where the user goes on to, also after the session has ended.
    pub(super) fn returning_to(self, return_to: Option<&str>) -> Self {
        Self { return_to: return_to.map(str::to_owned), ..self }
    }

    fn about(connection: &Connection, status: &str, sentences: Vec<String>) -> Self {
        Self {
            is_good: true,
            sentences,
            status: status.to_owned(),
            provider: connection.provider.to_string(),
            connection_id: Some(connection.id.clone()),
            error: None,
            return_to: None,
        }
    }

    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let mut pairs = vec![("status", self.status.as_str()), ("provider", self.provider.as_str())];
        pairs.extend(self.connection_id.as_deref().map(|id| ("connection_id", id)));
        pairs.extend(self.error.as_deref().map(|code| ("error", code)));
        pairs
    }
}

impl GoOn {
    /// Where the user goes on to: `return_to` of the session, or of what is told, if it is still allowed.
    pub(super) fn new(app: &App, return_to: Option<&str>, told: Option<&Told>) -> Option<Self> {
        let text = return_to.or_else(|| told?.return_to.as_deref())?;
        let address = ReturnTo::parse(text, app.return_to()).ok()?;
        let href =
            told.map_or_else(|| address.as_str().to_owned(), |told| address.with(&told.pairs()).into());
        Some(Self { href, host: address.host().to_owned(), origin: address.origin() })
    }
}

/// Who is connected, in a sentence.
pub(super) fn connected_as(provider_name: &str, account: &Account) -> String {
    match account.email.as_ref().or(account.name.as_ref()) {
        Some(name) => format!("Connected to {provider_name} as {name}."),
        None => format!("Connected to {provider_name}."),
    }
}

fn not_granted(provider_name: &str, missing: &[String]) -> Option<String> {
    let named = missing.get(..MAX_NAMED.min(missing.len()))?;
    if named.is_empty() {
        return None;
    }
    let more = match missing.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let list = named.join(", ");
    Some(format!(
        "{provider_name} did not grant everything: {list}{more}. What needs these permissions will not work; connect \
         again to grant them."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_connected_is_said_as_far_as_it_is_known() {
        let account = |email: Option<&str>, name: Option<&str>| Account {
            id: "1".into(),
            email: email.map(Into::into),
            name: name.map(Into::into),
        };
        assert_eq!(
            connected_as("X", &account(Some("a@b.example"), Some("Ann"))),
            "Connected to X as a@b.example."
        );
        assert_eq!(connected_as("X", &account(None, Some("Ann"))), "Connected to X as Ann.");
        assert_eq!(connected_as("X", &account(None, None)), "Connected to X.");
    }

    #[test]
    fn what_was_not_granted_is_named_within_bounds() {
        assert_eq!(not_granted("X", &[]), None);
        let one = not_granted("X", &["mail".to_owned()]).unwrap();
        assert!(one.starts_with("X did not grant everything: mail. "), "{one}");
        let many: Vec<String> = (0..30).map(|n| format!("scope{n}")).collect();
        let text = not_granted("X", &many).unwrap();
        assert!(text.contains("scope9 and 20 more.") && !text.contains("scope10"), "{text}");
    }
}

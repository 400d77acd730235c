//! What the crate knows of a connection: the account of a user at a provider, and its credentials.

use std::collections::{BTreeMap, BTreeSet};

use model::{TenantId, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::catalog::{CredentialShape, Owner, ProviderId};

/// Names one credential of one connection of one tenant: what tokens are kept, cached and refreshed by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// The connection's id.
    pub connection: String,
    /// The credential's name within the connection: `main`, or `bot` and `user`.
    pub name: String,
}

/// The account of a user of a tenant at a provider. Holds no token.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Its id, a ULID.
    pub id: String,
    /// Where the account is.
    pub provider: ProviderId,
    /// Whose it is within the tenant, in lower case; empty where it is the tenant's own. See [`user`](Self::user).
    pub user_email: String,
    /// What the user calls it.
    pub label: String,
    /// Whether it is the one that is meant where none is named.
    pub is_default: bool,
    /// Whether it works.
    pub status: Status,
    /// Why it does not, in words for people; `None` where it does.
    pub status_reason: Option<String>,
    /// Who consented.
    pub account: Account,
    /// The values of the provider's variables.
    pub variables: BTreeMap<String, String>,
    /// The sites that the grant covers, where the provider has such.
    pub sites: Vec<Site>,
    /// The id of the chosen one.
    pub site: Option<String>,
    /// The client id of the OAuth app that it was made with; empty for API keys.
    pub client_id: String,
    /// Its credentials, without their tokens.
    pub credentials: Vec<Credential>,
    /// When the user last consented.
    pub authorized_at: Timestamp,
    /// When it came into being.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Timestamp>,
}

impl Connection {
    /// Whether it is a user's or the tenant's.
    pub fn owner(&self) -> Owner {
        if self.user_email.is_empty() { Owner::Tenant } else { Owner::User }
    }

    /// Whose it is, by e-mail address; `None` where it is the tenant's own.
    pub fn user(&self) -> Option<&str> {
        named_user(&self.user_email)
    }

    /// Whether the user of this address, in lower case, may use it.
    pub fn is_for(&self, user_email: &str) -> bool {
        self.owner() == Owner::Tenant || self.user_email == user_email
    }

    /// What its credentials were granted, each scope once.
    pub fn scopes(&self) -> Vec<String> {
        let scopes: BTreeSet<&String> =
            self.credentials.iter().flat_map(|credential| &credential.scopes).collect();
        scopes.into_iter().cloned().collect()
    }

    /// When the first of its access tokens ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.credentials.iter().filter_map(|credential| credential.expires_at).min()
    }
}

/// The address in a row, if it is one.
pub(crate) fn named_user(user_email: &str) -> Option<&str> {
    (!user_email.is_empty()).then_some(user_email)
}

/// Whether a connection works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Active,
    /// The user must choose one of several sites first.
    NeedsSite,
    /// The user must consent again.
    NeedsReauth,
}

impl Status {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NeedsSite => "needs_site",
            Self::NeedsReauth => "needs_reauth",
        }
    }

    /// The status of a row. A word that a later version wrote is taken as one that does not work.
    pub(crate) fn from_stored(word: &str) -> Self {
        match word {
            "active" => Self::Active,
            "needs_site" => Self::NeedsSite,
            _ => Self::NeedsReauth,
        }
    }
}

/// An account at a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id there; empty where the provider tells none.
    pub id: String,
    /// Its e-mail address there.
    pub email: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
}

/// A site that a grant covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its id at the provider.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its address for people.
    pub address: Option<String>,
}

/// One credential of a connection, without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name within the connection.
    pub name: String,
    /// What was granted.
    pub scopes: Vec<String>,
    /// When the access token ends; `None` for one that does not, or whose end the provider does not tell.
    pub expires_at: Option<Timestamp>,
    /// Whether it can be refreshed.
    pub has_refresh_token: bool,
    /// When the grant itself will die if nobody uses it or consents again, as far as the catalog knows.
    pub dies_at: Option<Timestamp>,
    /// When the tokens were last renewed.
    pub refreshed_at: Option<Timestamp>,
}

/// The name of the first of `shapes`, the credentials of the provider's entry, that is among the connection's.
pub(crate) fn leading<'a>(shapes: &'a [CredentialShape], credentials: &'a [Credential]) -> &'a str {
    let has = |name: &str| credentials.iter().any(|credential| credential.name == name);
    let of_entry = shapes.iter().map(|shape| shape.name.as_str()).find(|name| has(name));
    let first = credentials.first().map(|credential| credential.name.as_str());
    of_entry.or(first).unwrap_or("main")
}

/// Tokens as a provider gave them for one credential.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Shown with each call. An API key stands here too.
    pub access: SecretString,
    /// Redeemed for the next access token.
    pub refresh: Option<SecretString>,
    /// How long the access token lives from the moment of the answer; `None` if the answer does not say.
    pub expires_in: Option<std::time::Duration>,
    /// What was granted; `None` where the answer does not say, which means: as requested.
    pub scopes: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(name: &str) -> Credential {
        Credential {
            name: name.to_owned(),
            scopes: Vec::new(),
            expires_at: None,
            has_refresh_token: false,
            dies_at: None,
            refreshed_at: None,
        }
    }

    fn shape(name: &str) -> CredentialShape {
        CredentialShape {
            name: name.to_owned(),
            at: String::new(),
            optional: true,
            scope_param: "scope".to_owned(),
            default_scopes: Vec::new(),
        }
    }

    #[test]
    fn the_entry_says_which_credential_leads() {
        let shapes = [shape("user"), shape("bot")];
        assert_eq!(leading(&shapes, &[credential("bot"), credential("user")]), "user");
        assert_eq!(leading(&shapes, &[credential("bot")]), "bot");
        assert_eq!(leading(&[], &[credential("bot"), credential("user")]), "bot");
        assert_eq!(leading(&shapes, &[]), "main");
    }
}

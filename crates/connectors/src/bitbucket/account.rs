//! People, workspaces and links, as they stand in other things.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Author;
use crate::answer::put;

/// A user, a team or an app. What an answer leaves out is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Account {
    /// In braces.
    pub(super) uuid: Option<String>,
    /// The id of the Atlassian account.
    #[serde(rename = "account_id")]
    atlassian_id: Option<String>,
    display_name: Option<String>,
    nickname: Option<String>,
}

impl Account {
    /// The same for callers. Bitbucket tells no e-mail addresses.
    pub(super) fn author(&self) -> Author {
        let name = self.display_name.as_ref().or(self.nickname.as_ref());
        Author {
            id: self.uuid.as_ref().or(self.atlassian_id.as_ref()).cloned(),
            name: name.cloned(),
            email: None,
        }
    }

    /// The same among an item's further fields.
    pub(super) fn told(&self) -> Map<String, Value> {
        let (author, mut told) = (self.author(), Map::new());
        put(&mut told, "id", author.id);
        put(&mut told, "name", author.name);
        told
    }
}

/// Where things are seen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Links {
    html: Option<Link>,
    clone: Vec<Link>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Link {
    href: Option<String>,
    name: Option<String>,
}

impl Links {
    /// Where people see it.
    pub(super) fn page(&self) -> Option<String> {
        self.html.as_ref()?.href.clone()
    }

    /// Where it is cloned from, by protocol.
    pub(super) fn clone_urls(&self) -> Map<String, Value> {
        let named =
            self.clone.iter().filter_map(|link| Some((link.name.clone()?, link.href.clone()?.into())));
        named.collect()
    }
}

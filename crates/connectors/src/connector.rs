//! What a connector is: a description that says what it can, and a trait for each kind of thing that it does.

use async_trait::async_trait;
use connections::connection::Connection;
use serde_json::{Map, Value};

use crate::comments::Comments;
use crate::communication::Communication;
use crate::containers::Containers;
use crate::content::Content;
use crate::http::Api;
use crate::project::Project;
use crate::{Context, Error, Item, Items};

/// One way of using what tenants have connected at a provider. Adding one is a file that implements this, and a line in
/// the registry.
#[async_trait]
pub trait Connector: Send + Sync {
    /// What it is and what it can.
    fn description(&self) -> &'static Description;

    /// The setting that the operator has left out and that nothing works without; `None` where all is there.
    fn missing_setting(&self) -> Option<&'static str>;

    /// Makes the smallest call that tells whether the connection works.
    async fn test(&self, context: &Context) -> Result<(), Error>;

    /// What can be done with it.
    fn surfaces(&self) -> Surfaces<'_>;
}

/// What can be done with a connector: a trait for each kind of thing, where it has such things.
#[derive(Clone, Copy, Default)]
pub struct Surfaces<'a> {
    /// Its items.
    pub data: Option<&'a dyn Data>,
    /// What its items stand in.
    pub containers: Option<&'a dyn Containers>,
    /// The bytes of its items.
    pub content: Option<&'a dyn Content>,
    /// What people say about its items.
    pub comments: Option<&'a dyn Comments>,
    /// Its channels and messages.
    pub communication: Option<&'a dyn Communication>,
    /// Its projects and issues.
    pub project: Option<&'a dyn Project>,
    /// The vendor's own API, as it is.
    pub raw: Option<&'a dyn Raw>,
}

/// The vendor's own API, for what no operation here covers.
pub trait Raw: Send + Sync {
    /// Where the API begins for this connection.
    ///
    /// # Errors
    /// [`Error::NeedsSite`] where a site must be chosen first.
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error>;
}

/// Things that can be listed, read and written.
///
/// A connector declares in its [`Description`] which of these it can; the others are never called, and answer
/// [`Error::Unsupported`].
#[async_trait]
pub trait Data: Send + Sync {
    /// A page of items.
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error>;

    /// The item of this id.
    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error>;

    /// Makes an item of these fields.
    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error>;

    /// Changes these fields of an item.
    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error>;

    /// Deletes an item.
    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error>;

    /// A page of the items that `query` finds, in the vendor's own words.
    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error>;
}

/// What a connector is and what it can: the one table that the dispatcher, its capabilities and its errors go by.
#[derive(Debug)]
pub struct Description {
    /// By which it is called.
    pub id: &'static str,
    /// By which it may be called, too.
    pub aliases: &'static [&'static str],
    /// The provider in the catalog whose connections it uses.
    pub provider: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What its items are called: `messages`, `customers`.
    pub items: &'static str,
    /// What it can.
    pub operations: &'static [Ability],
    /// The parameters that narrow its lists.
    pub filters: &'static [Filter],
    /// The most items that the vendor gives to a page.
    pub max_page: u32,
    /// Scopes that the vendor grants to one credential of a connection alone, each with that credential's name: what
    /// Slack lets users search is nothing for its bots. Empty for a provider with one credential.
    pub bound_scopes: &'static [(&'static str, &'static str)],
}

/// What a connection lacks for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lacking {
    /// The scopes of which one is needed.
    pub scopes: &'static [&'static str],
    /// The credential that it must be granted to; `None` where any will do.
    pub credential: Option<&'static str>,
}

impl Description {
    /// What it says of an operation; `None` where it cannot do it.
    pub fn ability(&self, operation: Operation) -> Option<&'static Ability> {
        self.operations.iter().find(|ability| ability.operation == operation)
    }

    /// Whether this is its name or one of its aliases.
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name || self.aliases.contains(&name)
    }

    /// The credential of `connection` that was granted all that `ability` needs: the one called `lead` if it was, else the
    /// first other. Scopes that two credentials have between them do not add up.
    ///
    /// # Errors
    /// What is lacking.
    pub fn suitable<'a>(
        &self,
        ability: &Ability,
        connection: &'a Connection,
        lead: &'a str,
    ) -> Result<&'a str, Lacking> {
        let is_there =
            |name: &&str| connection.credentials.iter().any(|credential| credential.name == **name);
        let others = connection.credentials.iter().map(|credential| credential.name.as_str());
        let mut names = std::iter::once(lead).filter(is_there).chain(others);
        let suits = |name: &str| self.lacking(ability, connection, name).is_none();
        match names.find(|name| suits(name)) {
            Some(name) => Ok(name),
            None => self.lacking(ability, connection, lead).map_or(Ok(lead), Err),
        }
    }

    /// Whether one of the credentials of `connection` was granted all that `ability` needs.
    pub fn is_granted(&self, ability: &Ability, connection: &Connection) -> bool {
        self.suitable(ability, connection, "").is_ok()
    }

    /// What the credential of this name lacks for `ability`. One that an OAuth app was granted without any scope is not judged
    /// by scopes, as those of GitHub Apps, which have permissions instead: what it may do is for the vendor to say.
    fn lacking(&self, ability: &Ability, connection: &Connection, name: &str) -> Option<Lacking> {
        let credential = connection.credentials.iter().find(|credential| credential.name == name);
        let is_of_app = !connection.client_id.is_empty();
        if is_of_app && credential.is_some_and(|credential| credential.scopes.is_empty()) {
            return None;
        }
        let granted = credential.map_or(&[][..], |credential| &credential.scopes);
        let holder = |scope: &str| {
            let bound = self.bound_scopes.iter().find(|(bound, _)| *bound == scope);
            bound.map(|(_, credential)| *credential)
        };
        let counts: Vec<String> = granted
            .iter()
            .filter(|scope| holder(scope).is_none_or(|holder| holder == name))
            .cloned()
            .collect();
        let scopes = ability.missing(&counts)?;
        Some(Lacking { scopes, credential: scopes.first().and_then(|scope| holder(scope)) })
    }

    /// The error that answers an operation that it has not.
    pub fn cannot(&self, operation: Operation) -> Error {
        Error::Unsupported { connector: self.id, operation: operation.as_str() }
    }
}

/// An operation of the unified API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A page of items.
    List,
    /// One item.
    Get,
    /// Making an item.
    Create,
    /// Changing one.
    Update,
    /// Deleting one.
    Delete,
    /// A page of the items that are found.
    Search,
    /// A page of channels.
    Channels,
    /// One channel.
    Channel,
    /// A page of a channel's messages, or of a thread's.
    Messages,
    /// Sending a message.
    SendMessage,
    /// A page of the people there.
    Users,
    /// A page of projects.
    Projects,
    /// One project.
    Project,
    /// A page of a project's issues.
    Issues,
    /// One issue.
    Issue,
    /// Making an issue.
    CreateIssue,
    /// Changing one.
    UpdateIssue,
    /// A page of the issues that are the user's to do.
    MyIssues,
    /// How a project stands.
    Summary,
    /// A page of what items stand in: labels, calendars, spaces.
    Containers,
    /// The bytes of an item.
    Content,
    /// A page of what was said about an item.
    Comments,
    /// Saying something about one.
    AddComment,
}

impl Operation {
    /// Whether twice is no more than once. Of a change nobody knows: it may be a move, or say something.
    pub(crate) const fn may_be_repeated(self) -> bool {
        !matches!(
            self,
            Self::Create
                | Self::Update
                | Self::SendMessage
                | Self::CreateIssue
                | Self::UpdateIssue
                | Self::AddComment
        )
    }

    /// The word on the wire and in the record of activity.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Search => "search",
            Self::Channels => "channels",
            Self::Channel => "channel",
            Self::Messages => "messages",
            Self::SendMessage => "send_message",
            Self::Users => "users",
            Self::Projects => "projects",
            Self::Project => "project",
            Self::Issues => "issues",
            Self::Issue => "issue",
            Self::CreateIssue => "create_issue",
            Self::UpdateIssue => "update_issue",
            Self::MyIssues => "my_issues",
            Self::Summary => "summary",
            Self::Containers => "containers",
            Self::Content => "content",
            Self::Comments => "comments",
            Self::AddComment => "add_comment",
        }
    }
}

/// An operation that a connector has.
#[derive(Debug)]
pub struct Ability {
    /// Which.
    pub operation: Operation,
    /// The scopes that the vendor asks for: one of each group. None where the operator chooses the scopes.
    pub scopes: &'static [&'static [&'static str]],
}

impl Ability {
    /// The first group of which `granted` has none.
    pub fn missing(&self, granted: &[String]) -> Option<&'static [&'static str]> {
        let lacks = |group: &&&[&str]| !group.iter().any(|scope| granted.iter().any(|each| each == scope));
        self.scopes.iter().find(lacks).copied()
    }
}

/// A parameter that narrows a list.
#[derive(Debug)]
pub struct Filter {
    /// Its name in the query.
    pub name: &'static str,
    /// What it does, for people.
    pub meaning: &'static str,
}

/// Which page of a list, as a connector is asked for it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// How many items at most: 1 to the connector's `max_page`.
    pub max_results: u32,
    /// Where to go on: the `next` of the page before.
    pub cursor: Option<String>,
    /// The declared filters that were given, by name, none of them empty.
    pub filters: std::collections::BTreeMap<&'static str, String>,
}

impl Listing {
    /// The value of a filter.
    pub fn filter(&self, name: &str) -> Option<&str> {
        self.filters.get(name).map(String::as_str)
    }
}

#[cfg(test)]
#[path = "connector_tests.rs"]
mod tests;

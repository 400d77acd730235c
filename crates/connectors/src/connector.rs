//! What a connector is: a description that says what it can, and a trait for each kind of thing that it does.

use async_trait::async_trait;
use serde_json::{Map, Value};

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

    /// Its items, where it has such.
    fn data(&self) -> Option<&dyn Data>;
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
}

impl Description {
    /// What it says of an operation; `None` where it cannot do it.
    pub fn ability(&self, operation: Operation) -> Option<&'static Ability> {
        self.operations.iter().find(|ability| ability.operation == operation)
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
}

impl Operation {
    /// The word on the wire and in the record of activity.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Search => "search",
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
mod tests {
    use super::*;

    #[test]
    fn one_scope_of_each_group_is_needed() {
        let ability =
            Ability { operation: Operation::Search, scopes: &[&["mail.read", "mail.modify"], &["search"]] };
        let missing = |granted: &[&str]| {
            ability.missing(&granted.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(missing(&["search", "mail.modify"]), None);
        assert_eq!(missing(&["mail.read"]), Some(&["search"][..]));
        assert_eq!(missing(&["search"]), Some(&["mail.read", "mail.modify"][..]));
        assert_eq!(Ability { operation: Operation::List, scopes: &[] }.missing(&[]), None);
    }
}

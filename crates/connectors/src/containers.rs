//! What items stand in.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::connector::Listing;
use crate::item::Identified;
use crate::{Context, Error, Page};

/// Labels, calendars, spaces, workspaces: what items stand in, where that is neither a channel nor a project.
#[async_trait]
pub trait Containers: Send + Sync {
    /// A page of those that the account sees. What narrows lists of items does not narrow this one.
    async fn containers(&self, context: &Context, listing: &Listing) -> Result<Page<Container>, Error>;
}

/// A label, a calendar, a space, a workspace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// Its id at the vendor: the `container_id` of the items in it, and the value of the filter that lists them.
    pub id: String,
    /// What it is: `label`, `calendar`.
    pub kind: &'static str,
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub text: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// What else this kind of container has, by names that stay the same.
    pub extra: Map<String, Value>,
    /// The vendor's answer as it came, where it was asked for.
    pub raw: Option<Value>,
}

impl Identified for Container {
    fn id(&self) -> &str {
        &self.id
    }
}

//! What people say about items.

use async_trait::async_trait;

use crate::connector::Listing;
use crate::{Context, Error, Item, Items};

/// Comments on issues, pages, pull requests. As items they are of the kind `comment`, and their `container_id` is the id of
/// what they are about.
#[async_trait]
pub trait Comments: Send + Sync {
    /// A page of the comments on the item of this id, the first of them first.
    async fn comments(&self, context: &Context, id: &str, listing: &Listing) -> Result<Items, Error>;

    /// Adds one, in Markdown.
    async fn add_comment(&self, context: &Context, id: &str, text: &str) -> Result<Item, Error>;
}

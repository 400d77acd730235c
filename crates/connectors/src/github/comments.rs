//! What people say about issues and pull requests.

use async_trait::async_trait;
use serde_json::json;

use super::connector::{GitHubConnector, listed};
use super::id::Issue;
use super::issue::{Comment, comment};
use crate::answer::Whole;
use crate::comments::Comments;
use crate::connector::Listing;
use crate::{Context, Error, Item, Items};

#[async_trait]
impl Comments for GitHubConnector {
    async fn comments(&self, context: &Context, id: &str, listing: &Listing) -> Result<Items, Error> {
        let path = Issue::parse(id)?.path(["comments"]);
        let request = self.page(context, &path, listing, |request| request).about("issue", id);
        let listed = listed::<Vec<Whole<Comment>>>(request).await?;
        let items = listed.page.into_iter().map(|each| comment(each, id, context.raw));
        Ok(Items::of(items, listed.next))
    }

    async fn add_comment(&self, context: &Context, id: &str, text: &str) -> Result<Item, Error> {
        let path = Issue::parse(id)?.path(["comments"]);
        let request = self.api(context).post(path).about("issue", id).body(&json!({"body": text}));
        Ok(comment(request.whole().await?, id, context.raw))
    }
}

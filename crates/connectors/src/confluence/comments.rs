//! The comments at the foot of pages: <https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-comment/>.
//! Comments within the text and answers to comments are others.

use async_trait::async_trait;
use serde_json::json;

use super::connector::ConfluenceConnector;
use super::fields::storage_of;
use super::page::{Comment, comment};
use super::paging::Listed;
use crate::comments::Comments;
use crate::connector::Listing;
use crate::{Context, Error, Item, Items};

#[async_trait]
impl Comments for ConfluenceConnector {
    async fn comments(&self, context: &Context, id: &str, listing: &Listing) -> Result<Items, Error> {
        let listed: Listed<Comment> = self
            .site(context)?
            .get(["wiki", "api", "v2", "pages", id, "footer-comments"])
            .about("page", id)
            .query("body-format", "storage")
            .query("sort", "created-date")
            .query("limit", listing.max_results)
            .query_opt("cursor", listing.cursor.as_deref())
            .json()
            .await?;
        listed.page(|each| comment(context, id, each))
    }

    async fn add_comment(&self, context: &Context, id: &str, text: &str) -> Result<Item, Error> {
        let body = json!({"pageId": id, "body": {"representation": "storage", "value": storage_of(text)?}});
        let request = self.site(context)?.post(["wiki", "api", "v2", "footer-comments"]).about("page", id);
        Ok(comment(context, id, request.body(&body).whole().await?))
    }
}

//! Comments on pull requests.

use async_trait::async_trait;
use serde_json::json;

use super::comment::{Comment, item};
use super::connector::BitbucketConnector;
use super::name::{Name, PullRequestName};
use super::page::Paged;
use crate::answer::Whole;
use crate::comments::Comments;
use crate::connector::Listing;
use crate::{Context, Error, Item, Items};

/// The pull request that is talked about.
///
/// # Errors
/// [`Error::Invalid`] for a repository, [`Error::NotFound`] for what is none either.
fn about(id: &str) -> Result<PullRequestName, Error> {
    match Name::parse(id)? {
        Name::PullRequest(name) => Ok(name),
        Name::Repository(_) => {
            let detail = "only pull requests have comments, whose ids are like acme:site:12";
            Err(Error::invalid("", detail))
        }
    }
}

#[async_trait]
impl Comments for BitbucketConnector {
    async fn comments(&self, context: &Context, id: &str, listing: &Listing) -> Result<Items, Error> {
        let name = about(id)?;
        let api = self.calls(context);
        let request = match &listing.cursor {
            Some(next) => api.follow(next),
            // The oldest come first by themselves.
            None => api.get(name.path(&["comments"])).query("pagelen", listing.max_results),
        };
        let paged: Paged<Whole<Comment>> = request.about("pull request", id).json().await?;
        Ok(paged.page(|whole| item(&name, whole, context.raw)))
    }

    async fn add_comment(&self, context: &Context, id: &str, text: &str) -> Result<Item, Error> {
        let name = about(id)?;
        if text.trim().is_empty() {
            return Err(Error::invalid("/text", "must say something"));
        }
        let request = self.calls(context).post(name.path(&["comments"])).about("pull request", id);
        let whole =
            request.body(&json!({"type": "pullrequest_comment", "content": {"raw": text}})).whole().await?;
        Ok(item(&name, whole, context.raw))
    }
}

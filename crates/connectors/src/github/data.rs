//! Repositories as items.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::connector::{GitHubConnector, SEARCH, VISIBILITY, listed};
use super::fields::{changed, made};
use super::id::Repository;
use super::repository::{Repo, item};
use crate::answer::Whole;
use crate::connector::{Data, Listing};
use crate::filters::{one_of, only};
use crate::{Context, Error, Item, Items, Page};

/// What a search has found: of all there is, the first thousand can be had.
#[derive(Debug, Deserialize)]
struct Found {
    total_count: u64,
    items: Vec<Whole<Repo>>,
}

impl GitHubConnector {
    /// A page of the repositories that the account owns, works on, or sees in its organizations, as `shape` makes of them.
    pub(super) async fn repositories<T>(
        &self,
        context: &Context,
        listing: &Listing,
        shape: fn(Whole<Repo>, bool) -> T,
    ) -> Result<Page<T>, Error> {
        only(listing, &[VISIBILITY], "leave it out")?;
        let visibility = one_of(listing, VISIBILITY, &["all", "public", "private"])?;
        let request = self.page(context, &["user", "repos"], listing, |request| {
            request.query("sort", "full_name").query_opt("visibility", visibility)
        });
        let listed = listed::<Vec<Whole<Repo>>>(request).await?;
        let items = listed.page.into_iter().map(|repo| shape(repo, context.raw));
        Ok(Page::of(items, listed.next))
    }

    pub(super) async fn repository(&self, context: &Context, id: &str) -> Result<Whole<Repo>, Error> {
        let path = Repository::parse(id)?.path([]);
        self.api(context).get(path).about("repository", id).whole().await
    }
}

#[async_trait]
impl Data for GitHubConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.repositories(context, listing, item).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        Ok(item(self.repository(context, id).await?, context.raw))
    }

    /// Makes a repository of the account's, or of an organization's.
    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        let (written, organization) = made(fields)?;
        let request = match organization {
            Some(login) => self.api(context).post(["orgs", login, "repos"]).about("organization", login),
            None => self.api(context).post(["user", "repos"]),
        };
        Ok(item(request.body(&written).whole().await?, context.raw))
    }

    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        let written = changed(fields)?;
        let request = self.api(context).patch(Repository::parse(id)?.path([])).about("repository", id);
        // A second time the name that it then has leads elsewhere, so a new one is given once.
        let request = if written.contains_key("name") { request } else { request.repeatable() };
        Ok(item(request.body(&written).whole().await?, context.raw))
    }

    /// Deletes a repository with all that is in it.
    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        let path = Repository::parse(id)?.path([]);
        self.api(context).delete(path).about("repository", id).done().await
    }

    /// What a query of GitHub's language finds among all repositories that the account may see:
    /// <https://docs.github.com/en/search-github/searching-on-github/searching-for-repositories>.
    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        only(listing, &[], "say it in the query, as in is:public user:acme")?;
        let path = ["search", "repositories"];
        let request = self.page(context, &path, listing, |request| request.query("q", query));
        let listed = listed::<Found>(request.budget(SEARCH)).await?;
        let items = listed.page.items.into_iter().map(|repo| item(repo, context.raw)).collect();
        Ok(Items { items, total: Some(listed.page.total_count), next: listed.next })
    }
}

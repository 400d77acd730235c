//! Repositories and pull requests: listed, read, made, changed, deleted, sought.

use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use model::ErrorCode;
use serde_json::{Map, Value};

use super::connector::BitbucketConnector;
use super::name::{Name, PullRequestName, RepositoryName};
use super::page::Paged;
use super::pull_request::{self, PullRequest};
use super::pull_request_fields::{self, Change};
use super::repository::{self, Repository};
use super::sought::{Of, Sought};
use super::{repository_fields, tour};
use crate::answer::{Whole, put};
use crate::connector::{Data, Listing};
use crate::http::{Api, Request};
use crate::{Context, Error, Item, Items};

/// How long one attempt of a merge may take: Bitbucket does it before it answers, or says after a while that it goes on.
const MERGE_TIMEOUT: Duration = Duration::from_secs(20);

impl BitbucketConnector {
    async fn page(&self, context: &Context, words: &str, listing: &Listing) -> Result<Items, Error> {
        let sought = Sought::read(words, listing)?;
        let api = self.calls(context);
        let request = |path: &[&str]| match &listing.cursor {
            Some(next) => api.follow(next),
            None => sought.first(&api, path),
        };
        match &sought.of {
            Of::PullRequests(name) => {
                let request = request(&name.path(&["pullrequests"])).about("repository", &name.to_string());
                let paged: Paged<Whole<PullRequest>> = request.json().await?;
                Ok(paged.page(|whole| pull_request::item(name, whole, context.raw)))
            }
            Of::Repositories(workspace) => {
                let request = request(&["repositories", workspace]).about("workspace", workspace);
                let paged: Paged<Whole<Repository>> = request.json().await?;
                Ok(paged.page(|whole| repository::item(whole, context.raw)))
            }
            Of::AllRepositories => tour::page(&api, context, &sought, listing).await,
        }
    }

    async fn change_repository(
        &self,
        context: &Context,
        name: &RepositoryName,
        fields: &Map<String, Value>,
    ) -> Result<Item, Error> {
        let body = repository_fields::changed(fields)?;
        let api = self.calls(context);
        // What is put where nothing stands would be made there, also where a repository stood that has moved.
        let there = api.get(name.path(&[])).about("repository", &name.to_string());
        let there = there.json::<Repository>().await?.name();
        let name = there.as_ref().unwrap_or(name);
        let about = name.to_string();
        let request = api.put(name.path(&[])).about("repository", &about).body(&body);
        // A repository that has got another name is not there the second time.
        let request = if body.contains_key("name") { request.once() } else { request };
        Ok(repository::item(request.whole().await?, context.raw))
    }

    async fn change_pull_request(
        &self,
        context: &Context,
        name: &PullRequestName,
        fields: &Map<String, Value>,
    ) -> Result<Item, Error> {
        let api = self.calls(context);
        let whole = match pull_request_fields::changed(fields)? {
            Change::Fields(changed) => {
                let mut body = read(&api, name).await?.known.kept();
                body.extend(changed);
                about(name, api.put(name.path(&[]))).body(&body).whole().await?
            }
            Change::Merge(body) => return merge(&api, context, name, &body).await,
            Change::Decline => about(name, api.post(name.path(&["decline"]))).whole().await?,
            Change::Approval(is_approved) => {
                approve(&api, name, is_approved).await?;
                read(&api, name).await?
            }
        };
        Ok(pull_request::item(&name.repository, whole, context.raw))
    }
}

fn about<'a>(name: &PullRequestName, request: Request<'a>) -> Request<'a> {
    request.about("pull request", &name.to_string())
}

async fn read(api: &Api<'_>, name: &PullRequestName) -> Result<Whole<PullRequest>, Error> {
    about(name, api.get(name.path(&[]))).whole().await
}

async fn merge(
    api: &Api<'_>,
    context: &Context,
    name: &PullRequestName,
    body: &Map<String, Value>,
) -> Result<Item, Error> {
    let request = about(name, api.post(name.path(&["merge"]))).body(body).timeout(MERGE_TIMEOUT);
    let answer = request.send().await?;
    let goes_on = answer.status == StatusCode::ACCEPTED;
    let whole: Whole<PullRequest> = if goes_on { read(api, name).await? } else { answer.json()? };
    let is_pending = goes_on && !whole.known.is_merged();
    let mut item = pull_request::item(&name.repository, whole, context.raw);
    put(&mut item.extra, "is_merging", is_pending.then_some(true));
    Ok(item)
}

/// Approves it or takes that back. What is so already stays so: Bitbucket then answers 409, or 404.
async fn approve(api: &Api<'_>, name: &PullRequestName, is_approved: bool) -> Result<(), Error> {
    let path = name.path(&["approve"]);
    let request = if is_approved { api.post(path).repeatable() } else { api.delete(path) };
    match about(name, request).done().await {
        Err(Error::Upstream { code: ErrorCode::Conflict, .. }) if is_approved => Ok(()),
        // That the pull request is not there is told when it is read.
        Err(Error::NotFound { .. }) if !is_approved => Ok(()),
        other => other,
    }
}

#[async_trait]
impl Data for BitbucketConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.page(context, "", listing).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let api = self.calls(context);
        match Name::parse(id)? {
            Name::Repository(name) => {
                let whole = api.get(name.path(&[])).about("repository", id).whole().await?;
                Ok(repository::item(whole, context.raw))
            }
            Name::PullRequest(name) => {
                Ok(pull_request::item(&name.repository, read(&api, &name).await?, context.raw))
            }
        }
    }

    /// Makes a repository or a pull request, as `type` says.
    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        let api = self.calls(context);
        match fields.get("type").and_then(Value::as_str) {
            Some("repository") => {
                let (name, body) = repository_fields::made(fields)?;
                let request = api.post(name.path(&[])).about("workspace", &name.workspace);
                Ok(repository::item(request.body(&body).whole().await?, context.raw))
            }
            Some("pull_request") => {
                let (name, body) = pull_request_fields::made(fields)?;
                let request = api.post(name.path(&["pullrequests"])).about("repository", &name.to_string());
                Ok(pull_request::item(&name, request.body(&body).json().await?, context.raw))
            }
            _ => Err(Error::invalid("/type", "must be repository or pull_request")),
        }
    }

    /// Changes a repository or a pull request; the latter is also merged, declined and approved so.
    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        match Name::parse(id)? {
            Name::Repository(name) => self.change_repository(context, &name, fields).await,
            Name::PullRequest(name) => self.change_pull_request(context, &name, fields).await,
        }
    }

    /// Deletes a repository, for good.
    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        match Name::parse(id)? {
            Name::Repository(name) => {
                self.calls(context).delete(name.path(&[])).about("repository", id).done().await
            }
            Name::PullRequest(_) => {
                let detail =
                    "Bitbucket deletes no pull requests: decline it, by changing its state to declined";
                Err(Error::invalid("", detail))
            }
        }
    }

    /// What a query of Bitbucket's language finds; words that are none are sought in repositories' names or pull requests'
    /// titles.
    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        self.page(context, query, listing).await
    }
}

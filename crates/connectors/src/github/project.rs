//! Repositories as projects, and their issues.

use async_trait::async_trait;
use futures::future::try_join;
use serde::Deserialize;

use super::connector::{ASSIGNEE, GitHubConnector, LABELS, SEARCH, STATE, listed};
use super::fields::{issue_changes, new_issue};
use super::id::{self, Repository};
use super::issue::{self, Issue};
use super::repository;
use crate::answer::Whole;
use crate::comments::Comments as _;
use crate::connector::Listing;
use crate::filters::{one_of, only};
use crate::http::Request;
use crate::project::{IssueChanges, NewIssue, Project, ProjectInfo, Summary};
use crate::{Context, Error, Item, Items, Page};

/// How many issues a search has found.
#[derive(Debug, Deserialize)]
struct Counted {
    total_count: u64,
    /// Whether GitHub gave up counting.
    #[serde(default)]
    incomplete_results: bool,
}

/// A page of issues without the pull requests that GitHub lists among them: it may be short or empty, and is not the last
/// for that.
async fn issues(request: Request<'_>, of: Option<Repository<'_>>, context: &Context) -> Result<Items, Error> {
    let listed = listed::<Vec<Whole<Issue>>>(request).await?;
    let issues = listed.page.into_iter().filter(|issue| !issue.known.is_pull_request());
    let items = issues.map(|issue| issue::item(issue, of, context.raw));
    Ok(Page::of(items, listed.next))
}

impl GitHubConnector {
    /// How many issues of a repository are in a state, as far as GitHub tells.
    async fn count(
        &self,
        context: &Context,
        Repository { owner, name }: Repository<'_>,
        state: &str,
    ) -> Result<Option<u64>, Error> {
        let request = self.api(context).get(["search", "issues"]).budget(SEARCH);
        let query = format!("repo:{owner}/{name} is:issue state:{state}");
        let counted: Counted = request.query("q", query).query("per_page", 1).json().await?;
        Ok((!counted.incomplete_results).then_some(counted.total_count))
    }
}

#[async_trait]
impl Project for GitHubConnector {
    async fn projects(&self, context: &Context, listing: &Listing) -> Result<Page<ProjectInfo>, Error> {
        self.repositories(context, listing, repository::project).await
    }

    async fn project(&self, context: &Context, id: &str) -> Result<ProjectInfo, Error> {
        Ok(repository::project(self.repository(context, id).await?, context.raw))
    }

    async fn issues(&self, context: &Context, project: &str, listing: &Listing) -> Result<Items, Error> {
        only(listing, &[STATE, LABELS, ASSIGNEE], "leave it out")?;
        let state = one_of(listing, STATE, &["open", "closed", "all"])?.unwrap_or("all");
        let repository = Repository::parse(project)?;
        let request = self.page(context, &repository.path(["issues"]), listing, |request| {
            request
                .query("state", state)
                .query("sort", "updated")
                .query("direction", "desc")
                .query_opt("labels", listing.filter(LABELS))
                .query_opt("assignee", listing.filter(ASSIGNEE))
        });
        issues(request.about("repository", project), Some(repository), context).await
    }

    /// An issue, or the pull request of this number, which is of another kind.
    async fn issue(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let known = id::Issue::parse(id)?;
        let found = self.api(context).get(known.path([])).about("issue", id).whole().await?;
        Ok(issue::item(found, Some(known.repository), context.raw))
    }

    /// Makes an issue. GitHub leaves out labels, assignee and type, and says nothing, where the account may not push.
    async fn create_issue(&self, context: &Context, issue: &NewIssue) -> Result<Item, Error> {
        let (written, repository) = (new_issue(issue)?, Repository::parse(&issue.project)?);
        let request = self.api(context).post(repository.path(["issues"])).about("repository", &issue.project);
        Ok(issue::item(request.body(&written).whole().await?, Some(repository), context.raw))
    }

    /// Changes an issue, and then adds the comment.
    async fn update_issue(&self, context: &Context, id: &str, changes: &IssueChanges) -> Result<Item, Error> {
        let (written, known) = (issue_changes(changes)?, id::Issue::parse(id)?);
        let after = if written.is_empty() {
            None
        } else {
            // The same values twice are the same values.
            let request = self.api(context).patch(known.path([])).about("issue", id).repeatable();
            Some(issue::item(request.body(&written).whole().await?, Some(known.repository), context.raw))
        };
        if let Some(text) = &changes.comment {
            self.add_comment(context, id, text).await?;
        }
        match after {
            Some(item) => Ok(item),
            None => self.issue(context, id).await,
        }
    }

    async fn my_issues(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        only(listing, &[LABELS], "these are the open issues that are assigned to the account")?;
        let request = self.page(context, &["issues"], listing, |request| {
            request
                .query("filter", "assigned")
                .query("state", "open")
                .query("sort", "updated")
                .query("direction", "desc")
                .query_opt("labels", listing.filter(LABELS))
        });
        issues(request, None, context).await
    }

    /// How many issues of a repository are open and closed, as GitHub's search counts them.
    async fn summary(&self, context: &Context, project: &str) -> Result<Summary, Error> {
        let repository = Repository::parse(project)?;
        // First, as a search says of a repository that is not there only that it cannot be searched.
        let found = self.project(context, project).await?;
        let (open, closed) =
            try_join(self.count(context, repository, "open"), self.count(context, repository, "closed"))
                .await?;
        let counts = [("open", open), ("closed", closed)].into_iter();
        let by_status = counts.filter_map(|(state, count)| Some((state.to_owned(), count?))).collect();
        let issues = open.zip(closed).map(|(open, closed)| open.saturating_add(closed));
        Ok(Summary { project: found, issues, by_status, ..Summary::default() })
    }
}

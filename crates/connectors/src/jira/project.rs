//! Projects and their issues: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-projects/>

use async_trait::async_trait;
use serde_json::Value;

use super::change::Change;
use super::connector::{JiraConnector, Site};
use super::counts::counts;
use super::data::key_of;
use super::issue::text;
use super::jql::Which;
use super::offset;
use crate::connector::{Data as _, Listing};
use crate::project::{IssueChanges, NewIssue, Project, ProjectInfo, Summary};
use crate::{Context, Error, Item, Items, Page};

/// What lists of projects leave out unless it is asked for.
const EXPAND: &str = "description,lead";

#[async_trait]
impl Project for JiraConnector {
    async fn projects(&self, context: &Context, listing: &Listing) -> Result<Page<ProjectInfo>, Error> {
        let site = self.site(context)?;
        let request = site.get(&["project", "search"]).query("expand", EXPAND).query("orderBy", "key");
        let request =
            request.query("startAt", offset::start(listing)?).query("maxResults", listing.max_results);
        let mut answer: Value = request.budget("projects").value().await?;
        let projects = match answer.get_mut("values").map(Value::take) {
            Some(Value::Array(projects)) => projects,
            _ => Vec::new(),
        };
        let (next, total) =
            (offset::next(&answer, projects.len()), answer.get("total").and_then(Value::as_u64));
        let items = projects.into_iter().map(|project| info(&site, project)).collect();
        Ok(Page { items, total, next })
    }

    async fn project(&self, context: &Context, id: &str) -> Result<ProjectInfo, Error> {
        let site = self.site(context)?;
        let request = site.get(&["project", id]).query("expand", EXPAND).about("project", id);
        Ok(info(&site, request.budget("project").value().await?))
    }

    async fn issues(&self, context: &Context, project: &str, listing: &Listing) -> Result<Items, Error> {
        self.page(context, Which::Of(project), listing).await
    }

    async fn issue(&self, context: &Context, id: &str) -> Result<Item, Error> {
        self.get(context, id).await
    }

    /// Makes an issue. Its type, where none is named, is the project's Task, or the first that may stand below the parent.
    async fn create_issue(&self, context: &Context, issue: &NewIssue) -> Result<Item, Error> {
        self.make(context, issue).await
    }

    /// Changes an issue's fields, then its status, then adds the comment. The status is that of a transition or of the status
    /// that one leads to, by name; where there is none, nothing is changed.
    async fn update_issue(&self, context: &Context, id: &str, changes: &IssueChanges) -> Result<Item, Error> {
        let site = self.site(context)?;
        Change::of(&site, id, changes).await?.make(&site, id).await?;
        Ok(self.read_again(&site, id, key_of(id)).await)
    }

    async fn my_issues(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.page(context, Which::Mine, listing).await
    }

    /// The project with Jira's estimates of how many issues it has: in all, in each status, and of each type.
    async fn summary(&self, context: &Context, project: &str) -> Result<Summary, Error> {
        let info = self.project(context, project).await?;
        let counts = counts(&self.site(context)?, &info.id).await?;
        let (issues, by_status, by_kind) = (counts.issues, counts.by_status, counts.by_kind);
        Ok(Summary { project: info, issues, by_status, by_kind })
    }
}

fn info(site: &Site<'_>, project: Value) -> ProjectInfo {
    let at = |place: &str| text(&project, place).map(str::to_owned);
    let key = at("/key");
    ProjectInfo {
        id: at("/id").or_else(|| key.clone()).unwrap_or_default(),
        name: at("/name").unwrap_or_default(),
        text: at("/description"),
        url: key.as_deref().and_then(|key| site.browse(key)),
        lead: at("/lead/displayName"),
        key,
        raw: site.context.raw.then_some(project),
    }
}

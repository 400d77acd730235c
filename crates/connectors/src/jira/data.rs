//! Issues as items: listed, read, made, changed, deleted, searched.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::connector::{JiraConnector, Site};
use super::fields::{changed, made, of_new};
use super::issue::{is_key, item, text, unread, wanted};
use super::jql::{Which, query};
use super::kinds::kind;
use crate::connector::{Data, Listing};
use crate::project::{IssueChanges, NewIssue, Project as _};
use crate::{Context, Error, Item, Items};

/// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-search/#api-rest-api-3-search-jql-post>
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    jql: String,
    fields: Vec<&'static str>,
    max_results: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    issues: Vec<Value>,
    next_page_token: Option<String>,
    is_last: Option<bool>,
}

impl JiraConnector {
    /// A page of issues. Jira tells not how many there are, and may need a while until it finds what has just changed.
    pub(super) async fn page(
        &self,
        context: &Context,
        which: Which<'_>,
        listing: &Listing,
    ) -> Result<Items, Error> {
        let site = self.site(context)?;
        let wanted = Wanted {
            jql: query(which, listing)?,
            fields: wanted(context.raw),
            max_results: listing.max_results,
            next_page_token: listing.cursor.as_deref(),
        };
        // In the body, as queries may be long; it only reads.
        let request = site.post(&["search", "jql"]).body(&wanted).repeatable().budget("search");
        let found: Found = request.json().await?;
        let next = found.next_page_token.filter(|_| found.is_last != Some(true));
        Ok(Items::of(found.issues.into_iter().map(|issue| item(&site, issue)), next))
    }

    /// Reads an issue.
    pub(super) async fn read(&self, site: &Site<'_>, id: &str) -> Result<Item, Error> {
        let request = site.get(&["issue", id]).query("fields", wanted(site.context.raw).join(","));
        Ok(item(site, request.about("issue", id).budget("issue").value().await?))
    }

    /// Reads an issue that has just been written. That it cannot be read does not undo that, so then the answer is little
    /// more than its id: an error would have it written again.
    pub(super) async fn read_again(&self, site: &Site<'_>, id: &str, key: Option<&str>) -> Item {
        self.read(site, id).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "an issue that was written cannot be read");
            unread(site, id, key)
        })
    }

    pub(super) async fn make(&self, context: &Context, issue: &NewIssue) -> Result<Item, Error> {
        let site = self.site(context)?;
        let mut fields = of_new(issue)?;
        // It may be named in Jira's words, too.
        if issue.kind.is_some() || !fields.contains_key("issuetype") {
            fields.insert("issuetype".to_owned(), kind(&site, issue).await?);
        }
        let request = site.post(&["issue"]).body(&json!({"fields": fields})).budget("create issue");
        let answer: Value = request.about("project", &issue.project).value().await?;
        let (id, key) = (text(&answer, "/id").unwrap_or_default(), text(&answer, "/key"));
        Ok(self.read_again(&site, id, key).await)
    }
}

#[async_trait]
impl Data for JiraConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.page(context, Which::All, listing).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        self.read(&self.site(context)?, id).await
    }

    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        self.make(context, &made(fields)?).await
    }

    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        let changes: IssueChanges = changed(fields)?;
        self.update_issue(context, id, &changes).await
    }

    /// Deletes an issue that has no parts: Jira refuses one that has, so that no more goes than was named.
    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        let request = self.site(context)?.delete(&["issue", id]).about("issue", id);
        request.budget("delete issue").done().await
    }

    /// What a query in JQL finds, narrowed by the filters, in the query's own order. What does not begin as a query does is
    /// words: issues that have all of them in any of their texts, or a phrase that is in quotes.
    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        self.page(context, Which::Found(query), listing).await
    }
}

/// The key of an issue, where it was called by that.
pub(super) fn key_of(id: &str) -> Option<&str> {
    Some(id).filter(|id| is_key(id))
}

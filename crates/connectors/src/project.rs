//! Connectors by which work is planned: projects and their issues.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::connector::Listing;
use crate::item::Identified;
use crate::{Context, Error, Item, Items, Page};

/// Projects with issues in them.
///
/// A connector declares in its [`Description`](crate::connector::Description) which of these it can; the others are never
/// called, and answer [`Error::Unsupported`].
#[async_trait]
pub trait Project: Send + Sync {
    /// A page of the projects that the account sees.
    async fn projects(&self, context: &Context, listing: &Listing) -> Result<Page<ProjectInfo>, Error>;

    /// The project of this id or key.
    async fn project(&self, context: &Context, id: &str) -> Result<ProjectInfo, Error>;

    /// A page of a project's issues, what changed last first.
    async fn issues(&self, context: &Context, project: &str, listing: &Listing) -> Result<Items, Error>;

    /// The issue of this id or key.
    async fn issue(&self, context: &Context, id: &str) -> Result<Item, Error>;

    /// Makes an issue.
    async fn create_issue(&self, context: &Context, issue: &NewIssue) -> Result<Item, Error>;

    /// Changes what is given of an issue.
    async fn update_issue(&self, context: &Context, id: &str, changes: &IssueChanges) -> Result<Item, Error>;

    /// A page of the open issues that are the account's own to do.
    async fn my_issues(&self, context: &Context, listing: &Listing) -> Result<Items, Error>;

    /// How a project stands.
    async fn summary(&self, context: &Context, project: &str) -> Result<Summary, Error>;
}

/// A project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectInfo {
    /// Its id at the vendor.
    pub id: String,
    /// By which people call it, in the names of its issues: `ACME`.
    pub key: Option<String>,
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub text: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// Who leads it, by name.
    pub lead: Option<String>,
    /// The vendor's answer as it came, where it was asked for.
    pub raw: Option<Value>,
}

impl Identified for ProjectInfo {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An issue to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewIssue {
    /// The project's id or key.
    pub project: String,
    /// What it is, in the project's words: `Bug`. The connector chooses where it is left out.
    pub kind: Option<String>,
    /// What it is called.
    pub title: String,
    /// What it says, in Markdown.
    pub text: Option<String>,
    /// Who is to do it, by the id at the vendor.
    pub assignee: Option<String>,
    /// How urgent it is, in the vendor's words.
    pub priority: Option<String>,
    /// By which it is found.
    pub labels: Vec<String>,
    /// The issue that it is part of.
    pub parent: Option<String>,
    /// Fields of the vendor's own, as they are sent.
    pub extra: Map<String, Value>,
}

/// What is to change of an issue. What is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IssueChanges {
    /// What it is called.
    pub title: Option<String>,
    /// What it says, in Markdown.
    pub text: Option<String>,
    /// Who is to do it.
    pub assignee: Option<Assignment>,
    /// How urgent it is.
    pub priority: Option<String>,
    /// By which it is found, all of them.
    pub labels: Option<Vec<String>>,
    /// The state that it goes to, by name.
    pub status: Option<String>,
    /// A comment to add, in Markdown.
    pub comment: Option<String>,
    /// Fields of the vendor's own, as they are sent.
    pub extra: Map<String, Value>,
}

/// Who is to do an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// The account of this id at the vendor.
    To(String),
    /// Nobody.
    Nobody,
}

/// How a project stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The project.
    pub project: ProjectInfo,
    /// How many issues there are, as far as the vendor tells.
    pub issues: Option<u64>,
    /// How many of them in each state.
    pub by_status: BTreeMap<String, u64>,
    /// How many of what kind.
    pub by_kind: BTreeMap<String, u64>,
}

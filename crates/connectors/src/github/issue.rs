//! Issues and comments, as items.

use serde::Deserialize;

use super::id::Repository;
use super::repository::User;
use crate::Item;
use crate::answer::{Whole, moment, put};

/// What is read of an issue: <https://docs.github.com/en/rest/issues/issues>.
#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    number: u64,
    title: String,
    body: Option<String>,
    state: Option<String>,
    state_reason: Option<String>,
    html_url: Option<String>,
    #[serde(default)]
    repository_url: String,
    user: Option<User>,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    assignees: Vec<User>,
    milestone: Option<Milestone>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    comments: Option<u64>,
    locked: Option<bool>,
    created_at: Option<String>,
    updated_at: Option<String>,
    closed_at: Option<String>,
    /// There if it is a pull request, which GitHub lists among issues.
    pull_request: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Label {
    Name(String),
    Object { name: Option<String> },
}

#[derive(Debug, Deserialize)]
struct Milestone {
    title: String,
}

#[derive(Debug, Deserialize)]
struct Kind {
    name: String,
}

impl Issue {
    pub(super) fn is_pull_request(&self) -> bool {
        self.pull_request.is_some()
    }
}

/// An issue as an item; of the repository `of` where its own address does not tell.
pub(super) fn item(Whole { known, raw }: Whole<Issue>, of: Option<Repository<'_>>, wants_raw: bool) -> Item {
    let repository = Repository::of_url(&known.repository_url).or(of);
    let repository = repository.map(|repository| repository.to_string());
    let number = known.number;
    let mut item = Item {
        id: repository
            .as_ref()
            .map_or_else(|| number.to_string(), |repository| format!("{repository}:{number}")),
        kind: if known.is_pull_request() { "pull_request" } else { "issue" },
        title: Some(known.title),
        text: known.body,
        url: known.html_url,
        author: known.user.map(User::author),
        container_id: repository,
        created_at: known.created_at.as_deref().and_then(moment),
        updated_at: known.updated_at.as_deref().and_then(moment),
        raw: raw.when(wants_raw),
        ..Item::default()
    };
    let labels = known.labels.into_iter().filter_map(|label| match label {
        Label::Name(name) => Some(name),
        Label::Object { name } => name,
    });
    let assignees = known.assignees.into_iter().map(User::told);
    put(&mut item.extra, "number", number);
    put(&mut item.extra, "status", known.state);
    put(&mut item.extra, "status_reason", known.state_reason);
    put(&mut item.extra, "type", known.kind.map(|kind| kind.name));
    put(&mut item.extra, "labels", labels.collect::<Vec<_>>());
    put(&mut item.extra, "assignees", assignees.collect::<Vec<_>>());
    put(&mut item.extra, "milestone", known.milestone.map(|milestone| milestone.title));
    put(&mut item.extra, "comment_count", known.comments);
    put(&mut item.extra, "is_locked", known.locked);
    put(&mut item.extra, "closed_at", known.closed_at);
    item
}

/// What is read of a comment: <https://docs.github.com/en/rest/issues/comments>.
#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    id: u64,
    body: Option<String>,
    html_url: Option<String>,
    user: Option<User>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

/// A comment on the issue `on` as an item.
pub(super) fn comment(Whole { known, raw }: Whole<Comment>, on: &str, wants_raw: bool) -> Item {
    Item {
        id: known.id.to_string(),
        kind: "comment",
        text: known.body,
        url: known.html_url,
        author: known.user.map(User::author),
        container_id: Some(on.to_owned()),
        created_at: known.created_at.as_deref().and_then(moment),
        updated_at: known.updated_at.as_deref().and_then(moment),
        raw: raw.when(wants_raw),
        ..Item::default()
    }
}

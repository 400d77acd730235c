//! Repositories, as items and as projects.

use serde::Deserialize;
use serde_json::{Value, json};

use super::id::Repository;
use crate::answer::{Whole, moment, put};
use crate::project::ProjectInfo;
use crate::{Author, Item};

/// What is read of a repository: <https://docs.github.com/en/rest/repos/repos>.
#[derive(Debug, Deserialize)]
pub(super) struct Repo {
    full_name: String,
    name: String,
    description: Option<String>,
    html_url: Option<String>,
    owner: Option<User>,
    created_at: Option<String>,
    updated_at: Option<String>,
    pushed_at: Option<String>,
    private: Option<bool>,
    visibility: Option<String>,
    fork: Option<bool>,
    archived: Option<bool>,
    default_branch: Option<String>,
    language: Option<String>,
    homepage: Option<String>,
    #[serde(default)]
    topics: Vec<String>,
    stargazers_count: Option<u64>,
    forks_count: Option<u64>,
    has_issues: Option<bool>,
}

/// An account. By its login it is assigned issues and mentioned.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

impl User {
    pub(super) fn author(self) -> Author {
        Author { name: Some(self.login.clone()), id: Some(self.login), email: None }
    }

    /// The same among an item's further fields.
    pub(super) fn told(self) -> Value {
        json!({"id": self.login, "name": self.login})
    }
}

impl Repo {
    fn id(&self) -> String {
        self.full_name.replacen('/', ":", 1)
    }
}

/// A repository as an item.
pub(super) fn item(Whole { known, raw }: Whole<Repo>, wants_raw: bool) -> Item {
    let mut item = Item {
        id: known.id(),
        kind: "repository",
        container_id: Repository::parse(&known.id()).ok().map(|repository| repository.owner.to_owned()),
        title: Some(known.name),
        text: known.description,
        url: known.html_url,
        author: known.owner.map(User::author),
        created_at: known.created_at.as_deref().and_then(moment),
        updated_at: known.updated_at.as_deref().and_then(moment),
        raw: raw.when(wants_raw),
        ..Item::default()
    };
    put(&mut item.extra, "visibility", known.visibility);
    put(&mut item.extra, "is_private", known.private);
    put(&mut item.extra, "is_fork", known.fork);
    put(&mut item.extra, "is_archived", known.archived);
    put(&mut item.extra, "has_issues", known.has_issues);
    put(&mut item.extra, "default_branch", known.default_branch);
    put(&mut item.extra, "language", known.language);
    put(&mut item.extra, "homepage", known.homepage);
    put(&mut item.extra, "topics", known.topics);
    put(&mut item.extra, "stars", known.stargazers_count);
    put(&mut item.extra, "forks", known.forks_count);
    put(&mut item.extra, "pushed_at", known.pushed_at);
    item
}

/// A repository as a project.
pub(super) fn project(Whole { known, raw }: Whole<Repo>, wants_raw: bool) -> ProjectInfo {
    ProjectInfo {
        id: known.id(),
        key: None,
        name: known.full_name,
        text: known.description,
        url: known.html_url,
        lead: None,
        raw: raw.when(wants_raw),
    }
}

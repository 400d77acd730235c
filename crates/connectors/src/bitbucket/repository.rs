//! A repository as an item: <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-repositories/>

use serde::Deserialize;
use serde_json::{Map, Value};

use super::account::{Account, Links};
use super::name::RepositoryName;
use crate::Item;
use crate::answer::{Whole, moment, put};

/// A repository. What an answer leaves out is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    /// `workspace/slug`.
    full_name: String,
    uuid: Option<String>,
    name: Option<String>,
    description: Option<String>,
    is_private: Option<bool>,
    language: Option<String>,
    size: Option<u64>,
    fork_policy: Option<String>,
    has_wiki: Option<bool>,
    created_on: Option<String>,
    updated_on: Option<String>,
    owner: Option<Account>,
    project: Option<Project>,
    mainbranch: Option<Branch>,
    parent: Option<Box<Repository>>,
    links: Links,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Project {
    key: Option<String>,
    name: Option<String>,
}

/// A branch.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Branch {
    pub(super) name: Option<String>,
}

impl Repository {
    /// Its names, where the answer tells them.
    pub(super) fn name(&self) -> Option<RepositoryName> {
        RepositoryName::read(&self.full_name)
    }
}

/// The item that a repository is.
pub(super) fn item(whole: Whole<Repository>, raw: bool) -> Item {
    let Whole { known: repository, raw: answer } = whole;
    let name = repository.name();
    Item {
        // A repository always has a name; what is no name stays as it is, and leads nowhere.
        id: name.as_ref().map_or_else(|| repository.full_name.clone(), ToString::to_string),
        kind: "repository",
        title: repository.name.clone(),
        text: repository.description.clone().filter(|text| !text.is_empty()),
        url: repository.links.page(),
        author: repository.owner.as_ref().map(Account::author),
        container_id: name.map(|name| name.workspace),
        created_at: repository.created_on.as_deref().and_then(moment),
        updated_at: repository.updated_on.as_deref().and_then(moment),
        etag: None,
        extra: extra(&repository),
        raw: answer.when(raw),
    }
}

fn extra(repository: &Repository) -> Map<String, Value> {
    let mut extra = Map::new();
    put(&mut extra, "uuid", repository.uuid.as_deref());
    put(&mut extra, "full_name", repository.full_name.as_str());
    put(&mut extra, "is_private", repository.is_private);
    put(&mut extra, "language", repository.language.as_deref());
    put(&mut extra, "size_bytes", repository.size);
    put(&mut extra, "main_branch", repository.mainbranch.as_ref().and_then(|branch| branch.name.as_deref()));
    put(&mut extra, "fork_policy", repository.fork_policy.as_deref());
    put(&mut extra, "has_wiki", repository.has_wiki);
    if let Some(project) = &repository.project {
        put(&mut extra, "project", project.key.as_deref());
        put(&mut extra, "project_name", project.name.as_deref());
    }
    let parent = repository.parent.as_ref().and_then(|parent| parent.name());
    put(&mut extra, "fork_of", parent.map(|name| name.to_string()));
    put(&mut extra, "clone_urls", repository.links.clone_urls());
    extra
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_repository_has_is_told() {
        let answer = json!({
            "type": "repository", "uuid": "{r}", "full_name": "acme/site", "name": "Site", "slug": "site",
            "description": "The site", "scm": "git", "is_private": true, "language": "rust", "size": 4096,
            "fork_policy": "no_public_forks", "has_wiki": false, "has_issues": false,
            "created_on": "2026-01-02T03:04:05.678901+00:00", "updated_on": "2026-02-03T04:05:06.000001+00:00",
            "owner": {"type": "team", "uuid": "{o}", "display_name": "Acme", "username": "acme"},
            "workspace": {"type": "workspace", "slug": "acme", "name": "Acme", "uuid": "{o}"},
            "project": {"type": "project", "key": "WEB", "name": "Web"},
            "mainbranch": {"type": "branch", "name": "main"},
            "parent": {"type": "repository", "full_name": "base/site", "name": "Site", "uuid": "{p}"},
            "links": {"html": {"href": "https://bitbucket.org/acme/site"}, "clone": [
                {"name": "https", "href": "https://bitbucket.org/acme/site.git"},
                {"name": "ssh", "href": "git@bitbucket.org:acme/site.git"}]},
        });
        let item = item(serde_json::from_value(answer.clone()).unwrap(), true);
        assert_eq!(
            (item.id.as_str(), item.kind, item.title.as_deref()),
            ("acme:site", "repository", Some("Site"))
        );
        assert_eq!((item.text.as_deref(), item.container_id.as_deref()), (Some("The site"), Some("acme")));
        assert_eq!(item.url.as_deref(), Some("https://bitbucket.org/acme/site"));
        let author = item.author.unwrap();
        assert_eq!((author.id.as_deref(), author.name.as_deref()), (Some("{o}"), Some("Acme")));
        assert_eq!(item.created_at.unwrap().as_millisecond(), 1_767_323_045_678);
        assert!(item.updated_at.unwrap() > item.created_at.unwrap());
        assert_eq!(
            Value::Object(item.extra),
            json!({
                "uuid": "{r}", "full_name": "acme/site", "is_private": true, "language": "rust", "size_bytes": 4096,
                "main_branch": "main", "fork_policy": "no_public_forks", "has_wiki": false, "project": "WEB",
                "project_name": "Web", "fork_of": "base:site", "clone_urls": {
                    "https": "https://bitbucket.org/acme/site.git", "ssh": "git@bitbucket.org:acme/site.git"},
            })
        );
        assert_eq!(item.raw, Some(answer));
    }

    #[test]
    fn an_empty_repository_has_little() {
        let answer = json!({"full_name": "acme/new", "mainbranch": null, "parent": null, "description": ""});
        let item = item(serde_json::from_value(answer).unwrap(), false);
        assert_eq!((item.id.as_str(), item.text, item.raw), ("acme:new", None, None));
        assert_eq!(Value::Object(item.extra), json!({"full_name": "acme/new"}));
    }
}

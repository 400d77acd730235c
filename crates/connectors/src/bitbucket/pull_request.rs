//! A pull request as an item: <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/>

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::account::{Account, Links};
use super::name::RepositoryName;
use super::repository::{Branch, Repository};
use crate::Item;
use crate::answer::{Whole, moment, put};

/// A pull request. What an answer leaves out is empty, but for its number.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PullRequest {
    id: u64,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    draft: Option<bool>,
    #[serde(default)]
    author: Option<Account>,
    #[serde(default)]
    source: Option<End>,
    #[serde(default)]
    destination: Option<End>,
    #[serde(default)]
    merge_commit: Option<Commit>,
    #[serde(default)]
    comment_count: Option<u64>,
    #[serde(default)]
    task_count: Option<u64>,
    #[serde(default)]
    close_source_branch: Option<bool>,
    #[serde(default)]
    closed_by: Option<Account>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    created_on: Option<String>,
    #[serde(default)]
    updated_on: Option<String>,
    /// Told of one pull request, not in lists.
    #[serde(default)]
    reviewers: Option<Vec<Account>>,
    /// Likewise.
    #[serde(default)]
    participants: Option<Vec<Participant>>,
    #[serde(default)]
    links: Links,
}

/// Where the changes come from, or go to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct End {
    branch: Option<Branch>,
    commit: Option<Commit>,
    repository: Option<Repository>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Commit {
    hash: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Participant {
    user: Account,
    approved: bool,
}

impl End {
    fn branch(&self) -> Option<&str> {
        self.branch.as_ref()?.name.as_deref()
    }
}

impl PullRequest {
    /// What a change must say again: Bitbucket takes what is left out for what is to be emptied.
    pub(super) fn kept(&self) -> Map<String, Value> {
        let mut kept = Map::new();
        put(&mut kept, "type", "pullrequest");
        put(&mut kept, "title", self.title.as_deref());
        put(&mut kept, "description", self.description.as_deref());
        put(&mut kept, "close_source_branch", self.close_source_branch);
        put(&mut kept, "draft", self.draft);
        if let Some(branch) = self.destination.as_ref().and_then(End::branch) {
            kept.insert("destination".to_owned(), json!({"branch": {"name": branch}}));
        }
        let reviewers = self.reviewers.iter().flatten().filter_map(|reviewer| reviewer.uuid.as_ref());
        put(
            &mut kept,
            "reviewers",
            reviewers.map(|uuid| json!({"type": "user", "uuid": uuid})).collect::<Vec<_>>(),
        );
        kept
    }

    /// Whether it has been merged.
    pub(super) fn is_merged(&self) -> bool {
        self.state.as_deref() == Some("MERGED")
    }
}

/// The item that a pull request of `repository` is.
pub(super) fn item(repository: &RepositoryName, whole: Whole<PullRequest>, raw: bool) -> Item {
    let Whole { known: pull_request, raw: answer } = whole;
    // A repository may be asked for by its UUID; what its pull requests are called by are its names.
    let told = pull_request.destination.as_ref().and_then(|end| end.repository.as_ref()?.name());
    let repository = told.as_ref().unwrap_or(repository);
    Item {
        id: repository.pull_request(pull_request.id).to_string(),
        kind: "pull_request",
        title: pull_request.title.clone(),
        text: pull_request.description.clone().filter(|text| !text.is_empty()),
        url: pull_request.links.page(),
        author: pull_request.author.as_ref().map(Account::author),
        container_id: Some(repository.to_string()),
        created_at: pull_request.created_on.as_deref().and_then(moment),
        updated_at: pull_request.updated_on.as_deref().and_then(moment),
        etag: None,
        extra: extra(repository, &pull_request),
        raw: answer.when(raw),
    }
}

fn extra(repository: &RepositoryName, pull_request: &PullRequest) -> Map<String, Value> {
    let mut extra = Map::new();
    put(&mut extra, "number", pull_request.id);
    put(&mut extra, "state", pull_request.state.as_deref().map(str::to_lowercase));
    put(&mut extra, "is_draft", pull_request.draft);
    if let Some(source) = &pull_request.source {
        put(&mut extra, "source_branch", source.branch());
        put(&mut extra, "source_commit", source.commit.as_ref().and_then(|commit| commit.hash.as_deref()));
        // A fork; it may have been deleted.
        let fork = source.repository.as_ref().and_then(Repository::name).filter(|fork| fork != repository);
        put(&mut extra, "source_repository", fork.map(|fork| fork.to_string()));
    }
    put(&mut extra, "destination_branch", pull_request.destination.as_ref().and_then(End::branch));
    put(
        &mut extra,
        "merge_commit",
        pull_request.merge_commit.as_ref().and_then(|commit| commit.hash.as_deref()),
    );
    put(&mut extra, "comment_count", pull_request.comment_count);
    put(&mut extra, "task_count", pull_request.task_count);
    put(&mut extra, "close_source_branch", pull_request.close_source_branch);
    put(&mut extra, "closed_by", pull_request.closed_by.as_ref().map(Account::told).unwrap_or_default());
    put(&mut extra, "reason", pull_request.reason.as_deref());
    let told = |accounts: Vec<&Account>| accounts.into_iter().map(Account::told).map(Value::Object).collect();
    let reviewers: Vec<Value> = told(pull_request.reviewers.iter().flatten().collect());
    let approved = pull_request.participants.iter().flatten().filter(|participant| participant.approved);
    let approved: Vec<Value> = told(approved.map(|participant| &participant.user).collect());
    put(&mut extra, "reviewers", reviewers);
    put(&mut extra, "approved_by", approved);
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &Value) -> Item {
        let repository = RepositoryName::new("acme", "site").unwrap();
        item(&repository, serde_json::from_value(answer.clone()).unwrap(), true)
    }

    fn answer() -> Value {
        let ann = json!({"type": "user", "uuid": "{a}", "display_name": "Ann", "account_id": "712020:a"});
        let ben = json!({"type": "user", "uuid": "{b}", "nickname": "ben"});
        json!({
            "type": "pullrequest", "id": 12, "title": "Add a footer", "description": "With *links*.",
            "summary": {"type": "rendered", "raw": "With *links*.", "markup": "markdown", "html": "<p>…</p>"},
            "state": "MERGED", "draft": false, "author": ann, "closed_by": ben, "reason": "",
            "merge_commit": {"type": "commit", "hash": "0f3c1d2e4b5a"}, "comment_count": 3, "task_count": 0,
            "close_source_branch": true, "reviewers": [ben], "participants": [
                {"type": "participant", "user": ben, "role": "REVIEWER", "approved": true, "state": "approved"},
                {"type": "participant", "user": ann, "role": "PARTICIPANT", "approved": false, "state": null}],
            "created_on": "2026-11-01T10:00:00.5+00:00", "updated_on": "2026-11-02T10:00:00+00:00",
            "source": {"branch": {"name": "footer"}, "commit": {"hash": "a1b2c3d4e5f6"},
                "repository": {"type": "repository", "full_name": "ann/site", "name": "Site"}},
            "destination": {"branch": {"name": "main"}, "commit": {"hash": "b1b2c3d4e5f6"},
                "repository": {"type": "repository", "full_name": "acme/site", "name": "Site"}},
            "links": {"html": {"href": "https://bitbucket.org/acme/site/pull-requests/12"}},
        })
    }

    #[test]
    fn what_a_pull_request_has_is_told() {
        let item = read(&answer());
        assert_eq!((item.id.as_str(), item.kind), ("acme:site:12", "pull_request"));
        assert_eq!(
            (item.title.as_deref(), item.text.as_deref()),
            (Some("Add a footer"), Some("With *links*."))
        );
        assert_eq!(item.container_id.as_deref(), Some("acme:site"));
        assert_eq!(item.url.as_deref(), Some("https://bitbucket.org/acme/site/pull-requests/12"));
        assert_eq!(item.author.unwrap().id.as_deref(), Some("{a}"));
        assert_eq!(item.created_at.unwrap().as_millisecond(), 1_793_527_200_500);
        assert_eq!(
            Value::Object(item.extra),
            json!({
                "number": 12, "state": "merged", "is_draft": false, "source_branch": "footer",
                "source_commit": "a1b2c3d4e5f6", "source_repository": "ann:site", "destination_branch": "main",
                "merge_commit": "0f3c1d2e4b5a", "comment_count": 3, "task_count": 0, "close_source_branch": true,
                "closed_by": {"id": "{b}", "name": "ben"}, "reviewers": [{"id": "{b}", "name": "ben"}],
                "approved_by": [{"id": "{b}", "name": "ben"}],
            })
        );
        assert_eq!(item.raw, Some(answer()));
    }

    #[test]
    fn its_names_are_those_that_are_told() {
        let mut moved = answer();
        moved["destination"]["repository"]["full_name"] = "acme/website".into();
        assert_eq!(read(&moved).id, "acme:website:12");
        // The fork has been deleted, and little is told.
        let bare = json!({"id": 7, "source": {"branch": {"name": "x"}, "repository": null, "commit": null},
            "merge_commit": null, "closed_by": null, "reviewers": null});
        let item = read(&bare);
        assert_eq!((item.id.as_str(), item.container_id.as_deref()), ("acme:site:7", Some("acme:site")));
        assert_eq!(Value::Object(item.extra), json!({"number": 7, "source_branch": "x"}));
    }

    #[test]
    fn a_change_keeps_the_rest() {
        let pull_request: PullRequest = serde_json::from_value(answer()).unwrap();
        assert_eq!(
            Value::Object(pull_request.kept()),
            json!({
                "type": "pullrequest", "title": "Add a footer", "description": "With *links*.",
                "close_source_branch": true, "draft": false,
                "destination": {"branch": {"name": "main"}}, "reviewers": [{"type": "user", "uuid": "{b}"}],
            })
        );
    }
}

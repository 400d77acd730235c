//! A GitHub that answers as it is told, and what it answers with.

use std::sync::Arc;
use std::time::Duration;

use connectors::Context;
use connectors::github::GitHubConnector;
use connectors::http::{Http, Settings};
use model::Ambient;
use serde_json::{Value, json};

use crate::caller::{Fixed, raw};
use crate::http::vendor::{FakeVendor, Turn, with_headers};
use crate::http::world::{context, settings};

/// The connector, and the GitHub that it calls.
pub(super) struct Hub {
    pub(super) vendor: FakeVendor,
    pub(super) github: GitHubConnector,
    pub(super) context: Context,
}

impl Hub {
    /// A GitHub that answers in these turns, at a root like that of GitHub Enterprise Server.
    pub(super) async fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let vendor = FakeVendor::new(turns).await;
        let base_urls = [("github".to_owned(), vendor.url.join("/api/v3").unwrap())].into();
        let settings = Settings { base_urls, attempt_timeout: Duration::from_secs(5), ..settings() };
        let http = Http::new(settings, Ambient::system()).unwrap();
        let github = GitHubConnector::new(&http);
        Self { vendor, github, context: context("acme", "c1", Arc::new(Fixed("gho_token".to_owned()))) }
    }

    /// The connection where GitHub's own answers are wanted, too.
    pub(super) fn raw(&self) -> Context {
        raw(&self.context)
    }

    /// The answer that ends in a link to the page of this number.
    pub(super) fn then_linked(&self, page: u32, body: &Value) {
        let root = self.vendor.url.join("/api/v3").unwrap();
        let link =
            format!("<{root}/x?page=1>; rel=\"prev\", <{root}/x?per_page=2&page={page}>; rel=\"next\"");
        self.vendor.then([with_headers(200, &[("link", &link)], body)]);
    }

    /// What was asked: method, path and query.
    pub(super) fn lines(&self) -> Vec<String> {
        self.vendor.lines("/api/v3")
    }

    /// The JSON that was sent with the call of this number, from 0.
    pub(super) fn sent(&self, call: usize) -> Value {
        self.vendor.sent(call)
    }
}

/// A repository of Ann's.
pub(super) fn repository(name: &str) -> Value {
    json!({
        "id": 1_296_269, "node_id": "R_1", "name": name, "full_name": format!("ann/{name}"),
        "owner": {"login": "ann", "id": 1, "type": "User"},
        "private": true, "visibility": "private", "html_url": format!("https://github.com/ann/{name}"),
        "description": "Bread and apples", "fork": false, "archived": false, "homepage": "",
        "language": null, "topics": ["food"], "stargazers_count": 80, "forks_count": 0, "open_issues_count": 3,
        "has_issues": true, "default_branch": "main", "license": null,
        "created_at": "2026-01-26T19:01:12Z", "updated_at": "2026-02-26T19:14:43Z", "pushed_at": "2026-02-26T19:06:43Z",
    })
}

/// An issue in the repository `shop`.
pub(super) fn issue(number: u64, title: &str) -> Value {
    json!({
        "id": 9000 + number, "number": number, "title": title, "state": "open", "state_reason": null,
        "repository_url": "https://api.github.com/repos/ann/shop",
        "html_url": format!("https://github.com/ann/shop/issues/{number}"),
        "user": {"login": "ben", "id": 2}, "body": "It **fails**.",
        "labels": [{"id": 1, "name": "bug", "color": "f00"}], "assignees": [{"login": "ann", "id": 1}],
        "milestone": {"number": 1, "title": "v1.0"}, "type": {"id": 1, "name": "Bug"}, "locked": false, "comments": 2,
        "created_at": "2026-04-22T13:33:48Z", "updated_at": "2026-04-23T13:33:48Z", "closed_at": null,
    })
}

/// A pull request, as it stands among issues.
pub(super) fn pull_request(number: u64) -> Value {
    let mut issue = issue(number, "Mend it");
    let at = format!("https://api.github.com/repos/ann/shop/pulls/{number}");
    issue.as_object_mut().unwrap().insert("pull_request".to_owned(), json!({"url": at}));
    issue
}

pub(super) fn comment(id: u64) -> Value {
    json!({
        "id": id, "body": "Me *too*", "html_url": format!("https://github.com/ann/shop/issues/7#issuecomment-{id}"),
        "user": {"login": "ben", "id": 2}, "issue_url": "https://api.github.com/repos/ann/shop/issues/7",
        "created_at": "2026-04-14T16:00:49Z", "updated_at": "2026-04-14T16:00:50Z",
    })
}

//! An account at a Bitbucket that answers as it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use connectors::Context;
use connectors::bitbucket::BitbucketConnector;
use connectors::connector::Listing;
use connectors::http::{Http, Settings};
use model::Ambient;
use serde_json::{Value, json};

use crate::caller::raw;
use crate::http::vendor::{Asked, FakeVendor, Turn};
use crate::http::world as http;

/// Bitbucket, and Ann's connection to it.
pub(super) struct World {
    pub(super) vendor: FakeVendor,
    pub(super) bitbucket: BitbucketConnector,
    pub(super) context: Context,
    tokens: Arc<http::Tokens>,
}

impl World {
    pub(super) async fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let http::World { vendor, context, tokens, .. } = http::World::new(turns).await;
        let base_urls = [("bitbucket".to_owned(), vendor.url.clone())].into();
        let calls = Http::new(Settings { base_urls, ..http::settings() }, Ambient::system()).unwrap();
        Self { vendor, bitbucket: BitbucketConnector::new(&calls), context, tokens }
    }

    /// The connection where the vendor's own answers are wanted, too.
    pub(super) fn raw(&self) -> Context {
        raw(&self.context)
    }

    /// The calls, as method, path and query, the latter unescaped.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |asked: &Asked| {
            let pairs = url::form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes());
            let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
            let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
            format!("{} {}{query}", asked.method, asked.uri.path())
        };
        self.vendor.asked().iter().map(line).collect()
    }

    /// The JSON that was sent with the call of this number, from 0.
    pub(super) fn sent(&self, call: usize) -> Value {
        self.vendor.sent(call)
    }

    /// How many times the token was said to be refused.
    pub(super) fn rejected(&self) -> usize {
        self.tokens.rejected.load(Ordering::SeqCst)
    }
}

/// A page of at most 100.
pub(super) fn filtered(filters: &[(&'static str, &str)]) -> Listing {
    Listing { max_results: 100, ..crate::caller::filtered(filters) }
}

/// A repository, as it is told.
pub(super) fn repository(workspace: &str, slug: &str) -> Value {
    json!({
        "type": "repository", "uuid": "{0f3c1d2e-0000-4000-8000-000000000001}", "scm": "git", "name": slug,
        "full_name": format!("{workspace}/{slug}"), "slug": slug, "description": "Made for people", "size": 2048,
        "is_private": true, "language": "rust", "mainbranch": {"type": "branch", "name": "main"},
        "created_on": "2026-10-01T08:00:00.123456+00:00", "updated_on": "2026-11-20T08:00:00.123456+00:00",
        "owner": {"type": "team", "uuid": "{ws}", "display_name": "Acme", "username": workspace},
        "workspace": {"type": "workspace", "slug": workspace, "name": "Acme", "uuid": "{ws}"},
        "project": {"type": "project", "key": "WEB", "name": "Web", "uuid": "{pr}"},
        "links": {"self": {"href": format!("https://api.bitbucket.org/2.0/repositories/{workspace}/{slug}")},
            "html": {"href": format!("https://bitbucket.org/{workspace}/{slug}")},
            "clone": [{"name": "https", "href": format!("https://bitbucket.org/{workspace}/{slug}.git")}]},
    })
}

/// A pull request of acme's site, as it is told when it is asked for by itself.
pub(super) fn pull_request(number: u64, state: &str) -> Value {
    let site = json!({"type": "repository", "full_name": "acme/site", "name": "site", "uuid": "{r}"});
    let ben = json!({"type": "user", "uuid": "{b}", "display_name": "Ben", "nickname": "ben"});
    json!({
        "type": "pullrequest", "id": number, "title": "Add a footer", "description": "With *links*.", "state": state,
        "draft": false, "comment_count": 2, "task_count": 0, "close_source_branch": true, "reason": "",
        "author": {"type": "user", "uuid": "{a}", "display_name": "Ann", "account_id": "712020:a"},
        "source": {"branch": {"name": "footer"}, "commit": {"hash": "a1b2c3d4e5f6"}, "repository": site},
        "destination": {"branch": {"name": "main"}, "commit": {"hash": "b1b2c3d4e5f6"}, "repository": site},
        "created_on": "2026-11-01T10:00:00.500000+00:00", "updated_on": "2026-11-02T10:00:00.000000+00:00",
        "merge_commit": null, "closed_by": null, "reviewers": [ben],
        "participants": [{"type": "participant", "user": ben, "role": "REVIEWER", "approved": false, "state": null}],
        "links": {"html": {"href": format!("https://bitbucket.org/acme/site/pull-requests/{number}")}},
    })
}

//! GitHub.

use connectors::project::{Assignment, IssueChanges, NewIssue};
use serde_json::json;

use super::Contract;
use super::exercise::{Samples, page};

pub(super) async fn is_called_as_github_describes_it() {
    let state = |status: &str| IssueChanges { status: Some(status.into()), ..IssueChanges::default() };
    let samples = Samples {
        lists: vec![page(&[]), page(&[("visibility", "private")])],
        searches: vec![("bread in:name user:octocat", page(&[]))],
        items: vec!["octocat:Hello-World"],
        made: vec![
            json!({"title": "shop"}),
            json!({"title": "shop", "text": "Bread", "homepage": "https://shop.example", "is_private": true,
                   "has_issues": false, "raw": {"auto_init": true}}),
            json!({"title": "shop", "text": "Bread", "organization": "acme", "is_private": true}),
        ],
        changes: vec![
            ("octocat:Hello-World", json!({"title": "store"})),
            (
                "octocat:Hello-World",
                json!({"text": "Bread", "homepage": "https://shop.example", "is_private": false,
                "is_archived": true, "has_issues": true, "default_branch": "trunk"}),
            ),
        ],
        spoken_about: "octocat:Hello-World:7",
        project: "octocat:Hello-World",
        issue_lists: vec![page(&[("state", "closed"), ("labels", "bug,docs"), ("assignee", "octocat")])],
        issue: "octocat:Hello-World:7",
        // Without a type: GitHub's document has none yet, its page on making issues has.
        new_issues: vec![
            NewIssue { project: "octocat:Hello-World".into(), title: "A".into(), ..NewIssue::default() },
            NewIssue {
                project: "octocat:Hello-World".into(),
                title: "A".into(),
                text: Some("It **fails**.".into()),
                assignee: Some("octocat".into()),
                labels: vec!["bug".into()],
                ..NewIssue::default()
            },
        ],
        issue_changes: vec![
            IssueChanges {
                title: Some("B".into()),
                text: Some("It works.".into()),
                assignee: Some(Assignment::To("octocat".into())),
                labels: Some(vec!["done".into()]),
                comment: Some("Done.".into()),
                ..IssueChanges::default()
            },
            IssueChanges {
                assignee: Some(Assignment::Nobody),
                labels: Some(Vec::new()),
                ..state("completed")
            },
            state("reopened"),
            state("not planned"),
            state("duplicate"),
            state("open"),
        ],
        ..Samples::default()
    };
    Contract::of("github", "").await.is_kept(&samples).await;
}

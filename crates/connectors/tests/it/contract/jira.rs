//! Jira.

use connectors::project::{Assignment, IssueChanges, NewIssue};
use serde_json::json;

use super::exercise::{Samples, page};
use super::{Contract, SITE};

/// An account of the document's examples.
const ACCOUNT: &str = "5b10a2844c20165700ede21g";

fn project() -> NewIssue {
    NewIssue { project: "ED".into(), title: "It fails".into(), ..NewIssue::default() }
}

fn made() -> Vec<NewIssue> {
    let text =
        "It **fails**:\n\n- at *night*\n- `often`\n\n```rust\nfn main() {}\n```\n\n[here](https://a.example)";
    vec![
        project(),
        NewIssue {
            kind: Some("Bug".into()),
            text: Some(text.into()),
            assignee: Some(ACCOUNT.into()),
            priority: Some("High".into()),
            labels: vec!["checkout".into()],
            parent: Some("ED-1".into()),
            ..project()
        },
    ]
}

fn changes() -> Vec<IssueChanges> {
    let none = IssueChanges::default;
    vec![
        IssueChanges {
            title: Some("It works".into()),
            text: Some("At last.".into()),
            assignee: Some(Assignment::To(ACCOUNT.into())),
            priority: Some("Low".into()),
            labels: Some(vec!["done".into()]),
            comment: Some("**Done**".into()),
            ..none()
        },
        IssueChanges { assignee: Some(Assignment::Nobody), labels: Some(Vec::new()), ..none() },
        // A transition of the document's example, and its fields.
        IssueChanges { status: Some("Close Issue".into()), ..none() },
    ]
}

pub(super) async fn is_called_as_atlassian_describes_it() {
    let samples = Samples {
        lists: vec![
            page(&[]),
            page(&[
                ("project", "ED"),
                ("status", "In \"Arbeit\""),
                ("issue_type", "Bug"),
                ("labels", "checkout"),
                ("assignee", "me"),
                ("updated_after", "2026-11-21T15:00:00Z"),
                ("order_by", "created asc"),
            ]),
        ],
        searches: vec![
            ("invoice 2026", page(&[])),
            ("project = ED order by key", page(&[("assignee", "none")])),
        ],
        items: vec!["ED-1", "10002"],
        made: vec![
            json!({"project": "ED", "title": "A"}),
            json!({"project": "10000", "issue_type": "Bug", "title": "B", "text": "x", "due_date": "2026-12-01",
                   "raw": {"environment": null}}),
        ],
        changes: vec![("ED-1", json!({"title": "C", "due_date": null})), ("ED-1", json!({"comment": "x"}))],
        spoken_about: "ED-1",
        project: "ED",
        issue: "ED-1",
        new_issues: made(),
        issue_changes: changes(),
        ..Samples::default()
    };
    Contract::of("jira", &format!("/ex/jira/{SITE}")).await.is_kept(&samples).await;
}
